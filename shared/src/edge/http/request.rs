//! Parts of a request: its route, its body, its headers.

use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};

use super::problem::{Code, Problem};
use crate::domain::input::{self, Faults, Input, InputError};
use crate::edge::error::Error;

/// Largest accepted body, in bytes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The route as the template writes it, `METHOD /path/{parameter}`.
#[must_use]
pub fn route(request: &Request) -> String {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.route_key.clone().unwrap_or_default(),
        _ => String::new(),
    }
}

/// A path parameter, decoded.
#[must_use]
pub fn path_parameter(request: &Request, name: &str) -> Option<String> {
    request
        .path_parameters_ref()
        .and_then(|parameters| parameters.first(name))
        .map(str::to_owned)
}

/// The path parameter `id`, read by `parse`.
///
/// # Errors
/// A malformed id gets the same 404 as an unknown one.
pub fn path_id<T, E>(request: &Request, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<T, Problem> {
    let text = path_parameter(request, "id").unwrap_or_default();
    parse(&text).map_err(|_no_id| Problem::new(Code::NotFound))
}

/// A parameter of the query, decoded. The values of a repeated parameter are joined by commas, as API Gateway joins
/// them (docs.aws.amazon.com, "Create AWS Lambda proxy integrations for HTTP APIs").
#[must_use]
pub fn query_parameter(request: &Request, name: &str) -> Option<String> {
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let values = url::form_urlencoded::parse(query).filter(|(key, _)| key == name);
    let values: Vec<_> = values.map(|(_, value)| value.into_owned()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// A header's text. A header that is not text, or is sent more than once, counts as malformed, not as missing.
#[must_use]
pub fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    let mut values = request.headers().get_all(name).iter();
    let first = values.next()?;
    let only = values.next().is_none().then_some(first);
    Some(only.and_then(|value| value.to_str().ok()).unwrap_or_default())
}

/// Reads a JSON body.
///
/// # Errors
/// Fails if the body is too large, has another content type, or is not JSON. It also fails if `read` notes faults, and
/// lists them.
pub fn body<T>(request: &Request, read: impl FnOnce(&Input<'_>, &mut Faults) -> Option<T>) -> Result<T, Error> {
    let bytes = request.body().as_ref();
    if bytes.len() > BODY_BYTES_MAX {
        return Err(Problem::new(Code::BodyTooLarge).into());
    }
    if !is_json(header(request, "content-type").unwrap_or_default()) {
        return Err(Problem::new(Code::UnsupportedMediaType).into());
    }
    input::read(bytes, read).map_err(|error| match error {
        InputError::NotJson => Problem::new(Code::InvalidJson).into(),
        InputError::Faults(errors) => Problem::new(Code::InvalidRequest).errors(errors).into(),
    })
}

fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambda_http::Body;

    fn request(content_types: &[&str], text: &str) -> Request {
        let mut request = lambda_http::http::Request::builder();
        for content_type in content_types {
            request = request.header("content-type", *content_type);
        }
        request.body(Body::Text(text.to_owned())).unwrap()
    }

    fn refusal(content_types: &[&str], text: &str) -> Problem {
        let read = |input: &Input<'_>, faults: &mut Faults| {
            let fields = input.fields(&["firstName"], faults)?;
            fields.required("firstName", "a text", faults, Input::text)
        };
        body(&request(content_types, text), read).unwrap_err().into_problem()
    }

    #[test]
    fn body_is_refused_with_the_reason_and_without_the_value() {
        const JSON: &str = "Application/JSON; charset=utf-8";
        for content_types in [&["text/plain"][..], &[], &[JSON, JSON]] {
            assert_eq!(refusal(content_types, "{}").code, Code::UnsupportedMediaType);
        }
        assert_eq!(refusal(&[JSON], "{").code, Code::InvalidJson);
        let large = " ".repeat(BODY_BYTES_MAX + 1);
        assert_eq!(refusal(&[JSON], &large).code, Code::BodyTooLarge);
        for (text, pointer) in [
            ("{}", "/firstName"),
            (r#"{"firstName":["CANARY"]}"#, "/firstName"),
            (r#""CANARY""#, ""),
            (r#"["CANARY"]"#, ""),
        ] {
            let problem = refusal(&[JSON], text);
            assert_eq!((problem.code, problem.errors.len()), (Code::InvalidRequest, 1));
            assert_eq!(problem.errors[0].pointer, pointer);
            assert!(!format!("{problem:?}").contains("CANARY"));
        }
    }

    #[test]
    fn query_parameters_are_decoded_and_joined() {
        let uri = "/v1/x?from=2026-11-25&to=a%20b&from=2&empty=";
        let request = lambda_http::http::Request::builder()
            .uri(uri)
            .body(Body::Empty)
            .unwrap();
        let read = |name: &str| query_parameter(&request, name);
        assert_eq!(read("from").as_deref(), Some("2026-11-25,2"));
        assert_eq!(
            (read("to").as_deref(), read("empty").as_deref()),
            (Some("a b"), Some(""))
        );
        assert_eq!(read("cursor"), None);
    }

    #[test]
    fn header_given_twice_is_malformed() {
        let name = "content-type";
        assert_eq!(header(&request(&["a"], ""), name), Some("a"));
        assert_eq!(header(&request(&["a", "a"], ""), name), Some(""));
        assert_eq!(header(&request(&[], ""), name), None);
    }
}
