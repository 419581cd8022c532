//! The person that a call is about (the patient's `externalId`), and the call's metadata, for fault plans.

use std::collections::BTreeMap;

use axum::http::Uri;
use serde_json::Value;

use crate::metadata::Metadata;
use crate::operation::Operation;
use crate::world::World;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) external_id: Option<String>,
    pub(crate) metadata: Metadata,
}

impl World {
    /// Reads a call to the API; unreadable parts are left out.
    pub(crate) fn about(&self, operation: Operation, uri: &Uri, body: &[u8]) -> About {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let own = text(&body, "externalId").or_else(|| query(uri, "externalId"));
        let patient = || self.patient_of(operation, uri, &body);
        About {
            external_id: own.or_else(|| self.patients.get(&patient()?)?.external_id.clone()),
            metadata: pairs(&body),
        }
    }

    fn patient_of(&self, operation: Operation, uri: &Uri, body: &Value) -> Option<String> {
        let (own, second) = (segment(uri, 3), segment(uri, 4));
        match operation {
            Operation::StartNetworkQuery => query(uri, "patientId"),
            Operation::ReadNetworkQuery => Some(self.queries.get(&second?)?.patient_id.clone()),
            Operation::CreateIdentitySession => text(body, "patientId"),
            Operation::CreateChallenge => {
                let identity = self.identities.proofed.get(&text(body, "proofedIdentityId")?)?;
                Some(identity.patient_id.clone())
            }
            _ => own,
        }
    }
}

fn text(body: &Value, name: &str) -> Option<String> {
    body.get(name)?.as_str().map(str::to_owned)
}

fn pairs(body: &Value) -> Metadata {
    let pairs = body.get("metadata").and_then(Value::as_object).into_iter().flatten();
    let pairs = pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
    pairs.collect::<BTreeMap<_, _>>()
}

/// A segment of the path, counted from 0: `/medical/v1/patient/{id}` has the id at 3.
fn segment(uri: &Uri, place: usize) -> Option<String> {
    uri.path().split('/').nth(place + 1).map(str::to_owned)
}

fn query(uri: &Uri, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(uri.query()?.as_bytes());
    pairs
        .into_iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_segments_and_query_parameters_are_read() {
        let uri: Uri = "/medical/v1/network/query/0198?patientId=p%201".parse().unwrap();
        assert_eq!(segment(&uri, 4).as_deref(), Some("0198"));
        assert_eq!(query(&uri, "patientId").as_deref(), Some("p 1"));
        assert_eq!(query(&uri, "other"), None);
    }
}
