//! The settings of a queue, their ranges and defaults (docs.aws.amazon.com, Amazon SQS API reference,
//! "SetQueueAttributes").

use super::message::BYTES_MAX;
use super::refusal::Refusal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// 12 hours.
pub(crate) const VISIBILITY_SECS_MAX: u32 = 43_200;
/// 15 minutes.
pub(crate) const DELAY_SECS_MAX: u32 = 900;
pub(crate) const WAIT_SECS_MAX: u32 = 20;

/// Attributes of SQS that the default settings lack. Among them, a queue here can have only `RedrivePolicy`. A request
/// for a missing attribute is not an error.
const ABSENT: [&str; 6] = [
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "Policy",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
];

/// Whether SQS has an attribute of this name, even if a queue here lacks it.
pub(crate) fn is_known(name: &str) -> bool {
    ABSENT.contains(&name) || Settings::default().to_wire().contains_key(name)
}

/// The settings that can differ between queues. All other settings have SQS's defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) visibility_secs: u32,
    pub(crate) delay_secs: u32,
    pub(crate) retention_secs: u32,
    pub(crate) redrive: Option<Redrive>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            visibility_secs: 30,
            delay_secs: 0,
            retention_secs: 345_600,
            redrive: None,
        }
    }
}

/// The dead-letter queue for messages that were received `max_receive_count` times and not deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Redrive {
    pub(crate) target_arn: String,
    pub(crate) max_receive_count: u32,
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let receives = self.redrive.as_ref().map_or(1, |redrive| redrive.max_receive_count);
        let ranges = [
            ("VisibilityTimeout", self.visibility_secs, 0..=VISIBILITY_SECS_MAX),
            ("DelaySeconds", self.delay_secs, 0..=DELAY_SECS_MAX),
            ("MessageRetentionPeriod", self.retention_secs, 60..=1_209_600),
            ("RedrivePolicy", receives, 1..=1_000),
        ];
        match ranges.into_iter().find(|(_, value, range)| !range.contains(value)) {
            Some((name, _, _)) => Err(Refusal::InvalidAttributeValue(name.to_owned())),
            None => Ok(()),
        }
    }

    pub(crate) fn to_wire(&self) -> BTreeMap<String, String> {
        let attributes = [
            ("VisibilityTimeout", self.visibility_secs.to_string()),
            ("DelaySeconds", self.delay_secs.to_string()),
            ("MessageRetentionPeriod", self.retention_secs.to_string()),
            ("MaximumMessageSize", BYTES_MAX.to_string()),
            ("ReceiveMessageWaitTimeSeconds", "0".to_owned()),
        ];
        let redrive = self
            .redrive
            .as_ref()
            .map(|redrive| ("RedrivePolicy", redrive.to_wire()));
        let all = attributes.into_iter().chain(redrive);
        all.map(|(name, value)| (name.to_owned(), value)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn redrive(max_receive_count: u32) -> Option<Redrive> {
        Some(Redrive {
            target_arn: "arn:aws:sqs:r:0:dead".to_owned(),
            max_receive_count,
        })
    }

    #[test]
    fn values_outside_the_documented_ranges_are_refused() {
        let with = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.check()
        };
        let refused = [
            ("VisibilityTimeout", with(|settings| settings.visibility_secs = 43_201)),
            ("DelaySeconds", with(|settings| settings.delay_secs = 901)),
            ("MessageRetentionPeriod", with(|settings| settings.retention_secs = 59)),
            ("RedrivePolicy", with(|settings| settings.redrive = redrive(0))),
        ];
        for (name, outcome) in refused {
            assert_eq!(outcome, Err(Refusal::InvalidAttributeValue(name.to_owned())));
        }
        assert_eq!(with(|settings| settings.visibility_secs = 43_200), Ok(()));
    }
}
