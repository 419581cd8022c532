//! The HTTP edge: the caller, the request, the reply.

pub mod caller;
pub mod event;
mod link;
pub mod once;
pub mod problem;
pub mod rate_limit;
pub mod reply;
pub mod request;

pub use caller::Caller;
pub use event::serve;
pub use link::LinkView;
pub use once::{Attempt, Post, PostAnswer};
pub use problem::{Code, Next, Problem, SignIn};
pub use rate_limit::limited;
pub use reply::{json, reply_as, respond};
