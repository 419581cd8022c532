//! The root of a person's items: their consent and its grant, the quarantine of their records, a legal hold, and the
//! mark of an unfinished erasure. Every decision that depends on one of them reads this item or checks it in a
//! transaction.

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::consent::{Consent, ConsentRule, GivenConsent};
use super::erasure::RequestedErasure;
use super::quarantine::Quarantine;
use super::record::Record;
use super::{ReceiptId, Time};

const DAY: Duration = Duration::from_secs(86_400);

/// A person's root item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PersonRoot {
    /// Counts the withdrawals and erasures.
    #[serde(default)]
    pub grant: u64,
    /// The consent, unless the person gave none or withdrew it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Consent>,
    /// When the person last withdrew a consent. A later consent does not clear it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<Time>,
    /// When the person last withdrew the consent to keep their records, without giving it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_ended_at: Option<Time>,
    /// The last quarantine of the person's records, even if it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    /// The unfinished erasure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<RequestedErasure>,
    /// When an operator put the data on legal hold. Nothing of it is erased until an operator ends the hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_since: Option<Time>,
    /// Counts every write.
    #[serde(default)]
    pub version: u64,
}

/// The number under which work began. A withdrawal or an erasure ends the grant, and later work has another. `None`
/// means that an earlier version began the work, so no condition applies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grant(Option<u64>);

impl Grant {
    /// The grant of work that an earlier version began.
    pub const UNCONDITIONAL: Self = Self(None);

    /// The grant with this number.
    #[must_use]
    pub const fn of(number: u64) -> Self {
        Self(Some(number))
    }

    /// The number, if a condition applies.
    #[must_use]
    pub const fn number(self) -> Option<u64> {
        self.0
    }

    /// Whether the person had an earlier grant, which a withdrawal or an erasure ended.
    #[must_use]
    pub fn has_ended_before(self) -> bool {
        self.0.is_some_and(|number| number > 0)
    }

    /// Whether no condition applies.
    #[must_use]
    pub const fn is_unconditional(&self) -> bool {
        self.0.is_none()
    }
}

/// Why no consent covers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentGap {
    /// The person never gave a consent.
    Missing,
    /// The person withdrew it.
    Withdrawn,
    /// The consent names another notice than the one in force.
    OtherNotice,
    /// Everything that is stored about the person is being erased.
    Erasing,
}

/// Why an erasure does not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasureBar {
    /// The data are on legal hold.
    Held,
    /// An unfinished one has this receipt.
    Unfinished(ReceiptId),
}

impl PersonRoot {
    /// The grant of the consent that covers requests now.
    ///
    /// # Errors
    /// Fails during an erasure. Also fails if the rule requires a consent to its notice, and the person has not given
    /// this consent.
    pub fn covering(&self, rule: &ConsentRule) -> Result<Grant, ConsentGap> {
        if self.erasure.is_some() {
            return Err(ConsentGap::Erasing);
        }
        let ConsentRule::Notice(notice) = rule else {
            return Ok(Grant::of(self.grant));
        };
        match (&self.consent, self.withdrawn_at) {
            (Some(consent), _) if notice.has(&consent.notice_version, &consent.notice_sha256) => {
                Ok(Grant::of(self.grant))
            }
            (Some(_), _) => Err(ConsentGap::OtherNotice),
            (None, Some(_)) => Err(ConsentGap::Withdrawn),
            (None, None) => Err(ConsentGap::Missing),
        }
    }

    /// Whether work that began under this grant may go on.
    #[must_use]
    pub fn holds(&self, grant: Grant) -> bool {
        grant.number().is_none_or(|number| self.grant == number)
    }

    /// Gives a consent. `None` if the person gave the same consent before.
    #[must_use]
    pub fn give(&self, given: GivenConsent, now: Time) -> Option<Self> {
        if self.consent.as_ref().is_some_and(|consent| consent.given() == given) {
            return None;
        }
        let consent = Consent::of(given, now);
        Some(Self {
            keep_ended_at: if consent.keeps() { None } else { self.keep_end(now) },
            consent: Some(consent),
            version: self.version + 1,
            ..self.clone()
        })
    }

    /// Withdraws the consent and ends its grant. `None` if the person withdrew it before.
    #[must_use]
    pub fn withdraw(&self, now: Time) -> Option<Self> {
        if self.consent.is_none() && self.withdrawn_at.is_some() {
            return None;
        }
        Some(Self {
            grant: self.grant + 1,
            consent: None,
            withdrawn_at: Some(now),
            keep_ended_at: self.keep_end(now),
            version: self.version + 1,
            ..self.clone()
        })
    }

    /// Marks the person for an erasure, and ends their consent and its grant.
    ///
    /// # Errors
    /// Fails if the data are on hold, or if an erasure is unfinished.
    pub fn begin_erasure(&self, receipt: ReceiptId, now: Time) -> Result<Self, ErasureBar> {
        match (&self.erasure, self.held_since) {
            (Some(erasure), _) => Err(ErasureBar::Unfinished(erasure.receipt)),
            (None, Some(_)) => Err(ErasureBar::Held),
            (None, None) => Ok(Self {
                grant: self.grant + 1,
                consent: None,
                withdrawn_at: Some(now),
                keep_ended_at: self.keep_end(now),
                erasure: Some(RequestedErasure {
                    receipt,
                    requested_at: now,
                }),
                version: self.version + 1,
                ..self.clone()
            }),
        }
    }

    /// The root after everything else was deleted. Only the numbers are left, so that no write that began before the
    /// erasure succeeds after it.
    #[must_use]
    pub fn erased(&self) -> Self {
        Self {
            grant: self.grant,
            version: self.version + 1,
            ..Self::default()
        }
    }

    /// Puts the data on legal hold, or ends the hold. `None` if nothing changes.
    #[must_use]
    pub fn hold(&self, since: Option<Time>) -> Option<Self> {
        (self.held_since.is_some() != since.is_some()).then(|| Self {
            held_since: since,
            version: self.version + 1,
            ..self.clone()
        })
    }

    /// When the consent to keep records ended: at `now` if it is in force, otherwise the stored time.
    fn keep_end(&self, now: Time) -> Option<Time> {
        let ends = self.consent.as_ref().is_some_and(Consent::keeps);
        if ends { Some(now) } else { self.keep_ended_at }
    }

    /// The time from which an ended record is no longer shown, because the person does not consent to its keeping:
    /// `days` after the later of the record's end and the end of that consent. `None` if the record has not ended, or
    /// if it is kept.
    #[must_use]
    pub fn kept_until(&self, record: &Record, rule: &ConsentRule, days: u32) -> Option<Time> {
        let keeps = self.consent.as_ref().is_some_and(Consent::keeps);
        if keeps || *rule == ConsentRule::KeptElsewhere {
            return None;
        }
        let last = record.ended_at.max(record.ended_at.and(self.keep_ended_at));
        last.map(|last| last.plus(DAY * days))
    }
}
