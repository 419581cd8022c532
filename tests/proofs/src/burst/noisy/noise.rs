//! The noisy person has a valid token, is linked and verified, and sends far more requests than an app needs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sandbox_machine::Sandbox;
use sandbox_machine::app::{NoReply, QueryAsk, Reply};
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::plan::Route;
use super::reading::read;
use crate::asking::{Refusals, refusal};
use crate::verified::{VerifiedPerson, demographics, record_body};

/// The noisy person's subject and external id.
pub(super) const SUBJECT: &str = "noisy";
/// Maximum number of requests at once. The sandbox runs at most four processes of a function, where Lambda runs
/// hundreds. More requests would delay other persons in the sandbox, but not in Lambda.
const AT_ONCE: usize = 8;

/// The noisy person, and the pull and record that their requests name.
pub(super) struct Noise {
    person: VerifiedPerson,
    /// The person switches between these two.
    demographics: [Value; 2],
    changed: AtomicBool,
    pull: String,
    record: String,
    /// The query that the newest challenge allows.
    ask: Mutex<QueryAsk>,
}

/// The results of the requests.
#[derive(Debug, Clone, Default)]
pub struct NoiseFigures {
    /// Requests sent.
    pub sent: usize,
    /// From the first request to the last answer.
    pub took: Duration,
    /// Served requests by route.
    pub served: BTreeMap<&'static str, u64>,
    /// Refused requests by code.
    pub refusals: Refusals,
}

impl Noise {
    /// Prepares the person, with a record to read. Other persons must not have the demographics numbered `first` and
    /// `first + 1`.
    pub(super) async fn prepare(sandbox: &Sandbox, first: usize, patience: Duration) -> Result<Arc<Self>, String> {
        let app = sandbox.app(SUBJECT).map_err(|error| error.to_string())?;
        let demographics = [demographics(first), demographics(first + 1)];
        let [own, _] = &demographics;
        let person = VerifiedPerson::verify(app, own).await?;
        let reading = read(&person, patience, 1).await;
        let found = reading.outcome.map_err(|why| format!("the noisy person: {why}"))?;
        let ask = Mutex::new(person.pass_challenge().await?);
        Ok(Arc::new(Self {
            person,
            demographics,
            changed: AtomicBool::new(false),
            pull: found.pull,
            record: found.record,
            ask,
        }))
    }

    /// Sends these requests at this interval.
    pub(super) async fn make(self: &Arc<Self>, plan: Vec<Route>, every: Duration) -> NoiseFigures {
        let (begun, permits) = (Instant::now(), Arc::new(Semaphore::new(AT_ONCE)));
        let (mut figures, mut sending) = (NoiseFigures::default(), JoinSet::new());
        // A late request delays the next ones. Otherwise they would be sent in a batch, which would exceed the rate.
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for (number, route) in plan.into_iter().enumerate() {
            ticks.tick().await;
            let permit = Arc::clone(&permits).acquire_owned().await;
            let noise = Arc::clone(self);
            sending.spawn(async move {
                let route = noise.choose(route, number);
                let reply = noise.send(route, number).await;
                drop(permit);
                (route, reply)
            });
            while let Some(Ok((route, reply))) = sending.try_join_next() {
                figures.add(route, &reply);
            }
        }
        while let Some(Ok((route, reply))) = sending.join_next().await {
            figures.add(route, &reply);
        }
        figures.took = begun.elapsed();
        figures
    }

    /// While the identity is verified, the API refuses to open an identity session. Every second such request then
    /// becomes a change of demographics. This change ends the verification.
    fn choose(&self, route: Route, number: usize) -> Route {
        let changes = route == Route::OpenIdentitySession && number.is_multiple_of(2);
        match changes && !self.changed.load(Ordering::SeqCst) {
            true => Route::PutPatient,
            false => route,
        }
    }

    async fn send(&self, route: Route, number: usize) -> Result<Reply, NoReply> {
        let app = &self.person.app;
        match route {
            Route::ReadConsent => app.get("/v1/me/consent").await,
            Route::GiveConsent => app.give_consent().await,
            Route::ReadAccessLog => app.get("/v1/me/access-log").await,
            Route::RequestExport => app.request_export().await,
            Route::ReadExport => {
                let export = app.request_export().await?.text("/id");
                app.read_export(&export).await
            }
            Route::ReadIdentity => app.identity().await,
            Route::OpenChallenge => self.open_challenge().await,
            Route::StartQuery => {
                let ask = self.newest_ask().clone();
                app.start_query(&ask).await
            }
            Route::ListQueries => app.get("/v1/network-queries").await,
            Route::ReadQuery => app.get(&format!("/v1/network-queries/{}", self.pull)).await,
            Route::ReadTimeline => app.get(&format!("/v1/network-queries/{}/timeline", self.pull)).await,
            Route::AskRecord => app.ask_record(&record_body(number)).await,
            Route::ListRecords => app.get("/v1/records").await,
            Route::ReadRecord => app.get(&format!("/v1/records/{}", self.record)).await,
            Route::PutPatient => self.change().await,
            Route::OpenIdentitySession => app.open_identity_session(IDENTITY_RETURN).await,
        }
    }

    /// Opens a challenge and passes its page, so that the next query is valid.
    async fn open_challenge(&self) -> Result<Reply, NoReply> {
        let reply = self.person.app.open_challenge(AAL2_RETURN).await?;
        if reply.status == 201 {
            let (challenge, page) = (reply.text("/challengeId"), reply.text("/challengeUrl"));
            // The page fails if another challenge superseded its own; the earlier query then stays.
            if let Ok(ask) = self.person.pass_page(&challenge, &page).await {
                *self.newest_ask() = ask;
            }
        }
        Ok(reply)
    }

    /// Switches to the other demographics.
    async fn change(&self) -> Result<Reply, NoReply> {
        let changed = self.changed.load(Ordering::SeqCst);
        let [own, other] = &self.demographics;
        let reply = self.person.app.put_patient(if changed { own } else { other }).await?;
        if reply.status == 200 {
            self.changed.store(!changed, Ordering::SeqCst);
        }
        Ok(reply)
    }

    fn newest_ask(&self) -> MutexGuard<'_, QueryAsk> {
        self.ask.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NoiseFigures {
    fn add(&mut self, route: Route, reply: &Result<Reply, NoReply>) {
        self.sent += 1;
        let refused = match reply {
            Ok(reply) => refusal(reply),
            Err(_no_reply) => Some("no answer".to_owned()),
        };
        match refused {
            None => *self.served.entry(route.key()).or_default() += 1,
            Some(code) => *self.refusals.entry(code).or_default() += 1,
        }
    }
}
