//! One privilege: the smallest unit that a policy grants and a call uses.

use std::fmt;

use sandbox_aws::Need;

/// An action of a function on a resource, and on one kind of items in it. Granted and used privileges have the same
/// form and can be compared. If a policy grants several kinds with one pattern, the granted privilege equals no used
/// privilege, and looks unused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Privilege {
    /// The binary's name.
    pub function: String,
    /// An action such as `dynamodb:PutItem`.
    pub action: String,
    /// The ARN; for an object, the ARN of all objects under the first part of its key.
    pub resource: String,
    /// The kind of partition key, such as `OWNER#*`, if the call names items.
    pub leading_key: Option<String>,
}

impl Privilege {
    /// The privileges that a call needs, without the ids of items or objects.
    pub(super) fn used<'a>(function: &'a str, need: &'a Need) -> impl Iterator<Item = Self> + 'a {
        let keys = need.leading_keys.iter().map(|key| Some(kind_of_key(key)));
        // A need without keys is also one privilege.
        let keyless = need.leading_keys.is_empty().then_some(None);
        keys.chain(keyless).map(|leading_key| Self {
            function: function.to_owned(),
            action: need.action.clone(),
            resource: kind_of_resource(&need.resource),
            leading_key,
        })
    }
}

/// A partition key consists of a kind, `#` and an id, and `*` replaces the id. A budget's key has a name instead of an
/// id, and keeps it. In the index `owner`, a key is an owner id.
fn kind_of_key(key: &str) -> String {
    match key.split_once('#') {
        None if key.starts_with("v1.") => "v1.*".to_owned(),
        None | Some(("BUDGET", _)) => key.to_owned(),
        Some((kind, _)) => format!("{kind}#*"),
    }
}

fn kind_of_resource(arn: &str) -> String {
    let object = arn.strip_prefix("arn:aws:s3:::").and_then(|path| path.split_once('/'));
    match object.and_then(|(bucket, key)| Some((bucket, key.split_once('/')?.0))) {
        Some((bucket, folder)) => format!("arn:aws:s3:::{bucket}/{folder}/*"),
        None => arn.to_owned(),
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            function,
            action,
            resource,
            leading_key,
        } = self;
        write!(f, "{function} {action} {resource}")?;
        leading_key.as_ref().map_or(Ok(()), |key| write!(f, " {key}"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn used(resource: &str, keys: &[&str]) -> Vec<String> {
        let need = Need {
            action: "a:Act".to_owned(),
            resource: resource.to_owned(),
            leading_keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        Privilege::used("f", &need)
            .map(|privilege| privilege.to_string())
            .collect()
    }

    #[test]
    fn items_are_named_by_their_kind() {
        let keys = ["OWNER#v1.abc", "REPLAYS", "BUDGET#day", "AAL2#s"];
        let expected = [
            "f a:Act arn:t OWNER#*",
            "f a:Act arn:t REPLAYS",
            "f a:Act arn:t BUDGET#day",
            "f a:Act arn:t AAL2#*",
        ];
        assert_eq!(used("arn:t", &keys), expected);
    }

    #[test]
    fn objects_are_named_by_their_folder() {
        assert_eq!(
            used("arn:aws:s3:::bucket/records/v1.abc/r.json", &[]),
            ["f a:Act arn:aws:s3:::bucket/records/*"]
        );
        assert_eq!(used("arn:aws:s3:::bucket", &[]), ["f a:Act arn:aws:s3:::bucket"]);
        assert_eq!(used("arn:aws:sqs:r:0:q", &[]), ["f a:Act arn:aws:sqs:r:0:q"]);
    }
}
