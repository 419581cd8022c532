//! All secrets of the account. Pure: time and ids are arguments.

use super::refusal::Refusal;
use super::version::{CURRENT, SecretValue, Versions};
use crate::ACCOUNT_ID;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

const NAME_CHARS_MAX: usize = 512;

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Store {
    secrets: BTreeMap<String, Secret>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Secret {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) created_at_ms: u64,
    pub(super) changed_at_ms: u64,
    pub(super) versions: Versions,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

pub(super) struct NewSecret {
    pub(super) name: String,
    pub(super) value: Option<SecretValue>,
    /// The id of the first version.
    pub(super) token: String,
}

impl Store {
    /// The first six characters of `suffix` end the ARN, as in AWS.
    pub(super) fn create(
        &mut self,
        new: NewSecret,
        region: &str,
        suffix: Uuid,
        now_ms: u64,
    ) -> Result<&Secret, Refusal> {
        check_name(&new.name)?;
        if let Some(existing) = self.secrets.get(&new.name) {
            existing.check_retry(&new)?;
        } else {
            let secret = Secret::new(new, region, suffix, now_ms)?;
            return Ok(self.secrets.entry(secret.name.clone()).or_insert(secret));
        }
        self.find(&new.name)
    }

    /// Finds a secret by name, by ARN, or by ARN without the suffix.
    pub(super) fn find(&self, id: &str) -> Result<&Secret, Refusal> {
        self.secrets
            .get(name_in(id))
            .or_else(|| self.secrets.values().find(|secret| secret.has_arn(id)))
            .ok_or(Refusal::SecretNotFound)
    }

    pub(super) fn find_mut(&mut self, id: &str) -> Result<&mut Secret, Refusal> {
        let name = self.find(id)?.name.clone();
        self.secrets.get_mut(&name).ok_or(Refusal::SecretNotFound)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.secrets.values()
    }
}

impl Secret {
    fn new(new: NewSecret, region: &str, suffix: Uuid, now_ms: u64) -> Result<Secret, Refusal> {
        let suffix: String = suffix.simple().to_string().chars().take(6).collect();
        let mut versions = Versions::default();
        if let Some(value) = new.value {
            versions.put(&new.token, value, &[CURRENT.to_owned()], &new.name, now_ms)?;
        }
        Ok(Secret {
            arn: format!(
                "arn:aws:secretsmanager:{region}:{ACCOUNT_ID}:secret:{}-{suffix}",
                new.name
            ),
            name: new.name,
            created_at_ms: now_ms,
            changed_at_ms: now_ms,
            versions,
            tags: BTreeMap::new(),
        })
    }

    /// A request with the same token and value is a retry and succeeds. Any other request is refused, because the name
    /// is taken.
    fn check_retry(&self, new: &NewSecret) -> Result<(), Refusal> {
        let same = |value: &SecretValue| {
            self.versions
                .find(Some(&new.token), None)
                .is_ok_and(|(_, version)| version.value == *value)
        };
        if new.value.as_ref().is_some_and(same) {
            return Ok(());
        }
        Err(Refusal::SecretExists(self.name.clone()))
    }

    fn has_arn(&self, id: &str) -> bool {
        let without_suffix = self.arn.rsplit_once('-').map(|(partial, _)| partial);
        self.arn == id || without_suffix == Some(id)
    }
}

/// The name in an id. It is empty for an ARN, because a name cannot contain an ARN's colons.
fn name_in(id: &str) -> &str {
    if id.starts_with("arn:") { "" } else { id }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
    if (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    let reason =
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!";
    Err(Refusal::InvalidParameter(reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_secret(name: &str, token: &str, value: &str) -> NewSecret {
        NewSecret {
            name: name.to_owned(),
            value: Some(SecretValue::Text(value.to_owned())),
            token: token.to_owned(),
        }
    }

    fn create(store: &mut Store, name: &str, token: &str, value: &str) -> Result<String, Refusal> {
        let new = new_secret(name, token, value);
        store
            .create(new, "eu-central-1", Uuid::from_u128(u128::MAX), 0)
            .map(|secret| secret.arn.clone())
    }

    #[test]
    fn secret_is_found_by_name_arn_and_partial_arn() {
        let mut store = Store::default();
        let arn = create(&mut store, "webhook/key", "t1", "v").unwrap();
        assert_eq!(
            arn,
            "arn:aws:secretsmanager:eu-central-1:000000000000:secret:webhook/key-ffffff"
        );
        for id in ["webhook/key", &arn, arn.trim_end_matches("-ffffff")] {
            assert!(store.find(id).is_ok());
        }
        for id in [
            "webhook",
            "arn:aws:secretsmanager:eu-central-1:000000000000:secret:webhook",
        ] {
            assert_eq!(store.find(id).err(), Some(Refusal::SecretNotFound));
        }
    }

    #[test]
    fn second_secret_of_a_name_is_refused_except_a_retry() {
        let mut store = Store::default();
        let arn = create(&mut store, "key", "t1", "v");
        assert_eq!(create(&mut store, "key", "t1", "v"), arn);
        assert_eq!(
            create(&mut store, "key", "t2", "v"),
            Err(Refusal::SecretExists("key".to_owned()))
        );
        assert!(matches!(
            create(&mut store, "a b", "t", "v"),
            Err(Refusal::InvalidParameter(_))
        ));
    }
}
