//! The entries, where input from outside reaches the system. Each has a generator, and properties that hold for every
//! input.

mod answers;
mod batches;
mod bundles;
mod dead_letters;
mod http;
mod links;
mod messages;
mod operations;
mod stock;
mod webhooks;

use serde_json::json;
use shared::webhook::WebhookKeys;
use tokio::runtime::{Builder, Runtime};

use crate::log;
use crate::run::Entry;
use crate::world::{Failed, WEBHOOK_KEY};

/// The names of all entries: HTTP events, SQS batches, message bodies, webhooks, links, Metriport's answers, records.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let alone = [
        messages::NAME,
        webhooks::NAME,
        links::NAME,
        answers::NAME,
        bundles::NAME,
    ];
    http::NAMES.into_iter().chain(batches::NAMES).chain(alone).collect()
}

/// Starts an entry.
///
/// # Errors
/// Fails if the name is unknown, or if the entry's surroundings do not start.
pub fn start(name: &str) -> Result<Box<dyn Entry>, Failed> {
    log::capture();
    if let Some(name) = http::NAMES.into_iter().find(|own| *own == name) {
        return Ok(Box::new(http::Http::start(name)?));
    }
    if let Some(name) = batches::NAMES.into_iter().find(|own| *own == name) {
        return Ok(Box::new(batches::Batches::start(name)?));
    }
    Ok(match name {
        messages::NAME => Box::new(messages::Messages::start()?),
        webhooks::NAME => Box::new(webhooks::Webhooks::start()?),
        links::NAME => Box::new(links::Links::start()?),
        answers::NAME => Box::new(answers::Answers::start()?),
        bundles::NAME => Box::new(bundles::Bundles::start()),
        _ => return Err(format!("there is no entry {name}; the entries are {}", names().join(", ")).into()),
    })
}

/// A runtime with one thread for the system and its loopback servers. So the thread's log is complete, and calls do not
/// wait for another core.
fn runtime() -> Result<Runtime, std::io::Error> {
    Builder::new_current_thread().enable_all().build()
}

fn keys() -> Result<WebhookKeys, Failed> {
    Ok(WebhookKeys::parse(
        &json!({ "current": WEBHOOK_KEY, "previous": "whk_before" }).to_string(),
    )?)
}
