//! Refusals that any call may get, in the format of each service (docs.aws.amazon.com: DynamoDB developer guide, "Error
//! handling with DynamoDB"; Amazon SQS API reference, "Common Error Types"; Amazon S3 API reference, "Error Responses";
//! AWS Secrets Manager, AWS KMS and AWS STS API references, "Common Error Types"; IAM user guide, "Troubleshoot access
//! denied error messages").

use crate::gate::{BODY_BYTES_MAX, Call, Service};
use crate::interceptor::Failure;
use crate::json_protocol::{self, Version};
use crate::privileges::Lacking;
use crate::sts;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::borrow::Cow;

struct Refused {
    status: StatusCode,
    /// The error's code. For services with namespaces, `namespace#code`.
    code: &'static str,
    message: Cow<'static, str>,
}

pub(crate) fn throttled(call: &Call) -> Response {
    let (status, code, message) = match call.service {
        Service::DynamoDb if is_about_items(&call.operation) => (
            StatusCode::BAD_REQUEST,
            "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded. Consider increasing your \
             provisioning level with the UpdateTable API.",
        ),
        Service::DynamoDb => (
            StatusCode::BAD_REQUEST,
            "com.amazon.coral.availability#ThrottlingException",
            "Rate of requests exceeds the allowed throughput.",
        ),
        Service::Sqs => (
            StatusCode::BAD_REQUEST,
            "com.amazonaws.sqs#RequestThrottled",
            "The request was denied due to request throttling.",
        ),
        Service::S3 => (
            StatusCode::SERVICE_UNAVAILABLE,
            "SlowDown",
            "Please reduce your request rate.",
        ),
        Service::SecretsManager | Service::Kms => (StatusCode::BAD_REQUEST, "ThrottlingException", "Rate exceeded"),
        Service::Sts => (StatusCode::BAD_REQUEST, "Throttling", "Rate exceeded"),
    };
    let message = Cow::Borrowed(message);
    let refused = Refused { status, code, message };
    refused.into_response(call.service)
}

/// The service's refusal of an action that no policy grants the caller. SQS, S3 and STS answer 403, the others 400.
/// S3's refusal names neither action nor resource.
pub(crate) fn denied(call: &Call, lacking: &Lacking) -> Response {
    let (status, code) = match call.service {
        Service::DynamoDb => (StatusCode::BAD_REQUEST, CORAL_ACCESS_DENIED),
        Service::Sqs => (StatusCode::FORBIDDEN, CORAL_ACCESS_DENIED),
        Service::S3 | Service::Sts => (StatusCode::FORBIDDEN, "AccessDenied"),
        Service::SecretsManager | Service::Kms => (StatusCode::BAD_REQUEST, "AccessDeniedException"),
    };
    let Lacking { action, resource } = lacking;
    let caller = call.access_key_id.as_deref().unwrap_or("anonymous");
    let message = match call.service {
        Service::S3 => Cow::Borrowed("Access Denied"),
        _ => Cow::Owned(format!(
            "User: {caller} is not authorized to perform: {action} on resource: {resource} because no identity-based \
             policy allows the {action} action"
        )),
    };
    let refused = Refused { status, code, message };
    refused.into_response(call.service)
}

/// The error code of DynamoDB and SQS, which check permissions in AWS's common code.
const CORAL_ACCESS_DENIED: &str = "com.amazon.coral.service#AccessDeniedException";

/// Reads the rest of a refused call's body, because the caller may read the answer only after it has sent the body.
pub(crate) async fn read_to_end(body: Body, service: Service) {
    if let Err(error) = to_bytes(body, BODY_BYTES_MAX).await {
        tracing::debug!(%error, %service, "the body of a refused call was not read to its end");
    }
}

pub(crate) fn failed(call: &Call, failure: Failure) -> Response {
    let (status, message) = match failure {
        Failure::Internal => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "We encountered an internal error. Please try again.",
        ),
        Failure::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The service cannot handle the request right now.",
        ),
    };
    let code = match (call.service, failure) {
        (Service::DynamoDb, Failure::Internal) => "com.amazonaws.dynamodb.v20120810#InternalServerError",
        (Service::Sqs, Failure::Internal) => "com.amazonaws.sqs#InternalFailure",
        (Service::Sqs, Failure::Unavailable) => "com.amazonaws.sqs#ServiceUnavailable",
        (Service::S3, Failure::Internal) => "InternalError",
        (Service::SecretsManager, Failure::Internal) => "InternalServiceError",
        (Service::Kms, Failure::Internal) => "KMSInternalException",
        (Service::Sts, Failure::Internal) => "InternalFailure",
        (_, Failure::Unavailable) => "ServiceUnavailable",
    };
    let message = Cow::Borrowed(message);
    let refused = Refused { status, code, message };
    refused.into_response(call.service)
}

/// Whether the operation works on items, whose limit is a throughput. Operations on tables and account settings have a
/// limit on the rate of requests.
fn is_about_items(operation: &str) -> bool {
    let verbs = ["Get", "Put", "Update", "Delete", "Query", "Scan", "Batch", "Transact"];
    let about_items = operation.contains("Item") || ["Query", "Scan"].contains(&operation);
    about_items && verbs.iter().any(|verb| operation.starts_with(verb))
}

impl Refused {
    fn into_response(self, service: Service) -> Response {
        let Refused {
            status,
            code,
            ref message,
        } = self;
        match service {
            Service::DynamoDb => {
                json_protocol::reply(status, Version::V1_0, &json!({ "__type": code, "message": message }))
            }
            Service::Sqs => self.into_sqs_response(),
            Service::S3 => {
                let body = format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                     <Error><Code>{code}</Code><Message>{message}</Message></Error>"
                );
                (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
            }
            Service::SecretsManager => {
                json_protocol::reply(status, Version::V1_1, &json!({ "__type": code, "Message": message }))
            }
            Service::Kms => json_protocol::reply(status, Version::V1_1, &json!({ "__type": code, "message": message })),
            Service::Sts => sts::refused(status, code, message),
        }
    }

    /// SQS SDKs read the error code from a header of the older query protocol.
    fn into_sqs_response(self) -> Response {
        let body = json!({ "__type": self.code, "message": self.message });
        let mut response = json_protocol::reply(self.status, Version::V1_0, &body);
        let code = match self.code {
            CORAL_ACCESS_DENIED => "AccessDenied",
            code => code.rsplit('#').next().unwrap_or(code),
        };
        let fault = if self.status.is_client_error() {
            "Sender"
        } else {
            "Receiver"
        };
        if let Ok(value) = HeaderValue::from_str(&format!("{code};{fault}")) {
            response.headers_mut().insert("x-amzn-query-error", value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_on_items_differ_from_operations_on_tables() {
        for operation in [
            "GetItem",
            "TransactWriteItems",
            "BatchGetItem",
            "Query",
            "Scan",
            "UpdateItem",
        ] {
            assert!(is_about_items(operation), "{operation}");
        }
        for operation in ["ListTables", "DescribeTable", "CreateTable", "UpdateTimeToLive"] {
            assert!(!is_about_items(operation), "{operation}");
        }
    }
}
