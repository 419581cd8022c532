//! What functions are made of beside their steps: requests and replies, batches and announcements of work, errors and
//! what follows from them, the rate budget, and the start.

mod announce;
mod batch;
pub mod budget;
pub mod error;
pub mod http;
pub mod init;
pub mod redirects;
mod verified;

pub use announce::{announce_change, announce_end, announce_record, announce_run};
pub use batch::each;
pub use verified::verified;
