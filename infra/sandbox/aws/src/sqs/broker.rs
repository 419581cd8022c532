//! The account behind a lock, and receivers that wait for changes.

use super::account::{Account, ReceiveRequest};
use super::message::Message;
use super::queue::Delivery;
use super::refusal::Refusal;
use crate::ACCOUNT_ID;
use crate::interception::Interception;
use crate::interceptor::Passage;
use crate::listener::stopped;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

pub(crate) struct Broker {
    account: Mutex<Account>,
    /// Counts the changes of the account. Receivers and the snapshot wait for a new count.
    changes: watch::Sender<u64>,
    stop: watch::Receiver<bool>,
    base_url: String,
    interception: Option<Interception>,
}

impl Broker {
    /// Queue URLs begin with `base_url`, the address of this service.
    pub(crate) fn new(
        account: Account,
        base_url: String,
        stop: watch::Receiver<bool>,
        interception: Option<Interception>,
    ) -> Broker {
        Broker {
            account: Mutex::new(account),
            changes: watch::Sender::new(0),
            stop,
            base_url,
            interception,
        }
    }

    pub(crate) fn read<R>(&self, read: impl FnOnce(&Account) -> R) -> R {
        read(&self.lock())
    }

    /// Changes the account and wakes waiting receivers, unless the change is refused.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut Account) -> Result<R, Refusal>) -> Result<R, Refusal> {
        let changed = change(&mut self.lock())?;
        self.tell_waiting();
        Ok(changed)
    }

    /// Receives, and waits up to `wait` for a message. A stop of the service ends the wait.
    pub(crate) async fn receive(
        &self,
        queue: &str,
        request: ReceiveRequest,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Refusal> {
        let until_ms = crate::ambient::now_ms() + u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let mut changes = self.changes.subscribe();
        let mut stop = std::pin::pin!(stopped(self.stop.clone()));
        loop {
            // The count is marked as seen before the receive, so that a change after the receive ends the wait.
            changes.borrow_and_update();
            let now_ms = crate::ambient::now_ms();
            let found = self.lock().receive(queue, request, now_ms)?;
            if found.changed {
                self.tell_waiting();
            }
            if !found.deliveries.is_empty() || now_ms >= until_ms {
                return Ok(found.deliveries);
            }
            let look_again_at_ms = found.look_again_at_ms.map_or(until_ms, |at_ms| at_ms.min(until_ms));
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return Ok(Vec::new()) },
                () = tokio::time::sleep(Duration::from_millis(look_again_at_ms - now_ms)) => {}
                () = &mut stop => return Ok(Vec::new()),
            }
        }
    }

    /// Asks the interceptor how the queue delivers a sent message. Call it without the account's lock, because the
    /// interceptor may read the queues.
    pub(crate) fn passage(&self, queue: &str, message: &Message, delay_secs: Option<u32>) -> Passage {
        let (id, sender) = (message.id.to_string(), &message.sender_id);
        let ask = |interception: &Interception| interception.passage(queue, id, sender, delay_secs);
        self.interception.as_ref().map_or_else(Passage::default, ask)
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn queue_url(&self, name: &str) -> String {
        format!("{}/{ACCOUNT_ID}/{name}", self.base_url)
    }

    fn tell_waiting(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// A panic under the lock is a bug in this crate. The account is used nevertheless, because no better state exists.
    fn lock(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
