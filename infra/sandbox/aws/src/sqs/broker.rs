//! The account behind a lock, and receivers that wait for it to change.

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
    /// Counts the changes; receivers and the snapshot wait on it.
    changes: watch::Sender<u64>,
    stop: watch::Receiver<bool>,
    base_url: String,
    interception: Option<Interception>,
}

impl Broker {
    /// `base_url` is where clients reach this service; it starts queue URLs.
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

    /// Changes the account and wakes whoever waits for a change, unless it was refused.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut Account) -> Result<R, Refusal>) -> Result<R, Refusal> {
        let changed = change(&mut self.lock())?;
        self.tell_waiting();
        Ok(changed)
    }

    /// Receives, and waits up to `wait` if there is nothing to receive. A stop of the service ends the wait.
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

    /// How a message that is being sent goes through its queue. To be asked without the account's lock: whoever
    /// decides may look into the queues.
    pub(crate) fn passage(&self, queue: &str, message: &Message, delay_secs: Option<u32>) -> Passage {
        let (id, sender) = (message.id.to_string(), &message.sender_id);
        let ask = |interception: &Interception| interception.passage(queue, id, sender, delay_secs);
        self.interception.as_ref().map_or_else(Passage::default, ask)
    }

    /// Notices every change of any queue.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn queue_url(&self, name: &str) -> String {
        format!("{}/{ACCOUNT_ID}/{name}", self.base_url)
    }

    fn tell_waiting(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// A panic while the lock was held would be a bug of ours; the account is still the best there is.
    fn lock(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
