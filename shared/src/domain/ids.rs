//! Identifiers as types, so that one kind of id cannot take the place of another.
//!
//! Upstream identifiers are opaque text (docs.metriport.com promises neither a format nor a length). They are stored as
//! they arrive and never taken apart. Ids that identify a person or grant access have no readable `Debug`.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Longest identifier accepted from outside, in bytes.
pub const ID_BYTES_MAX: usize = 256;

/// The text is not an identifier of the expected kind. The error holds no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed {0}")]
pub struct IdError(pub &'static str);

fn visible_ascii(text: &str) -> bool {
    !text.is_empty() && text.len() <= ID_BYTES_MAX && text.bytes().all(|b| b.is_ascii_graphic())
}

fn visible_arn(text: &str) -> bool {
    visible_ascii(text) && text.starts_with("arn:")
}

fn printable(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= ID_BYTES_MAX && !text.chars().any(char::is_control)
}

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident, $label:literal, $check:ident, $debug:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Accepts the text unchanged.
            ///
            /// # Errors
            /// Fails if the text is blank, longer than [`ID_BYTES_MAX`] bytes, or contains a character that this kind
            /// of id never has.
            pub fn parse(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                if $check(&text) { Ok(Self(text)) } else { Err(IdError($label)) }
            }

            /// The text for keys, requests and comparison; never for a log line.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        opaque_id!(@$debug $name, $label);
    };
    (@redacted $name:ident, $label:literal) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!("[", $label, "]"))
            }
        }
    };
    (@readable $name:ident, $label:literal) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque_id!(/// Metriport's id of a patient.
    PatientId, "patient id", visible_ascii, redacted);
opaque_id!(/// Metriport's id of a facility, a deployment parameter.
    FacilityId, "facility id", visible_ascii, readable);
opaque_id!(/// The person's id in the app, which Metriport stores: the value of the token claim `ExternalIdClaim`.
    ExternalId, "external id", printable, redacted);
opaque_id!(/// A hosted identity proofing session, `ids_…`.
    IdentitySessionId, "identity session id", visible_ascii, redacted);
opaque_id!(/// A proofed identity, `pid_…`: the result of IAL2 proofing.
    ProofedIdentityId, "proofed identity id", visible_ascii, redacted);
opaque_id!(/// An AAL2 challenge, `aalc_…`.
    ChallengeId, "challenge id", visible_ascii, redacted);
opaque_id!(/// An AAL2 session, `aal2_…`. It opens exactly one network query and is a secret until that query starts.
    Aal2SessionId, "AAL2 session id", visible_ascii, redacted);
opaque_id!(/// Metriport's `requestId`: one network query or one consolidated query.
    UpstreamRequestId, "upstream request id", visible_ascii, readable);
opaque_id!(/// `meta.messageId` of a webhook; a replay keeps it.
    MessageId, "message id", visible_ascii, readable);
opaque_id!(/// The person, as a keyed hash of token issuer and subject. The hash reveals neither of them.
    OwnerId, "owner id", visible_ascii, redacted);
opaque_id!(/// Keyed hash of demographics: equal hashes mean equal demographics.
    DemographicsHash, "demographics hash", visible_ascii, redacted);
opaque_id!(/// Keyed hash of an AAL2 session id, for the row that marks it as used.
    Aal2SessionHash, "AAL2 session hash", visible_ascii, redacted);
opaque_id!(/// Keyed hash of the issuer and the client that a token names, for the access log.
    ClientHash, "client hash", visible_ascii, redacted);
opaque_id!(/// The identity of an operator in AWS, `arn:…`. It may contain the operator's name.
    OperatorArn, "operator's ARN", visible_arn, redacted);

impl RecordId {
    /// A placeholder for a record that is not made.
    pub const UNUSED: Self = Self(Uuid::nil());
}

impl MessageId {
    /// An id for a message that has none, made from the digest of its body. Messages with equal bodies thus get the
    /// same id.
    #[must_use]
    pub fn of_digest(hex: &str) -> Self {
        Self(format!("sha256.{hex}"))
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $label:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUIDv7 that was made outside the domain.
            #[must_use]
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// Reads the hyphenated form, as in URLs and keys.
            ///
            /// # Errors
            /// Fails if the text is not a UUID.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                match Uuid::try_parse(text) {
                    Ok(id) => Ok(Self(id)),
                    Err(_not_a_uuid) => Err(IdError($label)),
                }
            }

            /// The sixteen bytes, e.g. to spread ids over shards.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

uuid_id!(/// One pull of a person's record: one network query and the work that follows.
    PullId, "network query id");
uuid_id!(/// One consolidated record, asked for or fetched.
    RecordId, "record id");
uuid_id!(/// One export of everything that is stored about a person.
    ExportId, "export id");

macro_rules! secret_id {
    ($(#[$doc:meta])* $name:ident, $hidden:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(#[serde(with = "uuid::serde::simple")] Uuid);

        impl $name {
            /// Wraps a random UUID (version 4) that was made outside the domain.
            #[must_use]
            pub const fn new(random: Uuid) -> Self {
                Self(random)
            }
        }

        /// 32 lowercase hex digits.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.simple().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($hidden)
            }
        }
    };
}

secret_id!(/// The random folder of a person's records in the bucket. Its name stands in the links to records, so it is
    /// random. `Debug` hides it, because all links to a person's records have the same folder.
    RecordFolder, "[record folder]");
secret_id!(/// The id of an erasure's receipt. It is the credential for the receipt, so it is random, and `Debug`
    /// hides it.
    ReceiptId, "[receipt id]");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_ids_are_hidden_in_debug() {
        let text = "aal2_0198a0cf-9f31";
        assert!(!format!("{:?}", Aal2SessionId::parse(text).unwrap()).contains("0198"));
        assert!(!format!("{:?}", PatientId::parse(text).unwrap()).contains("0198"));
        assert!(!format!("{:?}", ExternalId::parse("nora@example.test").unwrap()).contains("nora"));
    }

    #[test]
    fn malformed_id_is_refused() {
        let long = "x".repeat(ID_BYTES_MAX + 1);
        for bad in ["", "a b", "a\nb", "ä", long.as_str()] {
            assert!(ChallengeId::parse(bad).is_err());
        }
        assert!(ExternalId::parse("user 48213").is_ok());
        assert!(ExternalId::parse("  ").is_err());
        assert!(PullId::parse("not-a-uuid").is_err());
        assert!(serde_json::from_str::<PatientId>("\"a b\"").is_err());
    }
}
