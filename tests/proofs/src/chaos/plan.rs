//! Decides when each fault occurs, by a seeded random generator and the share of each kind. `inject` makes the faults.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// A kind of fault, as it is counted and printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A webhook never arrives; Metriport counts it as failed.
    WebhookDropped,
    /// A webhook arrives twice.
    WebhookDoubled,
    /// A webhook is late, so that others overtake it.
    WebhookDelayed,
    /// A webhook arrives and its 200 is lost: Metriport counts it as failed and replays it.
    WebhookAnswerLost,
    /// The answer to a start is held back until its webhooks have arrived.
    WebhookBeforeAnswer,
    /// An answer of Metriport is late.
    UpstreamLatency,
    /// 429 of the per-operation limiter: text, with `Retry-After`.
    UpstreamLimited,
    /// 429 of the gateway, with the gateway's own JSON.
    UpstreamThrottled,
    /// 429 of one source, inside a start that succeeds.
    SourceLimited,
    /// 500 without an effect.
    UpstreamError,
    /// 500 after the effect.
    UpstreamErrorAfter,
    /// 504 of the gateway after the effect.
    UpstreamTimeout,
    /// 200 with truncated JSON, after the effect.
    UpstreamTruncated,
    /// The connection ends before the effect.
    ResetBefore,
    /// The connection ends after the effect.
    ResetAfter,
    /// A record link answers 403.
    LinkDead,
    /// A queue message is delivered twice.
    QueueDuplicate,
    /// DynamoDB throttles a request.
    TableThrottled,
    /// A request to AWS fails with 500.
    AwsError,
    /// A request to AWS is lost before its effect.
    AwsLostBefore,
    /// A request to AWS has its effect, and its answer is lost.
    AwsLostAfter,
    /// A process is killed before one of its calls is forwarded.
    KilledBeforeCall,
    /// A process is killed after one of its calls had its effect.
    KilledAfterCall,
    /// A process is killed before it takes an invocation.
    KilledBeforeInvocation,
    /// A process is killed after its work, before its reply counts.
    KilledAfterInvocation,
}

impl Kind {
    pub const ALL: [Self; 25] = [
        Self::WebhookDropped,
        Self::WebhookDoubled,
        Self::WebhookDelayed,
        Self::WebhookAnswerLost,
        Self::WebhookBeforeAnswer,
        Self::UpstreamLatency,
        Self::UpstreamLimited,
        Self::UpstreamThrottled,
        Self::SourceLimited,
        Self::UpstreamError,
        Self::UpstreamErrorAfter,
        Self::UpstreamTimeout,
        Self::UpstreamTruncated,
        Self::ResetBefore,
        Self::ResetAfter,
        Self::LinkDead,
        Self::QueueDuplicate,
        Self::TableThrottled,
        Self::AwsError,
        Self::AwsLostBefore,
        Self::AwsLostAfter,
        Self::KilledBeforeCall,
        Self::KilledAfterCall,
        Self::KilledBeforeInvocation,
        Self::KilledAfterInvocation,
    ];

    /// Whether a process is killed.
    #[must_use]
    pub fn is_kill(self) -> bool {
        Moment::ALL.iter().any(|moment| moment.kill() == self)
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WebhookDropped => "webhook dropped",
            Self::WebhookDoubled => "webhook doubled",
            Self::WebhookDelayed => "webhook delayed",
            Self::WebhookAnswerLost => "webhook answer lost",
            Self::WebhookBeforeAnswer => "webhook before our own write",
            Self::UpstreamLatency => "upstream late",
            Self::UpstreamLimited => "upstream 429 (limiter)",
            Self::UpstreamThrottled => "upstream 429 (gateway)",
            Self::SourceLimited => "upstream 429 (one source)",
            Self::UpstreamError => "upstream 500 before the effect",
            Self::UpstreamErrorAfter => "upstream 500 after the effect",
            Self::UpstreamTimeout => "upstream 504 after the effect",
            Self::UpstreamTruncated => "upstream JSON truncated",
            Self::ResetBefore => "upstream reset before the effect",
            Self::ResetAfter => "upstream reset after the effect",
            Self::LinkDead => "record link 403",
            Self::QueueDuplicate => "queue message doubled",
            Self::TableThrottled => "table throttled",
            Self::AwsError => "AWS 500",
            Self::AwsLostBefore => "AWS request lost",
            Self::AwsLostAfter => "AWS answer lost",
            Self::KilledBeforeCall => "killed before a call",
            Self::KilledAfterCall => "killed after a call",
            Self::KilledBeforeInvocation => "killed before an invocation",
            Self::KilledAfterInvocation => "killed after an invocation",
        }
    }
}

/// A moment at which a function can be killed or held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before one of its calls has an effect.
    BeforeCall,
    /// After the effect of one of its calls, before the answer.
    AfterCall,
    /// Before it takes an invocation.
    BeforeInvocation,
    /// After its work, before its reply counts.
    AfterInvocation,
}

impl Moment {
    pub const ALL: [Self; 4] = [
        Self::BeforeCall,
        Self::AfterCall,
        Self::BeforeInvocation,
        Self::AfterInvocation,
    ];

    /// The kill at this moment.
    #[must_use]
    pub const fn kill(self) -> Kind {
        match self {
            Self::BeforeCall => Kind::KilledBeforeCall,
            Self::AfterCall => Kind::KilledAfterCall,
            Self::BeforeInvocation => Kind::KilledBeforeInvocation,
            Self::AfterInvocation => Kind::KilledAfterInvocation,
        }
    }

    /// Whether it is a moment of a call.
    #[must_use]
    pub const fn is_call(self) -> bool {
        matches!(self, Self::BeforeCall | Self::AfterCall)
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BeforeCall => "before a call",
            Self::AfterCall => "after a call",
            Self::BeforeInvocation => "before an invocation",
            Self::AfterInvocation => "after an invocation",
        }
    }
}

/// The frequency of each kind, as a share of its occasions: webhooks, calls to Metriport, calls to AWS, or queue
/// messages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Share of all webhooks, replays included.
    pub webhooks_dropped: f64,
    /// Share of all webhooks.
    pub webhooks_doubled: f64,
    /// Factor for the share of every other kind; 0 means no other faults.
    pub others: f64,
    /// Pulls per killed process; 0 turns kills off.
    pub pulls_per_kill: u32,
}

impl Rates {
    /// Rates without any fault.
    pub const NO_FAULTS: Self = Self {
        webhooks_dropped: 0.0,
        webhooks_doubled: 0.0,
        others: 0.0,
        pulls_per_kill: 0,
    };

    /// The share of a kind's occasions at which the fault occurs.
    #[must_use]
    pub fn share(&self, kind: Kind) -> f64 {
        let share = match kind {
            Kind::WebhookDropped => return self.webhooks_dropped,
            Kind::WebhookDoubled => return self.webhooks_doubled,
            Kind::WebhookDelayed => 0.25,
            Kind::WebhookAnswerLost => 0.05,
            Kind::WebhookBeforeAnswer => 0.05,
            Kind::UpstreamLatency => 0.05,
            Kind::LinkDead => 0.05,
            Kind::QueueDuplicate => 0.05,
            Kind::UpstreamLimited
            | Kind::UpstreamThrottled
            | Kind::SourceLimited
            | Kind::UpstreamError
            | Kind::UpstreamErrorAfter
            | Kind::UpstreamTimeout
            | Kind::UpstreamTruncated
            | Kind::ResetBefore
            | Kind::ResetAfter => 0.01,
            Kind::TableThrottled => 0.005,
            Kind::AwsError | Kind::AwsLostBefore | Kind::AwsLostAfter => 0.001,
            // Kills are planned by the number of pulls and not drawn.
            Kind::KilledBeforeCall
            | Kind::KilledAfterCall
            | Kind::KilledBeforeInvocation
            | Kind::KilledAfterInvocation => 0.0,
        };
        share * self.others
    }
}

/// A seeded random generator. The same seed gives the same numbers; the timing of the processes decides which occasion
/// gets which number.
pub struct Dice(Mutex<ChaCha8Rng>);

impl Dice {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(ChaCha8Rng::seed_from_u64(seed)))
    }

    fn rng(&self) -> MutexGuard<'_, ChaCha8Rng> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number below `sides`; 0 if `sides` is 0.
    #[must_use]
    pub fn below(&self, sides: u64) -> u64 {
        if sides == 0 {
            0
        } else {
            self.rng().random_range(0..sides)
        }
    }

    /// Whether an event of this share occurs.
    #[must_use]
    pub fn hits(&self, share: f64) -> bool {
        self.rng().random::<f64>() < share
    }

    /// At most one of these kinds, each with its share; the sum of the shares must not exceed 1.
    #[must_use]
    pub fn one_of(&self, rates: &Rates, kinds: &[Kind]) -> Option<Kind> {
        let mut left: f64 = self.rng().random();
        kinds.iter().copied().find(|kind| {
            left -= rates.share(*kind);
            left < 0.0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUGH: Rates = Rates {
        webhooks_dropped: 0.30,
        webhooks_doubled: 0.20,
        others: 1.0,
        pulls_per_kill: 20,
    };

    #[test]
    fn faults_keep_their_shares_and_depend_on_the_seed() {
        let kinds = [Kind::WebhookDropped, Kind::WebhookDoubled, Kind::WebhookDelayed];
        let throw = |seed| {
            let dice = Dice::new(seed);
            (0..10_000).map(|_| dice.one_of(&ROUGH, &kinds)).collect::<Vec<_>>()
        };
        let thrown = throw(3);
        let share = |kind| thrown.iter().filter(|found| **found == Some(kind)).count();
        assert!((2_800..3_200).contains(&share(Kind::WebhookDropped)));
        assert!((1_800..2_200).contains(&share(Kind::WebhookDoubled)));
        assert!((2_300..2_700).contains(&share(Kind::WebhookDelayed)));
        assert_eq!(thrown, throw(3));
        assert_ne!(thrown, throw(4));
    }

    #[test]
    fn rates_of_zero_never_draw_a_fault() {
        let dice = Dice::new(1);
        assert!((0..1_000).all(|_| dice.one_of(&Rates::NO_FAULTS, &Kind::ALL).is_none()));
    }

    #[test]
    fn names_are_distinct() {
        let names: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
    }
}
