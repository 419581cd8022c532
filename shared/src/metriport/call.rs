//! One request before it is sent: method, path, query, headers, body.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use url::Url;

use super::{Operation, UpstreamError, UpstreamErrorKind};
use crate::domain::Aal2SessionId;

/// The header of the AAL2 session (docs.metriport.com, page `network/start-network-query`).
const AAL2_SESSION: HeaderName = HeaderName::from_static("x-aal2-session");

/// A request that is being built. Each id becomes one escaped path segment; query pairs are escaped too.
pub(super) struct UpstreamCall<'a> {
    pub(super) operation: Operation,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    segments: Vec<&'a str>,
    query: Vec<(&'static str, &'a str)>,
    valid: bool,
}

impl<'a> UpstreamCall<'a> {
    pub(super) fn new(operation: Operation, method: Method, segments: impl Into<Vec<&'a str>>) -> Self {
        let segments = segments.into();
        Self {
            operation,
            method,
            segments,
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: None,
            valid: true,
        }
    }

    pub(super) fn query(mut self, name: &'static str, value: &'a str) -> Self {
        self.query.push((name, value));
        self
    }

    pub(super) fn query_if(self, name: &'static str, value: Option<&'a str>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    pub(super) fn aal2_session(self, session: &Aal2SessionId) -> Self {
        self.header(AAL2_SESSION, session.as_str())
    }

    pub(super) fn json(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.body = Some(bytes.into()),
            Err(_unserialisable) => self.valid = false,
        }
        self
    }

    /// Whether the call carries an AAL2 session.
    pub(super) fn shows_aal2(&self) -> bool {
        self.headers.contains_key(AAL2_SESSION)
    }

    /// The URL of the call, below `base`.
    ///
    /// # Errors
    /// [`UpstreamErrorKind::Unsendable`] when a segment would vanish from the path, or a part could not be encoded.
    pub(super) fn url(&self, base: &Url) -> Result<Url, UpstreamError> {
        let mut url = base.clone();
        if !(self.valid && self.push_segments(&mut url)) {
            return Err(self.failed(UpstreamErrorKind::Unsendable));
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }

    pub(super) fn failed(&self, kind: UpstreamErrorKind) -> UpstreamError {
        UpstreamError::new(self.operation, kind)
    }

    fn push_segments(&self, url: &mut Url) -> bool {
        // URL parsers remove dot segments even if they are escaped, so the call would reach another route.
        let vanishes = |segment: &&str| matches!(*segment, "" | "." | "..");
        if self.segments.iter().any(vanishes) {
            return false;
        }
        match url.path_segments_mut() {
            Ok(mut path) => path.pop_if_empty().extend(&self.segments),
            Err(()) => return false,
        };
        true
    }

    fn header(mut self, name: HeaderName, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(mut value) => {
                value.set_sensitive(true);
                self.headers.insert(name, value);
            }
            Err(_unsendable) => self.valid = false,
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(base: &str, segments: &[&str]) -> Result<String, UpstreamErrorKind> {
        let call = UpstreamCall::new(Operation::GetPatient, Method::GET, segments).query("a", "x y&b=c");
        call.url(&Url::parse(base).unwrap())
            .map(String::from)
            .map_err(|error| error.kind())
    }

    #[test]
    fn ids_cannot_leave_their_segment() {
        let escaped = url("https://api.test", &["patient", "a/../b?c#d%2F"]).unwrap();
        assert_eq!(
            escaped,
            "https://api.test/patient/a%2F..%2Fb%3Fc%23d%252F?a=x+y%26b%3Dc"
        );
        for dots in [".", "..", ""] {
            assert_eq!(
                url("https://api.test", &["patient", dots]),
                Err(UpstreamErrorKind::Unsendable)
            );
        }
    }

    #[test]
    fn percent_escaped_dots_are_escaped_again() {
        assert_eq!(
            url("https://api.test", &["%2e%2e", "x"]).unwrap(),
            "https://api.test/%252e%252e/x?a=x+y%26b%3Dc"
        );
    }

    #[test]
    fn path_of_the_base_url_is_kept() {
        for base in ["https://api.test/proxy", "https://api.test/proxy/"] {
            assert!(
                url(base, &["settings"])
                    .unwrap()
                    .starts_with("https://api.test/proxy/settings?")
            );
        }
    }
}
