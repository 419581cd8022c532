//! What calls weigh: their bytes, and of DynamoDB the capacity, in the units that AWS bills.
//!
//! The capacity is what the emulator reports. It is asked for in each request, which costs a caller nothing but the
//! answer's additional bytes; those are not counted.

use crate::gate::{BODY_BYTES_MAX, Call, Service};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::sync::Arc;

/// One call that was answered.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Weight {
    /// The call.
    pub call: Call,
    /// The HTTP status of the answer.
    pub status: u16,
    /// Bytes of the request's body. Of an object or a part, those of its content.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// Read request units of DynamoDB.
    pub read_units: f64,
    /// Write request units of DynamoDB, its indexes' included.
    pub write_units: f64,
    /// Messages in the answer to a `ReceiveMessage` of SQS.
    pub messages: usize,
}

/// Sees what every call weighed, when it has been answered. It must not block: the caller waits for it.
pub type Meter = Arc<dyn Fn(&Weight) + Send + Sync>;

/// Weighs a call on its way to the service and back.
pub(crate) async fn around(
    meter: &Meter,
    call: &Call,
    request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    if call.service == Service::S3 {
        return of_object(meter, call, request, answer).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let (asked, sent) = match call.service {
        Service::DynamoDb => asking_for_capacity(&body),
        Service::Sqs | Service::S3 | Service::SecretsManager => (Value::Null, body.clone()),
    };
    let mut request = Request::from_parts(parts, Body::from(sent));
    // Whoever hands it on measures it.
    request.headers_mut().remove(header::CONTENT_LENGTH);
    let (parts, answered) = answer(request).await.into_parts();
    let Ok(answered) = to_bytes(answered, BODY_BYTES_MAX).await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let said = serde_json::from_slice::<Value>(&answered).unwrap_or_default();
    let mut weight = weight(call, parts.status, &asked, &said);
    weight.request_bytes = count(body.len());
    let reported = said.get("ConsumedCapacity").map_or(0, |units| units.to_string().len());
    weight.response_bytes = count(answered.len().saturating_sub(reported));
    meter(&weight);
    Response::from_parts(parts, Body::from(answered))
}

/// Objects go by as they are; their size is in the headers.
async fn of_object(
    meter: &Meter,
    call: &Call,
    request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let decoded = number(request.headers(), "x-amz-decoded-content-length");
    let request_bytes = decoded.or_else(|| number(request.headers(), "content-length"));
    let response = answer(request).await;
    let mut weight = weight(call, response.status(), &Value::Null, &Value::Null);
    weight.request_bytes = request_bytes.unwrap_or_default();
    weight.response_bytes = number(response.headers(), "content-length").unwrap_or_default();
    meter(&weight);
    response
}

fn weight(call: &Call, status: StatusCode, asked: &Value, said: &Value) -> Weight {
    let units = match call.service {
        Service::DynamoDb if status.is_success() => consumed(said),
        Service::DynamoDb => in_vain(&call.operation, asked, said),
        Service::Sqs | Service::S3 | Service::SecretsManager => 0.0,
    };
    let (read_units, write_units) = match is_read(&call.operation) {
        true => (units, 0.0),
        false => (0.0, units),
    };
    Weight {
        call: call.clone(),
        status: status.as_u16(),
        request_bytes: 0,
        response_bytes: 0,
        read_units,
        write_units,
        messages: said.get("Messages").and_then(Value::as_array).map_or(0, Vec::len),
    }
}

/// The request, and the same request with the wish to be told the capacity.
fn asking_for_capacity(body: &Bytes) -> (Value, Bytes) {
    let Ok(asked) = serde_json::from_slice::<Value>(body) else {
        return (Value::Null, body.clone());
    };
    let mut more = asked.clone();
    if let Some(fields) = more.as_object_mut() {
        fields.insert("ReturnConsumedCapacity".to_owned(), "TOTAL".into());
    }
    (asked, Bytes::from(more.to_string()))
}

/// One report, or one for each table.
fn consumed(said: &Value) -> f64 {
    let units = |report: &Value| report.get("CapacityUnits").and_then(Value::as_f64).unwrap_or_default();
    match said.get("ConsumedCapacity") {
        Some(Value::Array(reports)) => reports.iter().map(units).sum(),
        Some(report) => units(report),
        None => 0.0,
    }
}

/// What a write costs whose condition did not hold: as much as one that is made (docs.aws.amazon.com, DynamoDB
/// developer guide, "Write capacity unit consumption"). The emulator does not report it, so it is the least that it can
/// be: one unit for an item, and two for each of a transaction.
fn in_vain(operation: &str, asked: &Value, said: &Value) -> f64 {
    let code = said.get("__type").and_then(Value::as_str).unwrap_or_default();
    if code.ends_with("ConditionalCheckFailedException") {
        1.0
    } else if code.ends_with("TransactionCanceledException") && !is_read(operation) {
        let items = asked.get("TransactItems").and_then(Value::as_array).map_or(0, Vec::len);
        2.0 * f64::from(u32::try_from(items).unwrap_or(u32::MAX))
    } else {
        0.0
    }
}

fn is_read(operation: &str) -> bool {
    matches!(
        operation,
        "GetItem" | "BatchGetItem" | "TransactGetItems" | "Query" | "Scan"
    )
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
