//! Ports: small traits for the things that a step may do. A step's bounds are its privileges: with only `&impl
//! ReadPull`, a step cannot write.
//!
//! A function's `Deps` holds the adapters and names each one by a `Has…` trait. Every port of an adapter is then a port
//! of `Deps`. The function's trait `Ports` lists the ports that its steps use.
//!
//! The simulation (`tests/simulation`) implements the ports over a model in virtual time, and runs the same steps.

mod api_key;
mod signature;
pub mod upstream;

pub use api_key::{ApiKeyRead, ReadApiKey};
pub use signature::SignatureError;

use std::time::Duration;

use crate::domain::consent::ConsentRule;
use crate::domain::{PullId, RecordId, Time, Timing};

/// Defines a port, and implements it for every type that holds an adapter with this port.
///
/// `port! { pub trait ReadPull via HasStore { async fn pull(&self, …) -> …; } }` defines the trait. Every type that
/// holds a store with this trait then has the trait, too.
macro_rules! port {
    ($(#[$about:meta])* pub trait $port:ident via $has:ident {
        $($(#[$doc:meta])* async fn $method:ident(&self $(, $argument:ident: $type:ty)* $(,)?) -> $answer:ty;)*
    }) => {
        $(#[$about])*
        pub trait $port {
            $($(#[$doc])* fn $method(&self $(, $argument: $type)*) -> impl Future<Output = $answer> + Send;)*
        }

        impl<T: $crate::ports::$has<Adapter: $port>> $port for T {
            $(fn $method(&self $(, $argument: $type)*) -> impl Future<Output = $answer> + Send {
                $crate::ports::$has::adapter(self).$method($($argument),*)
            })*
        }
    };
}
pub(crate) use port;

macro_rules! has {
    ($($(#[$doc:meta])* $has:ident),* $(,)?) => {$(
        $(#[$doc])*
        pub trait $has {
            /// The adapter's type.
            type Adapter;
            /// The adapter.
            fn adapter(&self) -> &Self::Adapter;
        }
    )*};
}

has! {
    /// Holds the table.
    HasStore,
    /// Holds the queue of due work.
    HasAdvances,
    /// Holds the queue of links to fetch.
    HasFetches,
    /// Holds the queue of work on whole persons.
    HasAccountWork,
    /// Holds the queue of webhook events.
    HasWebhookEvents,
    /// Holds a client of Metriport.
    HasUpstream,
    /// Holds the bucket of records.
    HasBucket,
    /// Holds the bucket of seals.
    HasSeals,
    /// Holds the key that signs seals.
    HasSealKey,
    /// Holds the rate budget.
    HasBudget,
    /// Holds a clock.
    HasClock,
    /// Holds the rule by which the deployment asks for consent.
    HasConsentRule,
    /// Holds the days for which records stay without consent to `keep`.
    HasRetention,
    /// Holds the stack's name.
    HasStackName,
}

/// Names the fields of a function's `Deps` that are adapters: `shared::holds!(Deps { HasStore: table: Table });`.
#[macro_export]
macro_rules! holds {
    ($deps:ty { $($has:ident: $field:ident: $adapter:ty),* $(,)? }) => {$(
        impl $crate::ports::$has for $deps {
            type Adapter = $adapter;
            fn adapter(&self) -> &$adapter {
                &self.$field
            }
        }
    )*};
}

/// Names several ports as one trait. Every type that has all of these ports has the trait.
#[macro_export]
macro_rules! ports {
    ($(#[$about:meta])* $public:vis trait $ports:ident = $first:ident $(+ $port:ident)*;) => {
        $(#[$about])*
        $public trait $ports: $first $(+ $port)* + Sync {}

        impl<T: $first $(+ $port)* + Sync> $ports for T {}
    };
}

/// Gives the time and all durations.
pub trait Clock {
    /// The time of the function's machine.
    fn now(&self) -> Time;
    /// All durations.
    fn timing(&self) -> Timing;
}

port! {
    /// Waits.
    pub trait Pause via HasClock {
        /// Waits for `span`.
        async fn pause(&self, span: Duration) -> ();
    }
}

/// Makes ids.
pub trait NewIds {
    /// An id for the record that a pull may make when it reaches this version.
    fn new_record(&self, pull: PullId, version: u64) -> RecordId;
}

impl<T: HasClock<Adapter: Clock>> Clock for T {
    fn now(&self) -> Time {
        self.adapter().now()
    }

    fn timing(&self) -> Timing {
        self.adapter().timing()
    }
}

impl<T: HasClock<Adapter: NewIds>> NewIds for T {
    fn new_record(&self, pull: PullId, version: u64) -> RecordId {
        self.adapter().new_record(pull, version)
    }
}

/// Names the stage of the deployment.
pub trait Stage {
    /// `STAGE`, sent upstream as metadata.
    fn stage(&self) -> &str;
}

/// Names the rule by which the deployment asks for consent.
pub trait ConsentTerms {
    /// The rule.
    fn consent_rule(&self) -> &ConsentRule;
}

impl<T: HasConsentRule<Adapter = ConsentRule>> ConsentTerms for T {
    fn consent_rule(&self) -> &ConsentRule {
        self.adapter()
    }
}

/// Names the stack, as seals, exports of the access log and receipts do.
pub trait StackName {
    /// `STACK_NAME`.
    fn stack_name(&self) -> &str;
}

impl<T: HasStackName<Adapter = String>> StackName for T {
    fn stack_name(&self) -> &str {
        self.adapter()
    }
}

/// Names how long a record stays without consent to `keep`.
pub trait Retention {
    /// Days after the record's end, or after the end of the consent to `keep` if that is later.
    fn record_retention_days(&self) -> u32;
}

impl<T: HasRetention<Adapter = u32>> Retention for T {
    fn record_retention_days(&self) -> u32 {
        *self.adapter()
    }
}
