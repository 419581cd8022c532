//! The versions of one secret and their staging labels.
//!
//! A label is attached to at most one version. When `AWSCURRENT` moves, `AWSPREVIOUS` moves to the version that
//! `AWSCURRENT` left (docs.aws.amazon.com, AWS Secrets Manager user guide, "What's in a Secrets Manager secret?").

use super::refusal::Refusal;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// Text, or bytes in base64 as on the wire. It has no `Debug`, so that no output can contain a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum SecretValue {
    Text(String),
    Base64(String),
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) value: SecretValue,
    pub(super) stages: BTreeSet<String>,
    pub(super) created_at_ms: u64,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Versions(BTreeMap<String, Version>);

impl Versions {
    /// Adds a version with the labels `stages`. If the id exists with the same value, nothing changes, so that retries
    /// are safe. If the id exists with another value, it is refused.
    pub(super) fn put(
        &mut self,
        id: &str,
        value: SecretValue,
        stages: &[String],
        secret: &str,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        match self.0.get(id) {
            Some(existing) if existing.value == value => return Ok(()),
            Some(_) => return Err(Refusal::TokenReused(id.to_owned(), secret.to_owned())),
            None => {}
        }
        let version = Version {
            value,
            stages: BTreeSet::new(),
            created_at_ms: now_ms,
        };
        self.0.insert(id.to_owned(), version);
        for stage in stages {
            self.attach(stage, id);
        }
        // The first version also gets `AWSCURRENT`, even if the request names only other labels.
        if self.staged(CURRENT).is_none() {
            self.attach(CURRENT, id);
        }
        self.forget_unstaged();
        Ok(())
    }

    /// The version with this id, this label, or both. Without id and label, it is the current version.
    pub(super) fn find(&self, id: Option<&str>, stage: Option<&str>) -> Result<(&str, &Version), Refusal> {
        let found = match id {
            Some(id) => self.0.get_key_value(id).map(|(id, version)| (id.as_str(), version)),
            None => self.staged(stage.unwrap_or(CURRENT)),
        };
        let fits = |version: &Version| id.is_none() || stage.is_none_or(|stage| version.stages.contains(stage));
        found.filter(|(_, version)| fits(version)).ok_or_else(|| {
            let name = id.map(|id| format!("VersionId: {id}"));
            Refusal::VersionNotFound(name.unwrap_or_else(|| format!("staging label: {}", stage.unwrap_or(CURRENT))))
        })
    }

    fn staged(&self, stage: &str) -> Option<(&str, &Version)> {
        let found = self.0.iter().find(|(_, version)| version.stages.contains(stage));
        found.map(|(id, version)| (id.as_str(), version))
    }

    fn attach(&mut self, stage: &str, id: &str) {
        let left = self
            .staged(stage)
            .map(|(left, _)| left.to_owned())
            .filter(|left| left != id);
        self.detach(stage);
        if let Some(version) = self.0.get_mut(id) {
            version.stages.insert(stage.to_owned());
        }
        if let Some(left) = left.filter(|_| stage == CURRENT) {
            self.attach(PREVIOUS, &left);
        }
    }

    fn detach(&mut self, stage: &str) {
        for version in self.0.values_mut() {
            version.stages.remove(stage);
        }
    }

    /// AWS may delete a version without labels at any time. Here it is deleted at once.
    fn forget_unstaged(&mut self) {
        self.0.retain(|_, version| !version.stages.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> SecretValue {
        SecretValue::Text(value.to_owned())
    }

    fn put(versions: &mut Versions, id: &str, stage: &str) -> Result<(), Refusal> {
        versions.put(id, text(id), &[stage.to_owned()], "s", 0)
    }

    fn id_at<'a>(versions: &'a Versions, stage: &str) -> Option<&'a str> {
        versions.find(None, Some(stage)).ok().map(|(id, _)| id)
    }

    #[test]
    fn new_version_makes_the_former_version_previous() {
        let mut versions = Versions::default();
        for id in ["a", "b", "c"] {
            put(&mut versions, id, CURRENT).unwrap();
        }
        assert_eq!(
            (id_at(&versions, CURRENT), id_at(&versions, PREVIOUS)),
            (Some("c"), Some("b"))
        );
        assert!(versions.find(Some("a"), None).is_err());
    }

    #[test]
    fn version_with_another_label_keeps_the_current_version() {
        let mut versions = Versions::default();
        put(&mut versions, "a", CURRENT).unwrap();
        put(&mut versions, "b", "AWSPENDING").unwrap();
        assert_eq!(
            (id_at(&versions, CURRENT), id_at(&versions, "AWSPENDING")),
            (Some("a"), Some("b"))
        );
    }

    #[test]
    fn reused_token_is_refused_unless_the_value_is_equal() {
        let mut versions = Versions::default();
        put(&mut versions, "a", CURRENT).unwrap();
        assert_eq!(put(&mut versions, "a", CURRENT), Ok(()));
        let refused = versions.put("a", text("other"), &[CURRENT.to_owned()], "s", 0);
        assert_eq!(refused, Err(Refusal::TokenReused("a".to_owned(), "s".to_owned())));
    }

    #[test]
    fn id_and_label_together_must_name_the_same_version() {
        let mut versions = Versions::default();
        put(&mut versions, "a", CURRENT).unwrap();
        put(&mut versions, "b", CURRENT).unwrap();
        assert!(versions.find(Some("a"), Some(PREVIOUS)).is_ok());
        assert!(versions.find(Some("a"), Some(CURRENT)).is_err());
    }
}
