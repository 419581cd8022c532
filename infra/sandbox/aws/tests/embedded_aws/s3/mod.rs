//! S3: signatures, presigned links, uploads in parts, and objects that are visible only once they are complete.

mod links;
mod objects;
mod uploads;

use crate::harness;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use sandbox_aws::Aws;

const BUCKET: &str = "records";

async fn start() -> (Aws, Client) {
    let aws = harness::start().await;
    aws.create_bucket(BUCKET).await.unwrap();
    let client = harness::s3(&aws);
    (aws, client)
}

async fn put(client: &Client, key: &str, body: &'static [u8]) {
    client
        .put_object()
        .bucket(BUCKET)
        .key(key)
        .body(ByteStream::from_static(body))
        .send()
        .await
        .unwrap();
}
