//! Uploads one gigabyte to the embedded S3 in parts and reads it back. It prints the time taken and the peak memory of
//! the process, which contains both client and server.
//!
//! `cargo run --release -p sandbox-aws --example upload_gigabyte`

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use sandbox_aws::{Aws, AwsOptions, SECRET_ACCESS_KEY, Service};
use std::io::Write;
use std::time::Instant;

const PART_BYTES: usize = 8 * 1024 * 1024;
const PARTS: i32 = 128;
const BUCKET: &str = "gigabyte";
const KEY: &str = "records/large.json";

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let begun = Instant::now();
    let aws = Aws::start(AwsOptions {
        data_dir: None,
        region: "eu-central-1".to_owned(),
        observer: None,
        meter: None,
        authorizer: None,
        interceptor: None,
        time_scale: 1,
    })
    .await?;
    say(&format!(
        "started all four services in {:.1} ms, {}",
        begun.elapsed().as_secs_f64() * 1e3,
        memory()?
    ))?;
    aws.create_bucket(BUCKET).await?;
    let client = client(&aws);

    let begun = Instant::now();
    upload(&client).await?;
    say(&format!(
        "uploaded 1 GiB in {:.1} s, {}",
        begun.elapsed().as_secs_f64(),
        memory()?
    ))?;

    let begun = Instant::now();
    let bytes = download(&client).await?;
    say(&format!(
        "read {bytes} bytes back in {:.1} s, {}",
        begun.elapsed().as_secs_f64(),
        memory()?
    ))?;
    aws.shutdown().await?;
    Ok(())
}

fn client(aws: &Aws) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(aws.endpoint(Service::S3))
        .force_path_style(true)
        .credentials_provider(Credentials::new("example", SECRET_ACCESS_KEY, None, None, "example"))
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    Client::from_conf(config.build())
}

async fn upload(client: &Client) -> Outcome<()> {
    let created = client.create_multipart_upload().bucket(BUCKET).key(KEY).send().await?;
    let upload_id = created.upload_id().ok_or("no upload id")?;
    let mut parts = Vec::new();
    for number in 1..=PARTS {
        let body = ByteStream::from(vec![b'x'; PART_BYTES]);
        let part = client
            .upload_part()
            .bucket(BUCKET)
            .key(KEY)
            .upload_id(upload_id)
            .part_number(number)
            .body(body);
        let uploaded = part.send().await?;
        parts.push(
            CompletedPart::builder()
                .part_number(number)
                .set_e_tag(uploaded.e_tag)
                .build(),
        );
    }
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    client
        .complete_multipart_upload()
        .bucket(BUCKET)
        .key(KEY)
        .upload_id(upload_id)
        .multipart_upload(parts)
        .send()
        .await?;
    Ok(())
}

async fn download(client: &Client) -> Outcome<usize> {
    let mut body = client.get_object().bucket(BUCKET).key(KEY).send().await?.body;
    let mut bytes = 0;
    while let Some(chunk) = body.try_next().await? {
        bytes += chunk.len();
    }
    Ok(bytes)
}

/// Peak resident memory so far, from Linux's `/proc/self/status`.
fn memory() -> Outcome<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("no VmHWM")?;
    Ok(format!("peak memory {}", peak.trim()))
}

fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}
