//! A message and its permitted content: body, attributes and their sizes (docs.aws.amazon.com, Amazon SQS developer
//! guide, "Amazon SQS message quotas").

use super::refusal::Refusal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use uuid::Uuid;

/// The largest size of body and attributes together, for one message and for one batch: 1 MiB.
pub(crate) const BYTES_MAX: usize = 1024 * 1024;
const ATTRIBUTES_MAX: usize = 10;
const ATTRIBUTE_NAME_CHARS_MAX: usize = 256;

/// Attributes by name, sorted because their digest requires that order.
pub(crate) type Attributes = BTreeMap<String, Attribute>;

/// A message in a queue. `Debug` omits the content.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) id: Uuid,
    pub(crate) body: String,
    pub(crate) attributes: Attributes,
    /// `AWSTraceHeader`, the only system attribute that a sender can set. It does not count towards the size.
    pub(crate) trace_header: Option<Attribute>,
    pub(crate) sender_id: String,
    pub(crate) sent_at_ms: u64,
    /// `ApproximateReceiveCount`. A move to the dead-letter queue keeps the count.
    pub(crate) receive_count: u32,
    pub(crate) first_received_at_ms: Option<u64>,
    /// The ARN of the queue from which the message moved as a dead letter.
    pub(crate) dead_letter_source_arn: Option<String>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A message attribute: its type with an optional custom label (`Number.cents`), and its value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attribute {
    pub(crate) data_type: String,
    pub(crate) value: Value,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Value {
    Text(String),
    Binary(Vec<u8>),
}

impl Value {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Value::Text(text) => text.as_bytes(),
            Value::Binary(bytes) => bytes,
        }
    }
}

/// The size that the limits apply to: the body, and each attribute's name, type and value.
pub(crate) fn size_bytes(body: &str, attributes: &Attributes) -> usize {
    let of_attribute = |(name, attribute): (&String, &Attribute)| {
        name.len() + attribute.data_type.len() + attribute.value.bytes().len()
    };
    body.len() + attributes.iter().map(of_attribute).sum::<usize>()
}

/// Checks the content of a message, and refuses it with the errors of SQS.
pub(crate) fn check(body: &str, attributes: &Attributes) -> Result<(), Refusal> {
    if body.is_empty() {
        return Err(Refusal::MissingParameter(
            "The request must contain the parameter MessageBody.".to_owned(),
        ));
    }
    if size_bytes(body, attributes) > BYTES_MAX {
        let reason =
            format!("One or more parameters are invalid. Reason: Message must be shorter than {BYTES_MAX} bytes.");
        return Err(Refusal::InvalidParameterValue(reason));
    }
    if !body.chars().all(is_allowed) {
        return Err(Refusal::InvalidMessageContents);
    }
    check_attributes(attributes)
}

fn is_allowed(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

fn check_attributes(attributes: &Attributes) -> Result<(), Refusal> {
    if attributes.len() > ATTRIBUTES_MAX {
        let reason = format!(
            "Number of message attributes [{}] exceeds the allowed maximum [10].",
            attributes.len()
        );
        return Err(Refusal::InvalidParameterValue(reason));
    }
    attributes
        .iter()
        .try_for_each(|(name, attribute)| check_attribute(name, attribute))
}

fn check_attribute(name: &str, attribute: &Attribute) -> Result<(), Refusal> {
    let invalid = |reason: &str| {
        Err(Refusal::InvalidParameterValue(format!(
            "The message attribute '{name}' {reason}"
        )))
    };
    let lower = name.to_ascii_lowercase();
    let named_well = (1..=ATTRIBUTE_NAME_CHARS_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.");
    if !named_well {
        return invalid("has an invalid name.");
    }
    if attribute.value.bytes().is_empty() {
        return invalid("must contain a non-empty value.");
    }
    let base = attribute.data_type.split('.').next().unwrap_or_default();
    match (base, &attribute.value) {
        ("String", Value::Text(_)) | ("Binary", Value::Binary(_)) => Ok(()),
        ("Number", Value::Text(number)) if number.parse::<f64>().is_ok() => Ok(()),
        ("Number", _) => invalid("cannot be cast to Number."),
        _ => invalid(
            "has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(data_type: &str, value: &str) -> Attribute {
        Attribute {
            data_type: data_type.to_owned(),
            value: Value::Text(value.to_owned()),
        }
    }

    fn one(name: &str, attribute: Attribute) -> Attributes {
        Attributes::from([(name.to_owned(), attribute)])
    }

    #[test]
    fn message_above_the_size_limit_is_refused() {
        let attributes = one("k", text("String", "v"));
        let body = "x".repeat(BYTES_MAX - "kStringv".len());
        assert_eq!(check(&body, &attributes), Ok(()));
        let refused = check(&format!("{body}x"), &attributes);
        assert!(matches!(refused, Err(Refusal::InvalidParameterValue(_))));
    }

    #[test]
    fn characters_outside_xml_are_refused() {
        for body in ["a\u{0}", "\u{FFFE}", "\u{B}"] {
            assert_eq!(check(body, &Attributes::new()), Err(Refusal::InvalidMessageContents));
        }
        assert_eq!(check("tab\tline\r\n\u{1F600}", &Attributes::new()), Ok(()));
    }

    #[test]
    fn attributes_with_bad_types_or_names_are_refused() {
        let refused = [
            one("AWS.trace", text("String", "v")),
            one("", text("String", "v")),
            one("k", text("Text", "v")),
            one("k", text("Number", "twelve")),
            one("k", text("Binary", "v")),
            one("k", text("String", "")),
        ];
        for attributes in refused {
            assert!(check("body", &attributes).is_err());
        }
        assert_eq!(check("body", &one("cents", text("Number.cents", "12"))), Ok(()));
    }
}
