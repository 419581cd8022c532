//! DynamoDB: the `dynoxide` emulator on SQLite, behind our gate. This module also deletes expired items, which
//! `dynoxide` leaves to the embedding program.
//!
//! `dynoxide` serves its own listener and has no hook for middleware, so requests are forwarded to it over loopback
//! ([`forward`]). Direct calls to `dynoxide`'s library would skip its checks of requests.
//!
//! The emulator runs transactions one after the other and never answers `TransactionConflict`. Code that retries this
//! error needs its own test.

mod forward;
mod table;

pub use table::{IndexProjection, IndexSpec, KeyAttribute, KeyKind, TableSpec};

use crate::error::Error;
use crate::listener::{Bound, Serving, stopped};
use axum::Router;
use dynoxide::{Database, ImportOptions};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;

/// How often the sandbox deletes expired items. AWS deletes them "within a few days" (docs.aws.amazon.com, DynamoDB
/// developer guide, "Using time to live"), so a reader must check the expiry itself.
const TTL_SWEEP_INTERVAL: Duration = Duration::from_secs(60);

pub(crate) struct DynamoDb {
    database: Database,
    tasks: [Serving; 2],
}

/// Opens the database, in memory without a `path`, and returns its handle and router.
pub(crate) async fn start(path: Option<&Path>, stop: watch::Receiver<bool>) -> Result<(DynamoDb, Router), Error> {
    let database = open(path)?;
    let inner = Bound::bind().await?;
    let router = forward::router(&inner.url());
    let (listener, served) = (inner.into_listener(), database.clone());
    let serving = stop.clone();
    let serve = tokio::spawn(async move {
        if let Err(error) = dynoxide::server::serve_with_shutdown(listener, served, stopped(serving)).await {
            tracing::error!(error, "the embedded DynamoDB stopped serving");
        }
    });
    let sweep = tokio::spawn(sweep_expired(database.clone(), stop));
    let tasks = [Serving::new(serve), Serving::new(sweep)];
    Ok((DynamoDb { database, tasks }, router))
}

impl DynamoDb {
    pub(crate) fn create_table(&self, spec: &TableSpec) -> Result<(), Error> {
        table::create(&self.database, spec).map_err(|error| Error::DynamoDb(Box::new(error)))
    }

    /// Puts items into a table in one transaction.
    pub(crate) async fn import(&self, table: &str, items: Vec<Value>) -> Result<usize, Error> {
        let (database, table) = (self.database.clone(), table.to_owned());
        let import = move || {
            let items = items.into_iter().map(serde_json::from_value);
            let items = items
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| Error::DynamoDb(Box::new(error)))?;
            let imported = database.import_items(&table, items, ImportOptions::default());
            imported.map_err(|error| Error::DynamoDb(Box::new(error)))
        };
        let imported = tokio::task::spawn_blocking(import).await;
        Ok(imported
            .map_err(|error| Error::DynamoDb(Box::new(error)))??
            .items_imported)
    }

    /// Waits until no task uses the database, so that its files can be opened again or deleted.
    pub(crate) async fn closed(self) {
        for task in self.tasks {
            task.drained().await;
        }
    }
}

fn open(path: Option<&Path>) -> Result<Database, Error> {
    let database = match path {
        Some(path) => Database::new(&path.to_string_lossy()),
        None => Database::memory(),
    };
    database.map_err(|error| Error::DynamoDb(Box::new(error)))
}

async fn sweep_expired(database: Database, stop: watch::Receiver<bool>) {
    let mut stop = std::pin::pin!(stopped(stop));
    let mut due = tokio::time::interval(TTL_SWEEP_INTERVAL);
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    due.tick().await;
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = due.tick() => sweep_once(database.clone()).await,
        }
    }
}

async fn sweep_once(database: Database) {
    match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
        Ok(Ok(0)) => {}
        Ok(Ok(deleted)) => tracing::debug!(deleted, "expired items deleted"),
        Ok(Err(error)) => tracing::warn!(%error, "expired items could not be deleted"),
        Err(error) => tracing::error!(%error, "the deletion of expired items panicked"),
    }
}
