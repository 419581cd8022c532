//! Refusals: RFC 9457 `application/problem+json`, with a code from a closed list and the caller's next action.

use std::borrow::Cow;

use serde::Serialize;

use crate::domain::budget::Allowance;
use crate::domain::consent::Notice;
use crate::domain::input::FieldError;
use crate::domain::{ExportId, ReceiptId, RecordId};

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The code.
    pub code: Code,
    /// Details of this refusal; never a value from the request.
    pub detail: Option<Box<str>>,
    /// Fields that are wrong.
    pub errors: Box<[FieldError]>,
    /// `Retry-After`, in seconds.
    pub retry_after_secs: Option<u64>,
    /// State of the share that caused the refusal.
    pub rate_limit: Option<Allowance>,
    /// The requirements for the next token, if the token was refused.
    pub sign_in: Option<Box<SignIn>>,
    /// The notice in force, if the person has not consented to it.
    pub notice: Option<Box<Notice>>,
}

/// Requirements for the app's next token: parameters of the authorization request (OpenID Connect Core 1.0, section
/// 3.1.2.1), and methods that the token's `amr` must name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignIn {
    /// The scope to ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `acr_values`, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr_values: Option<String>,
    /// Authentication methods (RFC 8176).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// `max_age`, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
}

impl Problem {
    /// A refusal without details.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self {
            code,
            detail: None,
            errors: Box::new([]),
            retry_after_secs: None,
            rate_limit: None,
            sign_in: None,
            notice: None,
        }
    }

    /// Adds details.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into().into_boxed_str());
        self
    }

    /// Adds the fields that are wrong.
    #[must_use]
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors.into_boxed_slice();
        self
    }

    /// Adds one field that is wrong.
    #[must_use]
    pub fn field(self, pointer: impl Into<String>, detail: &'static str) -> Self {
        self.errors(vec![FieldError {
            pointer: pointer.into(),
            detail,
        }])
    }

    /// Adds the seconds after which a retry makes sense.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_secs = Some(seconds);
        self
    }

    /// Adds the requirements for the next token.
    #[must_use]
    pub fn sign_in(mut self, sign_in: SignIn) -> Self {
        self.sign_in = Some(Box::new(sign_in));
        self
    }

    /// Adds the notice in force.
    #[must_use]
    pub fn notice(mut self, notice: &Notice) -> Self {
        self.notice = Some(Box::new(notice.clone()));
        self
    }

    /// `WWW-Authenticate` for a refused token. It follows RFC 9470, section 3, if the sign-in is too old or too weak,
    /// and RFC 6750, section 3.1, if the scope is missing. API Gateway may rename the header, so the body has the same
    /// content.
    #[must_use]
    pub fn www_authenticate(&self) -> Option<String> {
        let sign_in = self.sign_in.as_ref()?;
        let error = match self.code {
            Code::ScopeMissing => "insufficient_scope",
            _ => "insufficient_user_authentication",
        };
        let max_age = sign_in.max_age.map(|seconds| seconds.to_string());
        let parameters = [
            ("error", Some(error)),
            ("scope", sign_in.scope.as_deref()),
            ("acr_values", sign_in.acr_values.as_deref()),
            ("max_age", max_age.as_deref()),
        ];
        let written = parameters.map(|(name, value)| value.map(|value| format!("{name}=\"{value}\"")));
        Some(format!(
            "Bearer {}",
            written.into_iter().flatten().collect::<Vec<_>>().join(", ")
        ))
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> ProblemBody<'_> {
        ProblemBody {
            kind: format!("urn:individual-access:problem:{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.status(),
            code: self.code.as_str(),
            detail: self.detail.as_deref(),
            errors: &self.errors,
            next: NextBody {
                next: self.code.next(),
                sign_in: self.sign_in.as_deref(),
                notice: self.notice.as_deref(),
            },
        }
    }
}

/// A refusal's body.
#[derive(Debug, Serialize)]
pub struct ProblemBody<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    next: NextBody<'a>,
}

#[derive(Debug, Serialize)]
struct NextBody<'a> {
    #[serde(flatten)]
    next: Next,
    #[serde(flatten)]
    sign_in: Option<&'a SignIn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'a Notice>,
}

/// The caller's next action: a word from a closed list, and the request to send, if there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Next {
    /// The word.
    pub action: &'static str,
    /// The request's method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'static str>,
    /// The request's path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Cow<'static, str>>,
    /// Another action that the caller may take at once instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub or: Option<&'static Self>,
}

impl Next {
    /// Correct the request and send it again.
    pub const FIX_REQUEST: Self = Self::from_action("fix_request");
    /// Send the same request again, after `Retry-After` if given.
    pub const RETRY: Self = Self::from_action("retry");
    /// Contact support: a human must look at the case.
    pub const CONTACT_SUPPORT: Self = Self::from_action("contact_support");
    /// Let the person sign in again.
    pub const SIGN_IN: Self = Self::from_action("sign_in");
    /// Wait.
    pub const WAIT: Self = Self::from_action("wait");
    /// No action.
    pub const NONE: Self = Self::from_action("none");
    /// Show the person the notice, and send their consent to it.
    pub const GIVE_CONSENT: Self = Self::request("give_consent", "PUT", "/v1/me/consent");
    /// Send the person's demographics.
    pub const PUT_PATIENT: Self = Self::request("put_patient", "PUT", "/v1/patient");
    /// Let the person prove who they are.
    pub const VERIFY_IDENTITY: Self = Self::request("verify_identity", "POST", "/v1/identity-sessions");
    /// Read the state of the identity.
    pub const CHECK_IDENTITY: Self = Self::request("check_identity", "GET", "/v1/identity");
    /// Wait for the confirmation of the open identity session, or let the person start over. Metriport does not report
    /// that a person has cancelled a session.
    pub const WAIT_OR_VERIFY_IDENTITY: Self = Self {
        action: "wait",
        method: None,
        url: None,
        or: Some(&Self::VERIFY_IDENTITY),
    };
    /// Check whether the confirmation of the expired identity session has come, or let the person start over.
    pub const CHECK_OR_VERIFY_IDENTITY: Self = Self {
        action: "check_identity",
        method: Some("GET"),
        url: Some(Cow::Borrowed("/v1/identity")),
        or: Some(&Self::VERIFY_IDENTITY),
    };
    /// Let the person pass a new challenge.
    pub const OPEN_CHALLENGE: Self = Self::request("open_challenge", "POST", "/v1/aal2-challenges");
    /// List the pulls.
    pub const LIST_QUERIES: Self = Self::request("list_network_queries", "GET", "/v1/network-queries");
    /// Ask for the record again.
    pub const REQUEST_RECORD: Self = Self::request("request_record", "POST", "/v1/records");

    /// Read one record.
    #[must_use]
    pub fn read_record(record: RecordId) -> Self {
        Self {
            action: "read_record",
            method: Some("GET"),
            url: Some(Cow::Owned(format!("/v1/records/{record}"))),
            or: None,
        }
    }

    /// Read the next page of the access log, at this address.
    #[must_use]
    pub fn read_log(url: String) -> Self {
        Self {
            action: "read_access_log",
            method: Some("GET"),
            url: Some(Cow::Owned(url)),
            or: None,
        }
    }

    /// Read an export, until it is complete.
    #[must_use]
    pub fn read_export(export: ExportId) -> Self {
        Self {
            action: "read_export",
            method: Some("GET"),
            url: Some(Cow::Owned(format!("/v1/me/exports/{export}"))),
            or: None,
        }
    }

    /// Read the receipt of an erasure. The caller needs no token.
    #[must_use]
    pub fn read_receipt(receipt: ReceiptId) -> Self {
        Self {
            action: "read_receipt",
            method: Some("GET"),
            url: Some(Cow::Owned(format!("/v1/erasures/{receipt}"))),
            or: None,
        }
    }

    const fn from_action(action: &'static str) -> Self {
        Self {
            action,
            method: None,
            url: None,
            or: None,
        }
    }

    const fn request(action: &'static str, method: &'static str, url: &'static str) -> Self {
        Self {
            action,
            method: Some(method),
            url: Some(Cow::Borrowed(url)),
            or: None,
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $code:literal $status:literal $title:literal $next:ident;)*) => {
        /// All refusals. The list is closed: a new code changes the API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code in the body.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $code,)* } }

            /// The HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 { match self { $(Self::$variant => $status,)* } }

            /// One sentence for a developer.
            #[must_use]
            pub const fn title(self) -> &'static str { match self { $(Self::$variant => $title,)* } }

            /// The caller's next action.
            #[must_use]
            pub const fn next(self) -> Next { match self { $(Self::$variant => Next::$next,)* } }
        }
    };
}

codes! {
    /// The body is not JSON.
    InvalidJson "invalid_json" 400 "The body is not JSON." FIX_REQUEST;
    /// The content type is not JSON.
    UnsupportedMediaType "unsupported_media_type" 415 "The body must be application/json." FIX_REQUEST;
    /// The body is larger than 1 MiB.
    BodyTooLarge "body_too_large" 413 "The body is larger than 1 MiB." FIX_REQUEST;
    /// The header `Accept` names both of our forms, or neither.
    NotAcceptable "not_acceptable" 406 "Accept must name either application/json or application/fhir+json." FIX_REQUEST;
    /// Fields are missing, unknown or malformed.
    InvalidRequest "invalid_request" 400 "The request has missing, unknown or malformed fields." FIX_REQUEST;
    /// The token lacks a claim that the deployment needs.
    TokenIncomplete "token_incomplete" 403 "The token lacks a claim that this deployment requires." SIGN_IN;
    /// The token does not have the scope of this API.
    ScopeMissing "scope_missing" 403 "The token lacks the scope that this deployment requires." SIGN_IN;
    /// The sign-in is too long ago, or was not strong enough.
    ReauthenticationRequired "reauthentication_required" 401
        "The person must sign in again; next lists what the new token must show." SIGN_IN;
    /// The person has not consented to the notice in force.
    ConsentRequired "consent_required" 403 "No consent of the person to the notice in force covers this request." GIVE_CONSENT;
    /// The consent names another notice.
    NoticeNotInForce "notice_not_in_force" 409 "The consent names a notice that is not in force." GIVE_CONSENT;
    /// The app keeps consents.
    ConsentKeptElsewhere "consent_kept_elsewhere" 409 "This deployment stores no consent; the app keeps it." NONE;
    /// The demographics differ from the token's claims.
    DemographicsMismatch "demographics_mismatch" 403
        "The demographics differ from the claims of the token." FIX_REQUEST;
    /// The redirect URL is not on the allowlist.
    RedirectUrlNotAllowed "redirect_url_not_allowed" 400
        "The redirectUrl is not HTTPS, or not on this deployment's allowlist." FIX_REQUEST;
    /// The purpose is not `ias`.
    PurposeNotSupported "purpose_not_supported" 403 "The purpose of use must be ias." FIX_REQUEST;
    /// The request enables no source.
    NoSourceEnabled "no_source_enabled" 400 "At least one source must be enabled." FIX_REQUEST;
    /// The person has no patient yet.
    PatientNotLinked "patient_not_linked" 409 "The person is not linked to a patient yet." PUT_PATIENT;
    /// A change of demographics has not finished.
    PatientChanging "patient_changing" 409
        "A change of the person's demographics has not finished; send the demographics again." PUT_PATIENT;
    /// The person cannot be linked to the patient. Every conflict of links gets this answer, which must not reveal the
    /// patient's owner.
    PatientLinkRefused "patient_link_refused" 409
        "The person cannot be linked to a patient automatically." CONTACT_SUPPORT;
    /// A pull is open, or Metriport is busy with the patient's documents.
    PatientLocked "patient_locked" 423 "The patient cannot be changed while records are being retrieved." RETRY;
    /// The identity is verified already.
    IdentityAlreadyVerified "identity_already_verified" 409
        "The identity is already verified." OPEN_CHALLENGE;
    /// The identity is not verified, or is no longer verified.
    IdentityNotVerified "identity_not_verified" 409 "The identity is not verified." VERIFY_IDENTITY;
    /// Metriport does not accept the identity.
    IdentityRejected "identity_rejected" 409
        "The network did not accept the identity; it must be verified again." VERIFY_IDENTITY;
    /// The session header is missing.
    Aal2SessionMissing "aal2_session_missing" 400 "The header x-aal2-session is missing." OPEN_CHALLENGE;
    /// The session header is not a session id.
    Aal2SessionMalformed "aal2_session_malformed" 400 "The header x-aal2-session is malformed." OPEN_CHALLENGE;
    /// The challenge was not passed.
    Aal2NotVerified "aal2_not_verified" 403 "The challenge was not passed." OPEN_CHALLENGE;
    /// The challenge is unknown, used, superseded, or another person's.
    ChallengeNotPending "challenge_not_pending" 409 "No such challenge is pending for this person." OPEN_CHALLENGE;
    /// The challenge has expired.
    ChallengeExpired "challenge_expired" 409 "The challenge has expired." OPEN_CHALLENGE;
    /// The session was used before, by any person.
    Aal2SessionUsed "aal2_session_used" 409 "The AAL2 session was used before." OPEN_CHALLENGE;
    /// The patient has an open pull.
    NetworkQueryOpen "network_query_open" 409 "A network query is open; the AAL2 session was not used." LIST_QUERIES;
    /// The id is unknown or belongs to another person; the answer does not show which.
    NotFound "not_found" 404 "The person has nothing with this id." NONE;
    /// An operator must release or delete the person's records, which may be another person's.
    RecordQuarantined "record_quarantined" 409 "The person's records are quarantined until an operator releases or deletes them." CONTACT_SUPPORT;
    /// Everything that is stored about the person is being erased.
    ErasureInProgress "erasure_in_progress" 409 "Everything stored about the person is being erased." RETRY;
    /// An operator has put the person's data on legal hold.
    LegalHold "legal_hold" 409 "The person's data are on legal hold and cannot be erased now." CONTACT_SUPPORT;
    /// The header `Idempotency-Key` holds neither a quoted nor an unquoted key.
    IdempotencyKeyMalformed "idempotency_key_malformed" 400
        "The header Idempotency-Key is not a string of 1 to 255 visible ASCII characters." FIX_REQUEST;
    /// The key belongs to another request.
    IdempotencyKeyReused "idempotency_key_reused" 422
        "The Idempotency-Key belongs to another request; send this one with a new key." FIX_REQUEST;
    /// The first request under the key is not answered yet.
    IdempotencyKeyInFlight "idempotency_key_in_flight" 409
        "A request with this Idempotency-Key is still in progress." RETRY;
    /// The reply under the key held a link that has expired.
    IdempotencyKeySpent "idempotency_key_spent" 422
        "The link in the reply to this Idempotency-Key has expired; use a new key." FIX_REQUEST;
    /// The webhook is not signed by Metriport.
    SignatureInvalid "signature_invalid" 401 "The webhook signature is missing or does not match." CONTACT_SUPPORT;
    /// The state changed during the request.
    StateChanged "state_changed" 409 "The state changed while the request was handled." RETRY;
    /// The person's own share is used up.
    TooManyRequests "too_many_requests" 429 "The person's share of requests is used up for now." RETRY;
    /// The person has as many unfinished records as allowed.
    TooManyOpen "too_many_open" 429 "The person already has three unfinished records." RETRY;
    /// Metriport's rate limit, or our budget below it, allows no call now.
    UpstreamBusy "upstream_busy" 429 "The network accepts no more requests at the moment." RETRY;
    /// Metriport could not be reached.
    UpstreamUnreachable "upstream_unreachable" 503 "The network could not be reached; nothing was sent." RETRY;
    /// Metriport definitely refused, and the caller is not the cause.
    UpstreamRefused "upstream_refused" 502 "The network refused the request." CONTACT_SUPPORT;
    /// The request was sent and got no definite answer.
    UpstreamOutcomeUnknown "upstream_outcome_unknown" 504 "The network gave no definite answer." RETRY;
    /// A part of this service is busy.
    Unavailable "unavailable" 503 "The service is busy." RETRY;
    /// A defect of this service.
    Internal "internal" 500 "The service failed." CONTACT_SUPPORT;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_name_a_next_step() {
        let words: std::collections::BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        assert!(
            Code::ALL
                .iter()
                .all(|code| (400..600).contains(&code.status()) && !code.next().action.is_empty())
        );
    }

    #[test]
    fn problem_body_follows_rfc_9457() {
        let problem = Problem::new(Code::InvalidRequest).field("/dob", "a date");
        let body = serde_json::to_value(problem.body()).unwrap();
        assert_eq!(body["type"], "urn:individual-access:problem:invalid_request");
        assert_eq!(body["status"], 400);
        assert_eq!(body["errors"][0]["pointer"], "/dob");
        assert_eq!(body["next"]["action"], "fix_request");
    }
}
