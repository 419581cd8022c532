//! A function written the usual way. Its event lists the calls to make, as the function that it stands beside was seen
//! to make them.

mod dynamodb;
mod s3;
mod sqs;

use std::env;

use aws_config::SdkConfig;
use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use serde_json::{Value, json};

struct Clients {
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
    secrets: aws_sdk_secretsmanager::Client,
    s3: Option<aws_sdk_s3::Client>,
    upstream: Option<reqwest::Client>,
}

impl Clients {
    fn new(config: &SdkConfig) -> Self {
        let uses = |name: &str| env::var(name).is_ok();
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            sqs: aws_sdk_sqs::Client::new(config),
            secrets: aws_sdk_secretsmanager::Client::new(config),
            s3: uses("YARDSTICK_S3").then(|| s3::client(config)),
            upstream: uses("YARDSTICK_UPSTREAM").then(reqwest::Client::new),
        }
    }

    async fn secret(&self, id: &str) -> Result<(), Error> {
        self.secrets.get_secret_value().secret_id(id).send().await?;
        Ok(())
    }

    async fn call(&self, call: &Value) -> Result<(), Error> {
        let (operation, input) = (text(call, "operation"), &call["input"]);
        match operation {
            "SendMessage" => sqs::send(&self.sqs, input).await?,
            "SendMessageBatch" => sqs::send_batch(&self.sqs, input).await?,
            "GetSecretValue" => self.secret(text(input, "SecretId")).await?,
            "PutObject" => s3::put(self.s3.as_ref().ok_or("no S3")?, input).await?,
            "Http" => self.http(input).await?,
            _ => dynamodb::call(&self.dynamodb, operation, input).await?,
        }
        Ok(())
    }

    async fn http(&self, input: &Value) -> Result<(), Error> {
        let upstream = self.upstream.as_ref().ok_or("no upstream")?;
        let request = upstream
            .request(text(input, "method").parse()?, text(input, "url"))
            .header("x-api-key", "key")
            .header("content-type", "application/json")
            .body(text(input, "body").to_owned());
        // What is not there is an answer too: the function asks, and goes on.
        request.send().await?.bytes().await?;
        Ok(())
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let clients = Clients::new(&aws_config::load_from_env().await);
    for id in env::var("YARDSTICK_SECRETS").unwrap_or_default().split_terminator(',') {
        clients.secret(id).await?;
    }
    let clients = &clients;
    run(service_fn(async |event: LambdaEvent<Value>| {
        for call in event.payload["calls"].as_array().into_iter().flatten() {
            clients.call(call).await?;
        }
        tracing::info!("done");
        Ok::<_, Error>(json!({}))
    }))
    .await
}
