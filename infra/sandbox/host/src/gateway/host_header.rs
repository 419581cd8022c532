//! Reads the `Host` header.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};

/// The request's only `Host`, with its port. A request without `Host`, with several, or with an invalid one gets status
/// 400 (RFC 9112, section 3.2).
pub(super) fn read(headers: &HeaderMap) -> Option<Authority> {
    let mut lines = headers.get_all(header::HOST).iter();
    let (line, second) = (lines.next()?, lines.next());
    let authority: Authority = line.to_str().ok()?.parse().ok()?;
    let is_host = !authority.host().is_empty() && !authority.as_str().contains('@');
    (second.is_none() && is_host).then_some(authority)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn of(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::HOST, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        read(&headers).map(|authority| authority.to_string())
    }

    #[test]
    fn single_valid_host_is_accepted() {
        for host in ["127.0.0.1:3000", "localhost", "[::1]:80", "api.example.test"] {
            assert_eq!(of(&[host]).as_deref(), Some(host));
        }
    }

    #[test]
    fn missing_repeated_or_invalid_host_is_refused() {
        let refused: [&[&str]; 8] = [&[], &["a", "a"], &["a b"], &[""], &["[::1"], &["u@a"], &["a/b"], &["é"]];
        for lines in refused {
            assert_eq!(of(lines), None, "{lines:?}");
        }
    }
}
