//! Unfinished uploads: listed, and continued, completed or aborted by another caller than the one that began them.

use super::{BUCKET, start};
use crate::harness;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::list_multipart_uploads::ListMultipartUploadsOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use sandbox_aws::Aws;
use std::path::Path;

fn client_as(aws: &Aws, key_id: &str) -> Client {
    harness::s3_as(aws, harness::credentials(key_id))
}

async fn begin(client: &Client, key: &str) -> String {
    let created = client.create_multipart_upload().bucket(BUCKET).key(key);
    created.send().await.unwrap().upload_id.unwrap()
}

async fn upload_part(client: &Client, key: &str, id: &str) -> CompletedPart {
    let part = client.upload_part().bucket(BUCKET).key(key).upload_id(id);
    let part = part.part_number(1).body(ByteStream::from_static(b"part"));
    let e_tag = part.send().await.unwrap().e_tag;
    CompletedPart::builder().part_number(1).set_e_tag(e_tag).build()
}

/// The key and id of each upload on the page.
fn uploads(page: &ListMultipartUploadsOutput) -> Vec<(String, String)> {
    let uploads = page.uploads().iter();
    uploads
        .map(|upload| (upload.key.clone().unwrap(), upload.upload_id.clone().unwrap()))
        .collect()
}

async fn list(client: &Client, prefix: &str) -> Vec<(String, String)> {
    let list = client.list_multipart_uploads().bucket(BUCKET).prefix(prefix);
    let page = list.send().await.unwrap();
    assert_eq!(page.is_truncated(), Some(false));
    uploads(&page)
}

fn count_files(data_dir: &Path, upload_id: &str) -> usize {
    let entries = std::fs::read_dir(data_dir.join("s3")).unwrap();
    entries
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_str().unwrap().contains(upload_id)
        })
        .count()
}

#[tokio::test]
async fn upload_is_listed_by_prefix_and_aborted_by_another_caller() {
    let folder = tempfile::tempdir().unwrap();
    let aws = harness::start_in(folder.path()).await;
    aws.create_bucket(BUCKET).await.unwrap();
    let (owner, other) = (client_as(&aws, "record-fetch"), client_as(&aws, "account-work"));
    let id = begin(&owner, "a/1").await;
    upload_part(&owner, "a/1", &id).await;
    let elsewhere = begin(&owner, "b/1").await;
    assert_eq!(list(&other, "a/").await, [("a/1".to_owned(), id.clone())]);
    // The upload's state, its attributes and its part.
    assert_eq!(count_files(folder.path(), &id), 3);

    let abort = other.abort_multipart_upload().bucket(BUCKET).upload_id(&id);
    let abort_under_wrong_key = abort.clone().key("b/1").send().await;
    assert_eq!(harness::code(abort_under_wrong_key), "NoSuchUpload");
    abort.key("a/1").send().await.unwrap();
    assert!(list(&other, "a/").await.is_empty());
    assert_eq!(count_files(folder.path(), &id), 0);
    assert_eq!(list(&other, "").await, [("b/1".to_owned(), elsewhere)]);
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn completed_upload_is_not_listed() {
    let (aws, owner) = start().await;
    let other = client_as(&aws, "account-work");
    let id = begin(&owner, "a/1").await;
    let part = upload_part(&other, "a/1", &id).await;
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let complete = other.complete_multipart_upload().bucket(BUCKET).key("a/1");
    let complete = complete.upload_id(&id).multipart_upload(parts);
    complete.send().await.unwrap();
    assert!(list(&owner, "").await.is_empty());
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn list_of_uploads_is_read_page_by_page() {
    let (aws, client) = start().await;
    let mut expected = Vec::new();
    for key in ["a/2", "a/1", "a/1", "a/1", "b/1"] {
        expected.push((key.to_owned(), begin(&client, key).await));
    }
    expected.sort();
    let list = client.list_multipart_uploads().bucket(BUCKET);
    let first = list.clone().max_uploads(2).send().await.unwrap();
    assert_eq!(first.is_truncated(), Some(true));
    assert_eq!(uploads(&first), expected[..2]);
    let rest = list.clone().set_key_marker(first.next_key_marker);
    let rest = rest.set_upload_id_marker(first.next_upload_id_marker);
    let second = rest.max_uploads(3).send().await.unwrap();
    assert_eq!(uploads(&second), expected[2..]);
    assert_eq!((second.is_truncated(), second.next_key_marker()), (Some(false), None));
    let other_keys = list.clone().key_marker("a/1").send().await.unwrap();
    assert_eq!(uploads(&other_keys), expected[3..]);
    assert_eq!(harness::code(list.max_uploads(0).send().await), "InvalidArgument");
    aws.shutdown().await.unwrap();
}
