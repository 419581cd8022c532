//! Calls to S3.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use lambda_runtime::Error;
use serde_json::Value;

/// An endpoint of one's own has no host per bucket.
pub fn client(config: &SdkConfig) -> Client {
    Client::from_conf(Builder::from(config).force_path_style(true).build())
}

pub async fn put(client: &Client, input: &Value) -> Result<(), Error> {
    let text = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
    let body = text("Body").into_bytes().into();
    client
        .put_object()
        .bucket(text("Bucket"))
        .key(text("Key"))
        .body(body)
        .send()
        .await?;
    Ok(())
}
