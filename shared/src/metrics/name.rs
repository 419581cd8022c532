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
    /// A record was stored although one of its Patients differs from the person.
    RecordsDifferent: Count,
    /// Quarantines that began or were extended.
    RecordsQuarantined: Count,
    /// Persons whose records are quarantined; not written for zero.
    QuarantinesActive: Count,
    /// Quarantines whose deadline has passed; not written for zero.
    QuarantinesOverdue: Count,
    /// The time from the request for an erasure to its receipt.
    ErasureTime: Milliseconds,
    /// Erasures without a receipt six hours after their request; not written for zero.
    ErasuresLate: Count,
    /// A delivery was verified and, unless it is a ping, queued. Repeated deliveries count again.
    WebhooksAccepted: Count by "Event",
    /// A delivery was answered with an error.
    WebhooksRefused: Count by "Reason",
    /// How long a delivery was on its way.
    WebhookAge: Milliseconds,
    /// The webhook keys were read again, because a signature did not match or the known keys were old. A read of old
    /// keys counts only if it fails.
    WebhookKeyRefetches: Count by "Outcome",
    /// A person was not linked to a patient.
    LinksRefused: Count by "Reason",
    /// The duration of an upstream call, with any outcome.
    UpstreamLatency: Milliseconds by "Operation",
    /// An upstream call failed.
    UpstreamErrors: Count by "Kind",
    /// How long a start waits for its turn, if it has to wait.
    BudgetWait: Milliseconds by "Budget",
    /// A call was not made, because the rate budget had no place for it or the day had no call left.
    BudgetRefusals: Count by "Budget",
    /// A request was refused, because the person had used up their own share.
    ShareRefusals: Count by "Share",
    /// The used part of the day's calls that Metriport allows; written once for each whole percent.
    DailyQuotaUsed: Percent,
    /// A message was given up, and is stored as a dead letter.
    DeadLetters: Count by "Reason",
    /// The number of overdue items that one invocation of `reconcile` found; not written for zero.
    OverdueItems: Count,
    /// How long the oldest overdue item has been due.
    OverdueAge: Milliseconds,
    /// The number of overdue items that one invocation of `reconcile` left to the next, at least; not written for zero.
    OverdueLeft: Count,
    /// Deliveries that failed and have not arrived since, as Metriport counts them; written at each check.
    FailedDeliveries: Count,
    /// `reconcile` asked Metriport to send failed deliveries again.
    ReplaysRequested: Count,
    /// 1 if a check found that replays no longer help, otherwise 0.
    ReplaysStalled: Count,
    /// The time since the end of the last sealed day of the access log; written by each invocation of `log-seal`.
    SealAge: Milliseconds,
}
