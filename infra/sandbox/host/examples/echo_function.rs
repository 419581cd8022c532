//! A Lambda function for the host's tests. It executes a command: the event itself, the body of an HTTP event, or the
//! body of each message of an SQS event.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use lambda_runtime::{LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The function takes these actions in this order.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Command {
    touch: Option<PathBuf>,
    wait_for: Option<PathBuf>,
    hang: bool,
    exit: Option<i32>,
    fail: bool,
    environment: bool,
    #[serde(rename = "letters")]
    reply_chars: Option<usize>,
    reply: Option<Value>,
}

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = environment();
    match environment.get("INIT").and_then(Value::as_str) {
        Some("exit") => return Err("init failed as requested".into()),
        Some("hang") => std::future::pending().await,
        Some("report") => return report_init_error(&environment).await,
        _ => {}
    }
    println_line("initialised");
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, lambda_runtime::Error> {
    let (payload, context) = event.into_parts();
    if let Some(records) = payload.get("Records").and_then(Value::as_array) {
        return batch(records).await;
    }
    if payload.get("requestContext").is_some() {
        return http(&payload).await;
    }
    println_line(&format!("invoked {}", context.invoked_function_arn));
    run(serde_json::from_value(payload.clone())?, payload).await
}

async fn http(event: &Value) -> Result<Value, lambda_runtime::Error> {
    let command = match event.get("body").and_then(Value::as_str) {
        Some(body) if event["isBase64Encoded"] == false => serde_json::from_str(body)?,
        _ => Command::default(),
    };
    let replies_itself = command.reply.is_some();
    let reply = run(command, event.clone()).await?;
    let content_type = json!({ "content-type": "application/json" });
    match replies_itself {
        true => Ok(reply),
        false => Ok(json!({ "statusCode": 200, "headers": content_type, "body": reply.to_string() })),
    }
}

async fn batch(records: &[Value]) -> Result<Value, lambda_runtime::Error> {
    let mut failures = Vec::new();
    let mut reply = None;
    for record in records {
        let command: Command = serde_json::from_str(record["body"].as_str().unwrap_or_default())?;
        reply = command.reply.clone().or(reply);
        if run(command, record.clone()).await.is_err() {
            failures.push(json!({ "itemIdentifier": record["messageId"] }));
        }
    }
    Ok(reply.unwrap_or_else(|| json!({ "batchItemFailures": failures })))
}

async fn run(command: Command, echo: Value) -> Result<Value, lambda_runtime::Error> {
    if let Some(path) = command.touch {
        std::fs::write(path, echo.to_string())?;
    }
    if let Some(path) = command.wait_for {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    if command.hang {
        std::future::pending::<()>().await;
    }
    if let Some(code) = command.exit {
        std::process::exit(code);
    }
    if command.fail {
        return Err("failed as requested".into());
    }
    let filler = command.reply_chars.map(|count| Value::String("a".repeat(count)));
    let environment = command.environment.then(|| Value::Object(environment()));
    Ok(command.reply.or(filler).or(environment).unwrap_or(echo))
}

#[expect(clippy::disallowed_methods, reason = "the test reads the whole environment")]
fn environment() -> Map<String, Value> {
    std::env::vars()
        .map(|(name, value)| (name, Value::String(value)))
        .collect()
}

/// Reports a failed initialisation, as a runtime that still reaches the Runtime API does.
async fn report_init_error(environment: &Map<String, Value>) -> Result<(), lambda_runtime::Error> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let api = environment
        .get("AWS_LAMBDA_RUNTIME_API")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut connection = tokio::net::TcpStream::connect(api).await?;
    let body = json!({ "errorType": "Config.Missing", "errorMessage": "no table" }).to_string();
    let request = format!(
        "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nhost: {api}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await?;
    connection.read_to_end(&mut Vec::new()).await?;
    Err::<(), Box<dyn Error + Send + Sync>>("no table".into())
}

#[expect(clippy::print_stdout, reason = "the test reads standard output")]
fn println_line(text: &str) {
    println!("{text}");
}
