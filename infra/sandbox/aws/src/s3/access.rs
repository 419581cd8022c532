//! Who may call: any access key id, with the one secret of the sandbox. And on what: buckets that exist, and keys that
//! the files can carry.

use s3s::S3Result;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::s3_error;
use std::path::{Path, PathBuf};

/// `s3s-fs` writes bucket and key, in base64, into the name of a file next to the object, and file names end at 255
/// bytes. Longer keys fail there in the middle of an upload, so they are refused at the door. S3 itself takes 1,024.
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

/// `s3s-fs` would create the folder of a bucket that nobody created; S3 answers `NoSuchBucket`, and so a misspelt
/// bucket name shows.
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
        let key_bytes = context.s3_path().get_object_key().map_or(0, str::len);
        if key_bytes > 0 && bucket.len() + key_bytes > BUCKET_AND_KEY_BYTES_MAX {
            return Err(s3_error!(
                KeyTooLongError,
                "The sandbox takes 135 bytes of bucket and key together"
            ));
        }
        let creates = context.s3_op().name() == "CreateBucket";
        if creates || tokio::fs::try_exists(self.root.join(bucket)).await.unwrap_or(false) {
            return Ok(());
        }
        Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"))
    }
}
