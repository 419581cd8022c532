//! Permissions that requests to SQS, S3, Secrets Manager, KMS and STS need. Each request names at most one resource and
//! has no condition key that we model.

use super::Need;
use crate::ACCOUNT_ID;
use axum::http::Uri;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// A batch operation needs the permission of the operation on one message.
pub(super) fn sqs(operation: &str, request: &Value, region: &str) -> Option<Vec<Need>> {
    let url = request.get("QueueUrl")?.as_str()?;
    let queue = url.rsplit('/').next()?;
    let action = operation.strip_suffix("Batch").unwrap_or(operation);
    let resource = format!("arn:aws:sqs:{region}:{ACCOUNT_ID}:{queue}");
    Some(vec![need("sqs", action, resource)])
}

/// A request names a secret by name or ARN; `arn` resolves both to the ARN.
pub(super) fn secrets(operation: &str, request: &Value, arn: impl FnOnce(&str) -> Option<String>) -> Option<Vec<Need>> {
    let id = request.get("SecretId")?.as_str()?;
    // A secret that does not exist has no ARN, so its name stands for it.
    let resource = arn(id).unwrap_or_else(|| id.to_owned());
    Some(vec![need("secretsmanager", operation, resource)])
}

/// A request names a key by id, alias or ARN; `arn` resolves all to the key's ARN.
pub(super) fn kms(operation: &str, request: &Value, arn: impl FnOnce(&str) -> Option<String>) -> Option<Vec<Need>> {
    let id = request.get("KeyId")?.as_str()?;
    // A key that does not exist has no ARN, so its name stands for it.
    let resource = arn(id).unwrap_or_else(|| id.to_owned());
    Some(vec![need("kms", operation, resource)])
}

/// No permission is required for `GetCallerIdentity`, and no policy can deny it (docs.aws.amazon.com, AWS STS API
/// reference).
pub(super) fn sts(operation: &str) -> Option<Vec<Need>> {
    (operation == "GetCallerIdentity").then(Vec::new)
}

/// Handles path-style requests (docs.aws.amazon.com, Amazon S3 user guide, "Required permissions for Amazon S3 API
/// operations"). A presigned request needs the same permission as a signed one. Versions and copies are not modelled.
pub(super) fn s3(operation: &str, uri: &Uri) -> Option<Vec<Need>> {
    let action = match operation {
        "GetObject" | "HeadObject" => "GetObject",
        "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => "PutObject",
        "AbortMultipartUpload" => "AbortMultipartUpload",
        "ListParts" => "ListMultipartUploadParts",
        "DeleteObject" => "DeleteObject",
        "ListObjects" | "ListObjectsV2" | "HeadBucket" => "ListBucket",
        "ListMultipartUploads" => "ListBucketMultipartUploads",
        _ => return None,
    };
    if uri.query().is_some_and(|query| query.contains("versionId=")) {
        return None;
    }
    let path = uri.path().trim_start_matches('/');
    let path = if action.starts_with("ListBucket") {
        path.trim_end_matches('/')
    } else {
        path
    };
    let path = percent_decode_str(path).decode_utf8().ok()?;
    Some(vec![need("s3", action, format!("arn:aws:s3:::{path}"))])
}

fn need(service: &str, action: &str, resource: String) -> Need {
    Need {
        action: format!("{service}:{action}"),
        resource,
        leading_keys: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(needs: Option<Vec<Need>>) -> (String, String) {
        let [need] = <[Need; 1]>::try_from(needs.unwrap()).unwrap();
        assert!(need.leading_keys.is_empty());
        (need.action, need.resource)
    }

    fn pair(action: &str, resource: &str) -> (String, String) {
        (action.to_owned(), resource.to_owned())
    }

    #[test]
    fn batch_needs_the_permission_of_a_single_message() {
        let request = json!({ "QueueUrl": "http://127.0.0.1:1/000000000000/work", "Entries": [] });
        let expected = pair("sqs:SendMessage", "arn:aws:sqs:eu-central-1:000000000000:work");
        for operation in ["SendMessage", "SendMessageBatch"] {
            assert_eq!(one(sqs(operation, &request, "eu-central-1")), expected);
        }
        assert_eq!(sqs("ListQueues", &json!({}), "eu-central-1"), None);
    }

    #[test]
    fn secret_resource_is_its_arn_for_name_and_arn() {
        let arn = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:key-abcdef";
        let resolve = |id: &str| (id == "key" || id == arn).then(|| arn.to_owned());
        for id in ["key", arn] {
            let needs = secrets("GetSecretValue", &json!({ "SecretId": id }), resolve);
            assert_eq!(one(needs), pair("secretsmanager:GetSecretValue", arn));
        }
        let unknown = secrets("GetSecretValue", &json!({ "SecretId": "other" }), resolve);
        assert_eq!(one(unknown), pair("secretsmanager:GetSecretValue", "other"));
        assert_eq!(secrets("ListSecrets", &json!({}), resolve), None);
    }

    #[test]
    fn key_resource_is_its_arn_for_id_and_alias() {
        let arn = "arn:aws:kms:eu-central-1:000000000000:key/seal";
        let resolve = |id: &str| ["seal", "alias/seals", arn].contains(&id).then(|| arn.to_owned());
        for id in ["seal", "alias/seals", arn] {
            let needs = kms("Sign", &json!({ "KeyId": id }), resolve);
            assert_eq!(one(needs), pair("kms:Sign", arn));
        }
        let unknown = kms("GetPublicKey", &json!({ "KeyId": "other" }), resolve);
        assert_eq!(one(unknown), pair("kms:GetPublicKey", "other"));
        assert_eq!(kms("ListKeys", &json!({}), resolve), None);
    }

    #[test]
    fn caller_identity_needs_no_permission() {
        assert_eq!(sts("GetCallerIdentity"), Some(Vec::new()));
        assert_eq!(sts("AssumeRole"), None);
    }

    #[test]
    fn upload_steps_need_put_and_abort_needs_its_own_action() {
        let uri = |text: &str| text.parse::<Uri>().unwrap();
        for operation in [
            "PutObject",
            "CreateMultipartUpload",
            "UploadPart",
            "CompleteMultipartUpload",
        ] {
            let needs = s3(operation, &uri("/records/a/b%20c?uploadId=u"));
            assert_eq!(one(needs), pair("s3:PutObject", "arn:aws:s3:::records/a/b c"));
        }
        let aborted = s3("AbortMultipartUpload", &uri("/records/a?uploadId=u"));
        assert_eq!(one(aborted), pair("s3:AbortMultipartUpload", "arn:aws:s3:::records/a"));
        let deleted = s3("DeleteObject", &uri("/records/a/b"));
        assert_eq!(one(deleted), pair("s3:DeleteObject", "arn:aws:s3:::records/a/b"));
    }

    #[test]
    fn s3_lists_need_permission_on_the_bucket() {
        for (operation, action) in [
            ("ListObjectsV2", "s3:ListBucket"),
            ("ListMultipartUploads", "s3:ListBucketMultipartUploads"),
        ] {
            for uri in ["/records?prefix=a", "/records/?prefix=a"] {
                let needs = s3(operation, &uri.parse().unwrap());
                assert_eq!(one(needs), pair(action, "arn:aws:s3:::records"));
            }
        }
    }

    #[test]
    fn unmodelled_s3_requests_have_unknown_needs() {
        let uri: Uri = "/records/a?versionId=1".parse().unwrap();
        assert_eq!(s3("GetObject", &uri), None);
        assert_eq!(s3("CopyObject", &"/records/a".parse().unwrap()), None);
    }
}
