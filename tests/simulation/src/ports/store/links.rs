//! Correlation of webhooks with their subjects, and the messages already seen.

use shared::domain::identity::Identity;
use shared::domain::log::Access;
use shared::domain::{IdentitySessionId, MessageId, OwnerId, PatientId, PullId, RecordId, UpstreamRequestId};
use shared::message::Subject;
use shared::store::{BindIdentity, Correlate, Correlation, RememberMessage, SeenMessage};

use super::Stored;
use super::person::put_identity;
use crate::io::Io;
use crate::store::{Item, Key};

impl Correlate for Io {
    async fn by_request(&self, request: &UpstreamRequestId) -> Stored<Option<Correlation>> {
        let item = self.get(Key::Request(request.clone())).await?;
        Ok(item.and_then(|item| match item.as_ref() {
            Item::Request(owner, subject) => Some(Correlation {
                owner: owner.clone(),
                subject: *subject,
            }),
            _ => None,
        }))
    }

    async fn by_session(&self, session: &IdentitySessionId) -> Stored<Option<OwnerId>> {
        self.by_owner(Key::Session(session.clone())).await
    }

    async fn by_mark(&self, mark: &str) -> Stored<Option<OwnerId>> {
        self.by_owner(Key::Mark(mark.to_owned())).await
    }

    async fn by_patient(&self, patient: &PatientId) -> Stored<Option<OwnerId>> {
        self.by_owner(Key::PatientOwner(patient.clone())).await
    }

    async fn open_pull(&self, patient: &PatientId) -> Stored<Option<(OwnerId, PullId)>> {
        let lock = self.lock(Key::OpenPull(patient.clone())).await?;
        Ok(lock.and_then(|lock| match lock.holder {
            Subject::Pull(pull) => Some((lock.owner, pull)),
            Subject::Record(_) => None,
        }))
    }

    async fn open_consolidated(&self, patient: &PatientId) -> Stored<Option<(OwnerId, RecordId)>> {
        let lock = self.lock(Key::OpenConsolidated(patient.clone())).await?;
        Ok(lock.and_then(|lock| match lock.holder {
            Subject::Record(record) => Some((lock.owner, record)),
            Subject::Pull(_) => None,
        }))
    }
}

impl RememberMessage for Io {
    async fn find_message(&self, message: &MessageId) -> Stored<Option<SeenMessage>> {
        let item = self.get(Key::Seen(message.clone())).await?;
        Ok(item.and_then(|item| item.seen_message().cloned()))
    }

    async fn remember(&self, message: &SeenMessage) -> Stored<()> {
        self.commit(self.put_message(message).into_iter().collect()).await
    }
}

impl BindIdentity for Io {
    async fn write_verified(&self, owner: &OwnerId, identity: &Identity, message: &SeenMessage) -> Stored<()> {
        let mut writes = vec![put_identity(owner, identity)];
        writes.extend(self.put_message(message));
        writes.extend(self.put_log(owner, Access::IdentityVerified));
        self.commit(writes).await
    }
}
