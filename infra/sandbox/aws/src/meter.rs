//! Measures calls in the units that AWS bills: bytes, and for DynamoDB also capacity.
//!
//! The meter adds a request for a capacity report to each DynamoDB call. It does not count the report's bytes in the
//! answer.

use crate::gate::{BODY_BYTES_MAX, Call, Service};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::sync::Arc;

/// One answered call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Weight {
    /// The call.
    pub call: Call,
    /// The HTTP status of the answer.
    pub status: u16,
    /// Bytes of the request's body. For an S3 object or part, bytes of its content.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// Read request units of DynamoDB.
    pub read_units: f64,
    /// Write request units of DynamoDB, including those of its indexes.
    pub write_units: f64,
    /// Messages in the answer to a `ReceiveMessage` of SQS.
    pub messages: usize,
}

/// Receives the weight of every call after the service has answered. It must not block: the caller waits for it.
pub type Meter = Arc<dyn Fn(&Weight) + Send + Sync>;

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
    let (input, sent) = match call.service {
        Service::DynamoDb => asking_for_capacity(&body),
        _ => (Value::Null, body.clone()),
    };
    let mut request = Request::from_parts(parts, Body::from(sent));
    // The body may have changed, so the next hop must compute its length again.
    request.headers_mut().remove(header::CONTENT_LENGTH);
    let (parts, answered) = answer(request).await.into_parts();
    let Ok(answered) = to_bytes(answered, BODY_BYTES_MAX).await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let output = serde_json::from_slice::<Value>(&answered).unwrap_or_default();
    let mut weight = weight(call, parts.status, &input, &output);
    weight.request_bytes = count(body.len());
    let reported = output
        .get("ConsumedCapacity")
        .map_or(0, |units| units.to_string().len());
    weight.response_bytes = count(answered.len().saturating_sub(reported));
    meter(&weight);
    Response::from_parts(parts, Body::from(answered))
}

/// Takes the sizes from the headers, so that the meter does not read the object.
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

fn weight(call: &Call, status: StatusCode, input: &Value, output: &Value) -> Weight {
    let units = match call.service {
        Service::DynamoDb if status.is_success() => consumed(output),
        Service::DynamoDb => in_vain(&call.operation, input, output),
        _ => 0.0,
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
        messages: output.get("Messages").and_then(Value::as_array).map_or(0, Vec::len),
    }
}

/// The parsed request, and a body that also requests the consumed capacity.
fn asking_for_capacity(body: &Bytes) -> (Value, Bytes) {
    let Ok(input) = serde_json::from_slice::<Value>(body) else {
        return (Value::Null, body.clone());
    };
    let mut more = input.clone();
    if let Some(fields) = more.as_object_mut() {
        fields.insert("ReturnConsumedCapacity".to_owned(), "TOTAL".into());
    }
    (input, Bytes::from(more.to_string()))
}

/// The sum of the reported units. The answer has one report, or one per table.
fn consumed(output: &Value) -> f64 {
    let units = |report: &Value| report.get("CapacityUnits").and_then(Value::as_f64).unwrap_or_default();
    match output.get("ConsumedCapacity") {
        Some(Value::Array(reports)) => reports.iter().map(units).sum(),
        Some(report) => units(report),
        None => 0.0,
    }
}

/// The units of a write whose condition failed. AWS bills them like those of a successful write (docs.aws.amazon.com,
/// DynamoDB developer guide, "Write capacity unit consumption"). The emulator does not report them, so this is the
/// minimum: one unit for an item, two for each item of a transaction.
fn in_vain(operation: &str, input: &Value, output: &Value) -> f64 {
    let code = output.get("__type").and_then(Value::as_str).unwrap_or_default();
    if code.ends_with("ConditionalCheckFailedException") {
        1.0
    } else if code.ends_with("TransactionCanceledException") && !is_read(operation) {
        let items = input.get("TransactItems").and_then(Value::as_array).map_or(0, Vec::len);
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
