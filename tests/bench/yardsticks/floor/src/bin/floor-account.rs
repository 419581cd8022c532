//! The floor of `account`.

floor::floor!(requests: dynamodb, secrets);
