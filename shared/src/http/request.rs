//! What a request says: its route, its body, its headers.

use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};
use serde::de::DeserializeOwned;

use super::problem::{Code, Problem};
use crate::error::Error;

/// Largest body taken, in bytes.
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

/// A header's text; one that is there but not text counts as malformed, not as missing.
#[must_use]
pub fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap_or_default())
}

/// Reads a JSON body. Unknown fields are refused by the type that is read.
///
/// # Errors
/// When it is too large, of another content type, not JSON, or of another shape; the refusal says which, and where.
pub fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Error> {
    let bytes = request.body().as_ref();
    if bytes.len() > BODY_BYTES_MAX {
        return Err(Problem::new(Code::BodyTooLarge).into());
    }
    if !is_json(header(request, "content-type").unwrap_or_default()) {
        return Err(Problem::new(Code::UnsupportedMediaType).into());
    }
    match serde_json::from_slice(bytes) {
        Ok(body) => Ok(body),
        Err(error) if error.is_data() => Err(Problem::new(Code::InvalidRequest).detail(shape(&error)).into()),
        Err(_not_json) => Err(Problem::new(Code::InvalidJson).into()),
    }
}

fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

/// serde quotes names of fields, which the API knows, but also values of a wrong type, which are the person's. Only the
/// kinds of message that name a field of ours are passed on.
fn shape(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let safe = text
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next());
    match safe {
        Some(field) => format!("the field {field} is missing"),
        None if text.starts_with("unknown field") => {
            format!(
                "there is an unknown field at line {}, column {}",
                error.line(),
                error.column()
            )
        }
        None => format!(
            "a field has the wrong type at line {}, column {}",
            error.line(),
            error.column()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambda_http::Body;

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only its reading is of interest")]
        first_name: String,
    }

    fn refusal(content_type: &str, text: &str) -> Problem {
        let request = lambda_http::http::Request::builder().header("content-type", content_type);
        let request = request.body(Body::Text(text.to_owned())).unwrap();
        body::<Sample>(&request).unwrap_err().into_problem()
    }

    #[test]
    fn refuses_with_the_reason_and_without_the_value() {
        assert_eq!(refusal("text/plain", "{}").code, Code::UnsupportedMediaType);
        assert_eq!(refusal("application/json", "{").code, Code::InvalidJson);
        assert_eq!(
            refusal("application/json", &" ".repeat(BODY_BYTES_MAX + 1)).code,
            Code::BodyTooLarge
        );
        let missing = refusal("Application/JSON; charset=utf-8", "{}");
        assert_eq!(missing.detail.as_deref(), Some("the field firstName is missing"));
        for text in [
            r#"{"firstName":["CANARY"]}"#,
            r#"{"firstName":"a","CANARY":1}"#,
            r#""CANARY""#,
            "12345",
        ] {
            let problem = refusal("application/json", text);
            assert_eq!(problem.code, Code::InvalidRequest);
            assert!(!problem.detail.unwrap().contains("CANARY"));
        }
    }
}
