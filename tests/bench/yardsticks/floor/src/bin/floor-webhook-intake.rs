//! The floor of `webhook-intake`: verifies the signature of each webhook, and sends its body to the queue.

use floor::Error;
use hmac::{Hmac, KeyInit, Mac};
use lambda_http::{Request, run, service_fn};
use serde_json::{Value, json};
use sha2::Sha256;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let parts = floor::Parts::read()?;
    let sqs = &parts.sqs().await?;
    let secret = parts.secrets().await?.pop().ok_or("no secret")?;
    let keys: Value = serde_json::from_str(&secret)?;
    let key = keys["current"].as_str().ok_or("no key")?.as_bytes();
    let queue = &std::env::var("WEBHOOK_EVENTS_QUEUE_URL")?;
    run(service_fn(async |request: Request| {
        let body: &[u8] = request.body().as_ref();
        let signature = request.headers().get("x-metriport-signature").ok_or("no signature")?;
        let mac = Hmac::<Sha256>::new_from_slice(key)?.chain_update(body);
        mac.verify_slice(&hex::decode(signature)?)?;
        let message = std::str::from_utf8(body)?;
        sqs.send_message().queue_url(queue).message_body(message).send().await?;
        Ok::<_, Error>(json!({}))
    }))
    .await
}
