//! Correlation of webhooks with persons, and the rows that mark messages as seen.

use serde::{Deserialize, Serialize};

use super::person::{LockRow, OwnerRow, PatientOwnerRow};
use super::pulls::RequestRow;
use super::transaction::Replaces;
use super::{Condition, Result, Table, keys};
use crate::domain::identity::Identity;
use crate::domain::log::{Access, Actor};
use crate::domain::{IdentitySessionId, MessageId, OwnerId, PatientId, PullId, RecordId, Time, UpstreamRequestId};
use crate::message::Subject;
use crate::ports::port;

/// A webhook's message that was processed. It is written in the same transaction as the effect of the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenMessage {
    /// `meta.messageId`, the same on a replay.
    pub message: MessageId,
    /// SHA-256 of the message's content; see [`crate::message::webhook::WebhookEvent::digest`].
    pub digest: String,
    /// When it was processed.
    pub at: Time,
}

/// The person and the work that a webhook belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correlation {
    /// The person.
    pub owner: OwnerId,
    /// The pull or record.
    pub subject: Subject,
}

port! {
    /// Finds the person to whom a webhook belongs. All other reads of a person's items take the person's owner id,
    /// except [`super::ReadDue`].
    pub trait Correlate via HasStore {
        /// Finds the person and the work by the id of an upstream request, if the id is stored.
        async fn by_request(&self, request: &UpstreamRequestId) -> Result<Option<Correlation>>;
        /// Finds the person by the hosted identity session.
        async fn by_session(&self, session: &IdentitySessionId) -> Result<Option<OwnerId>>;
        /// Finds the person by our own mark of an identity session.
        async fn by_mark(&self, mark: &str) -> Result<Option<OwnerId>>;
        /// Finds the person who owns the patient. A person who only claims the patient does not count.
        async fn by_patient(&self, patient: &PatientId) -> Result<Option<OwnerId>>;
        /// The pull that holds the patient's lock. The lock's deadline is not checked.
        async fn open_pull(&self, patient: &PatientId) -> Result<Option<(OwnerId, PullId)>>;
        /// The record that holds the patient's lock for consolidated queries. The lock's deadline is not checked.
        async fn open_consolidated(
            &self,
            patient: &PatientId,
        ) -> Result<Option<(OwnerId, RecordId)>>;
    }
}

port! {
    /// Reads and marks the messages that were seen.
    pub trait RememberMessage via HasStore {
        /// The message that was seen under this id.
        async fn find_message(&self, message: &MessageId) -> Result<Option<SeenMessage>>;
        /// Marks a message without an effect as seen. Fails if it was seen before ([`Condition::MessageUnseen`]).
        async fn remember(&self, message: &SeenMessage) -> Result<()>;
    }
}

port! {
    /// Binds proofed identities to persons.
    pub trait BindIdentity via HasStore {
        /// Stores an identity after a verification, marks the message as seen, and logs the access. Fails if the
        /// identity has changed ([`Condition::IdentityAsRead`]) or the message was seen before
        /// ([`Condition::MessageUnseen`]).
        async fn write_verified(
            &self,
            owner: &OwnerId,
            identity: &Identity,
            message: &SeenMessage,
        ) -> Result<()>;
    }
}

impl Correlate for Table {
    async fn by_request(&self, request: &UpstreamRequestId) -> Result<Option<Correlation>> {
        let row: Option<RequestRow> = self.get(keys::upstream_request(request), "upstream request").await?;
        Ok(row.map(|row| Correlation {
            owner: row.owner,
            subject: row.subject,
        }))
    }

    async fn by_session(&self, session: &IdentitySessionId) -> Result<Option<OwnerId>> {
        let row: Option<OwnerRow> = self.get(keys::identity_session(session), "identity session").await?;
        Ok(row.map(|row| row.owner))
    }

    async fn by_mark(&self, mark: &str) -> Result<Option<OwnerId>> {
        let row: Option<OwnerRow> = self.get(keys::identity_mark(mark), "identity mark").await?;
        Ok(row.map(|row| row.owner))
    }

    async fn by_patient(&self, patient: &PatientId) -> Result<Option<OwnerId>> {
        let row: Option<PatientOwnerRow> = self.get(keys::patient_owner(patient), "patient owner").await?;
        Ok(row.and_then(PatientOwnerRow::settled))
    }

    async fn open_pull(&self, patient: &PatientId) -> Result<Option<(OwnerId, PullId)>> {
        let lock: Option<LockRow> = self.get(keys::open_pull(patient), "open run").await?;
        Ok(lock.and_then(|lock| Some((lock.owner, PullId::parse(&lock.holder).ok()?))))
    }

    async fn open_consolidated(&self, patient: &PatientId) -> Result<Option<(OwnerId, RecordId)>> {
        let lock: Option<LockRow> = self
            .get(keys::open_consolidated(patient), "open consolidated query")
            .await?;
        Ok(lock.and_then(|lock| Some((lock.owner, RecordId::parse(&lock.holder).ok()?))))
    }
}

impl RememberMessage for Table {
    async fn find_message(&self, message: &MessageId) -> Result<Option<SeenMessage>> {
        self.get(keys::message(message), "seen message").await
    }

    async fn remember(&self, message: &SeenMessage) -> Result<()> {
        self.transaction().put_seen_message(message)?.commit().await
    }
}

impl BindIdentity for Table {
    async fn write_verified(&self, owner: &OwnerId, identity: &Identity, message: &SeenMessage) -> Result<()> {
        let replaces = Replaces::Version(identity.version.saturating_sub(1));
        let transaction = self.transaction();
        let transaction = transaction.put(
            Condition::IdentityAsRead,
            &replaces,
            keys::identity(owner),
            identity,
            [],
        )?;
        let entry = self.log_entry(Access::IdentityVerified, &Actor::Function, message.at)?;
        transaction
            .put_seen_message(message)?
            .put_log(owner, &entry)?
            .commit()
            .await
    }
}
