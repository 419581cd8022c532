//! Copies what lies behind a link into the bucket, as `record-fetch` does: parts of the same size, as many at once,
//! with the same checksums, into room that is used again. It reads nothing of it, and knows no error but the end.

use std::collections::BTreeMap;
use std::pin::Pin;

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use sha2::{Digest, Sha256};

// As the functions have it.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// As `shared::records::PART_BYTES`.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// As `shared::records::PARTS_AT_ONCE`.
const PARTS_AT_ONCE: usize = 3;
const KEY: &str = "records/copy.json";

type Sending = Pin<Box<dyn Future<Output = Result<(i32, CompletedPart, Bytes), Error>> + Send>>;

struct Copy {
    http: reqwest::Client,
    s3: Client,
    bucket: String,
}

fn variable(name: &str) -> Result<String, Error> {
    Ok(std::env::var(name)?)
}

fn clients() -> Result<Copy, Error> {
    let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let http = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .build()?;
    let (id, secret) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(variable("AWS_REGION")?))
        .credentials_provider(Credentials::new(id, secret, None, None, "environment"))
        .http_client(
            Builder::new()
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .build_https(),
        )
        .endpoint_url(variable("AWS_ENDPOINT_URL")?)
        .force_path_style(true);
    Ok(Copy {
        http,
        s3: Client::from_conf(config.build()),
        bucket: variable("RECORDS_BUCKET")?,
    })
}

impl Copy {
    async fn copy(&self, link: &str) -> Result<String, Error> {
        let mut stream = self.http.get(link).send().await?.bytes_stream();
        let (mut hash, mut filling) = (Sha256::new(), BytesMut::with_capacity(PART_BYTES));
        let (mut upload, mut spare, mut parts) = (None, Vec::new(), BTreeMap::new());
        let mut sending = FuturesUnordered::<Sending>::new();
        let mut begun = 0;
        loop {
            let piece = tokio::select! {
                biased;
                Some(sent) = sending.next() => {
                    sent_part(sent, &mut parts, &mut spare)?;
                    continue;
                }
                piece = stream.next() => piece,
            };
            let Some(piece) = piece else { break };
            let piece = piece?;
            hash.update(&piece);
            let mut rest = &piece[..];
            while !rest.is_empty() {
                if filling.len() == PART_BYTES {
                    let id = self.begun(&mut upload).await?;
                    while sending.len() >= PARTS_AT_ONCE {
                        let Some(sent) = sending.next().await else { break };
                        sent_part(sent, &mut parts, &mut spare)?;
                    }
                    begun += 1;
                    let room = spare.pop().unwrap_or_else(|| BytesMut::with_capacity(PART_BYTES));
                    sending.push(self.part(id, begun, std::mem::replace(&mut filling, room).freeze()));
                }
                let (now, later) = rest.split_at(rest.len().min(PART_BYTES - filling.len()));
                filling.extend_from_slice(now);
                rest = later;
            }
        }
        let sha256 = hex::encode(hash.finalize());
        if upload.is_none() {
            let put = self
                .s3
                .put_object()
                .bucket(&self.bucket)
                .key(KEY)
                .body(filling.freeze().into());
            put.customize().disable_payload_signing().send().await?;
            return Ok(sha256);
        }
        let id = self.begun(&mut upload).await?;
        if !filling.is_empty() {
            sending.push(self.part(id.clone(), begun + 1, filling.freeze()));
        }
        while let Some(sent) = sending.next().await {
            sent_part(sent, &mut parts, &mut spare)?;
        }
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts.into_values().collect()))
            .build();
        let complete = self
            .s3
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(KEY)
            .upload_id(id);
        complete.multipart_upload(parts).send().await?;
        Ok(sha256)
    }

    async fn begun(&self, upload: &mut Option<String>) -> Result<String, Error> {
        if let Some(id) = upload {
            return Ok(id.clone());
        }
        let begin = self.s3.create_multipart_upload().bucket(&self.bucket).key(KEY);
        let begun = begin.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await?;
        Ok(upload.insert(begun.upload_id.ok_or("no upload id")?).clone())
    }

    fn part(&self, id: String, number: i32, body: Bytes) -> Sending {
        let part = self
            .s3
            .upload_part()
            .bucket(&self.bucket)
            .key(KEY)
            .upload_id(id)
            .part_number(number);
        Box::pin(async move {
            let sent = part
                .body(body.clone().into())
                .customize()
                .disable_payload_signing()
                .send()
                .await?;
            let part = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag);
            Ok((number, part.set_checksum_crc32(sent.checksum_crc32).build(), body))
        })
    }
}

fn sent_part(
    sent: Result<(i32, CompletedPart, Bytes), Error>,
    parts: &mut BTreeMap<i32, CompletedPart>,
    spare: &mut Vec<BytesMut>,
) -> Result<(), Error> {
    let (number, part, body) = sent?;
    parts.insert(number, part);
    if let Ok(mut room) = body.try_into_mut() {
        room.clear();
        spare.push(room);
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let copy = clients()?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        copy.copy(event.payload["link"].as_str().unwrap_or_default()).await
    }))
    .await
}
