//! Builds the event of a batch of messages (docs.aws.amazon.com, "Using Lambda with Amazon SQS").

use aws_sdk_sqs::types::{Message, MessageAttributeValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

pub(super) fn build(messages: &[Message], queue_arn: &str, region: &str) -> Value {
    let records: Vec<Value> = messages
        .iter()
        .map(|message| record(message, queue_arn, region))
        .collect();
    json!({ "Records": records })
}

fn record(message: &Message, queue_arn: &str, region: &str) -> Value {
    let system = message.attributes().into_iter().flatten();
    let attributes: Map<String, Value> = system
        .map(|(name, value)| (name.as_str().to_owned(), json!(value)))
        .collect();
    let own = message.message_attributes().into_iter().flatten();
    let message_attributes: Map<String, Value> = own.map(|(name, value)| (name.clone(), attribute(value))).collect();
    let mut record = json!({
        "messageId": message.message_id(),
        "receiptHandle": message.receipt_handle(),
        "body": message.body().unwrap_or_default(),
        "attributes": attributes,
        "messageAttributes": message_attributes,
        "md5OfBody": message.md5_of_body(),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": region,
    });
    if let (Some(md5), Some(record)) = (message.md5_of_message_attributes(), record.as_object_mut()) {
        record.insert("md5OfMessageAttributes".to_owned(), json!(md5));
    }
    record
}

fn attribute(value: &MessageAttributeValue) -> Value {
    let mut attribute = json!({ "dataType": value.data_type(), "stringListValues": [], "binaryListValues": [] });
    if let Some(fields) = attribute.as_object_mut() {
        if let Some(text) = value.string_value() {
            fields.insert("stringValue".to_owned(), json!(text));
        }
        if let Some(blob) = value.binary_value() {
            fields.insert("binaryValue".to_owned(), json!(STANDARD.encode(blob)));
        }
    }
    attribute
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_sqs::types::MessageSystemAttributeName;

    #[test]
    fn message_with_attributes_becomes_a_record() {
        let text = MessageAttributeValue::builder()
            .data_type("String")
            .string_value("ios")
            .build()
            .unwrap();
        let message = Message::builder()
            .message_id("059f36b4-87a3-44ab-83d2-661975830a7d")
            .receipt_handle("AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a")
            .body("Test message.")
            .md5_of_body("e4e68fb7bd0e697a0ae8f1bb342846b3")
            .md5_of_message_attributes("582c92c5c5b6ac403040a4f3ab3115c9")
            .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "1")
            .attributes(MessageSystemAttributeName::SentTimestamp, "1545082649183")
            .message_attributes("client", text)
            .build();
        let arn = "arn:aws:sqs:us-east-2:123456789012:my-queue";
        let expected = json!({ "Records": [{
            "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
            "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
            "body": "Test message.",
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183" },
            "messageAttributes": { "client": {
                "stringValue": "ios", "stringListValues": [], "binaryListValues": [], "dataType": "String",
            } },
            "md5OfMessageAttributes": "582c92c5c5b6ac403040a4f3ab3115c9",
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "eventSource": "aws:sqs",
            "eventSourceARN": arn,
            "awsRegion": "us-east-2",
        }] });
        assert_eq!(build(&[message], arn, "us-east-2"), expected);
    }
}
