//! What may happen next. A schedule is a list of these; the same list gives the same history.
//!
//! A choice names what it is about by a position in what there is at that moment, counted round, so that a schedule
//! from which steps were taken out still means something. One that finds nothing to be about does nothing.

use serde::Serialize;

/// One step of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Choice {
    /// A person asks for something.
    Ask(u8, Deed),
    /// A running function performs its next operation.
    Step(u8),
    /// A running function runs on, to its next call upstream or to its end.
    Finish(u8),
    /// A running function's next operation goes wrong.
    Fault(u8, Fault),
    /// A running function is gone.
    Crash(u8),
    /// A queue hands out one of the messages that can be seen.
    Receive(u8),
    /// A queue hands a message out twice.
    Copy(u8),
    /// What becomes of a webhook that was written.
    Webhook(u8, Fate),
    /// Somebody passes an identity page.
    Page(u8, Pass),
    /// A source of a network query ends.
    Source(u8, Ending),
    /// A consolidated query ends.
    Consolidated(u8, Yield),
    /// The schedule ticks.
    Tick,
    /// The clock runs on to when something is next due.
    WaitForNext,
    /// The clock jumps forward, in seconds.
    Jump(u32),
    /// The clocks of machines from now on are off by so many tenths of a second.
    Skew(i8),
}

/// What a person asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Deed {
    /// `PUT /v1/patient`, with the person's own demographics, others, or another person's.
    Link(u8),
    /// `POST /v1/identity-sessions`.
    OpenSession,
    /// `POST /v1/aal2-challenges`.
    OpenChallenge,
    /// `POST /v1/network-queries`.
    Pull(Pull),
    /// `POST /v1/records`.
    AskRecord(u8),
}

/// What an app brings to a pull.
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
    /// The newest challenge, with a session of somebody else.
    ForeignSession,
}

/// What goes wrong with an operation. Reads, writes and sends know two ways: without effect, or with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Fault {
    /// No effect, and no definite answer.
    Lost,
    /// The effect is there, the answer is lost.
    Unanswered,
    /// No byte was written; or the calls of the day are used up.
    NotSent,
    /// 429; or the turn of a start comes later.
    Busy,
    /// Refused; or no turn comes in time.
    Refused,
    /// The AAL2 session is refused.
    SessionRefused,
    /// The proofed identity is refused.
    IdentityRefused,
    /// It starts, but not every source does.
    Partly,
}

/// What becomes of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Fate {
    /// It arrives.
    Arrives,
    /// It arrives without our metadata.
    ArrivesBare,
    /// It does not arrive; upstream keeps it until somebody asks for a replay.
    Dropped,
    /// Any webhook there ever was arrives once more.
    Again,
}

/// What an identity event names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Pass {
    /// Session, patient and our mark.
    Full,
    /// The patient alone.
    PatientOnly,
    /// Our mark alone; a replay of it names nothing.
    Unnamed,
    /// Another person than the one it was opened for passed it.
    Somebody,
    /// Session and patient, after the session of another service.
    Elsewhere,
    /// The session, and a mark that is not of it; a replay of it names the session alone.
    Contradicted,
}

/// How a source ends, and whether a webhook says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Ending {
    /// It answers.
    Answers,
    /// It fails.
    Fails,
    /// It answers, and no webhook says so.
    AnswersUntold,
    /// It fails, and no webhook says so.
    FailsUntold,
    /// It fails, a webhook says so, and it is tried again.
    Retried,
}

/// How a consolidated query ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Yield {
    /// With a link.
    Link,
    /// With a link that no webhook brings.
    LinkUntold,
    /// Without data.
    Nothing,
    /// It fails.
    Failure,
    /// With a record that was made with other filters.
    Foreign,
}

/// A world that is broken on purpose, outside of the domain: the rules must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Sabotage {
    /// Consumers act on a message without comparing its `dueSeq`.
    ClaimWithoutDueSeq,
    /// Messages that were acted on are not remembered.
    DedupeDropped,
    /// A start without an answer counts as not sent.
    AmbiguousStartRepeated,
    /// Writes do not look at what is there.
    UnconditionalWrite,
    /// Locks vanish after a minute, as if a short time to live were the lock.
    TtlAsLock,
    /// Locks are not released.
    LockKept,
    /// The reconciler finds nothing.
    NoReconciler,
    /// A webhook is answered with 200 before it is durable.
    AnswerBeforeSend,
    /// Used AAL2 sessions are not remembered.
    SessionForgotten,
    /// A patient may belong to two persons.
    PatientShared,
    /// A patient is claimed only when its update has been sent.
    ClaimAfterUpdate,
    /// A delivery is taken whatever it answers.
    AnyDeliveryTaken,
    /// The shares that a person has taken are not remembered.
    ShareForgotten,
    /// The records that a person has asked for are not remembered.
    OpenRecordsForgotten,
}

impl Sabotage {
    /// Every kind there is.
    pub const ALL: [Self; 14] = [
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
    ];
}
