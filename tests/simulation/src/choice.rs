//! The choices of a schedule. The same list of choices gives the same history.
//!
//! A choice selects its subject by position, modulo the number of subjects at that moment. So a schedule stays valid
//! when steps are removed from it. A choice without a subject does nothing.

use serde::Serialize;

/// One step of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Choice {
    /// A person sends a request.
    Ask(u8, PersonRequest),
    /// A running function performs its next operation.
    Step(u8),
    /// A running function continues to its end, or to its next call to Metriport, transfer or list of rows.
    Finish(u8),
    /// The next operation of a running function fails.
    Fault(u8, Fault),
    /// A running function crashes.
    Crash(u8),
    /// A queue delivers one of its visible messages.
    Receive(u8),
    /// A queue delivers a message twice.
    Copy(u8),
    /// Delivers or drops a webhook.
    Webhook(u8, WebhookArrival),
    /// A person passes an identity page.
    Page(u8, Pass),
    /// A source of a network query ends.
    Source(u8, Ending),
    /// A consolidated query ends.
    Consolidated(u8, Yield),
    /// The scheduler invokes `reconcile`.
    Tick,
    /// The clock moves on to the next due time.
    WaitForNext,
    /// The clock jumps forward, in seconds.
    Jump(u32),
    /// From now on, the machines' clocks are off by this many tenths of a second.
    Skew(i8),
}

/// A person's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum PersonRequest {
    /// `PUT /v1/me/consent`.
    Consent,
    /// `DELETE /v1/me/consent`.
    Withdraw,
    /// `DELETE /v1/me`.
    Erase,
    /// `PUT /v1/patient`, with the person's own demographics, changed ones, or another person's.
    Link(u8),
    /// `POST /v1/identity-sessions`.
    OpenSession,
    /// `POST /v1/aal2-challenges`.
    OpenChallenge,
    /// `POST /v1/network-queries`.
    Pull(Pull),
    /// `POST /v1/records`.
    AskRecord(u8),
    /// `GET /v1/records/{id}`, for one of the person's records.
    ReadRecord(u8),
    /// `POST /v1/records/{id}/not-me`, for one of the person's records.
    NotMe(u8),
}

/// The values that an app sends with a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Pull {
    /// The newest challenge, passed, and its session.
    Proper,
    /// The newest challenge, not passed.
    NotPassed,
    /// The newest challenge, with the session of the one before.
    SessionAgain,
    /// An older challenge, with its own session.
    OldChallenge,
    /// The newest challenge, with the session of another person.
    ForeignSession,
}

/// A fault of an operation. Reads never have an effect; writes and sends fail either without their effect or with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Fault {
    /// The operation has no effect, but the caller cannot know that.
    Lost,
    /// The operation has its effect, and the answer is lost.
    Unanswered,
    /// Not a byte of the request was written, or the day's quota is used up.
    NotSent,
    /// Metriport answers 429, or the start gets a later turn.
    Busy,
    /// Metriport refuses the call, or the start gets no turn in time.
    Refused,
    /// Metriport refuses the AAL2 session.
    SessionRefused,
    /// Metriport refuses the proofed identity.
    IdentityRefused,
    /// The query starts, but one source does not. In the list of a person's rows, rows of the last seconds are missing.
    Partly,
}

/// The delivery of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum WebhookArrival {
    /// It arrives.
    Arrives,
    /// It arrives without our metadata.
    ArrivesBare,
    /// It does not arrive. Metriport keeps it until `reconcile` asks for a replay.
    Dropped,
    /// Any earlier webhook arrives once more.
    Again,
}

/// The ids that an identity event names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Pass {
    /// Session, patient and our mark.
    Full,
    /// Only the patient.
    PatientOnly,
    /// Only our mark. The event's replay does not name any id.
    Unnamed,
    /// A person passes a page that was opened for another person.
    Somebody,
    /// Session and patient, preceded by the session of another service.
    Elsewhere,
    /// The session, and the mark of another session. The event's replay names only the session.
    Contradicted,
}

/// How a source ends, and whether a webhook reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Ending {
    /// It answers.
    Answers,
    /// It fails.
    Fails,
    /// It answers without a webhook.
    AnswersUntold,
    /// It fails without a webhook.
    FailsUntold,
    /// It fails with a webhook, and Metriport retries it.
    Retried,
}

/// How a consolidated query ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Yield {
    /// With a link.
    Link,
    /// With a link that no webhook delivers.
    LinkUntold,
    /// Without data.
    Nothing,
    /// It fails.
    Failure,
    /// With a record that was made with other filters.
    Foreign,
    /// With a record whose Patient differs from the person.
    Different,
}

/// A deliberate defect of the simulated world, outside our functions, that the rules must detect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Sabotage {
    /// Consumers act on a message without comparing its `dueSeq`.
    ClaimWithoutDueSeq,
    /// Processed messages are not remembered.
    DedupeDropped,
    /// A start without an answer counts as not sent.
    AmbiguousStartRepeated,
    /// Writes ignore their conditions.
    UnconditionalWrite,
    /// Locks vanish after a minute, as if a short time to live ended them.
    TtlAsLock,
    /// Locks are not released.
    LockKept,
    /// `reconcile` finds nothing.
    NoReconciler,
    /// A webhook is answered with 200 before it is durable.
    AnswerBeforeSend,
    /// Used AAL2 sessions are not remembered.
    SessionForgotten,
    /// A patient may belong to two persons.
    PatientShared,
    /// A patient is not claimed before its update is sent.
    ClaimAfterUpdate,
    /// A delivery is accepted without a check of the query that it answers.
    AnyDeliveryTaken,
    /// The shares that a person has taken are not remembered.
    ShareForgotten,
    /// The records that a person has asked for are not remembered.
    OpenRecordsForgotten,
    /// The access log gets no entry.
    EntrySkipped,
    /// Writes do not check the person's grant.
    GrantUnchecked,
    /// Reads of a person's root leave the quarantine out.
    QuarantineIgnored,
    /// The second sweep of an erasure finds nothing.
    SecondSweepSkipped,
    /// The insert of a challenge or of a first link ignores that an erasure has ended the grant.
    GrantUncheckedOnInsert,
}

impl Sabotage {
    /// Every kind.
    pub const ALL: [Self; 19] = [
        Self::ClaimWithoutDueSeq,
        Self::DedupeDropped,
        Self::AmbiguousStartRepeated,
        Self::UnconditionalWrite,
        Self::TtlAsLock,
        Self::LockKept,
        Self::NoReconciler,
        Self::AnswerBeforeSend,
        Self::SessionForgotten,
        Self::PatientShared,
        Self::ClaimAfterUpdate,
        Self::AnyDeliveryTaken,
        Self::ShareForgotten,
        Self::OpenRecordsForgotten,
        Self::EntrySkipped,
        Self::GrantUnchecked,
        Self::QuarantineIgnored,
        Self::SecondSweepSkipped,
        Self::GrantUncheckedOnInsert,
    ];
}
