//! Decides which pages of other origins may read objects, from a bucket's CORS configuration (docs.aws.amazon.com,
//! Amazon S3 user guide, "Using cross-origin resource sharing (CORS)").

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, request::Parts};
use axum::response::Response;

/// One CORS rule. Each origin and each header may contain one `*`, which matches any text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CorsRule {
    /// `AllowedOrigins`.
    pub allowed_origins: Vec<String>,
    /// `AllowedMethods`.
    pub allowed_methods: Vec<String>,
    /// `AllowedHeaders`.
    pub allowed_headers: Vec<String>,
    /// `ExposedHeaders`.
    pub exposed_headers: Vec<String>,
    /// `MaxAge`, in seconds.
    pub max_age_secs: Option<u64>,
}

/// The rules of each bucket. S3 applies the first rule that matches.
pub(super) type CorsRules = BTreeMap<String, Vec<CorsRule>>;

pub(super) fn preflight(rules: &CorsRules, parts: &Parts) -> Response {
    let request = CorsRequest {
        origin: text(&parts.headers, header::ORIGIN),
        method: text(&parts.headers, header::ACCESS_CONTROL_REQUEST_METHOD),
        headers: list(text(&parts.headers, header::ACCESS_CONTROL_REQUEST_HEADERS)),
    };
    let mut response = Response::new(Body::empty());
    match of_bucket(rules, &parts.uri).iter().find(|rule| rule.admits(&request)) {
        Some(rule) => {
            rule.write(&request, response.headers_mut());
            set(
                response.headers_mut(),
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                &request.headers.join(", "),
            );
        }
        None => *response.status_mut() = StatusCode::FORBIDDEN,
    }
    response
}

/// Adds the CORS headers to the answer to an actual request, even if the answer is a refusal.
pub(super) fn decorate(rules: &CorsRules, (method, uri): (&Method, &Uri), origin: &str, response: &mut HeaderMap) {
    let request = CorsRequest {
        origin,
        method: method.as_str(),
        headers: Vec::new(),
    };
    if let Some(rule) = of_bucket(rules, uri).iter().find(|rule| rule.admits(&request)) {
        rule.write(&request, response);
    }
}

struct CorsRequest<'a> {
    origin: &'a str,
    method: &'a str,
    headers: Vec<&'a str>,
}

impl CorsRule {
    fn admits(&self, request: &CorsRequest<'_>) -> bool {
        let header = |name: &&str| {
            self.allowed_headers
                .iter()
                .any(|pattern| fits(&pattern.to_lowercase(), name))
        };
        self.allowed_origins.iter().any(|pattern| fits(pattern, request.origin))
            && self.allowed_methods.iter().any(|method| method == request.method)
            && request.headers.iter().all(header)
    }

    fn write(&self, request: &CorsRequest<'_>, headers: &mut HeaderMap) {
        let any = self.allowed_origins.iter().any(|pattern| pattern == "*");
        set(
            headers,
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            if any { "*" } else { request.origin },
        );
        set(
            headers,
            header::ACCESS_CONTROL_ALLOW_METHODS,
            &self.allowed_methods.join(", "),
        );
        set(
            headers,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            &self.exposed_headers.join(", "),
        );
        if let Some(max_age_secs) = self.max_age_secs {
            set(headers, header::ACCESS_CONTROL_MAX_AGE, &max_age_secs.to_string());
        }
        if !any {
            set(headers, header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        set(
            headers,
            header::VARY,
            "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
        );
    }
}

fn of_bucket<'r>(rules: &'r CorsRules, uri: &Uri) -> &'r [CorsRule] {
    let bucket = uri.path().trim_start_matches('/').split('/').next().unwrap_or_default();
    rules.get(bucket).map_or(&[], Vec::as_slice)
}

/// Whether the text matches a pattern with at most one `*`.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn list(names: &str) -> Vec<&str> {
    names
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Some(value) = HeaderValue::from_str(value).ok().filter(|value| !value.is_empty()) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "https://app.example";

    fn rules() -> CorsRules {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let rule = CorsRule {
            allowed_origins: texts(&[APP, "https://*.preview.example"]),
            allowed_methods: texts(&["GET"]),
            allowed_headers: texts(&["Range"]),
            exposed_headers: texts(&["etag"]),
            max_age_secs: Some(600),
        };
        [("records".to_owned(), vec![rule])].into()
    }

    fn send_preflight(uri: &str, origin: &str, method: &str, headers: &str) -> Response {
        let request = axum::http::Request::builder()
            .method("OPTIONS")
            .uri(uri)
            .header("origin", origin);
        let request = request.header("access-control-request-method", method);
        let request = request
            .header("access-control-request-headers", headers)
            .body(())
            .unwrap();
        preflight(&rules(), &request.into_parts().0)
    }

    #[test]
    fn preflight_that_matches_a_rule_is_allowed() {
        for origin in [APP, "https://a.preview.example"] {
            let response = send_preflight("/records/a/b", origin, "GET", "range");
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()["access-control-allow-origin"], origin);
            assert_eq!(response.headers()["access-control-allow-headers"], "range");
            assert_eq!(response.headers()["access-control-max-age"], "600");
        }
    }

    #[test]
    fn another_origin_method_header_or_bucket_is_refused() {
        for (uri, origin, method, headers) in [
            ("/records/a", "https://evil.example", "GET", ""),
            ("/records/a", "https://preview.example", "GET", ""),
            ("/records/a", APP, "PUT", ""),
            ("/records/a", APP, "GET", "range, x-other"),
            ("/others/a", APP, "GET", ""),
        ] {
            let response = send_preflight(uri, origin, method, headers);
            assert_eq!(
                response.status(),
                StatusCode::FORBIDDEN,
                "{uri} {origin} {method} {headers}"
            );
            assert!(response.headers().is_empty());
        }
    }

    #[test]
    fn answer_names_the_allowed_origin() {
        let of = |origin: &str| {
            let mut headers = HeaderMap::new();
            decorate(
                &rules(),
                (&Method::GET, &"/records/a?X-Amz-Expires=60".parse().unwrap()),
                origin,
                &mut headers,
            );
            headers
        };
        assert_eq!(of(APP)["access-control-allow-origin"], APP);
        assert_eq!(of(APP)["access-control-expose-headers"], "etag");
        assert!(of("https://evil.example").is_empty());
        assert!(of("").is_empty());
    }
}
