//! The authenticator app of a person: a TOTP secret (RFC 6238, SHA-1, six digits, 30 seconds) and the check of a code.
//!
//! A code is accepted one step early or late. RFC 6238 requires that each code is accepted only once. The stand-in
//! omits this rule on purpose, because the second of two pulls within thirty seconds would have to wait for a new code.

use totp_rs::{Builder, Secret, Totp};

use crate::moment::Moment;

const ISSUER: &str = "Metriport stand-in";

/// An authenticator, enrolled or about to be. It has no `Debug`, because it holds the secret.
#[derive(Clone)]
pub(crate) struct Authenticator {
    secret: [u8; 20],
    account: String,
}

impl Authenticator {
    pub(crate) fn new(secret: [u8; 20], account: &str) -> Self {
        Self {
            secret,
            account: account.replace(':', " "),
        }
    }

    /// The secret as people type it into an app: base32 without padding.
    pub(crate) fn base32(&self) -> String {
        Secret::from(self.secret).to_base32()
    }

    /// The `otpauth://` URI that apps read; `None` for an account without a name.
    pub(crate) fn uri(&self) -> Option<String> {
        self.totp().to_url().ok()
    }

    pub(crate) fn code(&self, now: Moment) -> String {
        self.totp().generate(now.seconds()).to_string()
    }

    /// Whether `code` is valid now, or one step early or late. Spaces are ignored.
    pub(crate) fn accepts(&self, now: Moment, code: &str) -> bool {
        let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let plain = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_digit());
        plain && self.totp().check(&digits, now.seconds()).is_some()
    }

    fn totp(&self) -> Totp {
        let builder = Builder::new().with_secret(self.secret).with_skew(1);
        builder
            .with_account_name(self.account.clone())
            .with_issuer(Some(ISSUER))
            .build_noncompliant()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the SHA-1 secret and times, with the last six of the eight digits.
    #[test]
    fn codes_match_the_known_answers_of_the_rfc() {
        let authenticator = Authenticator::new(*b"12345678901234567890", "Nora");
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            assert_eq!(authenticator.code(Moment::from_millis(seconds * 1000)), code);
        }
    }

    #[test]
    fn code_is_accepted_within_one_step_of_drift() {
        let authenticator = Authenticator::new([7; 20], "Nora");
        let at = |seconds: i64| Moment::from_millis(seconds * 1000);
        let code = authenticator.code(at(3000));
        assert!(authenticator.accepts(at(2970), &code) && authenticator.accepts(at(3030), &code));
        assert!(!authenticator.accepts(at(2939), &code) && !authenticator.accepts(at(3060), &code));
        assert!(!authenticator.accepts(at(3000), ""));
        assert!(!authenticator.accepts(at(3000), &format!("+{}", &code[1..])));
    }

    #[test]
    fn uri_names_issuer_and_secret() {
        let uri = Authenticator::new([7; 20], "Nora: Quill").uri().unwrap();
        assert!(uri.starts_with("otpauth://totp/") && uri.contains("secret="), "{uri}");
    }
}
