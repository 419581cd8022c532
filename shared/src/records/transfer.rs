//! One transfer: the bytes go by once, are hashed and read on the way, and never more than two parts of them are held.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};

use super::{BundleScan, Part, PutRecord, RecordsError, Upload};
use crate::domain::record::{Conversion, StoredObject};

/// Size of one part, in bytes; S3 wants at least 5 MiB.
pub const PART_BYTES: usize = 8 * 1024 * 1024;
/// Largest record taken, in bytes, after decoding: a bound for what a small compressed body can turn into.
pub const RECORD_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// Moves a record into the bucket. On any error nothing becomes visible there.
///
/// # Errors
/// When the stream breaks, is no FHIR Bundle (for JSON), is too large, or the bucket refuses.
pub async fn transfer<S>(
    stream: S,
    bucket: &impl PutRecord,
    key: &str,
    form: Conversion,
) -> Result<StoredObject, RecordsError>
where
    S: Stream<Item = Result<Bytes, RecordsError>>,
{
    let mut sink = Sink::new(bucket, key, form);
    match sink.fill(stream).await {
        Ok(()) => sink.finish().await,
        Err(error) => {
            sink.discard().await;
            Err(error)
        }
    }
}

struct Sink<'a, B> {
    bucket: &'a B,
    key: &'a str,
    form: Conversion,
    scan: BundleScan,
    hash: Sha256,
    bytes: u64,
    pending: BytesMut,
    upload: Option<Upload>,
    parts: Vec<Part>,
}

impl<'a, B: PutRecord> Sink<'a, B> {
    fn new(bucket: &'a B, key: &'a str, form: Conversion) -> Self {
        let (scan, hash) = (BundleScan::default(), Sha256::new());
        Self {
            bucket,
            key,
            form,
            scan,
            hash,
            bytes: 0,
            pending: BytesMut::new(),
            upload: None,
            parts: Vec::new(),
        }
    }

    async fn fill(&mut self, stream: impl Stream<Item = Result<Bytes, RecordsError>>) -> Result<(), RecordsError> {
        let mut stream = pin!(stream);
        while let Some(piece) = stream.next().await {
            let piece = piece?;
            self.bytes += piece.len() as u64;
            if self.bytes > RECORD_BYTES_MAX {
                return Err(RecordsError::TooLarge);
            }
            if self.form == Conversion::Json {
                self.scan.push(&piece)?;
            }
            self.hash.update(&piece);
            self.pending.extend_from_slice(&piece);
            while self.pending.len() >= PART_BYTES {
                let part = self.pending.split_to(PART_BYTES).freeze();
                self.send(part).await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, body: Bytes) -> Result<(), RecordsError> {
        let upload = match self.upload.take() {
            Some(upload) => upload,
            None => self.bucket.begin(self.key, self.form).await?,
        };
        let number = i32::try_from(self.parts.len() + 1).unwrap_or(i32::MAX);
        let sent = self.bucket.part(&upload, number, body).await;
        self.upload = Some(upload);
        self.parts.push(sent?);
        Ok(())
    }

    async fn finish(mut self) -> Result<StoredObject, RecordsError> {
        let counts = match self.form {
            Conversion::Json => std::mem::take(&mut self.scan).finish(),
            Conversion::Pdf | Conversion::Html => Ok(std::collections::BTreeMap::new()),
        };
        let placed = match counts {
            Ok(_) => self.place().await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = placed {
            self.discard().await;
            return Err(error);
        }
        let sha256 = hex::encode(self.hash.finalize());
        Ok(StoredObject {
            key: self.key.to_owned(),
            sha256,
            bytes: self.bytes,
            counts: counts.unwrap_or_default(),
        })
    }

    async fn place(&mut self) -> Result<(), RecordsError> {
        let rest = self.pending.split().freeze();
        if self.upload.is_none() {
            return self.bucket.put(self.key, self.form, rest).await;
        }
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        match &self.upload {
            Some(upload) => self.bucket.complete(upload, std::mem::take(&mut self.parts)).await,
            None => Ok(()),
        }
    }

    /// Parts of an unfinished upload are never visible; what an abort misses, the bucket's lifecycle rule removes.
    async fn discard(&self) {
        if let Some(upload) = &self.upload
            && let Err(error) = self.bucket.abort(upload).await
        {
            tracing::warn!(context = %error, "an unfinished upload was left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Fake {
        objects: Mutex<Vec<Vec<u8>>>,
        parts: Mutex<Vec<Vec<u8>>>,
        aborted: Mutex<u32>,
    }

    impl PutRecord for Fake {
        async fn put(&self, _: &str, _: Conversion, body: Bytes) -> Result<(), RecordsError> {
            self.objects.lock().unwrap().push(body.to_vec());
            Ok(())
        }
        async fn begin(&self, key: &str, _: Conversion) -> Result<Upload, RecordsError> {
            Ok(Upload::for_tests(key))
        }
        async fn part(&self, _: &Upload, number: i32, body: Bytes) -> Result<Part, RecordsError> {
            let mut parts = self.parts.lock().unwrap();
            parts.push(body.to_vec());
            assert_eq!(usize::try_from(number).unwrap(), parts.len());
            Ok(Part::for_tests())
        }
        async fn complete(&self, _: &Upload, parts: Vec<Part>) -> Result<(), RecordsError> {
            let sent = std::mem::take(&mut *self.parts.lock().unwrap());
            assert_eq!(parts.len(), sent.len());
            self.objects.lock().unwrap().push(sent.concat());
            Ok(())
        }
        async fn abort(&self, _: &Upload) -> Result<(), RecordsError> {
            self.parts.lock().unwrap().clear();
            *self.aborted.lock().unwrap() += 1;
            Ok(())
        }
    }

    fn bundle(padding: usize) -> Vec<u8> {
        let text = "x".repeat(padding);
        format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{{"resourceType":"Binary","data":"{text}"}}}}]}}"#)
            .into_bytes()
    }

    async fn run(fake: &Fake, body: &[u8], end: Option<RecordsError>) -> Result<StoredObject, RecordsError> {
        let pieces = body
            .chunks(100_000)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .chain(end.map(Err));
        transfer(stream::iter(pieces.collect::<Vec<_>>()), fake, "k", Conversion::Json).await
    }

    #[tokio::test]
    async fn small_and_large_records_arrive_whole() {
        for padding in [0, PART_BYTES, 2 * PART_BYTES + 17] {
            let (fake, body) = (Fake::default(), bundle(padding));
            let stored = run(&fake, &body, None).await.unwrap();
            assert_eq!(fake.objects.lock().unwrap().as_slice(), std::slice::from_ref(&body));
            assert_eq!(stored.sha256, hex::encode(Sha256::digest(&body)));
            assert_eq!(
                (stored.bytes, stored.counts.get("Binary")),
                (body.len() as u64, Some(&1))
            );
        }
    }

    #[tokio::test]
    async fn what_breaks_leaves_nothing_behind() {
        let broken = Some(RecordsError::Broken("interrupted"));
        for (padding, aborts) in [(0, 0), (2 * PART_BYTES, 1)] {
            let (fake, mut body) = (Fake::default(), bundle(padding));
            assert_eq!(
                run(&fake, &body, broken.clone()).await,
                Err(RecordsError::Broken("interrupted"))
            );
            body.pop();
            assert!(matches!(
                run(&fake, &body, None).await,
                Err(RecordsError::Unreadable(ScanError::Truncated(_)))
            ));
            assert!(fake.objects.lock().unwrap().is_empty());
            assert_eq!(*fake.aborted.lock().unwrap(), 2 * aborts);
        }
    }

    use crate::records::ScanError;
}
