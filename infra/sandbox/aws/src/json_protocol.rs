//! The part of the AWS JSON 1.0 and 1.1 protocols that SQS, Secrets Manager and KMS share. A header names the
//! operation; input and output are JSON documents (smithy.io, "AWS JSON 1.0 protocol" and "AWS JSON 1.1 protocol").

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

/// The error code for an operation that is not embedded. S3 has an error of that name, with the same status 501
/// (docs.aws.amazon.com, Amazon S3 API reference, "Error responses").
pub(crate) const NOT_EMBEDDED: &str = "NotImplemented";

/// The name after the last dot of `X-Amz-Target`, for example `SendMessage` in `AmazonSQS.SendMessage`.
pub(crate) fn target(headers: &HeaderMap) -> Option<&str> {
    let target = headers.get("x-amz-target")?.to_str().ok()?;
    target.rsplit('.').next().filter(|name| !name.is_empty())
}

/// A reply in the given version of the protocol. If the body cannot be serialized, the reply is 500: the emulator's own
/// failure.
pub(crate) fn reply(status: StatusCode, version: Version, body: &impl Serialize) -> Response<Body> {
    let (status, bytes) = match serde_json::to_vec(body) {
        Ok(bytes) => (status, bytes),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, Vec::new()),
    };
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(version.content_type()));
    response
}

/// SQS speaks 1.0, Secrets Manager and KMS 1.1. In this crate the versions differ only in the content type.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Version {
    V1_0,
    V1_1,
}

impl Version {
    fn content_type(self) -> &'static str {
        match self {
            Version::V1_0 => "application/x-amz-json-1.0",
            Version::V1_1 => "application/x-amz-json-1.1",
        }
    }
}
