//! Finds the table of a stack by the name that CloudFormation gives it: stack, logical id and, in AWS, a random suffix.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use shared::aws::Aws;
use shared::config::Env;
use shared::store::Table;

/// The table of this name or, without a name, the only table that can be the stack's.
pub(super) async fn find(env: &Env, stack: &str, name: Option<&str>) -> Result<Table, String> {
    let client = Aws::read(env).map_err(|error| error.to_string())?.dynamodb();
    let name = match name {
        Some(name) => name.to_owned(),
        None => find_name(&client, stack).await?,
    };
    let env = Env::from_vars([("TABLE_NAME".to_owned(), name)]);
    Table::read(&client, &env).map_err(|error| error.to_string())
}

async fn find_name(client: &Client, stack: &str) -> Result<String, String> {
    let (mut found, mut pages) = (Vec::new(), client.list_tables().into_paginator().send());
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| {
            let code = error.code().unwrap_or("DynamoDB does not answer: is AWS_REGION right?");
            format!("listing tables: {code}")
        })?;
        let names = page.table_names.unwrap_or_default().into_iter();
        found.extend(names.filter(|name| is_table_of(name, stack)));
    }
    match (found.pop(), found.is_empty()) {
        (Some(name), true) => Ok(name),
        (Some(_), false) => Err(format!("the stack {stack} has more than one table: give --table NAME")),
        (None, _) => Err(format!(
            "there is no table of the stack {stack}: are the stack's name and the region right?"
        )),
    }
}

fn is_table_of(name: &str, stack: &str) -> bool {
    let end = name.strip_prefix(stack).and_then(|rest| rest.strip_prefix("-Table"));
    end.is_some_and(|end| end.is_empty() || end.strip_prefix('-').is_some_and(|random| !random.contains('-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_found_by_stack_name_and_random_suffix() {
        for known in ["ias-dev-Table", "ias-dev-Table-8KZ1A"] {
            assert!(is_table_of(known, "ias-dev"), "{known}");
        }
        for other in [
            "ias-Table",
            "ias-dev-Table2",
            "ias-dev-Table-copy-8KZ1A",
            "ias-dev-2-Table-8KZ1A",
        ] {
            assert!(!is_table_of(other, "ias-dev"), "{other}");
        }
    }
}
