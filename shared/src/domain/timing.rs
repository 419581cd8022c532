//! How long things may take. Deadlines are data: every waiting state carries the time at which it stops waiting.
//!
//! One number, the scale, divides every duration. It exists for the sandbox and its proofs, where a pull that waits
//! hours upstream should take seconds; clocks are never touched. It is refused where Metriport is not on loopback
//! (see [`crate::config`]).

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The durations of the flow, divided by the scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    scale: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self { scale: 1 }
    }
}

impl Timing {
    /// Divides every duration by `scale` (0 counts as 1).
    #[must_use]
    pub fn scaled(scale: u32) -> Self {
        Self { scale: scale.max(1) }
    }

    pub(super) fn of(self, span: Duration) -> Duration {
        span / self.scale
    }

    /// The longest wait that a message of SQS can hold: fifteen minutes.
    #[must_use]
    pub fn queue_delay_max(self) -> Duration {
        self.of(15 * MINUTE)
    }

    /// What a duration was before it was divided: what SQS is told, whose stand-in divides its delays too. SQS counts
    /// whole seconds, which would be rough for durations that are a fraction of one.
    #[must_use]
    pub fn unscaled(self, span: Duration) -> Duration {
        span.saturating_mul(self.scale)
    }

    /// How long an AAL2 session lives with us. Metriport documents no lifetime, only that it is refreshed before each
    /// query; the shortest plausible life is assumed.
    #[must_use]
    pub fn aal2_session(self) -> Duration {
        self.of(5 * MINUTE)
    }

    /// How long a change of a patient may take before another may begin: longer than the calls it makes, and than what
    /// upstream's gateway leaves running when we have given up.
    #[must_use]
    pub fn patient_lease(self) -> Duration {
        self.of(MINUTE)
    }

    /// For how long a refused link of a person counts, so that nobody tries out who is a patient of this account.
    #[must_use]
    pub fn refusal_window(self) -> Duration {
        self.of(HOUR)
    }

    /// How long the work under an idempotency key may take before another request may take it over: longer than the
    /// longest timeout of a function that answers such requests, 29 s, with some room for clocks that differ.
    #[must_use]
    pub fn idempotency_lease(self) -> Duration {
        self.of(Duration::from_secs(35))
    }

    /// How long an idempotency key is kept.
    #[must_use]
    pub fn idempotency_life(self) -> Duration {
        self.of(24 * HOUR)
    }

    /// How long an identity event may follow the expiry of the hosted page it came from.
    #[must_use]
    pub fn identity_grace(self) -> Duration {
        self.of(30 * MINUTE)
    }

    /// How long a start whose outcome is unknown waits for a webhook that proves it happened.
    #[must_use]
    pub fn ambiguous_wait(self) -> Duration {
        self.of(30 * MINUTE)
    }

    /// How long a run waits for its sources. Pharmacies and labs answer by roster, which takes hours.
    #[must_use]
    pub fn run_life(self) -> Duration {
        self.of(48 * HOUR)
    }

    /// How long one consolidated query may take; a PDF conversion takes up to fifteen minutes upstream.
    #[must_use]
    pub fn consolidated_life(self) -> Duration {
        self.of(20 * MINUTE)
    }

    /// How long a record is tried for, over all its consolidated queries.
    #[must_use]
    pub fn record_life(self) -> Duration {
        self.of(3 * HOUR)
    }

    /// How long a record waits for the webhook of its consolidated query before wait number `wait` (from 1) is over and
    /// upstream is asked again: 45 seconds, in which the query usually ends and its webhook comes, and each time twice
    /// as long up to ten minutes. What keeps failing for a minute may work in an hour.
    #[must_use]
    pub fn delivery_wait(self, wait: u32) -> Duration {
        let doubled = 45_u64 << wait.saturating_sub(1).min(4);
        self.of(Duration::from_secs(doubled.min(600)))
    }

    /// How long a record waits after the transfer of attempt number `attempt` (from 1) came to nothing: five seconds,
    /// and each time three times as long up to three minutes.
    #[must_use]
    pub fn attempt_gap(self, attempt: u32) -> Duration {
        let tripled = 5 * 3_u64.pow(attempt.saturating_sub(1).min(5));
        self.of(Duration::from_secs(tripled.min(180)))
    }

    /// How long a link to a record can be followed: three minutes (docs.metriport.com, page
    /// `handling-data/webhooks-with-nq`).
    #[must_use]
    pub fn link_life(self) -> Duration {
        self.of(3 * MINUTE)
    }

    /// How long one transfer of a record may take: the life of its function.
    #[must_use]
    pub fn transfer(self) -> Duration {
        self.of(16 * MINUTE)
    }

    /// How long a record that has `waited` so long waits before it tries again for a patient whose consolidated query
    /// is still open. Such a query usually takes seconds, so two at first; one that is never heard of holds the patient
    /// for hours, and looks that do not grow rarer would be thousands of writes: a quarter of the time so far, up to a
    /// minute.
    #[must_use]
    pub fn lock_retry(self, waited: Duration) -> Duration {
        (waited / 4).clamp(self.of(Duration::from_secs(2)), self.of(MINUTE))
    }

    /// How long a start waits at least that came too late for its turn and found every place taken.
    #[must_use]
    pub fn turn_retry(self) -> Duration {
        self.of(Duration::from_secs(2))
    }

    /// The pause before the first retry of a call that certainly had no effect.
    #[must_use]
    pub fn retry_pause(self) -> Duration {
        self.of(Duration::from_secs(5))
    }

    /// How long to wait for an upstream that is busy: as long as it says, but never without a pause, and a minute, the
    /// length of its windows, where it says nothing.
    #[must_use]
    pub fn busy_pause(self, said: Option<Duration>) -> Duration {
        said.unwrap_or(self.of(MINUTE)).max(self.retry_pause())
    }

    /// The pause before status poll number `polls` (from 0): 15 s, then half as much again each time, at most two
    /// hours. Over the 48 hours of a run that is about forty calls.
    #[must_use]
    pub fn poll_gap(self, polls: u32) -> Duration {
        let first = Duration::from_secs(15).as_millis();
        let gap = (0..polls.min(40)).fold(first, |gap, _| (gap * 3 / 2).min((2 * HOUR).as_millis()));
        self.of(Duration::from_millis(u64::try_from(gap).unwrap_or(u64::MAX)))
    }

    /// How long webhook keys are used without being read again: so long may a key still count that is stored no more.
    #[must_use]
    pub fn webhook_keys_life(self) -> Duration {
        self.of(5 * MINUTE)
    }

    /// The shortest time between two reads of a secret that somebody outside gives cause for: by a webhook with another
    /// signature, or by refusing our API key.
    #[must_use]
    pub fn secret_gap(self) -> Duration {
        self.of(MINUTE / 2)
    }

    /// How far behind its due time work must be before the reconciler sends it again.
    #[must_use]
    pub fn overdue(self) -> Duration {
        self.of(30 * Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poll_gaps_grow_and_stay_inside_the_quota() {
        let timing = Timing::default();
        let mut spent = Duration::ZERO;
        let mut polls = 0;
        while spent < timing.run_life() {
            assert!(timing.poll_gap(polls + 1) >= timing.poll_gap(polls));
            spent += timing.poll_gap(polls);
            polls += 1;
        }
        assert!((20..=50).contains(&polls), "{polls} polls in the life of a run");
    }

    #[test]
    fn a_record_that_finds_its_patient_busy_looks_less_and_less_often() {
        let timing = Timing::default();
        let (mut waited, mut looks) = (Duration::ZERO, 0);
        while waited < timing.record_life() {
            waited += timing.lock_retry(waited);
            looks += 1;
        }
        assert_eq!(timing.lock_retry(Duration::ZERO), Duration::from_secs(2));
        assert!(looks < 200, "{looks} looks in the life of a record");
    }

    /// All attempts of a record fit into its life, whether their deliveries are missed or their links are dead. Not
    /// where each drips for fifteen minutes: then it expires.
    #[test]
    fn the_attempts_of_a_record_fit_into_its_life() {
        let timing = Timing::default();
        let transferred = |n| timing.link_life() + timing.attempt_gap(n);
        let attempt = |n| timing.delivery_wait(n).max(transferred(n));
        let all: Duration = (1..=crate::domain::record::ATTEMPTS_MAX).map(attempt).sum();
        let all = all + timing.consolidated_life();
        assert!(all < timing.record_life(), "{all:?}");
        assert_eq!(timing.delivery_wait(1), Duration::from_secs(45));
        assert_eq!(timing.delivery_wait(u32::MAX), Duration::from_secs(600));
    }

    #[test]
    fn the_scale_divides_every_duration() {
        assert_eq!(Timing::scaled(10).aal2_session(), Duration::from_secs(30));
        assert_eq!(Timing::scaled(0), Timing::default());
    }
}
