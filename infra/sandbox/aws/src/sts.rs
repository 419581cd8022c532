//! AWS STS over the AWS query protocol: the body is a form that names the operation, the answer is XML (smithy.io, "AWS
//! query protocol"). Only `GetCallerIdentity` is embedded.
//!
//! Each access key id belongs to an IAM user of the same name. Signatures are not checked.

use crate::ACCOUNT_ID;
use crate::ambient;
use crate::gate::{Caller, UNKNOWN_OPERATION};
use crate::json_protocol::NOT_EMBEDDED;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

pub(crate) fn router() -> Router {
    Router::new().fallback(serve)
}

/// The form's field `Action`. Names of operations need no escapes.
pub(crate) fn operation_name(form: &[u8]) -> Option<&str> {
    let mut fields = std::str::from_utf8(form).ok()?.split('&');
    let name = fields.find_map(|field| field.strip_prefix("Action="))?;
    (!name.is_empty()).then_some(name)
}

async fn serve(Extension(Caller(access_key_id)): Extension<Caller>, body: Bytes) -> Response {
    match (operation_name(&body).unwrap_or(UNKNOWN_OPERATION), access_key_id) {
        ("GetCallerIdentity", Some(id)) if is_user_name(&id) => caller_identity(&id),
        ("GetCallerIdentity", Some(_)) => refused(
            StatusCode::FORBIDDEN,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        ),
        ("GetCallerIdentity", None) => refused(
            StatusCode::FORBIDDEN,
            "MissingAuthenticationToken",
            "Request is missing Authentication Token",
        ),
        (other, _) => refused(
            StatusCode::NOT_IMPLEMENTED,
            NOT_EMBEDDED,
            &format!("The sandbox does not support the operation {other}."),
        ),
    }
}

/// Whether an IAM user may have this name (docs.aws.amazon.com, IAM API reference, `CreateUser`).
fn is_user_name(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    (1..=64).contains(&id.len()) && id.bytes().all(allowed)
}

fn caller_identity(id: &str) -> Response {
    let request = ambient::new_id();
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"{NAMESPACE}\"><GetCallerIdentityResult>\
         <Arn>arn:aws:iam::{ACCOUNT_ID}:user/{id}</Arn><UserId>{id}</UserId><Account>{ACCOUNT_ID}</Account>\
         </GetCallerIdentityResult><ResponseMetadata><RequestId>{request}</RequestId></ResponseMetadata>\
         </GetCallerIdentityResponse>"
    );
    (StatusCode::OK, [(header::CONTENT_TYPE, "text/xml")], body).into_response()
}

/// An error in the format of STS.
pub(crate) fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    let fault = if status.is_client_error() { "Sender" } else { "Receiver" };
    let request = ambient::new_id();
    let body = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{fault}</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>{request}</RequestId></ErrorResponse>"
    );
    (status, [(header::CONTENT_TYPE, "text/xml")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operation_is_the_action_of_the_form() {
        let named = operation_name(b"Version=2011-06-15&Action=GetCallerIdentity");
        assert_eq!(named, Some("GetCallerIdentity"));
        for form in ["", "Action=", "XAction=a", "Version=Action"] {
            assert_eq!(operation_name(form.as_bytes()), None, "{form}");
        }
        assert_eq!(operation_name(&[0xff]), None);
    }

    #[test]
    fn key_id_that_no_user_can_have_is_refused() {
        assert!(is_user_name("SANDBOX-account") && is_user_name("AKIA0"));
        for id in ["", "a<b", "a/b", "ä", &"a".repeat(65)] {
            assert!(!is_user_name(id), "{id}");
        }
    }
}
