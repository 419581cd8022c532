//! The floor of `query-dispatch` and `reconcile`.

floor::floor!(events: dynamodb, sqs, upstream, secrets);
