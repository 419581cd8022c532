//! The list: what is measured, in which unit, and by what it is told apart.

/// A unit, in CloudWatch's words (docs.aws.amazon.com, `MetricDatum`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// A span of time.
    Milliseconds,
    /// A size.
    Bytes,
    /// A share.
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

/// Makes the list: each name with its unit and, where there is one, the dimension besides the stage.
macro_rules! names {
    (@dimension) => { None };
    (@dimension $dimension:literal) => { Some($dimension) };
    ($($(#[$doc:meta])* $name:ident: $unit:ident $(by $dimension:literal)?,)*) => {
        /// What is measured.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Name { $($(#[$doc])* $name,)* }

        impl Name {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name in CloudWatch.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// Its unit.
            #[must_use]
            pub const fn unit(self) -> Unit {
                match self { $(Self::$name => Unit::$unit,)* }
            }

            /// By what it is told apart, besides the stage.
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
    /// A pull ended; one that had expired may end again.
    PullsEnded: Count by "State",
    /// A record ended.
    RecordsEnded: Count by "State",
    /// The size of a record that was stored.
    RecordBytes: Bytes,
    /// A delivery was verified and, but for a ping, is durable. Each delivery counts, also one that came before.
    WebhooksAccepted: Count by "Event",
    /// A delivery was answered with an error.
    WebhooksRefused: Count by "Reason",
    /// How long a delivery was on its way.
    WebhookAge: Milliseconds,
    /// The webhook keys were read again, because a signature did not match or the keys had grown old; of the latter
    /// only what failed.
    WebhookKeyRefetches: Count by "Outcome",
    /// A person was not linked to a patient.
    LinksRefused: Count by "Reason",
    /// How long a call upstream took, whatever came of it.
    UpstreamLatency: Milliseconds by "Operation",
    /// A call upstream failed.
    UpstreamErrors: Count by "Kind",
    /// How long a start has to wait for its turn; only of those that have to.
    BudgetWait: Milliseconds by "Budget",
    /// A call was not made, because the rate budget or the day had no place for it.
    BudgetRefusals: Count by "Budget",
    /// A request was refused because its person had used up their own share.
    ShareRefusals: Count by "Share",
    /// Calls of the day so far, of those that Metriport allows; told once for each whole percent.
    DailyQuotaUsed: Percent,
    /// A message was given up and is kept.
    DeadLetters: Count by "Reason",
    /// How much overdue work one tick found; none is not told.
    OverdueItems: Count,
    /// For how long the oldest of it has been due.
    OverdueAge: Milliseconds,
    /// How much overdue work one tick left to the next, at least; no line where there is none.
    OverdueLeft: Count,
    /// Deliveries that failed and were not had since, as Metriport counts them; told at each look.
    FailedDeliveries: Count,
    /// Failed deliveries were asked for again.
    ReplaysRequested: Count,
    /// 1 at a look that found that replays have stopped helping, else 0.
    ReplaysStalled: Count,
}
