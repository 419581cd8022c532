//! A function written the usual way: every default, and a client for each service. For each event it calls each service
//! in `YARDSTICK_CALLS` once; the measured function may call a service several times.

use std::env;

use aws_sdk_dynamodb::types::AttributeValue;
use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use serde_json::{Value, json};

struct Clients {
    dynamodb: aws_sdk_dynamodb::Client,
    s3: aws_sdk_s3::Client,
    secrets: aws_sdk_secretsmanager::Client,
    sqs: aws_sdk_sqs::Client,
    upstream: reqwest::Client,
}

/// The value of a variable whose name has this ending; empty if there is none.
fn variable(ending: &str) -> String {
    let mut variables = env::vars();
    let found = variables.find(|(name, _)| name.ends_with(ending));
    found.map(|(_, value)| value).unwrap_or_default()
}

impl Clients {
    async fn call(&self, service: &str) -> Result<(), Error> {
        match service {
            "dynamodb" => {
                let key = || AttributeValue::S("bench".to_owned());
                let get = self.dynamodb.get_item().table_name(variable("TABLE_NAME"));
                get.key("pk", key()).key("sk", key()).send().await?;
            }
            "s3" => {
                let put = self.s3.put_object().bucket(variable("RECORDS_BUCKET")).key("bench");
                put.body(b"{}".to_vec().into()).send().await?;
            }
            "sqs" => {
                let send = self.sqs.send_message().queue_url(variable("_QUEUE_URL"));
                send.message_body("{}").send().await?;
            }
            _ => {
                let get = self.upstream.get(variable("METRIPORT_BASE_URL"));
                get.send().await?.bytes().await?;
            }
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = aws_config::load_from_env().await;
    // A custom endpoint has no separate host for each bucket, so the bucket is named in the path.
    let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true);
    let clients = &Clients {
        dynamodb: aws_sdk_dynamodb::Client::new(&config),
        s3: aws_sdk_s3::Client::from_conf(s3.build()),
        secrets: aws_sdk_secretsmanager::Client::new(&config),
        sqs: aws_sdk_sqs::Client::new(&config),
        upstream: reqwest::Client::new(),
    };
    for (_, id) in env::vars().filter(|(name, _)| name.ends_with("_SECRET")) {
        clients.secrets.get_secret_value().secret_id(id).send().await?;
    }
    let calls = variable("YARDSTICK_CALLS");
    let calls = &calls;
    run(service_fn(async |_event: LambdaEvent<Value>| {
        for service in calls.split(' ') {
            clients.call(service).await?;
        }
        tracing::info!("done");
        Ok::<_, Error>(json!({}))
    }))
    .await
}
