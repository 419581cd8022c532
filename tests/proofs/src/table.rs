//! The table, with the proofs' own key.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use sandbox_machine::Sandbox;
use shared::aws::Aws;
use shared::config::Env;

/// The table's name in the sandbox.
pub(crate) const TABLE: &str = "ias-Table";

pub(crate) type Item = HashMap<String, AttributeValue>;

/// A client of the table.
pub(crate) fn client(sandbox: &Sandbox) -> Result<Client, String> {
    let key = ("AWS_ACCESS_KEY_ID".to_owned(), "PROOFS".to_owned());
    let env = Env::from_vars(sandbox.aws().env().into_iter().chain([key]));
    Ok(Aws::read(&env).map_err(|error| error.to_string())?.dynamodb())
}

/// Every item.
pub(crate) async fn scan(sandbox: &Sandbox) -> Result<Vec<Item>, String> {
    let pages = client(sandbox)?.scan().table_name(TABLE).into_paginator().items();
    pages
        .send()
        .collect::<Result<_, _>>()
        .await
        .map_err(|error| error.to_string())
}
