//! Withdraws the person's consent and ends their open work, in one transaction or a few. A repeated request gets the
//! same reply.

use serde::Serialize;
use shared::Error;
use shared::domain::OwnerId;
use shared::domain::consent::{self, ConsentRule, OpenWork};
use shared::domain::log::Actor;
use shared::ports::{Clock, ConsentTerms, Retention};
use shared::store::{StoreError, WithdrawConsent, WithdrawalWrite};

/// Maximum number of reads of the open work. Another read follows after each transaction, which may leave work open,
/// and if another process changes the work before the transaction.
const ATTEMPTS: u32 = 16;

shared::ports! {
    /// Withdraws the consent of a person.
    pub trait Withdraw = WithdrawConsent + ConsentTerms + Retention + Clock;
}

/// `DELETE /v1/me/consent`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Withdrawn {
    status: &'static str,
    withdrawn_at: String,
    ended: Ended,
    #[serde(rename = "kept")]
    stored: StoredRecords,
}

/// The work that the withdrawal ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ended {
    network_queries: usize,
    records: usize,
}

/// The stored records, which the withdrawal does not delete.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StoredRecords {
    records: usize,
    /// The time from which none of them is shown, unless the person consents to `keep` again. `None` if there is no
    /// record, or if the app keeps the consents.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

/// Withdraws the person's consent.
///
/// # Errors
/// Fails if the table fails, or if after 16 reads not all work is known to have ended.
pub async fn withdraw(io: &impl Withdraw, owner: &OwnerId, actor: &Actor) -> Result<Withdrawn, Error> {
    let now = io.now();
    for _ in 0..ATTEMPTS {
        let open = io.open_work(owner).await?;
        let Some(withdrawal) = consent::withdraw(&open, now, io.timing()) else {
            return Ok(show(&open, io.consent_rule(), io.record_retention_days()));
        };
        let write = WithdrawalWrite {
            open: &open,
            withdrawal: &withdrawal,
            actor,
            now,
        };
        match io.write_withdrawal(owner, write).await {
            Ok(()) | Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(Vec::new()).into())
}

/// The reply follows from the stored items alone, so that each repetition gets the same.
fn show(over: &OpenWork, rule: &ConsentRule, days: u32) -> Withdrawn {
    let ended = over.ended();
    let stored = over.records.iter().filter(|record| record.object.is_some());
    let until = stored
        .clone()
        .filter_map(|record| over.root.kept_until(record, rule, days));
    Withdrawn {
        status: "withdrawn",
        withdrawn_at: over.root.withdrawn_at.map_or_else(String::new, |at| at.to_string()),
        ended: Ended {
            network_queries: ended.pulls,
            records: ended.records,
        },
        stored: StoredRecords {
            records: stored.count(),
            until: until.max().map(|until| until.to_string()),
        },
    }
}
