//! The floor of `network-query`.

floor::floor!(requests: dynamodb, sqs, secrets);
