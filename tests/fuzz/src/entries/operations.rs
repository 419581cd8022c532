//! Every call of the client of Metriport with valid arguments, and a valid answer to each call.

use serde_json::{Value, json};
use shared::domain::record::RecordQuery;
use shared::domain::{
    Aal2SessionId, Demographics, ExternalId, FacilityId, PatientId, ProofedIdentityId, SourceKind, Time,
    UpstreamRequestId,
};
use shared::metriport::*;

use super::answers::is_called;
use crate::world::events::{demographics, put};
use crate::world::people::FIRST;
use crate::world::upstream::{CHALLENGE, PATIENT, REQUEST, SESSION};
use crate::world::{Failed, RETURN};

/// The result of a call, as the client read it.
#[derive(Default)]
pub struct AcceptedAnswer {
    /// The `Debug` form of the result, without the ids that may be printed.
    pub shown: String,
    /// Whether a 404 counts as a success.
    pub may_be_absent: bool,
    /// Whether the call ignores the body.
    pub ignores_the_body: bool,
    /// The external id of the patient, if the client accepted the patient as ours.
    pub ours: Option<String>,
}

impl AcceptedAnswer {
    fn shown(value: &impl std::fmt::Debug) -> Self {
        Self {
            shown: format!("{value:?}"),
            ..Self::default()
        }
    }
}

/// The client and the arguments of its calls.
pub struct Operations {
    client: Client,
    patient: PatientId,
    external_id: ExternalId,
    facility: FacilityId,
    demographics: Demographics,
    identity: ProofedIdentityId,
    session: Aal2SessionId,
    request: UpstreamRequestId,
    redirect: RedirectUrl,
    sources: RequestedSources,
    npi: Npi,
    webhook: url::Url,
}

type Answered = Result<AcceptedAnswer, UpstreamError>;

impl Operations {
    /// All operations. An input names an operation by its index in this list.
    pub const ALL: [Operation; 16] = [
        Operation::CreatePatient,
        Operation::GetPatient,
        Operation::FindPatient,
        Operation::UpdatePatient,
        Operation::DeletePatient,
        Operation::CreateFacility,
        Operation::ListFacilities,
        Operation::ReadSettings,
        Operation::WriteSettings,
        Operation::ReadWebhookStatus,
        Operation::RetryWebhooks,
        Operation::OpenIdentitySession,
        Operation::OpenAal2Challenge,
        Operation::StartNetworkQuery,
        Operation::ReadNetworkQuery,
        Operation::StartConsolidatedQuery,
    ];

    /// Makes the arguments.
    ///
    /// # Errors
    /// Fails if an argument is refused, or if an operation is never called.
    pub fn new(client: Client) -> Result<Self, Failed> {
        let body = demographics().to_string();
        let demographics = Demographics::parse(body.as_bytes(), Time::from_millis(1_795_341_600_000));
        if !Self::ALL.into_iter().all(is_called) {
            return Err("an operation is never called".into());
        }
        Ok(Self {
            client,
            patient: PatientId::parse(PATIENT)?,
            external_id: ExternalId::parse(FIRST.subject)?,
            facility: FacilityId::parse("01989f00-1111-7222-8333-444455556666")?,
            demographics: demographics.map_err(|_errors| "the demographics are refused")?,
            identity: ProofedIdentityId::parse("pid_9c1e44")?,
            session: Aal2SessionId::parse("aal2_5f0c7b2e9d")?,
            request: UpstreamRequestId::parse(REQUEST)?,
            redirect: RedirectUrl::parse(RETURN)?,
            sources: RequestedSources::new([SourceKind::Hie, SourceKind::Lab]).ok_or("no source")?,
            npi: Npi::parse("1234567893")?,
            webhook: url::Url::parse("https://api.example.test/v1/webhooks/metriport")?,
        })
    }

    /// Makes the call with this number.
    pub async fn call(&self, number: usize) -> Answered {
        let metadata = Metadata::default();
        match Self::ALL.get(number).copied().unwrap_or(Operation::GetPatient) {
            Operation::CreatePatient => self.patient(self.client.create_patient(&self.new_patient()).await),
            Operation::GetPatient => self.patient(self.client.get_patient(&self.patient).await),
            Operation::UpdatePatient => self.patient(self.client.update_patient(&self.update()).await),
            Operation::FindPatient => self.found().await,
            Operation::DeletePatient => self.deleted().await,
            Operation::CreateFacility => self
                .client
                .create_facility(&self.new_facility())
                .await
                .map(|_named| AcceptedAnswer::default()),
            Operation::ListFacilities => self
                .client
                .list_facilities()
                .await
                .map(|_named| AcceptedAnswer::default()),
            Operation::ReadSettings => self.client.read_settings().await.map(of_settings),
            Operation::WriteSettings => self.client.set_webhook_url(&self.webhook).await.map(of_settings),
            Operation::ReadWebhookStatus => self
                .client
                .webhook_status()
                .await
                .map(|status| AcceptedAnswer::shown(&status)),
            Operation::RetryWebhooks => {
                let sent = self.client.retry_webhooks().await;
                sent.map(|()| AcceptedAnswer {
                    ignores_the_body: true,
                    ..AcceptedAnswer::default()
                })
            }
            Operation::OpenIdentitySession => {
                let opened = self
                    .client
                    .open_identity_session(&self.patient, &self.redirect, &metadata)
                    .await;
                opened.map(|session| AcceptedAnswer::shown(&session))
            }
            Operation::OpenAal2Challenge => {
                let opened = self.client.open_aal2_challenge(&self.identity, &self.redirect).await;
                opened.map(|challenge| AcceptedAnswer::shown(&challenge))
            }
            Operation::StartNetworkQuery => self.client.start_network_query(&self.start()).await.map(of_query),
            Operation::ReadNetworkQuery => self.client.read_network_query(&self.request).await.map(of_query),
            Operation::StartConsolidatedQuery => {
                let query = RecordQuery::default();
                self.client
                    .start_consolidated_query(&self.patient, &query, &metadata)
                    .await
                    .map(|_named| AcceptedAnswer::default())
            }
        }
    }

    /// The patient in an answer counts as ours only if it has our external id.
    fn patient(&self, answered: Result<UnverifiedPatient, UpstreamError>) -> Answered {
        Ok(match answered?.verify(&self.external_id) {
            Ok(patient) => AcceptedAnswer {
                ours: Some(self.external_id.as_str().to_owned()),
                ..of_patient(patient)
            },
            Err(foreign) => AcceptedAnswer::shown(&foreign),
        })
    }

    async fn found(&self) -> Answered {
        let found = self.client.find_patient(&self.external_id).await?;
        let answer = found.map_or_else(AcceptedAnswer::default, |patient| AcceptedAnswer {
            ours: Some(self.external_id.as_str().to_owned()),
            ..of_patient(patient)
        });
        Ok(AcceptedAnswer {
            may_be_absent: true,
            ..answer
        })
    }

    async fn deleted(&self) -> Answered {
        let deletion = PatientDeletion {
            patient: self.patient.clone(),
            facility: None,
        };
        self.client.delete_patient(&deletion).await?;
        Ok(AcceptedAnswer {
            may_be_absent: true,
            ignores_the_body: true,
            ..AcceptedAnswer::default()
        })
    }

    fn new_patient(&self) -> NewPatient {
        NewPatient {
            facility: self.facility.clone(),
            external_id: self.external_id.clone(),
            demographics: self.demographics.clone(),
            hie_opt_out: None,
        }
    }

    fn update(&self) -> PatientUpdate {
        PatientUpdate {
            patient: self.patient.clone(),
            facility: self.facility.clone(),
            external_id: self.external_id.clone(),
            demographics: self.demographics.clone(),
            hie_opt_out: None,
        }
    }

    fn new_facility(&self) -> NewFacility {
        let address = FacilityAddress {
            address_line1: "10 Harbor St".to_owned(),
            address_line2: None,
            city: "Columbus".to_owned(),
            state: "OH".to_owned(),
            zip: "43215".to_owned(),
        };
        NewFacility {
            name: "Example".to_owned(),
            npi: self.npi.clone(),
            address,
            tin: None,
        }
    }

    fn start(&self) -> IasStart {
        IasStart {
            patient: self.patient.clone(),
            proofed_identity: self.identity.clone(),
            aal2_session: self.session.clone(),
            sources: self.sources.clone(),
            metadata: Metadata::default(),
        }
    }

    /// The documented answer to the call with this number.
    #[must_use]
    pub fn valid(number: usize) -> Value {
        let far = "2099-01-01T00:00:00.000Z";
        match Self::ALL.get(number).copied().unwrap_or(Operation::GetPatient) {
            Operation::CreatePatient
            | Operation::GetPatient
            | Operation::UpdatePatient
            | Operation::FindPatient
            | Operation::DeletePatient => {
                let mut patient = demographics();
                for (name, value) in [
                    ("id", json!(PATIENT)),
                    ("externalId", json!(FIRST.subject)),
                    ("eTag", json!("0")),
                    ("facilityIds", json!(["01989f00-1111-7222-8333-444455556666"])),
                    ("status", json!({ "hieOptOut": false })),
                ] {
                    put(&mut patient, "", name, value);
                }
                patient
            }
            Operation::CreateFacility => {
                json!({ "id": "f", "eTag": "0", "oid": "2.16", "name": "x", "npi": "1234567893" })
            }
            Operation::ListFacilities => json!({ "facilities": [{ "id": "f", "name": "x", "npi": "1234567893" }] }),
            Operation::ReadSettings | Operation::WriteSettings => {
                json!({ "id": "s", "webhookUrl": "https://api.example.test/w", "webhookKey": "cAn~ArY9q7Z" })
            }
            Operation::ReadWebhookStatus => {
                json!({ "webhookEnabled": "true", "webhookRequestsProcessing": 1, "webhookRequestsFailed": 2 })
            }
            Operation::RetryWebhooks => json!("OK"),
            Operation::OpenIdentitySession => {
                let url = "https://auth.example.test/cAn~ArY9q7Z";
                json!({ "sessionId": SESSION, "sessionUrl": url, "expiresAt": far, "status": "pending" })
            }
            Operation::OpenAal2Challenge => {
                let url = "https://auth.example.test/cAn~ArY9q7Z";
                json!({ "challengeId": CHALLENGE, "challengeUrl": url, "expiresAt": far, "method": "totp" })
            }
            Operation::StartNetworkQuery | Operation::ReadNetworkQuery => json!({
                "requestId": REQUEST, "status": "in-progress", "startedAt": "2026-11-22T11:24:00Z",
                "sources": [
                    { "type": "hie", "status": "completed", "startedAt": "2026-11-22T11:24:00Z",
                      "completedAt": "2026-11-22T11:25:00Z" },
                    { "type": "lab", "status": "processing" },
                ],
                "errors": [{ "source": "pharmacy", "httpStatus": 429, "message": "slow down" }],
            }),
            Operation::StartConsolidatedQuery => json!({
                "requestId": REQUEST, "status": "processing", "startedAt": "2026-11-22T11:24:00Z", "conversionType": "json",
            }),
        }
    }
}

/// Leaves out the facilities, which belong to the account and may be printed.
fn of_patient(patient: Patient) -> AcceptedAnswer {
    AcceptedAnswer::shown(&Patient {
        facilities: Vec::new(),
        ..patient
    })
}

/// Leaves out the account's id and its webhook URL, which may be printed.
fn of_settings(settings: Settings) -> AcceptedAnswer {
    AcceptedAnswer::shown(&Settings {
        account: None,
        webhook_url: None,
        ..settings
    })
}

/// Leaves out the request id, which may be printed. Any word that looks like an id passes for a request id.
fn of_query(query: NetworkQuery) -> AcceptedAnswer {
    AcceptedAnswer::shown(&(query.status, query.started_at, query.sources))
}
