//! The ceiling: the calls upstream that a pull is made of, made directly, with nothing durable in between.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use sandbox_machine::app::App;
use sandbox_machine::browser::Browser;
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use sandbox_metriport::StandIn;
use serde_json::{Value, json};
use shared::clock;
use shared::domain::record::Asked;
use shared::domain::{Aal2SessionId, Demographics, ExternalId, FacilityId, PatientId, ProofedIdentityId, SourceKind};
use shared::metriport::{
    self, Client, ClientOptions, CreatePatient, IasStart, Metadata, NewPatient, OpenAal2Challenge, OpenIdentitySession,
    RedirectUrl, RequestedSources, StartConsolidatedQuery, StartNetworkQuery, WebhookSettings,
};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{DELAY_MS, Load, together};
use crate::Problem;
use crate::person::{demographics, stand_in};

const TIMEOUT: Duration = Duration::from_secs(30);
/// Where the record is in its webhook.
const LINK: &str = "/patients/0/bundle/entry/0/resource/content/0/attachment/url";

/// What has arrived, by the request it is about; whoever waits is told of every change.
#[derive(Clone)]
struct Desk(Arc<Mutex<HashMap<String, Vec<Value>>>>, watch::Sender<()>);

impl Desk {
    fn take_in(&self, event: Value) {
        let request = event
            .pointer("/meta/requestId")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let mut arrived = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.entry(request).or_default().push(event);
        drop(arrived);
        self.1.send_replace(());
    }

    /// Waits for so many events of a request, and gives them.
    async fn wait(&self, request: &str, count: usize) -> Result<Vec<Value>, Problem> {
        let mut changes = self.1.subscribe();
        let all = async {
            loop {
                let arrived = self
                    .0
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get(request)
                    .cloned();
                if let Some(events) = arrived.filter(|events| events.len() >= count) {
                    return Ok(events);
                }
                changes.changed().await?;
            }
        };
        tokio::time::timeout(TIMEOUT, all).await?
    }

    /// The identity that was proofed of a patient.
    async fn proofed(&self, patient: &PatientId) -> Result<ProofedIdentityId, Problem> {
        let mut changes = self.1.subscribe();
        let all = async {
            loop {
                if let Some(id) = self.proofed_by_now(patient) {
                    return Ok(ProofedIdentityId::parse(id)?);
                }
                changes.changed().await?;
            }
        };
        tokio::time::timeout(TIMEOUT, all).await?
    }

    fn proofed_by_now(&self, patient: &PatientId) -> Option<String> {
        let arrived = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut payloads = arrived.values().flatten().filter_map(|event| event.get("payload"));
        let text = |payload: &Value, name: &str| Some(payload.get(name)?.as_str()?.to_owned());
        let of_patient = |payload: &&Value| text(payload, "patientId").as_deref() == Some(patient.as_str());
        payloads
            .find(of_patient)
            .and_then(|payload| text(payload, "proofedIdentityId"))
    }
}

async fn receive(State(desk): State<Desk>, Json(event): Json<Value>) -> Json<Value> {
    let pong = json!({ "pong": event.get("ping") });
    desk.take_in(event);
    Json(pong)
}

struct Caller {
    client: Client,
    browser: Browser,
    files: App,
    desk: Desk,
    patient: PatientId,
    proofed: ProofedIdentityId,
    aal2_return: RedirectUrl,
}

pub(super) async fn measure(at_once: usize, pulls: usize) -> Result<Load, Problem> {
    let upstream = StandIn::start(stand_in(DELAY_MS)).await?;
    let desk = Desk(Arc::default(), watch::Sender::new(()));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/hook", listener.local_addr()?);
    let router = Router::new().route("/hook", post(receive)).with_state(desk.clone());
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    client(&upstream)?.set_webhook_url(&url.parse()?).await?;
    let mut callers = Vec::new();
    for number in 0..at_once {
        callers.push(caller(&upstream, &desk, number).await?);
    }
    together(&callers, 1, pull).await?;
    let took = together(&callers, pulls, pull).await?;
    serving.abort();
    upstream.shutdown().await;
    Ok(Load {
        pulls: at_once * pulls,
        took,
        functions: Duration::ZERO,
        rest: Duration::ZERO,
    })
}

fn client(upstream: &StandIn) -> Result<Client, Problem> {
    Ok(Client::new(ClientOptions {
        base_url: upstream.base_url().parse()?,
        api_key: upstream.api_key().into(),
        http: metriport::http_client(TIMEOUT, TIMEOUT)?,
        request_timeout: TIMEOUT,
        user_agent: "bench".to_owned(),
    })?)
}

async fn caller(upstream: &StandIn, desk: &Desk, number: usize) -> Result<Caller, Problem> {
    let (client, browser) = (client(upstream)?, Browser::new()?);
    let external_id = ExternalId::parse(format!("person-{number}"))?;
    let body = demographics(number).to_string();
    let new = NewPatient {
        facility: FacilityId::parse(upstream.facility_id())?,
        external_id: external_id.clone(),
        demographics: Demographics::parse(body.as_bytes(), clock::now())
            .map_err(|_malformed| "malformed demographics")?,
    };
    let patient = client.create_patient(&new).await?.verify(&external_id)?.id;
    let back = RedirectUrl::parse(IDENTITY_RETURN)?;
    let session = client
        .open_identity_session(&patient, &back, &Metadata::default())
        .await?;
    browser.pass(session.url.expose()).await?;
    Ok(Caller {
        proofed: desk.proofed(&patient).await?,
        files: App::new(upstream.base_url(), "")?,
        aal2_return: RedirectUrl::parse(AAL2_RETURN)?,
        desk: desk.clone(),
        client,
        browser,
        patient,
    })
}

async fn pull(caller: &Caller) -> Result<(), Problem> {
    let Caller {
        client,
        browser,
        desk,
        patient,
        ..
    } = caller;
    let challenge = client.open_aal2_challenge(&caller.proofed, &caller.aal2_return).await?;
    let back = browser.pass(challenge.url.expose()).await?;
    let start = IasStart {
        patient: patient.clone(),
        proofed_identity: caller.proofed.clone(),
        aal2_session: Aal2SessionId::parse(back.session.ok_or("no AAL2 session")?)?,
        sources: RequestedSources::new(SourceKind::ALL).ok_or("no sources")?,
        metadata: Metadata::default(),
    };
    let query = client.start_network_query(&start).await?;
    desk.wait(query.request.as_str(), SourceKind::ALL.len()).await?;
    let query = client
        .start_consolidated_query(patient, &Asked::default(), &Metadata::default())
        .await?;
    let delivered = desk.wait(query.request.as_str(), 1).await?;
    let link = delivered.first().and_then(|event| event.pointer(LINK)?.as_str());
    let record = caller.files.follow(link.ok_or("a record without a link")?).await?;
    record.bytes().await?;
    Ok(())
}
