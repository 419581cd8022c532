//! Reads a SAM template into a typed [`Stack`]: the one description of functions, routes, queues, tables, buckets and
//! secrets, from which the sandbox makes its resources and against which the template is tested.
//!
//! It knows the resource types and properties the sandbox acts on; anything it reads must be understood in full, and
//! anything it does not read (policies, alarms) stays available as written through [`Stack::resource`].

mod api;
mod bindings;
mod condition;
mod data;
mod error;
mod function;
mod intrinsic;
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
pub use parameter::Parameter;
pub use queue::{Queue, Redrive};
pub use schedule::{Schedule, ScheduleKind};
pub use stack::Stack;

#[cfg(test)]
mod tests;
