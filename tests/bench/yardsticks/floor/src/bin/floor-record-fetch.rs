//! The floor of `record-fetch`.

floor::floor!(events: dynamodb, sqs, s3, upstream);
