//! The state that all calls share, with the world behind a lock, and the tasks that advance time and send webhooks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::calls::CallLog;
use crate::clock;
use crate::delivery;
use crate::faults::Faults;
use crate::interception::Interception;
use crate::interceptor::FaultPlan;
use crate::journal::{Entry, Journal};
use crate::moment::Moment;
use crate::webhooks::{DeliveryLog, Outgoing};
use crate::world::World;

pub(crate) struct App {
    world: Mutex<World>,
    timer: Notify,
    outbox: mpsc::UnboundedSender<Outgoing>,
    pub(crate) http: reqwest::Client,
    calls: Mutex<CallLog>,
    faults: Mutex<Faults>,
    pub(crate) interception: Interception,
    journal: Option<Journal>,
    /// The time that replaces the clock while a journaled call is answered or replayed.
    pinned: Mutex<Option<Moment>>,
}

impl App {
    pub(crate) fn new(
        world: World,
        http: reqwest::Client,
        plan: FaultPlan,
        journal: Option<Journal>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Outgoing>) {
        let (outbox, outgoing) = mpsc::unbounded_channel();
        let app = Self {
            world: Mutex::new(world),
            timer: Notify::new(),
            outbox,
            http,
            calls: Mutex::default(),
            faults: Mutex::default(),
            interception: Interception::new(plan),
            journal,
            pinned: Mutex::default(),
        };
        (Arc::new(app), outgoing)
    }

    /// Runs due events, applies the action to the world, and queues the webhooks to send.
    pub(crate) fn act<T>(&self, action: impl FnOnce(&mut World, Moment) -> T) -> T {
        let mut world = locked(&self.world);
        let now = locked(&self.pinned).unwrap_or_else(clock::now);
        let next_before = world.schedule.next();
        world.advance(now);
        let result = action(&mut world, now);
        for outgoing in world.webhooks.take_outgoing() {
            if self.outbox.send(outgoing).is_err() {
                tracing::debug!("the stand-in is stopping; a webhook is not sent");
            }
        }
        if world.schedule.next() != next_before {
            self.timer.notify_one();
        }
        result
    }

    pub(crate) const fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// Fixes the time of [`Self::act`]. With `None`, it uses the clock again.
    pub(crate) fn pin(&self, now: Option<Moment>) {
        *locked(&self.pinned) = now;
    }

    /// Sets the options that affect the result of a call and may differ from those of an earlier process.
    pub(crate) fn set_options(&self, auto_approve: bool, redirect_allowlist: Vec<String>) {
        self.act(|world, _| {
            world.options.auto_approve = auto_approve;
            world.options.redirect_allowlist = redirect_allowlist;
        });
    }

    pub(crate) fn add_delivery_log(&self, log: DeliveryLog) {
        if let Some(journal) = &self.journal {
            let (at, log) = (clock::now().millis(), log.clone());
            journal.write(&Entry::Delivered { at, log });
        }
        self.act(|world, _| world.webhooks.add_delivery_log(log));
    }

    pub(crate) fn calls(&self) -> MutexGuard<'_, CallLog> {
        locked(&self.calls)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        locked(&self.faults)
    }
}

/// Locks the state even after another thread panicked, because a test may still read it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Advances the world whenever an event in it is due.
pub(crate) async fn keep_time(app: Arc<App>) {
    loop {
        let wait = app.act(|world, now| world.schedule.next().map(|at| now.until(at)));
        match wait {
            None => app.timer.notified().await,
            Some(wait) => tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = app.timer.notified() => {}
            },
        }
    }
}

/// Sends each message in its own task. Messages can thus overtake each other, because Metriport does not promise an
/// order.
pub(crate) async fn send_outgoing(app: Arc<App>, mut outgoing: mpsc::UnboundedReceiver<Outgoing>) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            next = outgoing.recv() => match next {
                Some(next) => { under_way.spawn(delivery::send(Arc::clone(&app), next)); }
                None => return,
            },
            Some(ended) = under_way.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "the task of a delivery panicked or was cancelled");
                }
            }
        }
    }
}
