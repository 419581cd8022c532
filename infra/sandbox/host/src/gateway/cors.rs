//! Cross-origin answers from the template's `CorsConfiguration` (docs.aws.amazon.com, "Configure CORS for HTTP APIs").

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};

use crate::template::Cors;

const CORS_HEADERS: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

/// API Gateway's own answer to a preflight request, with or without a matching route; `None` for other requests.
pub(super) fn preflight(cors: &Cors, parts: &Parts) -> Option<Response> {
    let asks = parts.method == Method::OPTIONS && parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !asks {
        return None;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    if allow_origin(cors, &parts.headers, headers) {
        set(
            headers,
            header::ACCESS_CONTROL_ALLOW_METHODS,
            &cors.allow_methods.join(","),
        );
        set(
            headers,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            &cors.allow_headers.join(","),
        );
        if let Some(max_age_secs) = cors.max_age_secs {
            set(headers, header::ACCESS_CONTROL_MAX_AGE, &max_age_secs.to_string());
        }
    }
    Some(response)
}

/// Sets the CORS headers of the response to an actual request, and drops the function's own CORS headers, as API
/// Gateway does.
pub(super) fn decorate(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) {
    for name in CORS_HEADERS {
        response.remove(name);
    }
    if allow_origin(cors, request, response) {
        set(
            response,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            &cors.expose_headers.join(","),
        );
    }
}

fn allow_origin(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) -> bool {
    let Some(origin) = request.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()) else {
        return false;
    };
    let any = cors.allow_origins.iter().any(|allowed| allowed == "*");
    let allowed = any
        || cors
            .allow_origins
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(origin));
    if allowed {
        set(
            response,
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            if any { "*" } else { origin },
        );
        if cors.allow_credentials {
            set(response, header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
    }
    allowed
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Some(value) = HeaderValue::from_str(value).ok().filter(|value| !value.is_empty()) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn cors() -> Cors {
        Cors {
            allow_origins: vec!["https://app.example".to_owned()],
            allow_methods: vec!["GET".to_owned(), "POST".to_owned()],
            allow_headers: vec!["authorization".to_owned()],
            expose_headers: vec!["x-run".to_owned()],
            max_age_secs: Some(60),
            allow_credentials: true,
        }
    }

    fn preflight_from(origin: &str) -> Parts {
        let request = Request::builder().method("OPTIONS").header("origin", origin);
        request
            .header("access-control-request-method", "POST")
            .body(())
            .unwrap()
            .into_parts()
            .0
    }

    #[test]
    fn allowed_origin_gets_the_configured_headers() {
        let response = preflight(&cors(), &preflight_from("https://app.example")).unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("access-control-allow-origin"), "https://app.example");
        assert_eq!(header("access-control-allow-methods"), "GET,POST");
        assert_eq!(header("access-control-allow-headers"), "authorization");
        assert_eq!(header("access-control-max-age"), "60");
        assert_eq!(header("access-control-allow-credentials"), "true");
    }

    #[test]
    fn unknown_origin_and_plain_options_lack_cors_headers() {
        let response = preflight(&cors(), &preflight_from("https://evil.example")).unwrap();
        assert!(!response.headers().contains_key("access-control-allow-origin"));
        let plain = Request::builder().method("OPTIONS").body(()).unwrap().into_parts().0;
        assert!(preflight(&cors(), &plain).is_none());
    }

    #[test]
    fn cors_headers_of_the_function_are_dropped() {
        let mut response = HeaderMap::new();
        response.insert(
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("https://evil.example"),
        );
        decorate(&cors(), &HeaderMap::new(), &mut response);
        assert!(response.is_empty());
    }
}
