//! Keeps the queues across restarts, in a file. The file is rewritten soon after a change, and once more at the stop.
//!
//! A crash can lose the last second of changes: sent messages can be lost, and deleted messages can be delivered again.
//! Consumers expect repeated messages, because standard queues promise only at-least-once delivery.

use super::account::Account;
use super::broker::Broker;
use crate::data_dir;
use crate::error::Error;
use crate::listener::stopped;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const WRITE_INTERVAL: Duration = Duration::from_secs(1);

/// The saved account, or an empty account without a file. Every ARN contains the region, so a file of another region is
/// refused.
pub(super) fn load(path: Option<&Path>, region: &str) -> Result<Account, Error> {
    match path.map(data_dir::load::<Account>).transpose()?.flatten() {
        Some(saved) if saved.region != region => Err(Error::Sqs(format!(
            "the saved queues are in region {}, not {region}",
            saved.region
        ))),
        Some(saved) => Ok(saved),
        None => Ok(Account::new(region)),
    }
}

/// Saves the account soon after changes, until the stop. The caller makes the last save.
pub(super) async fn keep_saving(broker: Arc<Broker>, path: PathBuf, stop: watch::Receiver<bool>) {
    let mut changes = broker.changes();
    let mut stop = std::pin::pin!(stopped(stop));
    loop {
        tokio::select! {
            () = &mut stop => return,
            changed = changes.changed() => if changed.is_err() { return },
        }
        // Waits before it saves, so that one save covers many changes.
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(WRITE_INTERVAL) => {}
        }
        let (broker, path) = (broker.clone(), path.clone());
        match tokio::task::spawn_blocking(move || save(&broker, &path)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the queues could not be saved"),
            Err(error) => tracing::error!(%error, "saving the queues panicked"),
        }
    }
}

pub(super) fn save(broker: &Broker, path: &Path) -> Result<(), Error> {
    let saved = broker.read(|account| serde_json::to_value(account));
    let saved = saved.map_err(|error| data_dir::failed(path, error.into()))?;
    data_dir::save(path, &saved)
}
