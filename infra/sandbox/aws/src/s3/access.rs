//! Checks the caller: any access key id is valid with the sandbox's one secret. Checks the target: the bucket, upload
//! and parts must exist, and the key must fit a file name.

use super::uploads::is_unfinished;
use crate::gate::query_value;
use axum::http::Uri;
use md5::{Digest, Md5};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::{CompleteMultipartUploadInput, ETag};
use s3s::{S3Request, S3Result, s3_error};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// `s3s-fs` writes bucket and key, in base64, into the name of a file next to the object. A file name has at most 255
/// bytes, so a longer key would fail in the middle of an upload. The check refuses the key before the upload. S3 itself
/// accepts keys of 1,024 bytes.
const BUCKET_AND_KEY_BYTES_MAX: usize = 135;

/// The same secret for every access key id, so that the key id can name the caller.
pub(super) struct OneSecret(SecretKey);

impl OneSecret {
    pub(super) fn new(secret: &str) -> OneSecret {
        OneSecret(SecretKey::from(secret))
    }
}

#[async_trait::async_trait]
impl S3Auth for OneSecret {
    async fn get_secret_key(&self, _access_key: &str) -> S3Result<SecretKey> {
        Ok(self.0.clone())
    }
}

/// Corrects three answers of `s3s-fs`:
/// - for an unknown bucket, `s3s-fs` creates its folder; S3 answers `NoSuchBucket`, which reveals a misspelt name
/// - for a completed or aborted upload, `s3s-fs` denies access, and it ignores the key; S3 answers `NoSuchUpload` for
///   both an ended upload and the upload of another key
/// - for wrong ETags, `s3s-fs` completes the upload; S3 answers `InvalidPart`, and the upload can still be completed
pub(super) struct Addressable {
    root: PathBuf,
}

impl Addressable {
    pub(super) fn new(root: &Path) -> Addressable {
        Addressable { root: root.to_owned() }
    }
}

#[async_trait::async_trait]
impl S3Access for Addressable {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        let Some(bucket) = context.s3_path().get_bucket_name() else {
            return Ok(());
        };
        let key = context.s3_path().get_object_key().unwrap_or_default();
        if !key.is_empty() && bucket.len() + key.len() > BUCKET_AND_KEY_BYTES_MAX {
            return Err(s3_error!(
                KeyTooLongError,
                "The sandbox accepts at most 135 bytes of bucket and key together"
            ));
        }
        let creates = context.s3_op().name() == "CreateBucket";
        if !creates && !exists(self.root.join(bucket)).await {
            return Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"));
        }
        match upload_id(context.uri()) {
            Some(id) if !is_unfinished(&self.root, (bucket, key), id).await => {
                Err(s3_error!(NoSuchUpload, "The specified upload does not exist"))
            }
            _ => Ok(()),
        }
    }

    async fn complete_multipart_upload(&self, request: &mut S3Request<CompleteMultipartUploadInput>) -> S3Result<()> {
        let input = &request.input;
        for part in input
            .multipart_upload
            .iter()
            .flat_map(|upload| upload.parts.iter().flatten())
        {
            let number = part.part_number.unwrap_or_default();
            // `s3s-fs` keeps a part in this file.
            let stored = self.root.join(format!(".upload_id-{}.part-{number}", input.upload_id));
            let etag = tokio::fs::read(stored)
                .await
                .ok()
                .map(|bytes| hex::encode(Md5::digest(bytes)));
            if etag.is_none() || etag.as_deref() != part.e_tag.as_ref().map(ETag::value) {
                return Err(s3_error!(
                    InvalidPart,
                    "One or more of the specified parts could not be found or did not match its ETag"
                ));
            }
        }
        Ok(())
    }
}

async fn exists(path: PathBuf) -> bool {
    tokio::fs::try_exists(path).await.unwrap_or(false)
}

/// The upload id in a request. An id that is not a UUID becomes the nil UUID, which no upload has.
fn upload_id(uri: &Uri) -> Option<Uuid> {
    let id = query_value(uri, "uploadId")?;
    Some(id.parse().unwrap_or_default())
}
