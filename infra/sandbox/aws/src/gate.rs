//! Every request to every emulated service passes this gate before it reaches the service. The gate
//! - names the caller and the operation to the observer
//! - asks the authorizer whether the caller may make the request ([`privileges`])
//! - carries out the interceptor's decision ([`interception`])
//! - measures the request and its answer ([`meter`])
//!
//! [`interception`]: crate::interception
//! [`meter`]: crate::meter
//! [`privileges`]: crate::privileges

use crate::interception::Interception;
use crate::meter::{self, Meter};
use crate::privileges::Authorization;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri, header, request::Parts};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::fmt;
use std::sync::Arc;

/// The largest body that the gate reads, in bytes. DynamoDB's limit (16 MiB) and the parts of our uploads are smaller.
pub(crate) const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The operation of a request that does not name its operation.
pub(crate) const UNKNOWN_OPERATION: &str = "Unknown";

/// The emulated services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Amazon DynamoDB.
    DynamoDb,
    /// Amazon SQS.
    Sqs,
    /// Amazon S3.
    S3,
    /// AWS Secrets Manager.
    SecretsManager,
    /// AWS KMS.
    Kms,
    /// AWS STS.
    Sts,
}

impl Service {
    /// Every service, in the order in which [`crate::Aws::env`] lists them.
    pub const ALL: [Service; 6] = [
        Service::DynamoDb,
        Service::Sqs,
        Service::S3,
        Service::SecretsManager,
        Service::Kms,
        Service::Sts,
    ];

    /// The variable from which the SDKs read this service's endpoint (docs.aws.amazon.com, SDK reference guide,
    /// "Service-specific endpoints").
    pub fn endpoint_variable(self) -> &'static str {
        match self {
            Service::DynamoDb => "AWS_ENDPOINT_URL_DYNAMODB",
            Service::Sqs => "AWS_ENDPOINT_URL_SQS",
            Service::S3 => "AWS_ENDPOINT_URL_S3",
            Service::SecretsManager => "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            Service::Kms => "AWS_ENDPOINT_URL_KMS",
            Service::Sts => "AWS_ENDPOINT_URL_STS",
        }
    }

    /// The prefix of the service's actions in IAM policies, such as `dynamodb` in `dynamodb:GetItem`.
    pub fn iam_prefix(self) -> &'static str {
        match self {
            Service::DynamoDb => "dynamodb",
            Service::Sqs => "sqs",
            Service::S3 => "s3",
            Service::SecretsManager => "secretsmanager",
            Service::Kms => "kms",
            Service::Sts => "sts",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.iam_prefix())
    }
}

/// One request to an emulated service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The called service.
    pub service: Service,
    /// The operation's name in the service's API reference, for example `GetItem` or `UploadPart`; `Unknown` if the
    /// request does not name its operation.
    pub operation: String,
    /// The access key id with which the caller signed the request, from the `Authorization` header or the presigned
    /// query. `None` for an unsigned request. Only S3 checks the request's signature.
    pub access_key_id: Option<String>,
    /// The call's number, from 1, among all calls with this access key id to all services. Retries count. Unsigned
    /// calls share one count. The number is 0 if no interceptor is set.
    pub ordinal: u64,
}

/// Receives every request, except a preflight, before the service does. It must not block, because the caller waits for
/// it.
pub type Observer = Arc<dyn Fn(&Call) + Send + Sync>;

/// The access key id of the request, stored in its extensions for the services.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Option<String>);

#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) service: Service,
    pub(crate) observer: Option<Observer>,
    pub(crate) meter: Option<Meter>,
    pub(crate) authorization: Option<Authorization>,
    pub(crate) interception: Option<Interception>,
}

pub(crate) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    // A preflight is unsigned, and services have no such operation, so the gate does not check it.
    if request.method() == Method::OPTIONS {
        return next.run(request).await;
    }
    let (mut parts, mut body) = request.into_parts();
    let access_key_id = access_key_id(&parts);
    let watched =
        gate.observer.is_some() || gate.meter.is_some() || gate.authorization.is_some() || gate.interception.is_some();
    let call = match watched {
        true => match gate.call(&parts, &mut body, access_key_id.clone()).await {
            Ok(call) => Some(call),
            Err(refused) => return refused,
        },
        false => None,
    };
    if let (Some(observer), Some(call)) = (&gate.observer, &call) {
        observer(call);
    }
    if let (Some(authorization), Some(call)) = (&gate.authorization, &call) {
        body = match authorization.check(call, &parts, body).await {
            Ok(body) => body,
            Err(refused) => return refused,
        };
    }
    parts.extensions.insert(Caller(access_key_id));
    let request = Request::from_parts(parts, body);
    match (gate.meter, call) {
        (Some(meter), Some(call)) => {
            let answer = async |request| serve(gate.interception, Some(call.clone()), request, next).await;
            meter::around(&meter, &call, request, answer).await
        }
        (_, call) => serve(gate.interception, call, request, next).await,
    }
}

async fn serve(interception: Option<Interception>, call: Option<Call>, request: Request, next: Next) -> Response {
    match (interception, call) {
        (Some(interception), Some(call)) => interception.around(call, request, next).await,
        _ => next.run(request).await,
    }
}

impl Gate {
    async fn call(&self, parts: &Parts, body: &mut Body, access_key_id: Option<String>) -> Result<Call, Response> {
        let operation = operation(self.service, parts, body).await?;
        let number = |interception: &Interception| interception.number(access_key_id.as_ref());
        Ok(Call {
            service: self.service,
            operation,
            ordinal: self.interception.as_ref().map_or(0, number),
            access_key_id,
        })
    }
}

async fn operation(service: Service, parts: &Parts, body: &mut Body) -> Result<String, Response> {
    let form;
    let name = match service {
        Service::S3 => crate::s3::operation_name(&parts.method, &parts.uri, &parts.headers),
        Service::DynamoDb | Service::Sqs | Service::SecretsManager | Service::Kms => {
            crate::json_protocol::target(&parts.headers)
        }
        Service::Sts => {
            form = read(body).await?;
            crate::sts::operation_name(&form)
        }
    };
    Ok(name.unwrap_or(UNKNOWN_OPERATION).to_owned())
}

/// Reads a small body, which stays readable.
async fn read(body: &mut Body) -> Result<Bytes, Response> {
    let bytes = to_bytes(std::mem::take(body), BODY_BYTES_MAX).await;
    let bytes = bytes.map_err(|_too_large| StatusCode::PAYLOAD_TOO_LARGE.into_response())?;
    *body = Body::from(bytes.clone());
    Ok(bytes)
}

/// Reads `Credential=<key id>/<date>/<region>/<service>/aws4_request` from the header or the query; SigV4 allows both
/// (docs.aws.amazon.com, IAM user guide, "Signing elements").
fn access_key_id(parts: &Parts) -> Option<String> {
    let header = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let scope = match header {
        Some(header) => header.split("Credential=").nth(1)?.to_owned(),
        None => query_value(&parts.uri, "X-Amz-Credential")?,
    };
    let (key_id, _) = scope.split_once('/')?;
    Some(key_id.to_owned())
}

/// The value of the query parameter `name`. Only `/` is unescaped: a credential scope has no other escape.
pub(crate) fn query_value(uri: &Uri, name: &str) -> Option<String> {
    let pairs = uri.query()?.split('&');
    let value = pairs
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)?
        .1;
    Some(value.replace("%2F", "/").replace("%2f", "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str, authorization: Option<&str>) -> Parts {
        let mut request = axum::http::Request::builder().uri(uri);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn key_id_is_read_from_the_signature_header() {
        let header =
            "AWS4-HMAC-SHA256 Credential=webhook-intake/20260102/us-east-1/sqs/aws4_request, SignedHeaders=host";
        assert_eq!(
            access_key_id(&parts("/", Some(header))).as_deref(),
            Some("webhook-intake")
        );
    }

    #[test]
    fn key_id_is_read_from_a_presigned_query() {
        let uri =
            "/b/k?X-Amz-Date=20260102T000000Z&X-Amz-Credential=record-read%2F20260102%2Fus-east-1%2Fs3%2Faws4_request";
        assert_eq!(access_key_id(&parts(uri, None)).as_deref(), Some("record-read"));
    }

    #[test]
    fn unsigned_request_lacks_a_key_id() {
        assert_eq!(access_key_id(&parts("/b/k?list-type=2", None)), None);
        assert_eq!(access_key_id(&parts("/", Some("Bearer abc"))), None);
    }
}
