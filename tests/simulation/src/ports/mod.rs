//! The ports of the functions' steps over the simulated world. They decide only what an adapter decides.

pub(crate) mod budget;
mod erasure;
mod store;
mod upstream;

use std::time::Duration;

use identity_session::patient::ReportConflict;
use shared::Error;
use shared::domain::budget::{Allowance, Budget, PersonAsk, PersonShares, Share, Turn};
use shared::domain::consent::ConsentRule;
use shared::domain::patient::{DifferentField, LinkConflict, PatientComparison, PatientSlot};
use shared::domain::record::{Record, StoredObject};
use shared::domain::{OwnerId, PullId, RecordId, Time, Timing};
use shared::edge::budget::{CountCall, MintEntry, PauseCalls, PlanStart, StartInTurn, TakeShare, TakeTurn, busy};
use shared::edge::http::{Code, Problem};
use shared::message::webhook::WebhookEvent;
use shared::message::{AccountWork, Advance, FetchRecord, Link};
use shared::metriport::UpstreamError;
use shared::ports::{Clock, ConsentTerms, NewIds, Pause, Retention, Stage};
use shared::queue::{QueueError, SendAccountWork, SendAdvance, SendFetch, SendWebhookEvent};
use shared::records::{Bucket, MintLink, RecordsError};
use shared::store::{Mint, StoreError};

use crate::ids;
use crate::io::{Body, Io, Op, Reply, ShareAnswer, ShareRequest, Start};
use crate::people::{self, DAILY_QUOTA};
use crate::store::Key;

impl Clock for Io {
    fn now(&self) -> Time {
        self.look_at_clock()
    }

    fn timing(&self) -> Timing {
        self.timing
    }
}

/// A pause takes no virtual time, because the rules ignore pauses.
impl Pause for Io {
    async fn pause(&self, _span: Duration) {}
}

impl ReportConflict for Io {
    fn report_conflict(&self, _conflict: LinkConflict) {}
}

impl NewIds for Io {
    fn new_record(&self, pull: PullId, version: u64) -> RecordId {
        ids::spare(pull, version)
    }
}

impl Stage for Io {
    fn stage(&self) -> &str {
        "simulated"
    }
}

impl ConsentTerms for Io {
    fn consent_rule(&self) -> &ConsentRule {
        &people::CONSENT_RULE
    }
}

impl Retention for Io {
    fn record_retention_days(&self) -> u32 {
        90
    }
}

/// The real port only counts calls against the day's quota. The simulation always grants them.
impl CountCall for Io {
    fn quota(&self) -> u32 {
        DAILY_QUOTA
    }

    async fn count_call(&self, _share: Share, _now: Time) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn uncount_call(&self, _now: Time) {}
}

impl PlanStart for Io {
    async fn plan_start(&self, now: Time, by: Time) -> Result<Turn, StoreError> {
        self.turn(Start { now, by: Some(by) }).await
    }
}

impl StartInTurn for Io {
    async fn turn_of_query(&self, slot: Option<Time>, now: Time, by: Time) -> Result<Turn, StoreError> {
        match slot.filter(|slot| *slot > now) {
            Some(slot) => Ok(Turn::Granted(slot)),
            None => self.turn(Start { now, by: Some(by) }).await,
        }
    }

    async fn turn_of_record(&self, now: Time) -> Result<Turn, StoreError> {
        self.turn(Start { now, by: None }).await
    }
}

impl Io {
    async fn take_share(&self, owner: &OwnerId, ask: PersonAsk, now: Time) -> Result<Allowance, Error> {
        let owner = owner.clone();
        match self.share_of(ShareRequest { owner, ask, now }).await? {
            ShareAnswer::Taken(allowance) => Ok(allowance),
            ShareAnswer::Beyond(until) => {
                let wait = now.until(until).as_secs() + 1;
                Err(Problem::new(Code::TooManyRequests).retry_after(wait).into())
            }
            ShareAnswer::Busy(until) => Err(busy(until, now).into()),
        }
    }
}

impl TakeShare for Io {
    async fn share(&self, owner: &OwnerId, ask: PersonAsk, now: Time) -> Result<Allowance, Error> {
        self.take_share(owner, ask, now).await
    }
}

impl MintEntry for Io {
    async fn shares(&self, owner: &OwnerId) -> Result<PersonShares, StoreError> {
        let item = self.get(Key::Shares(owner.clone())).await?;
        Ok(item.and_then(|item| item.shares().cloned()).unwrap_or_default())
    }

    async fn write_mint(&self, owner: &OwnerId, mint: Mint<'_>, read: &PersonShares) -> Result<Allowance, Error> {
        let (ask, now, rules) = (PersonAsk::Link, mint.at, people::rules());
        let charged = read.take(ask, &rules, now).map_err(|refusal| {
            let wait = now.until(refusal.retry_at).as_secs() + 1;
            Problem::new(Code::TooManyRequests).retry_after(wait)
        })?;
        let allowance = charged.allowance(ask.kind(), &rules, now);
        self.commit_mint(owner, mint.root, charged).await?;
        Ok(allowance)
    }
}

impl MintLink for Io {
    async fn mint(&self, key: &str, _file: &str, _life: Duration) -> Result<Link, RecordsError> {
        match self.call(Op::Mint(key.to_owned())).await {
            Reply::Minted => Ok(Link::new(key.to_owned())),
            other => unreachable!("{other:?}"),
        }
    }
}

impl TakeTurn for Io {
    async fn place(&self, owner: &OwnerId, ask: PersonAsk, now: Time) -> Result<Allowance, Error> {
        self.take_share(owner, ask, now).await
    }
}

impl PauseCalls for Io {
    async fn pause_calls(&self, _budget: Budget, _error: &UpstreamError, _now: Time) {}
}

impl SendAdvance for Io {
    /// Sends the messages one after the other, so that anything can happen in between, and a batch can be sent in part.
    async fn send_advances(&self, advances: &[(Advance, Duration)]) -> Result<(), QueueError> {
        for (advance, delay) in advances {
            self.send(Body::Advance(advance.clone()), *delay).await?;
        }
        Ok(())
    }
}

impl SendFetch for Io {
    async fn send_fetch(&self, fetch: &FetchRecord) -> Result<(), QueueError> {
        self.send(Body::Fetch(fetch.clone()), Duration::ZERO).await
    }
}

impl SendAccountWork for Io {
    async fn send_account_work(&self, work: &AccountWork) -> Result<(), QueueError> {
        self.send(Body::AccountWork(work.clone()), Duration::ZERO).await
    }
}

impl SendWebhookEvent for Io {
    async fn send_webhook_event(&self, event: &WebhookEvent) -> Result<(), QueueError> {
        self.send(Body::Webhook(Box::new(event.clone())), Duration::ZERO).await
    }
}

impl record_fetch::KeepObject for Io {
    /// The digest identifies the stored content, so that the rules can compare the content with the record's request.
    async fn keep_object(
        &self,
        slot: &PatientSlot,
        record: &Record,
        link: &Link,
        _end: Time,
    ) -> Result<StoredObject, RecordsError> {
        let key = Bucket::key(slot.folder, record.id, record.query.conversion);
        let content = self.transfer(link, key.clone()).await;
        let content = content.ok_or(RecordsError::Broken("simulated"))?;
        Ok(StoredObject {
            key,
            sha256: content.tag(),
            bytes: 1,
            counts: std::collections::BTreeMap::new(),
            comparison: match content.differs {
                true => PatientComparison::of([DifferentField::Name].into()),
                false => PatientComparison::NotComparable,
            },
        })
    }
}
