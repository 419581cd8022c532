//! Keeps a stand-in's state over restarts, as a list of the calls that may have changed it, each with its time. `World`
//! reads no clock and makes its ids from a seed, so the same calls at the same times restore the same state.
//!
//! With a journal, the stand-in never answers two calls at the same time if they may change the state. The file thus
//! has the order of their effects. The file also has the receiver's answers to webhooks. After a restart, a webhook
//! without an answer in the file counts as failed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedReceiver;
use tower::ServiceExt as _;

use crate::app::App;
use crate::clock;
use crate::delivery;
use crate::gate::BODY_BYTES_MAX;
use crate::moment::Moment;
use crate::options::StandInOptions;
use crate::routes;
use crate::stand_in::StartError;
use crate::webhooks::{DeliveryLog, Outgoing};
use crate::world::World;

/// One line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub(crate) enum Entry {
    /// The first line, with the inputs that made the world.
    Made(Origin),
    /// A process started. The calls after this line were made with these options.
    #[serde(rename_all = "camelCase")]
    Began {
        auto_approve: bool,
        redirect_allowlist: Vec<String>,
    },
    /// A call.
    Called(Called),
    /// The receiver of a webhook answered, or did not answer.
    Delivered { at: i64, log: DeliveryLog },
}

/// The inputs that made the world.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) at: i64,
    pub(crate) seed: u64,
}

/// A call as it arrived, with the headers that decide its effect.
#[derive(Serialize, Deserialize)]
pub(crate) struct Called {
    at: i64,
    method: String,
    uri: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// Headers that decide the effect of a call.
const HEADERS: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::IF_MATCH,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-aal2-session"),
];

pub(crate) struct Journal {
    file: Mutex<File>,
    turn: tokio::sync::Mutex<()>,
}

impl Journal {
    /// Reads the entries and opens the file for appending. A last line without a line end was cut off by a crash and is
    /// dropped. A line that is not an entry is an error.
    fn open(path: &Path) -> io::Result<(Self, Vec<Entry>)> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read?,
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let lines = text.get(..whole).unwrap_or_default().lines().enumerate();
        let entries = lines.map(|(index, line)| {
            serde_json::from_str(line).map_err(|_data| io::Error::other(format!("line {} cannot be read", index + 1)))
        });
        let entries = entries.collect::<io::Result<Vec<_>>>()?;
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        file.set_len(u64::try_from(whole).unwrap_or(0))?;
        let (file, turn) = (Mutex::new(file), tokio::sync::Mutex::default());
        Ok((Self { file, turn }, entries))
    }

    /// Appends a line. If the write fails, the stand-in continues without it.
    pub(crate) fn write(&self, entry: &Entry) {
        let mut line = serde_json::to_vec(entry).unwrap_or_default();
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(&line) {
            tracing::error!(%error, "the stand-in's journal was not written");
        }
    }
}

/// Creates the world or restores it from the journal, and returns it with the first API key.
pub(crate) async fn restore(
    mut options: StandInOptions,
    base_url: String,
) -> Result<(Arc<App>, UnboundedReceiver<Outgoing>, String), StartError> {
    let opened = options.journal.as_ref().map(|path| {
        let failed = |source| StartError::Journal {
            path: path.clone(),
            source,
        };
        Journal::open(path).map_err(failed)
    });
    let (journal, entries) = opened.transpose()?.unzip();
    let (is_new, entries) = (entries.as_ref().is_none_or(Vec::is_empty), entries.unwrap_or_default());
    let origin = origin(&entries, &options);
    options.seed = origin.seed;
    let (plan, auto_approve) = (options.faults.clone(), options.auto_approve);
    let redirect_allowlist = options.redirect_allowlist.clone();
    let mut world = World::new(options, base_url, Moment::from_millis(origin.at))
        .map_err(|refusal| StartError::Account(refusal.status))?;
    let api_key = world.make_api_key().unwrap_or_default();
    let (app, mut outgoing) = App::new(world, delivery::http_client()?, plan, journal);
    replay(&app, &routes::router(Arc::clone(&app)), entries).await;
    // Repeating the journal's calls queued their webhooks again. They were sent before the restart, so they are
    // discarded.
    while outgoing.try_recv().is_ok() {}
    if let Some(journal) = app.journal() {
        app.act(|world, _| world.webhooks.fail_processing());
        app.set_options(auto_approve, redirect_allowlist.clone());
        if is_new {
            journal.write(&Entry::Made(origin));
        }
        journal.write(&Entry::Began {
            auto_approve,
            redirect_allowlist,
        });
    }
    Ok((app, outgoing, api_key))
}

/// The inputs in the journal; for a new journal, the present time and the seed of the options.
fn origin(entries: &[Entry], options: &StandInOptions) -> Origin {
    match entries.first() {
        Some(Entry::Made(origin)) => *origin,
        _ => Origin {
            at: clock::now().millis(),
            seed: options.seed,
        },
    }
}

/// Repeats the journal's calls, each at its own time. `restore` discards the webhooks that they queue.
async fn replay(app: &Arc<App>, router: &Router, entries: Vec<Entry>) {
    for entry in entries {
        match entry {
            Entry::Made(_) => {}
            Entry::Began {
                auto_approve,
                redirect_allowlist,
            } => app.set_options(auto_approve, redirect_allowlist),
            Entry::Called(call) => {
                app.pin(Some(Moment::from_millis(call.at)));
                match call.request() {
                    Some(request) => drop(router.clone().oneshot(request).await),
                    None => tracing::warn!("a call in the stand-in's journal is not a valid request"),
                }
            }
            Entry::Delivered { at, log } => {
                app.pin(Some(Moment::from_millis(at)));
                app.act(|world, _| world.webhooks.add_delivery_log(log));
            }
        }
    }
    app.pin(None);
}

/// Middleware in front of the routes. It writes calls to the journal.
pub(crate) async fn pass(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let Some(journal) = app.journal().filter(|_| may_change(&request)) else {
        return next.run(request).await;
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let _turn = journal.turn.lock().await;
    let now = clock::now();
    // Written before the call runs, so that a crash after its effect does not lose the call.
    journal.write(&Entry::Called(Called::of(&parts, &body, now)));
    app.pin(Some(now));
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    app.pin(None);
    response
}

/// Whether a request may change the state: any method except GET. The GET of a hosted page counts too, because in
/// automatic mode it completes the page.
fn may_change(request: &Request) -> bool {
    let path = request.uri().path();
    request.method() != Method::GET || path.starts_with("/s/") || path.starts_with("/aal2/")
}

impl Called {
    fn of(parts: &Parts, body: &[u8], now: Moment) -> Self {
        let shown = |name: &HeaderName| Some((name.to_string(), parts.headers.get(name)?.to_str().ok()?.to_owned()));
        Self {
            at: now.millis(),
            method: parts.method.to_string(),
            uri: parts.uri.to_string(),
            headers: HEADERS.iter().filter_map(shown).collect(),
            body: STANDARD.encode(body),
        }
    }

    fn request(&self) -> Option<Request> {
        let mut request = Request::builder().method(self.method.as_str()).uri(&self.uri);
        for (name, value) in &self.headers {
            request = request.header(name, HeaderValue::from_str(value).ok()?);
        }
        let body = STANDARD.decode(&self.body).ok()?;
        request.body(Body::from(body)).ok()
    }
}
