//! One DynamoDB table. Every item that a person owns lies in that person's partition. A read of such an item names the
//! person; only [`Correlate`], [`ReadDue`] and [`ReadDueAccountWork`] find persons.
//!
//! A change of an item succeeds only if the item still has the version that was read. Related writes share one
//! transaction. If it fails, the error names the failed conditions.
//!
//! Ports are small traits: a step that takes `&impl ReadPull` cannot write.

mod accept;
mod budget;
mod erasure;
mod error;
mod exports;
mod idempotency;
mod keys;
mod links;
mod log;
mod log_read;
mod mint;
mod person;
mod pulls;
mod purge;
mod quarantine;
mod records;
mod release;
mod replays;
mod retention;
mod root;
mod shares;
mod table;
mod touched;
mod transaction;
mod waiting;
mod withdrawal;

pub use accept::{AcceptPull, Grounds, can_accept};
pub use budget::{ReadDay, SpendDay, TakePlace, TakeSlot, Took};
pub use erasure::{
    EraseItems, ItemsToErase, ReadErasure, ReadUnfinishedErasures, RequestErasure, StoredItem, UnfinishedErasure,
    WriteErasure,
};
pub use error::StoreError;
pub use exports::{ReadExport, ReadStates, RequestExport, StatesPage, WriteExport};
pub use idempotency::PersonsKeys;
pub use links::{BindIdentity, Correlate, Correlation, RememberMessage, SeenMessage};
pub use log::{NoteCommand, NoteHour};
pub use log_read::{LogEntries, LogSpan, ReadLog, ReadLogDays};
pub use mint::{Mint, WriteMint};
pub use person::{
    ReadChallenge, ReadIdentity, ReadPatient, ReadPerson, RejectIdentity, SessionGrounds, WriteChallenge,
    WriteIdentity, WritePatient, reject_identity,
};
pub use pulls::{ListPulls, PullWrite, ReadPull, WritePull, WritePullOnce};
pub use purge::{EndQuarantine, NoteAccess, ReadQuarantines};
pub use quarantine::{CountQuarantines, QuarantineWrite, ReportRecord, WriteQuarantine};
pub use records::{
    CreateRecord, ListRecords, ReadRecord, RecordWrite, WriteRecord, WriteRecordOnce, claim_record, settle_record,
};
pub use release::ReleasePatient;
pub use replays::KeepReplays;
pub use retention::{EndRecords, ReadRetention};
pub use root::{ReadRoot, WriteConsent, WriteHold};
pub use shares::SpendShare;
pub use table::Table;
pub use touched::ReadTouched;
pub use transaction::Condition;
pub use waiting::{Due, ReadDue, ReadDueAccountWork};
pub use withdrawal::{WithdrawConsent, WithdrawalWrite};

/// A read or a write of the table.
pub type Result<T> = std::result::Result<T, StoreError>;
