//! DynamoDB, SQS and Secrets Manager, as far as the functions use them.

use std::time::Instant;

use serde_json::{Value, json};

use super::world::State;

const MESSAGE_ID: &str = "5fea7756-0ea4-451a-a703-a558b933e274";
/// What signs webhooks.
pub const WEBHOOK_KEY: &str = "a-webhook-key-of-thirty-two-chars";
/// The secrets, by the ids that variables name.
const SECRETS: [(&str, &str); 3] = [
    (
        "bench/webhook-keys",
        r#"{"current":"a-webhook-key-of-thirty-two-chars","previous":""}"#,
    ),
    ("bench/api-key", "an-api-key"),
    (
        "bench/owner-key",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    ),
];

/// Answers one operation: a status, and a body.
pub fn answer(state: &mut State, operation: &str, input: Value) -> (u16, Value) {
    if operation == "GetSecretValue" {
        return (200, secret(state, &input));
    }
    let answer = match operation {
        "SendMessage" => {
            send(state, &input, &input);
            (200, json!({ "MessageId": MESSAGE_ID }))
        }
        "SendMessageBatch" => {
            let entries = input["Entries"].as_array().into_iter().flatten();
            let sent = entries.map(|entry| {
                send(state, &input, entry);
                json!({ "Id": entry["Id"], "MessageId": MESSAGE_ID })
            });
            let sent: Vec<_> = sent.collect();
            (200, json!({ "Successful": sent, "Failed": [] }))
        }
        _ => match state.table.call(operation, &input) {
            Ok(output) => (200, output),
            Err(unmet) => (400, unmet.body()),
        },
    };
    // What a yardstick is to repeat is what succeeds whenever it is done.
    if answer.0 == 200 {
        let call = json!({ "operation": operation, "input": unconditional(operation, input) });
        state.seen.calls.push(call);
    }
    answer
}

/// The condition of an update holds once.
fn unconditional(operation: &str, mut input: Value) -> Value {
    if operation == "UpdateItem"
        && let Some(input) = input.as_object_mut()
    {
        input.remove("ConditionExpression");
    }
    input
}

fn send(state: &mut State, input: &Value, message: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let queue = text(&input["QueueUrl"])
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    let queue = state.queues.entry(queue).or_default();
    queue.push(text(&message["MessageBody"]));
}

fn secret(state: &mut State, input: &Value) -> Value {
    let id = input["SecretId"].as_str().unwrap_or_default();
    let value = SECRETS.iter().find(|(name, _)| *name == id).map(|(_, value)| *value);
    state.seen.secrets.push(id.to_owned());
    state.seen.told = Some(Instant::now());
    json!({ "ARN": id, "Name": id, "SecretString": value })
}
