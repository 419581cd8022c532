//! The bucket of records. A record is stored complete or not at all, and the app reads it through a link that expires.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Builder, StalledStreamProtectionConfig};
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, Object};
use bytes::Bytes;

use super::RecordsError;
use crate::aws::aws_code;
use crate::config::{ConfigError, Env};
use crate::domain::erasure::BucketEntry;
use crate::domain::export::ExportPart;
use crate::domain::record::Conversion;
use crate::domain::{ExportId, RecordFolder, RecordId};
use crate::message::Link;
use crate::ports::port;

/// How long S3 may take to assemble one object from many parts. S3 can need minutes, and sends white space until it is
/// done (docs.aws.amazon.com, `CompleteMultipartUpload`).
const COMPLETE_TIMEOUT: Duration = Duration::from_secs(300);
/// Number of entries that are listed for deletion at once. An erasure stores them in the job, whose item has at most
/// 400 kB.
const ERASED_MAX: i32 = 100;

/// The media type of an export's parts (github.com/ndjson/ndjson-spec).
const NDJSON: &str = "application/x-ndjson";

/// The bucket of one deployment.
#[derive(Clone)]
pub struct Bucket {
    client: Client,
    name: String,
}

/// A multipart upload that has begun.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The key of the object.
    pub key: String,
    id: String,
}

/// An uploaded part.
#[derive(Debug, Clone)]
pub struct Part(CompletedPart);

/// Some objects of the bucket.
#[derive(Debug, Clone, Default)]
pub struct ObjectPage {
    /// The objects.
    pub objects: Vec<BucketEntry>,
    /// Whether there are more.
    pub more: bool,
}

/// Puts records.
pub trait PutRecord {
    /// Puts a small object in one call. On an error the object may nevertheless exist, complete.
    fn put(&self, key: &str, form: Conversion, body: Bytes) -> impl Future<Output = Result<(), RecordsError>> + Send;
    /// Begins a multipart upload. Nothing is visible until it is completed.
    fn begin(&self, key: &str, form: Conversion) -> impl Future<Output = Result<Upload, RecordsError>> + Send;
    /// Uploads one part; numbers count from 1.
    fn part(
        &self,
        upload: &Upload,
        number: i32,
        body: Bytes,
    ) -> impl Future<Output = Result<Part, RecordsError>> + Send;
    /// Makes the object visible. On an error the object may nevertheless be visible, complete.
    fn complete(&self, upload: &Upload, parts: Vec<Part>) -> impl Future<Output = Result<(), RecordsError>> + Send;
    /// Discards an upload.
    fn abort(&self, upload: &Upload) -> impl Future<Output = Result<(), RecordsError>> + Send;
}

port! {
    /// Mints links to records.
    pub trait MintLink via HasBucket {
        /// A link to an object, valid for `life`. The browser saves the object under the name `file`.
        async fn mint(&self, key: &str, file: &str, life: Duration) -> Result<Link, RecordsError>;
    }
}

port! {
    /// Mints links to parts of exports.
    pub trait MintExportLink via HasBucket {
        /// A link to a part, valid for `life`. The browser saves the part under the name `file`.
        async fn mint_part(
            &self,
            export: ExportId,
            part: &ExportPart,
            file: &str,
            life: Duration,
        ) -> Result<Link, RecordsError>;
    }
}

port! {
    /// Puts parts of exports. Only `account-work` has this port.
    pub trait PutExport via HasBucket {
        /// Puts a part in one call. On an error the object may nevertheless exist, complete.
        async fn put_part(&self, export: ExportId, part: &ExportPart, body: Bytes) -> Result<(), RecordsError>;
    }
}

port! {
    /// Deletes everything that a person has in the bucket. Only `account-work` has this port.
    pub trait EraseObjects via HasBucket {
        /// Some objects and unfinished uploads whose keys begin with `prefix`; none if nothing is left.
        async fn entries_to_erase(&self, prefix: &str) -> Result<Vec<BucketEntry>, RecordsError>;
        /// Deletes an object, or aborts an upload. Succeeds if it does not exist.
        async fn erase_entry(&self, entry: &BucketEntry) -> Result<(), RecordsError>;
    }
}

port! {
    /// Lists objects. Only `account-work` has this port.
    pub trait ListObjects via HasBucket {
        /// Objects whose keys begin with `prefix` and follow the key `after`, by key.
        async fn objects_after(&self, prefix: &str, after: &str) -> Result<ObjectPage, RecordsError>;
    }
}

/// Deletes records by an operator's command. No function has this port.
pub trait DeleteObject {
    /// Whether there is an object. Without the permission to list the bucket, S3 refuses the call if there is none.
    fn has_object(&self, key: &str) -> impl Future<Output = Result<bool, RecordsError>> + Send;
    /// Deletes an object. Succeeds if there is none.
    fn delete_object(&self, key: &str) -> impl Future<Output = Result<(), RecordsError>> + Send;
}

impl Bucket {
    /// Reads `RECORDS_BUCKET`.
    ///
    /// # Errors
    /// Fails if the variable is missing.
    pub fn read(client: &Client, env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            client: client.clone(),
            name: env.required("RECORDS_BUCKET")?.to_owned(),
        })
    }

    /// The key of a record's object, in the person's folder if there is one. Each record has its own key, so a repeated
    /// transfer replaces only that record's object. The key stands in links, so it names no person.
    #[must_use]
    pub fn key(folder: Option<RecordFolder>, record: RecordId, form: Conversion) -> String {
        let prefix = folder.map_or_else(|| "records/".to_owned(), Self::prefix);
        format!("{prefix}{record}.{}", form.as_str())
    }

    /// The key of an export's part. It holds the hash of the content, so that it always names the same content.
    #[must_use]
    pub fn export_key(export: ExportId, part: &ExportPart) -> String {
        format!("{}{}.ndjson", Self::export_prefix(export), part.sha256)
    }

    /// The beginning of the keys of an export's parts.
    #[must_use]
    pub fn export_prefix(export: ExportId) -> String {
        format!("exports/{export}/")
    }

    /// The beginning of all keys in a folder.
    #[must_use]
    pub fn prefix(folder: RecordFolder) -> String {
        format!("records/{folder}/")
    }
}

macro_rules! bucket_error {
    ($error:expr) => {
        RecordsError::Bucket(aws_code(&$error).to_owned())
    };
}

/// Allows a slow answer. While S3 assembles the object, it sends only occasional white space, which the SDK would take
/// for a stall.
fn unhurried() -> Builder {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(COMPLETE_TIMEOUT);
    Builder::new()
        .timeout_config(timeouts.build())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

impl Bucket {
    async fn put_object(&self, key: &str, media_type: &str, body: Bytes) -> Result<(), RecordsError> {
        let call = self.client.put_object().bucket(&self.name).key(key);
        call.content_type(media_type)
            .body(body.into())
            .customize()
            .disable_payload_signing()
            .send()
            .await
            .map_err(|error| bucket_error!(error))?;
        Ok(())
    }
}

impl PutExport for Bucket {
    async fn put_part(&self, export: ExportId, part: &ExportPart, body: Bytes) -> Result<(), RecordsError> {
        self.put_object(&Self::export_key(export, part), NDJSON, body).await
    }
}

impl PutRecord for Bucket {
    async fn put(&self, key: &str, form: Conversion, body: Bytes) -> Result<(), RecordsError> {
        self.put_object(key, form.media_type(), body).await
    }

    async fn begin(&self, key: &str, form: Conversion) -> Result<Upload, RecordsError> {
        let call = self
            .client
            .create_multipart_upload()
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .bucket(&self.name)
            .key(key)
            .content_type(form.media_type());
        let answer = call.send().await.map_err(|error| bucket_error!(error))?;
        let id = answer
            .upload_id
            .ok_or_else(|| RecordsError::Bucket("S3 returned no upload id".to_owned()))?;
        Ok(Upload {
            key: key.to_owned(),
            id,
        })
    }

    async fn part(&self, upload: &Upload, number: i32, body: Bytes) -> Result<Part, RecordsError> {
        let call = self
            .client
            .upload_part()
            .bucket(&self.name)
            .key(&upload.key)
            .upload_id(&upload.id);
        // The signature covers the body's CRC32. To sign the body itself, the SDK would compute another SHA-256.
        let answer = call
            .part_number(number)
            .body(body.into())
            .customize()
            .disable_payload_signing()
            .send()
            .await
            .map_err(|error| bucket_error!(error))?;
        let part = CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag);
        let part = part
            .set_checksum_crc32(answer.checksum_crc32)
            .set_checksum_crc64_nvme(answer.checksum_crc64_nvme);
        Ok(Part(part.build()))
    }

    async fn complete(&self, upload: &Upload, parts: Vec<Part>) -> Result<(), RecordsError> {
        let parts = parts.into_iter().map(|Part(part)| part).collect();
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let call = self
            .client
            .complete_multipart_upload()
            .bucket(&self.name)
            .key(&upload.key)
            .upload_id(&upload.id);
        let attempts = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&attempts);
        let completed = call
            .multipart_upload(parts)
            .customize()
            .config_override(unhurried())
            .mutate_request(move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
            })
            .send()
            .await;
        match completed {
            Ok(_) => Ok(()),
            // An earlier attempt completed the upload, and its answer was lost. No other process knows this upload, so
            // none has aborted it.
            Err(error) if attempts.load(Ordering::Relaxed) > 1 && aws_code(&error) == "NoSuchUpload" => Ok(()),
            Err(error) => Err(bucket_error!(error)),
        }
    }

    async fn abort(&self, upload: &Upload) -> Result<(), RecordsError> {
        let call = self
            .client
            .abort_multipart_upload()
            .bucket(&self.name)
            .key(&upload.key)
            .upload_id(&upload.id);
        call.send().await.map_err(|error| bucket_error!(error))?;
        Ok(())
    }
}

impl MintLink for Bucket {
    async fn mint(&self, key: &str, file: &str, life: Duration) -> Result<Link, RecordsError> {
        let life = PresigningConfig::expires_in(life)
            .map_err(|_life| RecordsError::Bucket("invalid lifetime of a link".to_owned()))?;
        let call = self.client.get_object().bucket(&self.name).key(key);
        let call = call.response_content_disposition(format!("attachment; filename=\"{file}\""));
        let link = call
            .response_cache_control("no-store")
            .presigned(life)
            .await
            .map_err(|error| bucket_error!(error))?;
        Ok(Link::new(link.uri().to_owned()))
    }
}

impl MintExportLink for Bucket {
    async fn mint_part(
        &self,
        export: ExportId,
        part: &ExportPart,
        file: &str,
        life: Duration,
    ) -> Result<Link, RecordsError> {
        self.mint(&Self::export_key(export, part), file, life).await
    }
}

impl DeleteObject for Bucket {
    async fn has_object(&self, key: &str) -> Result<bool, RecordsError> {
        let call = self.client.head_object().bucket(&self.name).key(key);
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => Ok(false),
            Err(error) => Err(bucket_error!(error)),
        }
    }

    async fn delete_object(&self, key: &str) -> Result<(), RecordsError> {
        let call = self.client.delete_object().bucket(&self.name).key(key);
        call.send().await.map_err(|error| bucket_error!(error))?;
        Ok(())
    }
}

fn entry_of(object: &Object) -> Option<BucketEntry> {
    let bytes = object.size().and_then(|bytes| bytes.try_into().ok());
    Some(BucketEntry {
        key: object.key()?.to_owned(),
        upload: None,
        bytes: bytes.unwrap_or_default(),
    })
}

impl EraseObjects for Bucket {
    async fn entries_to_erase(&self, prefix: &str) -> Result<Vec<BucketEntry>, RecordsError> {
        let uploads = self.client.list_multipart_uploads().bucket(&self.name).prefix(prefix);
        let uploads = uploads.max_uploads(ERASED_MAX).send().await;
        let uploads = uploads.map_err(|error| bucket_error!(error))?;
        let uploads = uploads.uploads().iter().filter_map(|upload| {
            Some(BucketEntry {
                key: upload.key()?.to_owned(),
                upload: Some(upload.upload_id()?.to_owned()),
                bytes: 0,
            })
        });
        let uploads: Vec<_> = uploads.collect();
        if !uploads.is_empty() {
            return Ok(uploads);
        }
        let objects = self.client.list_objects_v2().bucket(&self.name).prefix(prefix);
        let objects = objects.max_keys(ERASED_MAX).send().await;
        let objects = objects.map_err(|error| bucket_error!(error))?;
        Ok(objects.contents().iter().filter_map(entry_of).collect())
    }

    async fn erase_entry(&self, entry: &BucketEntry) -> Result<(), RecordsError> {
        let Some(upload) = &entry.upload else {
            return self.delete_object(&entry.key).await;
        };
        let call = self.client.abort_multipart_upload().bucket(&self.name);
        match call.key(&entry.key).upload_id(upload).send().await {
            Err(error) if aws_code(&error) != "NoSuchUpload" => Err(bucket_error!(error)),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

impl ListObjects for Bucket {
    async fn objects_after(&self, prefix: &str, after: &str) -> Result<ObjectPage, RecordsError> {
        let call = self.client.list_objects_v2().bucket(&self.name).prefix(prefix);
        let call = call.start_after(after).max_keys(ERASED_MAX).send().await;
        let answer = call.map_err(|error| bucket_error!(error))?;
        Ok(ObjectPage {
            objects: answer.contents().iter().filter_map(entry_of).collect(),
            more: answer.is_truncated().unwrap_or_default(),
        })
    }
}

#[cfg(test)]
impl Upload {
    pub(super) fn for_tests(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            id: "upload".to_owned(),
        }
    }
}

#[cfg(test)]
impl Part {
    pub(super) fn for_tests(number: i32) -> Self {
        Self(CompletedPart::builder().part_number(number).build())
    }

    pub(super) fn number(&self) -> i32 {
        self.0.part_number().unwrap_or_default()
    }
}
