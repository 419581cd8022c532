//! Receives the bytes of one transfer: checks and hashes them, and sends them to the bucket in parts.

use std::collections::BTreeMap;
use std::mem::replace;
use std::pin::{Pin, pin};

use bytes::{Bytes, BytesMut};
use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::reading::Reading;
use super::{PART_BYTES, PARTS_AT_ONCE, RECORD_BYTES_MAX, STALL, TIDY};
use crate::domain::patient::ExpectedPatient;
use crate::domain::record::{Conversion, StoredObject};
use crate::records::{Part, PutRecord, RecordsError, Upload};

/// A part being sent. The future returns the part's number, the bucket's answer, and the bytes, so that their memory
/// can be reused.
type Sending<'a> = Pin<Box<dyn Future<Output = Result<(i32, Part, Bytes), RecordsError>> + Send + 'a>>;

pub(super) struct Sink<'a, B> {
    bucket: &'a B,
    key: &'a str,
    form: Conversion,
    reading: Reading,
    hash: Sha256,
    bytes: u64,
    filling: BytesMut,
    /// Memory of uploaded parts, for reuse. Fresh memory costs as much time as the hash.
    spare: Vec<BytesMut>,
    upload: Option<Upload>,
    begun: i32,
    sending: FuturesUnordered<Sending<'a>>,
    /// Uploaded parts, by number.
    parts: BTreeMap<i32, Part>,
}

impl<'a, B: PutRecord + Sync> Sink<'a, B> {
    pub(super) fn new(bucket: &'a B, (key, form): (&'a str, Conversion), expected: ExpectedPatient) -> Self {
        Self {
            bucket,
            key,
            form,
            reading: Reading::of(form, expected),
            hash: Sha256::new(),
            bytes: 0,
            filling: BytesMut::new(),
            spare: Vec::new(),
            upload: None,
            begun: 0,
            sending: FuturesUnordered::new(),
            parts: BTreeMap::new(),
        }
    }

    /// Takes in the whole stream. Returns the object that is then in the bucket.
    pub(super) async fn take_in<S>(
        &mut self,
        opening: impl Future<Output = Result<S, RecordsError>>,
    ) -> Result<StoredObject, RecordsError>
    where
        S: Stream<Item = Result<Bytes, RecordsError>>,
    {
        let stream = timeout(STALL, opening).await.map_err(stalled)??;
        let mut stream = pin!(stream);
        while let Some(piece) = self.next(&mut stream).await? {
            self.take(&piece).await?;
        }
        // Checked before the object becomes visible, so that an incomplete record is never stored.
        let (counts, comparison) = replace(&mut self.reading, Reading::Html).finish(self.bytes)?;
        self.place().await?;
        Ok(StoredObject {
            key: self.key.to_owned(),
            sha256: hex::encode(std::mem::take(&mut self.hash).finalize()),
            bytes: self.bytes,
            counts,
            comparison,
        })
    }

    /// The next piece. The parts being sent proceed during the wait.
    async fn next<S>(&mut self, stream: &mut Pin<&mut S>) -> Result<Option<Bytes>, RecordsError>
    where
        S: Stream<Item = Result<Bytes, RecordsError>>,
    {
        let mut piece = pin!(timeout(STALL, stream.next()));
        loop {
            tokio::select! {
                biased;
                Some(sent) = self.sending.next() => self.sent(sent)?,
                piece = &mut piece => return piece.map_err(stalled)?.transpose(),
            }
        }
    }

    async fn take(&mut self, piece: &[u8]) -> Result<(), RecordsError> {
        self.bytes += piece.len() as u64;
        if self.bytes > RECORD_BYTES_MAX {
            return Err(RecordsError::TooLarge);
        }
        self.reading.push(piece)?;
        self.hash.update(piece);
        let mut rest = piece;
        while !rest.is_empty() {
            self.make_room().await?;
            let (now, later) = rest.split_at(rest.len().min(PART_BYTES - self.filling.len()));
            self.filling.extend_from_slice(now);
            rest = later;
        }
        Ok(())
    }

    /// Sends the part if it is full, and provides memory for the next one. The first memory is taken when the first
    /// byte arrives.
    async fn make_room(&mut self) -> Result<(), RecordsError> {
        if self.filling.len() == PART_BYTES {
            self.send().await?;
        }
        if self.filling.capacity() < PART_BYTES {
            self.filling = self.spare.pop().unwrap_or_else(|| BytesMut::with_capacity(PART_BYTES));
        }
        Ok(())
    }

    /// Sends the filled part, as soon as fewer than [`PARTS_AT_ONCE`] parts are being sent.
    async fn send(&mut self) -> Result<(), RecordsError> {
        let upload = match &self.upload {
            Some(upload) => upload.clone(),
            None => self
                .upload
                .insert(self.bucket.begin(self.key, self.form).await?)
                .clone(),
        };
        while self.sending.len() >= PARTS_AT_ONCE
            && let Some(sent) = self.sending.next().await
        {
            self.sent(sent)?;
        }
        self.begun += 1;
        let (bucket, number, body) = (self.bucket, self.begun, std::mem::take(&mut self.filling).freeze());
        self.sending.push(Box::pin(async move {
            let part = bucket.part(&upload, number, body.clone()).await?;
            Ok((number, part, body))
        }));
        Ok(())
    }

    fn sent(&mut self, sent: Result<(i32, Part, Bytes), RecordsError>) -> Result<(), RecordsError> {
        let (number, part, body) = sent?;
        self.parts.insert(number, part);
        if let Ok(mut room) = body.try_into_mut() {
            room.clear();
            self.spare.push(room);
        }
        Ok(())
    }

    /// Sends the rest and makes the object visible. A record smaller than one part takes a single put.
    async fn place(&mut self) -> Result<(), RecordsError> {
        if self.upload.is_none() && self.filling.len() < PART_BYTES {
            let whole = std::mem::take(&mut self.filling).freeze();
            return self.bucket.put(self.key, self.form, whole).await;
        }
        if !self.filling.is_empty() {
            self.send().await?;
        }
        while let Some(sent) = self.sending.next().await {
            self.sent(sent)?;
        }
        let parts = std::mem::take(&mut self.parts).into_values().collect();
        let upload = self
            .upload
            .as_ref()
            .ok_or(RecordsError::Broken("the upload was not created"))?;
        self.bucket.complete(upload, parts).await
    }

    /// Discards the upload. Its parts are never visible; the bucket's lifecycle rule removes any that remain.
    pub(super) async fn discard(mut self) {
        let Some(upload) = self.upload.take() else { return };
        // S3 may keep a part that arrives after the abort, so the abort waits for the parts being sent.
        let under_way = timeout(TIDY, self.sending.by_ref().for_each(|_| async {})).await;
        self.sending.clear();
        let aborted = timeout(TIDY, self.bucket.abort(&upload)).await;
        let context = match (under_way, aborted) {
            (Ok(()), Ok(Ok(()))) => return,
            (_, Ok(Err(error))) => error.to_string(),
            (_, Err(_elapsed)) => "no answer to the abort".to_owned(),
            (Err(_elapsed), Ok(Ok(()))) => "aborted while a part was being uploaded".to_owned(),
        };
        tracing::warn!(context, "parts of an unfinished upload may remain");
    }
}

fn stalled(_elapsed: tokio::time::error::Elapsed) -> RecordsError {
    RecordsError::Broken("stalled")
}
