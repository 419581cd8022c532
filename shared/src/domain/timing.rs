//! The durations of the flow. Deadlines are data: every waiting state stores the time at which it stops waiting.
//!
//! One number, the scale, divides every duration. It exists for the sandbox and its proofs, where a pull of hours
//! should take seconds. Clocks are never changed. A scale other than 1 is refused unless Metriport is on loopback (see
//! [`crate::deployment`]).
//!
//! The scale does not divide timeouts of HTTP calls or the 60 s life of a record link. In the sandbox,
//! [`Timing::patient_lease`] may therefore be shorter than one call. SQS counts delays in whole seconds, so very short
//! waits are rounded up.

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

    pub(super) const fn scale(self) -> u32 {
        self.scale
    }

    /// The longest delay of an SQS message: fifteen minutes.
    #[must_use]
    pub fn queue_delay_max(self) -> Duration {
        self.of(15 * MINUTE)
    }

    /// A divided duration, multiplied by the scale again. SQS gets this value, because its whole seconds are too coarse
    /// for divided durations. The sandbox's SQS divides the delay itself.
    #[must_use]
    pub fn unscaled(self, span: Duration) -> Duration {
        span.saturating_mul(self.scale)
    }

    /// How long we use an AAL2 session. Metriport does not document a lifetime, only that a session is renewed before
    /// each query. We assume the shortest plausible lifetime.
    #[must_use]
    pub fn aal2_session(self) -> Duration {
        self.of(5 * MINUTE)
    }

    /// How long a change of a patient blocks another change. The calls of a change take less time. Metriport's gateway
    /// also stops working on a call within this time after our timeout.
    #[must_use]
    pub fn patient_lease(self) -> Duration {
        self.of(MINUTE)
    }

    /// How long a refused link counts toward the limit of refusals. The limit keeps a person from finding out who is a
    /// patient of this account.
    #[must_use]
    pub fn refusal_window(self) -> Duration {
        self.of(HOUR)
    }

    /// How long the work under an idempotency key may take before another request takes it over. This exceeds the
    /// longest timeout of a function that answers such requests, 29 s. The rest allows for clocks that differ.
    #[must_use]
    pub fn idempotency_lease(self) -> Duration {
        self.of(Duration::from_secs(35))
    }

    /// How long an idempotency key is kept.
    #[must_use]
    pub fn idempotency_life(self) -> Duration {
        self.of(24 * HOUR)
    }

    /// How long an identity session is shown as confirming after its page has expired. A later event still binds the
    /// identity.
    #[must_use]
    pub fn identity_grace(self) -> Duration {
        self.of(30 * MINUTE)
    }

    /// How long after its end a day of the access log is sealed. An hourly entry, such as `records_listed`, has its
    /// hour's beginning as time, and a transfer, the longest work of a function, takes 15 minutes. An entry is
    /// therefore written at most 75 minutes after its time. The rest allows for clocks that differ, and for the index,
    /// which lags.
    #[must_use]
    pub fn seal_grace(self) -> Duration {
        self.of(3 * HOUR)
    }

    /// How long a start whose outcome is unknown waits for a webhook that proves it.
    #[must_use]
    pub fn ambiguous_wait(self) -> Duration {
        self.of(30 * MINUTE)
    }

    /// How long a pull waits for its sources. Pharmacies and labs may take hours to answer, because Metriport asks them
    /// by roster.
    #[must_use]
    pub fn pull_life(self) -> Duration {
        self.of(48 * HOUR)
    }

    /// How long one consolidated query may take. A PDF takes Metriport up to fifteen minutes.
    #[must_use]
    pub fn consolidated_life(self) -> Duration {
        self.of(20 * MINUTE)
    }

    /// The life of a record, over all its consolidated queries.
    #[must_use]
    pub fn record_life(self) -> Duration {
        self.of(3 * HOUR)
    }

    /// The duration of wait number `wait` (from 1) for a record's webhook. After each wait, the start is sent again.
    /// The first wait is 45 seconds, in which a query usually ends; each later wait is twice as long, up to ten
    /// minutes. The waits grow because a query that fails for a minute may succeed an hour later.
    #[must_use]
    pub fn delivery_wait(self, wait: u32) -> Duration {
        let doubled = 45_u64 << wait.saturating_sub(1).min(4);
        self.of(Duration::from_secs(doubled.min(600)))
    }

    /// The pause after attempt number `attempt` (from 1) ended without a record. The first pause is five seconds; each
    /// later pause is three times as long, up to three minutes.
    #[must_use]
    pub fn attempt_gap(self, attempt: u32) -> Duration {
        let tripled = 5 * 3_u64.pow(attempt.saturating_sub(1).min(5));
        self.of(Duration::from_secs(tripled.min(180)))
    }

    /// How long Metriport's link to a record works: three minutes (docs.metriport.com, page
    /// `handling-data/webhooks-with-nq`).
    #[must_use]
    pub fn link_life(self) -> Duration {
        self.of(3 * MINUTE)
    }

    /// How long a transfer may take before it counts as lost. This exceeds the timeout of `record-fetch`, fifteen
    /// minutes.
    #[must_use]
    pub fn transfer(self) -> Duration {
        self.of(16 * MINUTE)
    }

    /// How long a record waits for the patient's lock before it tries again. This is a quarter of the time that it has
    /// `waited` so far, from two seconds to a minute. The query that holds the lock usually takes seconds. If the end
    /// of that query is never reported, constant short waits over hours would cost thousands of writes.
    #[must_use]
    pub fn lock_retry(self, waited: Duration) -> Duration {
        (waited / 4).clamp(self.of(Duration::from_secs(2)), self.of(MINUTE))
    }

    /// The shortest wait of a start that finds every place taken at the time of its slot.
    #[must_use]
    pub fn turn_retry(self) -> Duration {
        self.of(Duration::from_secs(2))
    }

    /// The pause before a retry of a call that was not sent, or of a patient's change that failed.
    #[must_use]
    pub fn retry_pause(self) -> Duration {
        self.of(Duration::from_secs(5))
    }

    /// How long to wait after a 429: the time that Metriport's answer names (`retry_after`), or else a minute, the
    /// length of Metriport's windows. The wait is at least [`Timing::retry_pause`].
    #[must_use]
    pub fn busy_pause(self, retry_after: Option<Duration>) -> Duration {
        retry_after.unwrap_or(self.of(MINUTE)).max(self.retry_pause())
    }

    /// The pause before status read number `polls` (from 0). The first pause is 15 s; each later pause is one and a
    /// half times as long, up to two hours. A pull of 48 hours has about forty reads.
    #[must_use]
    pub fn poll_gap(self, polls: u32) -> Duration {
        let first = Duration::from_secs(15).as_millis();
        let gap = (0..polls.min(40)).fold(first, |gap, _| (gap * 3 / 2).min((2 * HOUR).as_millis()));
        self.of(Duration::from_millis(u64::try_from(gap).unwrap_or(u64::MAX)))
    }

    /// How long a quarantine may last. By then, an operator has released or deleted its records. The networks' rules
    /// ask for a timely purge; 30 days leave time for Metriport's and the responder's answers.
    #[must_use]
    pub fn quarantine_max(self) -> Duration {
        self.of(30 * 24 * HOUR)
    }

    /// The longest time of a step that stores a person's data, except transfers and erasures: a minute. The rest allows
    /// for clocks that differ.
    #[must_use]
    pub fn last_step(self) -> Duration {
        self.of(Duration::from_secs(70))
    }

    /// How long a worker of an erasure may take between two writes before another one takes over.
    #[must_use]
    pub fn erasure_lease(self) -> Duration {
        self.of(2 * MINUTE)
    }

    /// How long a worker of an export may take for one part before another one takes over.
    #[must_use]
    pub fn export_lease(self) -> Duration {
        self.of(5 * MINUTE)
    }

    /// How long after its request an export is shown: a day.
    #[must_use]
    pub fn export_life(self) -> Duration {
        self.of(24 * HOUR)
    }

    /// The pause after Metriport did not delete a patient, after `attempts` earlier calls: a minute, then twice as long
    /// each time, up to an hour.
    #[must_use]
    pub fn erasure_retry(self, attempts: u32) -> Duration {
        self.of((MINUTE * (1 << attempts.min(6))).min(HOUR))
    }

    /// How long webhook keys are used before they are read again. A key that the operator has removed from the secret
    /// may be accepted for that long.
    #[must_use]
    pub fn webhook_keys_life(self) -> Duration {
        self.of(5 * MINUTE)
    }

    /// The shortest time between two reads of a secret that another party can cause. The sender of a webhook causes a
    /// read by a wrong signature, and Metriport by refusing our API key.
    #[must_use]
    pub fn secret_gap(self) -> Duration {
        self.of(MINUTE / 2)
    }

    /// How long after its due time `reconcile` sends work again.
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
        while spent < timing.pull_life() {
            assert!(timing.poll_gap(polls + 1) >= timing.poll_gap(polls));
            spent += timing.poll_gap(polls);
            polls += 1;
        }
        assert!((20..=50).contains(&polls), "{polls} polls in the life of a pull");
    }

    #[test]
    fn record_retries_a_held_lock_less_and_less_often() {
        let timing = Timing::default();
        let (mut waited, mut looks) = (Duration::ZERO, 0);
        while waited < timing.record_life() {
            waited += timing.lock_retry(waited);
            looks += 1;
        }
        assert_eq!(timing.lock_retry(Duration::ZERO), Duration::from_secs(2));
        assert!(looks < 200, "{looks} looks in the life of a record");
    }

    /// All attempts of a record fit into its life if deliveries are lost or links are dead. If each transfer takes
    /// fifteen minutes, the attempts do not fit, and the record expires.
    #[test]
    fn attempts_of_a_record_fit_into_its_life() {
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
    fn scale_divides_every_duration() {
        assert_eq!(Timing::scaled(10).aal2_session(), Duration::from_secs(30));
        assert_eq!(Timing::scaled(0), Timing::default());
    }
}
