//! The kinds of access.

use serde::{Deserialize, Serialize};

/// Declares the kinds of access with their codes.
macro_rules! accesses {
    ($($(#[$doc:meta])* $kind:ident = $code:literal,)+) => {
        /// A kind of access.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Access {
            $($(#[$doc])* #[serde(rename = $code)] $kind,)+
        }

        impl Access {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// The code, as stored and shown.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $code,)+
                }
            }
        }
    };
}

accesses! {
    /// The person was linked to a patient.
    Linked = "linked",
    /// The patient's demographics or opt-out were changed.
    DemographicsChanged = "demographics_changed",
    /// An identity session was opened.
    SessionOpened = "session_opened",
    /// A proofed identity was bound to the person.
    IdentityVerified = "identity_verified",
    /// A challenge was opened.
    ChallengeOpened = "challenge_opened",
    /// A pull was accepted.
    PullAccepted = "pull_accepted",
    /// A pull was started: an answer of Metriport or a webhook proves it.
    PullStarted = "pull_started",
    /// A pull ended.
    PullEnded = "pull_ended",
    /// A record was stored in the bucket.
    RecordStored = "record_stored",
    /// Records were listed; one entry an hour for each app.
    RecordsListed = "records_listed",
    /// A record link was made.
    LinkMinted = "link_minted",
    /// The access log was read; one entry an hour.
    LogRead = "log_read",
    /// The person asked for an export of everything that is stored about them.
    ExportRequested = "export_requested",
    /// Links to an export were made; one entry an hour for each app.
    ExportRead = "export_read",
    /// The person gave consent.
    ConsentGiven = "consent_given",
    /// The person withdrew consent.
    ConsentWithdrawn = "consent_withdrawn",
    /// The person reported a record as not theirs.
    NotMe = "not_me",
    /// The records were quarantined.
    Quarantined = "quarantined",
    /// An operator looked at the quarantined records.
    QuarantineShown = "quarantine_shown",
    /// An operator released the quarantined records.
    QuarantineReleased = "quarantine_released",
    /// An operator deleted the quarantined records.
    QuarantinePurged = "quarantine_purged",
    /// The person asked for the erasure of everything that is stored about them.
    ErasureRequested = "erasure_requested",
    /// Everything was erased but the access log.
    Erased = "erased",
    /// An operator put the data on legal hold.
    HoldBegun = "hold_begun",
    /// An operator ended the legal hold.
    HoldEnded = "hold_ended",
    /// An operator unlinked the patient.
    PatientReleased = "patient_released",
    /// An operator listed persons by their entries in the access log.
    TouchedListed = "touched_listed",
    /// A record was deleted, because the person does not consent to its keeping.
    RecordDeleted = "record_deleted",
}
