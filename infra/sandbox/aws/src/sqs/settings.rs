//! The attributes of a queue that can be set, their ranges and defaults
//! (docs.aws.amazon.com, Amazon SQS API reference, "SetQueueAttributes").

use super::refusal::Refusal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Seconds that a message may stay invisible after one receive: 12 hours.
pub(crate) const VISIBILITY_SECS_MAX: u32 = 43_200;
/// Seconds that a message may be delayed: 15 minutes.
pub(crate) const DELAY_SECS_MAX: u32 = 900;
/// Seconds that a receive may wait for a message.
pub(crate) const WAIT_SECS_MAX: u32 = 20;

/// Attributes that are accepted and returned but change nothing here: encryption, policies and permissions.
const INERT: [&str; 5] = [
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "Policy",
    "RedriveAllowPolicy",
    "SqsManagedSseEnabled",
];

/// Whether a queue can have the attribute, set or not.
pub(crate) fn is_known(name: &str) -> bool {
    name == "RedrivePolicy" || INERT.contains(&name) || Settings::default().to_wire().contains_key(name)
}

/// What can be set about a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) visibility_secs: u32,
    pub(crate) delay_secs: u32,
    pub(crate) retention_secs: u32,
    pub(crate) message_bytes_max: u32,
    pub(crate) wait_secs: u32,
    pub(crate) redrive: Option<Redrive>,
    pub(crate) inert: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            visibility_secs: 30,
            delay_secs: 0,
            retention_secs: 345_600,
            message_bytes_max: 1_048_576,
            wait_secs: 0,
            redrive: None,
            inert: BTreeMap::new(),
        }
    }
}

/// Where a message goes that was received `max_receive_count` times and not deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Redrive {
    pub(crate) target_arn: String,
    pub(crate) max_receive_count: u32,
}

impl Settings {
    /// Applies attributes as they are named on the wire. Nothing changes if one of them is refused.
    pub(crate) fn apply(&mut self, attributes: &BTreeMap<String, String>) -> Result<(), Refusal> {
        let mut changed = self.clone();
        for (name, value) in attributes {
            changed.apply_one(name, value)?;
        }
        *self = changed;
        Ok(())
    }

    fn apply_one(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let within = |min: u32, max: u32| {
            let parsed = value.parse::<u32>().ok().filter(|secs| (min..=max).contains(secs));
            parsed.ok_or_else(|| Refusal::InvalidAttributeValue(name.to_owned()))
        };
        match name {
            "VisibilityTimeout" => self.visibility_secs = within(0, VISIBILITY_SECS_MAX)?,
            "DelaySeconds" => self.delay_secs = within(0, DELAY_SECS_MAX)?,
            "MessageRetentionPeriod" => self.retention_secs = within(60, 1_209_600)?,
            "MaximumMessageSize" => self.message_bytes_max = within(1_024, 1_048_576)?,
            "ReceiveMessageWaitTimeSeconds" => self.wait_secs = within(0, WAIT_SECS_MAX)?,
            "RedrivePolicy" => self.redrive = parse_redrive(value)?,
            inert if INERT.contains(&inert) => {
                self.inert.insert(name.to_owned(), value.to_owned());
            }
            unknown => return Err(Refusal::InvalidAttributeName(unknown.to_owned())),
        }
        Ok(())
    }

    /// The attributes by their wire names.
    pub(crate) fn to_wire(&self) -> BTreeMap<String, String> {
        let numbers = [
            ("VisibilityTimeout", self.visibility_secs),
            ("DelaySeconds", self.delay_secs),
            ("MessageRetentionPeriod", self.retention_secs),
            ("MaximumMessageSize", self.message_bytes_max),
            ("ReceiveMessageWaitTimeSeconds", self.wait_secs),
        ];
        let mut wire = self.inert.clone();
        wire.extend(numbers.map(|(name, value)| (name.to_owned(), value.to_string())));
        wire.extend(
            self.redrive
                .as_ref()
                .map(|redrive| ("RedrivePolicy".to_owned(), redrive.to_wire())),
        );
        wire
    }
}

impl Redrive {
    fn to_wire(&self) -> String {
        let policy = serde_json::json!({
            "deadLetterTargetArn": self.target_arn,
            "maxReceiveCount": self.max_receive_count,
        });
        policy.to_string()
    }
}

/// An empty policy removes the dead-letter queue.
fn parse_redrive(policy: &str) -> Result<Option<Redrive>, Refusal> {
    if policy.is_empty() {
        return Ok(None);
    }
    let refused = |reason: &str| {
        let message = format!("Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}");
        Refusal::InvalidParameterValue(message)
    };
    let wire: RedriveWire = serde_json::from_str(policy)
        .map_err(|error| refused(&format!("Redrive policy is not a valid JSON map: {error}.")))?;
    let max_receive_count = wire.max_receive_count.get().filter(|count| (1..=1_000).contains(count));
    let max_receive_count = max_receive_count.ok_or_else(|| refused("maxReceiveCount must be between 1 and 1000."))?;
    Ok(Some(Redrive {
        target_arn: wire.dead_letter_target_arn,
        max_receive_count,
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedriveWire {
    dead_letter_target_arn: String,
    max_receive_count: Count,
}

/// AWS takes the count as a number and as a string.
#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u32),
    Text(String),
}

impl Count {
    fn get(&self) -> Option<u32> {
        match self {
            Count::Number(count) => Some(*count),
            Count::Text(text) => text.parse().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(name: &str, value: &str) -> Result<Settings, Refusal> {
        let mut settings = Settings::default();
        settings
            .apply(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
            .map(|()| settings)
    }

    #[test]
    fn values_outside_the_documented_ranges_are_refused() {
        let refused = [
            ("VisibilityTimeout", "43201"),
            ("DelaySeconds", "901"),
            ("MessageRetentionPeriod", "59"),
            ("MaximumMessageSize", "1048577"),
            ("ReceiveMessageWaitTimeSeconds", "21"),
            ("VisibilityTimeout", "-1"),
        ];
        for (name, value) in refused {
            assert_eq!(apply(name, value), Err(Refusal::InvalidAttributeValue(name.to_owned())));
        }
        assert_eq!(apply("VisibilityTimeout", "43200").unwrap().visibility_secs, 43_200);
    }

    #[test]
    fn fifo_attributes_are_unknown_to_a_standard_queue() {
        assert_eq!(
            apply("FifoQueue", "true"),
            Err(Refusal::InvalidAttributeName("FifoQueue".to_owned()))
        );
    }

    #[test]
    fn one_refused_attribute_leaves_the_others_as_they_were() {
        let mut settings = Settings::default();
        let attributes = [("DelaySeconds", "5"), ("VisibilityTimeout", "many")];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert!(settings.apply(&BTreeMap::from(attributes)).is_err());
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn a_redrive_policy_is_read_with_the_count_as_number_or_text_and_can_be_removed() {
        let expected = Some(Redrive {
            target_arn: "arn:aws:sqs:r:0:dlq".to_owned(),
            max_receive_count: 3,
        });
        for count in ["3", "\"3\""] {
            let policy = format!(r#"{{"deadLetterTargetArn":"arn:aws:sqs:r:0:dlq","maxReceiveCount":{count}}}"#);
            assert_eq!(apply("RedrivePolicy", &policy).unwrap().redrive, expected);
        }
        assert_eq!(apply("RedrivePolicy", "").unwrap().redrive, None);
        assert!(apply("RedrivePolicy", r#"{"deadLetterTargetArn":"a","maxReceiveCount":0}"#).is_err());
    }

    #[test]
    fn settings_survive_the_way_over_the_wire() {
        let settings = Settings {
            visibility_secs: 60,
            redrive: Some(Redrive {
                target_arn: "a".to_owned(),
                max_receive_count: 5,
            }),
            inert: BTreeMap::from([("SqsManagedSseEnabled".to_owned(), "true".to_owned())]),
            ..Settings::default()
        };
        let mut read = Settings::default();
        read.apply(&settings.to_wire()).unwrap();
        assert_eq!(read, settings);
    }
}
