//! The table, with the proofs' own key.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use sandbox_machine::Sandbox;
use sandbox_machine::sandbox::ISSUER;
use shared::aws::Aws;
use shared::config::Env;
use shared::domain::OwnerId;
use shared::owner::OwnerKey;

/// The table's name in the sandbox.
pub(crate) const TABLE: &str = "ias-Table";
/// The secret from which every owner id is derived.
const OWNER_KEY: &str = "ias-OwnerKeySecret";

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The clients of the sandbox's AWS, and the variables from which they are made.
pub(crate) fn aws(sandbox: &Sandbox) -> Result<(Aws, Env), String> {
    let own = [("AWS_ACCESS_KEY_ID", "PROOFS"), ("TABLE_NAME", TABLE)];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let env = Env::from_vars(sandbox.aws().env().into_iter().chain(own));
    Ok((Aws::read(&env).map_err(|error| error.to_string())?, env))
}

/// A client of the table.
pub(crate) fn client(sandbox: &Sandbox) -> Result<Client, String> {
    Ok(aws(sandbox)?.0.dynamodb())
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

/// A text in an item.
pub(crate) fn text<'i>(item: &'i Item, name: &str) -> Option<&'i str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// Partition and sort key of an item.
pub(crate) fn read_key(item: &Item) -> Option<(String, String)> {
    Some((text(item, "pk")?.to_owned(), text(item, "sk")?.to_owned()))
}

/// The items of one person.
#[derive(Clone)]
pub(crate) struct PersonItems {
    client: Client,
    pub(crate) owner: OwnerId,
}

impl PersonItems {
    pub(crate) async fn of(sandbox: &Sandbox, subject: &str) -> Result<Self, String> {
        let (aws, _) = aws(sandbox)?;
        let key = aws.secrets().get_secret_value().secret_id(OWNER_KEY).send().await;
        let key = key.map_err(|error| error.to_string())?;
        let key = OwnerKey::parse(key.secret_string().unwrap_or_default()).map_err(|error| error.to_string())?;
        Ok(Self {
            client: aws.dynamodb(),
            owner: key.owner(ISSUER, subject).map_err(|error| error.to_string())?,
        })
    }

    /// The items of the person's partition, and the keys of the rows that lead to the person.
    pub(crate) async fn read(&self) -> Result<Vec<Item>, String> {
        let query = |condition: &str, value: String| {
            let call = self.client.query().table_name(TABLE);
            call.key_condition_expression(condition)
                .expression_attribute_values(":value", AttributeValue::S(value))
        };
        let inside = query("pk = :value", format!("OWNER#{}", self.owner.as_str()));
        let rows = query("#owner = :value", self.owner.as_str().to_owned())
            .index_name("owner")
            .expression_attribute_names("#owner", "owner");
        let mut items = Vec::new();
        for call in [inside, rows] {
            let found: Result<Vec<_>, _> = call.into_paginator().items().send().collect().await;
            items.extend(found.map_err(|error| error.to_string())?);
        }
        Ok(items)
    }
}
