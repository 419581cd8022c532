//! Reads a SAM template into a typed [`Stack`]: the one description of functions, routes, queues, tables, buckets, keys
//! and secrets. The sandbox makes its resources from the stack, and tests check the template with it.
//!
//! The reader knows the resource types and properties that the sandbox uses, and refuses a value that it reads and does
//! not understand. All other parts (policies, alarms) are available unevaluated through [`Stack::resource`].

mod api;
mod bindings;
mod condition;
mod data;
mod error;
mod function;
mod intrinsic;
mod key;
mod node;
mod parameter;
mod queue;
mod schedule;
mod stack;
mod yaml;

pub use api::{Cors, HttpApi, JwtAuthorizer, Throttle};
pub use bindings::Bindings;
pub use data::{
    Bucket, BucketCors, GlobalSecondaryIndex, KeyAttribute, KeyRole, Projection, Secret, SecretSource, Table,
};
pub use error::TemplateError;
pub use function::{Function, QueueSource, Route};
pub use key::{Key, KeyAlias};
pub use parameter::Parameter;
pub use queue::{Queue, Redrive};
pub use schedule::{Schedule, ScheduleKind};
pub use stack::Stack;

#[cfg(test)]
mod tests;
