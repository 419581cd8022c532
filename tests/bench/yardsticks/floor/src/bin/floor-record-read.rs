//! The floor of `record-read`.

floor::floor!(requests: dynamodb, sqs, s3, secrets);
