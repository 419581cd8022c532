//! The floor of `webhook-process`.

floor::floor!(events: dynamodb, sqs);
