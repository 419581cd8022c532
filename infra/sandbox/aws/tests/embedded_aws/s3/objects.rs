//! Objects: whole, in parts, kept across a restart, and refused.

use super::{BUCKET, put, start};
use crate::harness;
use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ServerSideEncryption};

const PART_BYTES: usize = 5 * 1024 * 1024;

async fn keys(client: &Client) -> Vec<String> {
    let listed = client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    listed
        .contents()
        .iter()
        .map(|object| object.key().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn encrypted_object_is_read_whole_and_in_ranges() {
    let (aws, client) = start().await;
    let put = client
        .put_object()
        .bucket(BUCKET)
        .key("a/b.json")
        .body(ByteStream::from_static(b"hello world"));
    let put = put
        .server_side_encryption(ServerSideEncryption::AwsKms)
        .ssekms_key_id("alias/records");
    put.checksum_algorithm(ChecksumAlgorithm::Sha256)
        .metadata("kind", "test")
        .send()
        .await
        .unwrap();
    let whole = client.get_object().bucket(BUCKET).key("a/b.json").send().await.unwrap();
    assert_eq!(whole.metadata().unwrap()["kind"], "test");
    assert_eq!(&whole.body.collect().await.unwrap().into_bytes()[..], b"hello world");
    let range = client
        .get_object()
        .bucket(BUCKET)
        .key("a/b.json")
        .range("bytes=6-8")
        .send()
        .await
        .unwrap();
    assert_eq!(range.content_range(), Some("bytes 6-8/11"));
    assert_eq!(&range.body.collect().await.unwrap().into_bytes()[..], b"wor");
    aws.shutdown().await.unwrap();
}

/// An upload of three parts that is not complete yet.
struct Upload {
    id: String,
    parts: Vec<CompletedPart>,
}

impl Upload {
    async fn begin(client: &Client) -> Upload {
        let created = client.create_multipart_upload().bucket(BUCKET).key("big");
        let id = created.send().await.unwrap().upload_id.unwrap();
        let mut parts = Vec::new();
        for number in 1..=3u8 {
            let part = client.upload_part().bucket(BUCKET).key("big").upload_id(&id);
            let uploaded = part
                .part_number(i32::from(number))
                .body(ByteStream::from(vec![number; PART_BYTES]))
                .send()
                .await
                .unwrap();
            parts.push(part_of(i32::from(number), uploaded.e_tag));
        }
        Upload { id, parts }
    }

    fn complete(&self, client: &Client, parts: Vec<CompletedPart>) -> CompleteMultipartUploadFluentBuilder {
        let complete = client.complete_multipart_upload().bucket(BUCKET).key("big");
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        complete.upload_id(&self.id).multipart_upload(parts)
    }

    fn complete_whole(&self, client: &Client) -> CompleteMultipartUploadFluentBuilder {
        self.complete(client, self.parts.clone())
    }
}

fn part_of(number: i32, e_tag: Option<String>) -> CompletedPart {
    CompletedPart::builder().part_number(number).set_e_tag(e_tag).build()
}

#[tokio::test]
async fn multipart_object_appears_only_when_complete() {
    let (aws, client) = start().await;
    let upload = Upload::begin(&client).await;
    assert!(keys(&client).await.is_empty());
    let missing = client.get_object().bucket(BUCKET).key("big").send().await;
    assert_eq!(harness::code(missing), "NoSuchKey");

    let completed = upload.complete_whole(&client).send().await.unwrap();
    assert!(completed.e_tag().unwrap().trim_matches('"').ends_with("-3"));
    let read = client.get_object().bucket(BUCKET).key("big").send().await.unwrap();
    let bytes = read.body.collect().await.unwrap().into_bytes();
    assert_eq!(bytes.len(), 3 * PART_BYTES);
    assert_eq!((bytes[0], bytes[PART_BYTES], bytes[3 * PART_BYTES - 1]), (1, 2, 3));
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn upload_refuses_wrong_parts_and_can_still_complete() {
    let (aws, client) = start().await;
    let upload = Upload::begin(&client).await;
    let first = upload.parts[0].clone();
    // Another part's ETag, no ETag, and a part that was never sent.
    for (number, e_tag) in [(2, first.e_tag()), (2, None), (4, first.e_tag())] {
        let wrong = part_of(number, e_tag.map(str::to_owned));
        let refused = upload.complete(&client, vec![first.clone(), wrong]).send().await;
        assert_eq!(harness::code(refused), "InvalidPart", "{number} {e_tag:?}");
    }
    upload.complete_whole(&client).send().await.unwrap();
    assert_eq!(keys(&client).await, ["big"]);
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn complete_or_unknown_upload_does_not_exist() {
    let (aws, client) = start().await;
    let upload = Upload::begin(&client).await;
    let complete = upload.complete_whole(&client);
    complete.clone().send().await.unwrap();
    for upload_id in [&*upload.id, "of-nobody"] {
        let again = complete.clone().upload_id(upload_id).send().await;
        assert_eq!(harness::code(again), "NoSuchUpload");
    }
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn aborted_upload_is_deleted() {
    let (aws, client) = start().await;
    let created = client
        .create_multipart_upload()
        .bucket(BUCKET)
        .key("big")
        .send()
        .await
        .unwrap();
    let upload_id = created.upload_id().unwrap();
    let part = client
        .upload_part()
        .bucket(BUCKET)
        .key("big")
        .upload_id(upload_id)
        .part_number(1);
    part.body(ByteStream::from_static(b"part")).send().await.unwrap();
    client
        .abort_multipart_upload()
        .bucket(BUCKET)
        .key("big")
        .upload_id(upload_id)
        .send()
        .await
        .unwrap();
    assert!(keys(&client).await.is_empty());
    let complete = client
        .complete_multipart_upload()
        .bucket(BUCKET)
        .key("big")
        .upload_id(upload_id);
    let part = CompletedPart::builder().part_number(1).e_tag("x").build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let completed = complete.multipart_upload(parts).send().await;
    assert_eq!(harness::code(completed), "NoSuchUpload");
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn wrong_secret_unknown_bucket_or_taken_key_is_refused() {
    let (aws, client) = start().await;
    let stranger = harness::s3_as(&aws, Credentials::new("test-caller", "guessed", None, None, "test"));
    let read = stranger.get_object().bucket(BUCKET).key("mine").send().await;
    assert_eq!(harness::code(read), "SignatureDoesNotMatch");
    let misspelt = client
        .put_object()
        .bucket("record")
        .key("mine")
        .body(ByteStream::from_static(b"1"))
        .send()
        .await;
    assert_eq!(harness::code(misspelt), "NoSuchBucket");
    put(&client, "mine", b"1").await;
    let taken = client
        .put_object()
        .bucket(BUCKET)
        .key("mine")
        .if_none_match("*")
        .send()
        .await;
    assert_eq!(harness::code(taken), "PreconditionFailed");
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn objects_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let aws = harness::start_in(folder.path()).await;
    aws.create_bucket(BUCKET).await.unwrap();
    put(&harness::s3(&aws), "mine", b"kept").await;
    aws.shutdown().await.unwrap();
    let aws = harness::start_in(folder.path()).await;
    aws.create_bucket(BUCKET).await.unwrap();
    let read = harness::s3(&aws)
        .get_object()
        .bucket(BUCKET)
        .key("mine")
        .send()
        .await
        .unwrap();
    assert_eq!(&read.body.collect().await.unwrap().into_bytes()[..], b"kept");
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn key_above_the_length_limit_is_refused() {
    let (aws, client) = start().await;
    let create = |key: String| client.create_multipart_upload().bucket(BUCKET).key(key).send();
    let longest = "k".repeat(135 - BUCKET.len());
    create(longest.clone()).await.unwrap();
    assert_eq!(harness::code(create(format!("{longest}k")).await), "KeyTooLongError");
    aws.shutdown().await.unwrap();
}
