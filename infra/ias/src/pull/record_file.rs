//! Reads a record from a file, and refuses it at once if `record-fetch` would refuse it later.

use std::path::Path;

use sandbox_fhir::{Entry, NetworkRecord, read_entries};
use shared::records::{BundleScan, ScanError};

/// Text before the resource in a Bundle with one entry.
const BEFORE: &[u8] = br#"{"resourceType":"Bundle","entry":[{"resource":"#;
const AFTER: &[u8] = b"}]}";

/// Reads a Bundle from a file and splits it over the sources.
pub(crate) fn read_record(path: &Path) -> Result<NetworkRecord, String> {
    let refuse = |reason: &dyn std::fmt::Display| format!("{}: {reason}", path.display());
    let text = std::fs::read(path).map_err(|error| refuse(&error))?;
    let entries = read_entries(&text).map_err(|error| refuse(&error))?;
    for (index, entry) in entries.iter().enumerate() {
        scan(entry).map_err(|error| {
            let kind = entry.resource_type();
            let at = "the functions refuse such a record";
            refuse(&format!(
                "entry {index} (counted from 0), {kind}: {error} of the resource; {at}"
            ))
        })?;
    }
    Ok(NetworkRecord::from_iter(entries))
}

/// Scans a resource as `record-fetch` scans a record. The scan refuses some JSON that FHIR allows.
fn scan(entry: &Entry) -> Result<(), ScanError> {
    let mut reader = BundleScan::default();
    let resource = entry.resource().get().as_bytes();
    let read = [BEFORE, resource, AFTER]
        .iter()
        .try_for_each(|piece| reader.push(piece));
    read.and_then(|()| reader.finish().map(|_counts| ()))
        .map_err(within_resource)
}

/// The same error, with its offset counted from the start of the resource.
fn within_resource(error: ScanError) -> ScanError {
    let inside = |at: u64| at.saturating_sub(BEFORE.len() as u64);
    match error {
        ScanError::NotJson(at) => ScanError::NotJson(inside(at)),
        ScanError::NotUtf8(at) => ScanError::NotUtf8(inside(at)),
        ScanError::TooDeep(at) => ScanError::TooDeep(inside(at)),
        ScanError::Doubled(at) => ScanError::Doubled(inside(at)),
        ScanError::Escaped(at) => ScanError::Escaped(inside(at)),
        ScanError::Truncated(after) => ScanError::Truncated(inside(after)),
        ScanError::NotABundle => ScanError::NotABundle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(resource: &str) -> Option<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let patient = r#"{"resourceType":"Patient","id":"p1"}"#;
        let bundle =
            format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{patient}}},{{"resource":{resource}}}]}}"#);
        std::fs::write(file.path(), bundle).unwrap();
        let refused = read_record(file.path()).err()?;
        Some(refused.replace(&file.path().display().to_string(), "FILE"))
    }

    #[test]
    fn unacceptable_record_is_refused_with_its_position() {
        let escaped = r#"{"resourceType":"Observation","i\u0064":"1"}"#;
        assert_eq!(
            refusal(escaped).unwrap(),
            "FILE: entry 1 (counted from 0), Observation: name with an escape at byte 32 of the resource; the \
             functions refuse such a record"
        );
        let nested = |depth: usize| {
            let (open, close) = (r#"{"extension":["#.repeat(depth), "]}".repeat(depth));
            format!(r#"{{"resourceType":"Goal","extension":[{open}{close}]}}"#)
        };
        let deep = refusal(&nested(300)).unwrap();
        assert!(
            deep.contains("entry 1 (counted from 0), Goal: nested deeper than 512 at byte"),
            "{deep}"
        );
        assert_eq!(refusal(&nested(200)), None);
        assert_eq!(refusal(r#"{"resourceType":"Goal","text":"\u0064"}"#), None);
    }

    #[test]
    fn refusal_names_the_entry_of_the_record() {
        for resource in [
            r#"{"resourceType":"Goal","resourceType":"Goal"}"#,
            r#"{"resourceType":"\u0047oal"}"#,
            r#"{"id":"7"}"#,
        ] {
            let refused = refusal(resource).unwrap();
            assert!(refused.starts_with("FILE: entry 1 (counted from 0)"), "{refused}");
        }
    }
}
