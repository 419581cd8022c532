//! Unfinished multipart uploads. `s3s-fs` keeps each in two files, whose names this module knows.
//!
//! [`BucketFiles`] corrects `s3s-fs` in four points:
//! - `s3s-fs` lacks `ListMultipartUploads`
//! - it lets only the access key id that began an upload continue or abort it; S3 decides by permission, which the gate
//!   has checked before a request arrives here
//! - it stops in the middle of a completion or an abort if the caller dies; S3 finishes it
//! - it lets two conditional writes of one key succeed at the same time, and may then mix the bytes of one with the
//!   checksums of the other; in S3, one of them fails

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::{
    self, ListMultipartUploadsInput, ListMultipartUploadsOutput, MultipartUpload, PutObjectInput, PutObjectOutput,
    Timestamp,
};
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;
use uuid::Uuid;

/// The most uploads in one answer, and the number for a request without `max-uploads` (docs.aws.amazon.com, Amazon S3
/// API reference, `ListMultipartUploads`).
const UPLOADS_MAX: i32 = 1_000;

/// The operations of `s3s-fs`, and `ListMultipartUploads`.
pub(super) struct BucketFiles {
    files: Arc<FileSystem>,
    root: PathBuf,
    /// Held during a conditional write.
    conditional: Mutex<()>,
}

/// When each upload began, by key and upload id. S3 sorts the uploads of one key by this time, but its markers compare
/// upload ids; the ids here have no order in time.
type Uploads = BTreeMap<(String, String), Timestamp>;

/// Implements `S3` with these operations of `s3s-fs` and with our own.
macro_rules! implement_s3 {
    (
        in_place { $($operation:ident($input:ident) -> $output:ident;)* }
        in_task { $($ending:ident($ending_input:ident) -> $ending_output:ident;)* }
    ) => {
        #[async_trait::async_trait]
        impl S3 for BucketFiles {
            $(
                async fn $operation(&self, request: S3Request<dto::$input>) -> S3Result<S3Response<dto::$output>> {
                    self.files.$operation(withhold_caller(request)).await
                }
            )*

            $(
                async fn $ending(
                    &self,
                    request: S3Request<dto::$ending_input>,
                ) -> S3Result<S3Response<dto::$ending_output>> {
                    let files = Arc::clone(&self.files);
                    // The caller's death closes the connection and drops this future, but not the task.
                    let task = tokio::spawn(async move { files.$ending(withhold_caller(request)).await });
                    task.await.map_err(S3Error::internal_error)?
                }
            )*

            async fn put_object(
                &self,
                request: S3Request<PutObjectInput>,
            ) -> S3Result<S3Response<PutObjectOutput>> {
                let _alone = match request.input.if_none_match {
                    Some(_) => Some(self.conditional.lock().await),
                    None => None,
                };
                self.files.put_object(withhold_caller(request)).await
            }

            async fn list_multipart_uploads(
                &self,
                request: S3Request<ListMultipartUploadsInput>,
            ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
                let uploads = self.read_uploads(&request.input.bucket).await;
                let page = cut_page(request.input, uploads.map_err(S3Error::internal_error)?)?;
                Ok(S3Response::new(page))
            }
        }
    };
}

implement_s3! {
    in_place {
        copy_object(CopyObjectInput) -> CopyObjectOutput;
        create_bucket(CreateBucketInput) -> CreateBucketOutput;
        create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput;
        delete_bucket(DeleteBucketInput) -> DeleteBucketOutput;
        delete_object(DeleteObjectInput) -> DeleteObjectOutput;
        delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput;
        get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput;
        get_object(GetObjectInput) -> GetObjectOutput;
        head_bucket(HeadBucketInput) -> HeadBucketOutput;
        head_object(HeadObjectInput) -> HeadObjectOutput;
        list_buckets(ListBucketsInput) -> ListBucketsOutput;
        list_objects(ListObjectsInput) -> ListObjectsOutput;
        list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output;
        list_parts(ListPartsInput) -> ListPartsOutput;
        upload_part(UploadPartInput) -> UploadPartOutput;
        upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput;
    }
    in_task {
        abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput;
        complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput;
    }
}

impl BucketFiles {
    pub(super) fn new(files: FileSystem, root: &Path) -> BucketFiles {
        BucketFiles {
            files: Arc::new(files),
            root: root.to_owned(),
            conditional: Mutex::new(()),
        }
    }

    async fn read_uploads(&self, bucket: &str) -> Result<Uploads, Error> {
        let mut uploads = Uploads::new();
        let mut entries = tokio::fs::read_dir(&self.root).await?;
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name();
            let Some((key, id)) = name.to_str().and_then(|name| key_and_id(name, bucket)) else {
                continue;
            };
            match tokio::fs::metadata(self.root.join(state_file(id))).await {
                Ok(state) => {
                    uploads.insert((key, id.to_string()), state.modified()?.into());
                }
                // Another request completes or aborts the upload.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(uploads)
    }
}

/// `s3s-fs` compares the caller with the one that began the upload. Without callers, both are equal.
fn withhold_caller<T>(request: S3Request<T>) -> S3Request<T> {
    S3Request {
        credentials: None,
        ..request
    }
}

/// Whether the upload with this id is one of this key, neither complete nor aborted.
pub(super) async fn is_unfinished(root: &Path, (bucket, key): (&str, &str), id: Uuid) -> bool {
    for name in [state_file(id), attributes_file(bucket, key, id)] {
        if !tokio::fs::try_exists(root.join(name)).await.unwrap_or(false) {
            return false;
        }
    }
    true
}

/// The file that `s3s-fs` deletes when it completes or aborts the upload.
fn state_file(id: Uuid) -> String {
    format!(".upload-{id}.json")
}

/// The file with the attributes that the object will have.
fn attributes_file(bucket: &str, key: &str, id: Uuid) -> String {
    let key = URL_SAFE_NO_PAD.encode(key);
    format!("{}{key}.upload-{id}.metadata.json", name_prefix(bucket))
}

/// Reads key and upload id from the name of an [`attributes_file`] of the bucket.
fn key_and_id(name: &str, bucket: &str) -> Option<(String, Uuid)> {
    let name = name.strip_prefix(&name_prefix(bucket))?;
    let (key, id) = name.strip_suffix(".metadata.json")?.split_once(".upload-")?;
    let key = String::from_utf8(URL_SAFE_NO_PAD.decode(key).ok()?).ok()?;
    Some((key, id.parse().ok()?))
}

fn name_prefix(bucket: &str) -> String {
    format!(".bucket-{}.object-", URL_SAFE_NO_PAD.encode(bucket))
}

fn cut_page(input: ListMultipartUploadsInput, mut uploads: Uploads) -> S3Result<ListMultipartUploadsOutput> {
    if input.delimiter.is_some() || input.encoding_type.is_some() {
        return Err(s3_error!(
            NotImplemented,
            "ListMultipartUploads with a delimiter or an encoding type is not implemented"
        ));
    }
    let max_uploads = input.max_uploads.unwrap_or(UPLOADS_MAX).min(UPLOADS_MAX);
    let limit = usize::try_from(max_uploads).unwrap_or_default();
    if limit == 0 {
        return Err(s3_error!(InvalidArgument, "max-uploads must be at least 1"));
    }
    uploads.retain(|(key, id), _| is_requested(&input, key, id));
    let is_truncated = uploads.len() > limit;
    let upload = |((key, id), began)| MultipartUpload {
        key: Some(key),
        upload_id: Some(id),
        initiated: Some(began),
        ..MultipartUpload::default()
    };
    let uploads: Vec<_> = uploads.into_iter().take(limit).map(upload).collect();
    let last = uploads.last().filter(|_| is_truncated);
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: input.prefix,
        key_marker: input.key_marker,
        upload_id_marker: input.upload_id_marker,
        max_uploads: Some(max_uploads),
        is_truncated: Some(is_truncated),
        next_key_marker: last.and_then(|upload| upload.key.clone()),
        next_upload_id_marker: last.and_then(|upload| upload.upload_id.clone()),
        uploads: Some(uploads),
        ..ListMultipartUploadsOutput::default()
    })
}

/// Whether the upload has the request's prefix and follows its markers. An upload id marker counts only with a key
/// marker.
fn is_requested(input: &ListMultipartUploadsInput, key: &str, id: &str) -> bool {
    let id_marker = input.upload_id_marker.as_deref().filter(|marker| !marker.is_empty());
    let follows = match (input.key_marker.as_deref(), id_marker) {
        (None, _) => true,
        (Some(key_marker), None) => key > key_marker,
        (Some(key_marker), Some(id_marker)) => (key, id) > (key_marker, id_marker),
    };
    follows && key.starts_with(input.prefix.as_deref().unwrap_or_default())
}
