//! The list of metrics, with their units and dimensions.

/// A unit, in CloudWatch's words (docs.aws.amazon.com, `MetricDatum`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// A duration.
    Milliseconds,
    /// A size.
    Bytes,
    /// A percentage.
    Percent,
}

impl Unit {
    /// CloudWatch's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Bytes => "Bytes",
            Self::Percent => "Percent",
        }
    }
}

/// Makes the list: each name with its unit and, if it has one, the dimension besides the stage.
macro_rules! names {
    (@dimension) => { None };
    (@dimension $dimension:literal) => { Some($dimension) };
    ($($(#[$doc:meta])* $name:ident: $unit:ident $(by $dimension:literal)?,)*) => {
        /// The name of a metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Name { $($(#[$doc])* $name,)* }

        impl Name {
            /// All names.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name in CloudWatch.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The unit.
            #[must_use]
            pub const fn unit(self) -> Unit {
                match self { $(Self::$name => Unit::$unit,)* }
            }

            /// The dimension besides the stage.
            #[must_use]
            pub const fn dimension(self) -> Option<&'static str> {
                match self { $(Self::$name => names!(@dimension $($dimension)?),)* }
            }
        }
    };
}

names! {
    /// A pull was accepted.
    PullsStarted: Count,
    /// A pull ended. A pull that had expired may end again.
    PullsEnded: Count by "State",
    /// A record ended.
    RecordsEnded: Count by "State",
    /// The size of a record that was stored.
    RecordBytes: Bytes,
    /// A delivery was verified and, unless it is a ping, is durable. Repeated deliveries count again.
    WebhooksAccepted: Count by "Event",
    /// A delivery was answered with an error.
    WebhooksRefused: Count by "Reason",
    /// How long a delivery was on its way.
    WebhookAge: Milliseconds,
    /// The webhook keys were read again, because a signature did not match or the keys were old. For old keys, only
    /// failures count.
    WebhookKeyRefetches: Count by "Outcome",
    /// A person was not linked to a patient.
    LinksRefused: Count by "Reason",
    /// The duration of an upstream call, with any outcome.
    UpstreamLatency: Milliseconds by "Operation",
    /// An upstream call failed.
    UpstreamErrors: Count by "Kind",
    /// How long a start waits for its turn, if it has to wait.
    BudgetWait: Milliseconds by "Budget",
    /// A call was not made, because the rate budget or the day had no place for it.
    BudgetRefusals: Count by "Budget",
    /// A request was refused, because the person had used up their own share.
    ShareRefusals: Count by "Share",
    /// The used part of the day's calls that Metriport allows; written once for each whole percent.
    DailyQuotaUsed: Percent,
    /// A message was given up, and is stored as a dead letter.
    DeadLetters: Count by "Reason",
    /// The overdue work that one tick found; not written for zero.
    OverdueItems: Count,
    /// For how long the oldest overdue work has been due.
    OverdueAge: Milliseconds,
    /// The least number of overdue items that one tick left to the next; not written for zero.
    OverdueLeft: Count,
    /// Deliveries that failed and have not arrived since, as Metriport counts them; written at each check.
    FailedDeliveries: Count,
    /// Failed deliveries were requested again.
    ReplaysRequested: Count,
    /// 1 at a check that found that replays no longer help, otherwise 0.
    ReplaysStalled: Count,
}
