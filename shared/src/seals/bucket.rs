//! The locked bucket.

use std::ops::Range;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::types::ChecksumAlgorithm;
use bytes::Bytes;

use super::SealsError;
use crate::aws::aws_code;
use crate::config::{ConfigError, Env};
use crate::domain::log::seal::StoredSeal;
use crate::domain::log::{LogDay, LogHash};
use crate::ports::port;

/// Folder of the seals.
const SEALS: &str = "seals/";
const JSON: &str = ".json";
/// Maximum number of keys in one answer (docs.aws.amazon.com, Amazon S3 API reference, "ListObjectsV2").
const KEYS_MAX: usize = 1_000;
/// Normally the last seal is at most two days old, so one list of this many days finds it.
const RECENT_DAYS: i64 = 40;
/// The longest time without a seal after which the chain still continues: ten years.
const ALL_DAYS: i64 = 3_660;

/// The bucket of one deployment.
#[derive(Clone)]
pub struct SealBucket {
    client: Client,
    name: String,
}

port! {
    /// Lists and reads seals.
    pub trait ReadSeals via HasSeals {
        /// The sealed days between two days, both included, in order; at most `max`.
        async fn sealed_days(&self, from: LogDay, to: LogDay, max: usize) -> Result<Vec<LogDay>, SealsError>;
        /// The seal of a day that has one.
        async fn read_seal(&self, day: LogDay) -> Result<StoredSeal, SealsError>;
    }
}

port! {
    /// Reads parts of the files of shards.
    pub trait ReadShards via HasSeals {
        /// These bytes of the file of a shard with this root. The range must not be empty.
        async fn read_shard(
            &self, day: LogDay, shard: u8, root: LogHash, bytes: Range<u64>
        ) -> Result<Vec<u8>, SealsError>;
    }
}

port! {
    /// Puts seals and the files of shards.
    pub trait PutSeals via HasSeals {
        /// Puts the file of a shard. A file that exists already has the same content.
        async fn put_shard(
            &self, day: LogDay, shard: u8, root: LogHash, file: Vec<u8>
        ) -> Result<(), SealsError>;
        /// Puts a seal, unless the day has one. Returns whether the seal is new.
        async fn put_seal(&self, day: LogDay, seal: &StoredSeal) -> Result<bool, SealsError>;
    }
}

/// The last sealed day, up to `until`.
///
/// # Errors
/// Fails if the bucket cannot be listed.
pub async fn find_last_sealed(io: &impl ReadSeals, until: LogDay) -> Result<Option<LogDay>, SealsError> {
    for days in [RECENT_DAYS, ALL_DAYS] {
        let sealed = io.sealed_days(until.minus(days), until, usize::MAX).await?;
        if let Some(last) = sealed.last() {
            return Ok(Some(*last));
        }
    }
    Ok(None)
}

impl SealBucket {
    /// Reads `SEALS_BUCKET`.
    ///
    /// # Errors
    /// Fails if the variable is missing.
    pub fn read(client: &Client, env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            client: client.clone(),
            name: env.required("SEALS_BUCKET")?.to_owned(),
        })
    }

    async fn get(&self, key: String, range: Option<String>, what: &'static str) -> Result<Bytes, SealsError> {
        let call = self.client.get_object().bucket(&self.name).key(key);
        let answer = call.set_range(range).send().await;
        let answer = answer.map_err(|error| match aws_code(&error) {
            // The object is missing, or shorter than the range.
            "NoSuchKey" | "InvalidRange" => SealsError::Unreadable(what),
            _ => refused(&error),
        })?;
        let body = answer.body.collect().await;
        let body = body.map_err(|_broken| SealsError::Unavailable("broken body".to_owned()))?;
        Ok(body.into_bytes())
    }

    /// Puts an object under a new key; returns whether the key was new. Object Lock requires a checksum
    /// (docs.aws.amazon.com, Amazon S3 API reference, "PutObject").
    async fn put_new(&self, key: String, media_type: &str, body: Vec<u8>) -> Result<bool, SealsError> {
        let call = self.client.put_object().bucket(&self.name).key(key);
        let call = call.if_none_match("*").content_type(media_type);
        let put = call.checksum_algorithm(ChecksumAlgorithm::Sha256).body(body.into());
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) if aws_code(&error) == "PreconditionFailed" => Ok(false),
            Err(error) => Err(refused(&error)),
        }
    }
}

fn refused<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> SealsError {
    let code = aws_code(error);
    // docs.aws.amazon.com, Amazon S3 API reference, "Error responses"
    let is_transient = matches!(
        code,
        "SlowDown" | "InternalError" | "ServiceUnavailable" | "RequestTimeout" | "unnamed"
    );
    match error {
        SdkError::ServiceError(_) if !is_transient => SealsError::Bucket(code.to_owned()),
        _ => SealsError::Unavailable(code.to_owned()),
    }
}

fn seal_key(day: LogDay) -> String {
    format!("{SEALS}{}{JSON}", day.sortable())
}

fn shard_key(day: LogDay, shard: u8, root: LogHash) -> String {
    format!("shards/{}/{shard:x}-{root}", day.sortable())
}

/// The day of a seal's key.
fn read_key(key: Option<&str>) -> Result<LogDay, SealsError> {
    let day = key.and_then(|key| key.strip_prefix(SEALS)?.strip_suffix(JSON));
    let day = day.and_then(|day| LogDay::parse_sortable(day).ok());
    day.ok_or(SealsError::Unreadable("key of a seal"))
}

impl ReadSeals for SealBucket {
    async fn sealed_days(&self, from: LogDay, to: LogDay, max: usize) -> Result<Vec<LogDay>, SealsError> {
        let span = usize::try_from(from.days_to(to)).map_or(0, |days| days + 1);
        let page_max = i32::try_from(span.min(max).clamp(1, KEYS_MAX)).unwrap_or_default();
        let (mut days, mut after, last) = (Vec::new(), seal_key(from.previous()), seal_key(to));
        loop {
            let call = self.client.list_objects_v2().bucket(&self.name).prefix(SEALS);
            let call = call.start_after(&after).max_keys(page_max);
            let page = call.send().await.map_err(|error| refused(&error))?;
            for object in page.contents() {
                let day = read_key(object.key())?;
                if days.len() >= max || object.key().is_some_and(|key| key > last.as_str()) {
                    return Ok(days);
                }
                // A sandbox with another time scale leaves days of another length.
                days.extend(day.is_as_long_as(from).then_some(day));
                after = object.key().unwrap_or_default().to_owned();
            }
            if page.is_truncated() != Some(true) || page.contents().is_empty() {
                return Ok(days);
            }
        }
    }

    async fn read_seal(&self, day: LogDay) -> Result<StoredSeal, SealsError> {
        let seal = self.get(seal_key(day), None, "seal").await?;
        serde_json::from_slice(&seal).map_err(|_not_a_seal| SealsError::Unreadable("seal"))
    }
}

impl ReadShards for SealBucket {
    async fn read_shard(
        &self,
        day: LogDay,
        shard: u8,
        root: LogHash,
        bytes: Range<u64>,
    ) -> Result<Vec<u8>, SealsError> {
        let last = bytes.end.saturating_sub(1);
        let range = format!("bytes={}-{last}", bytes.start);
        let read = self.get(shard_key(day, shard, root), Some(range), "shard").await?;
        let is_whole = u64::try_from(read.len()) == Ok(bytes.end.saturating_sub(bytes.start));
        is_whole.then(|| read.to_vec()).ok_or(SealsError::Unreadable("shard"))
    }
}

impl PutSeals for SealBucket {
    async fn put_shard(&self, day: LogDay, shard: u8, root: LogHash, file: Vec<u8>) -> Result<(), SealsError> {
        let key = shard_key(day, shard, root);
        self.put_new(key, "application/octet-stream", file).await.map(drop)
    }

    async fn put_seal(&self, day: LogDay, seal: &StoredSeal) -> Result<bool, SealsError> {
        let body = serde_json::to_vec(seal).map_err(|_never| SealsError::Unreadable("seal"))?;
        self.put_new(seal_key(day), "application/json", body).await
    }
}
