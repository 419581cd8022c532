//! The calls to Metriport. Each call is one operation.

use std::collections::BTreeMap;

use shared::domain::pull::{QueryReport, Reported, SourceOutcome};
use shared::domain::record::RecordQuery;
use shared::domain::{ExternalId, PatientId, ProofedIdentityId, PullId, RecordId, UpstreamRequestId};
use shared::metriport::{
    Aal2Challenge, Aal2Method, ConsolidatedQuery, CreatePatient, Effect, FindPatient, HostedUrl, IasStart,
    IdentitySession, IdentitySessionStatus, Mentions, Metadata, NetworkQuery, NetworkQueryStatus, NewPatient,
    OpenAal2Challenge, OpenIdentitySession, PatientUpdate, ReadNetworkQuery, RedirectUrl, SourceReport, SourceState,
    StartConsolidatedQuery, StartNetworkQuery, UnverifiedPatient, UpdatePatient, UpstreamError, UpstreamErrorKind,
    WebhookReplay, WebhookStatus,
};
use shared::webhook::{IDENTITY_MARK, PULL_MARK, RECORD_MARK};

use crate::Sabotage;
use crate::io::Io;
use crate::people;
use crate::upstream::{Answer, Call, Patient, StartQuery};

type Called<T> = Result<T, UpstreamError>;

fn unverified(patient: &Patient) -> UnverifiedPatient {
    UnverifiedPatient::new(known(patient), Some(patient.external.clone()))
}

fn known(patient: &Patient) -> shared::metriport::Patient {
    shared::metriport::Patient {
        id: patient.id.clone(),
        facilities: Vec::new(),
        hie_opt_out: None,
    }
}

impl Io {
    async fn patient_of(&self, call: Call) -> Called<UnverifiedPatient> {
        match self.upstream(call).await? {
            Answer::Patient(Some(patient)) => Ok(unverified(&patient)),
            other => unreachable!("{other:?}"),
        }
    }
}

impl FindPatient for Io {
    async fn find_patient(&self, id: &ExternalId) -> Called<Option<shared::metriport::Patient>> {
        match self.upstream(Call::FindPatient(id.clone())).await? {
            Answer::Patient(found) => Ok(found.as_ref().map(known)),
            other => unreachable!("{other:?}"),
        }
    }
}

impl CreatePatient for Io {
    async fn create_patient(&self, patient: &NewPatient) -> Called<UnverifiedPatient> {
        let (external, hash) = (patient.external_id.clone(), people::hash(&patient.demographics));
        self.patient_of(Call::CreatePatient(external, hash)).await
    }
}

impl UpdatePatient for Io {
    async fn update_patient(&self, update: &PatientUpdate) -> Called<UnverifiedPatient> {
        let (patient, hash) = (update.patient.clone(), people::hash(&update.demographics));
        self.patient_of(Call::UpdatePatient(patient, hash)).await
    }
}

/// A placeholder for the link to a hosted page, because the world itself passes hosted pages.
fn nowhere() -> HostedUrl {
    HostedUrl::parse("https://hosted.invalid/").unwrap_or_else(|| unreachable!("a link"))
}

impl OpenIdentitySession for Io {
    async fn open_identity_session(
        &self,
        patient: &PatientId,
        _redirect: &RedirectUrl,
        metadata: &Metadata,
    ) -> Called<IdentitySession> {
        let mark = metadata.get(IDENTITY_MARK).unwrap_or_default().to_owned();
        match self.upstream(Call::OpenSession(patient.clone(), mark)).await? {
            Answer::Session(id, expires_at) => Ok(IdentitySession {
                id,
                url: nowhere(),
                expires_at,
                status: IdentitySessionStatus::Pending,
            }),
            other => unreachable!("{other:?}"),
        }
    }
}

impl OpenAal2Challenge for Io {
    async fn open_aal2_challenge(
        &self,
        identity: &ProofedIdentityId,
        _redirect: &RedirectUrl,
    ) -> Called<Aal2Challenge> {
        match self.upstream(Call::OpenChallenge(identity.clone())).await? {
            Answer::Challenge(id, expires_at) => Ok(Aal2Challenge {
                id,
                url: nowhere(),
                expires_at,
                method: Aal2Method::Totp,
            }),
            other => unreachable!("{other:?}"),
        }
    }
}

impl StartNetworkQuery for Io {
    async fn start_network_query(&self, start: &IasStart) -> Called<NetworkQuery> {
        let pull = start.metadata.get(PULL_MARK).and_then(|pull| PullId::parse(pull).ok());
        let call = StartQuery {
            pull: pull.unwrap_or_else(|| unreachable!("a start without its mark")),
            patient: start.patient.clone(),
            proofed: start.proofed_identity.clone(),
            session: start.aal2_session.clone(),
            sources: start.sources.iter().collect(),
        };
        match self.upstream(Call::StartQuery(Box::new(call))).await {
            Ok(Answer::Query(request, report)) => Ok(query(request, &report)),
            Ok(other) => unreachable!("{other:?}"),
            Err(error) if error.effect() == Effect::Unknown && self.is(Sabotage::AmbiguousStartRepeated) => {
                Err(UpstreamError::new(error.operation(), UpstreamErrorKind::Connect))
            }
            Err(error) => Err(error),
        }
    }
}

impl ReadNetworkQuery for Io {
    async fn read_network_query(&self, request: &UpstreamRequestId) -> Called<NetworkQuery> {
        match self.upstream(Call::ReadQuery(request.clone())).await? {
            Answer::Report(report) => Ok(query(request.clone(), &report)),
            other => unreachable!("{other:?}"),
        }
    }
}

fn query(request: UpstreamRequestId, report: &QueryReport) -> NetworkQuery {
    let source_report = |reported: &Reported| {
        let state = match reported.outcome {
            Some(SourceOutcome::Completed) => SourceState::Completed,
            Some(SourceOutcome::Failed) => SourceState::Failed,
            None => SourceState::Processing,
        };
        let report = SourceReport {
            state,
            started_at: None,
            completed_at: None,
            http_status: reported.http_status,
            mentions: Mentions::default(),
        };
        (reported.source, report)
    };
    let status = match report.is_final {
        true => NetworkQueryStatus::Partial,
        false => NetworkQueryStatus::Processing,
    };
    NetworkQuery {
        request,
        status,
        started_at: None,
        sources: report.sources.iter().map(source_report).collect::<BTreeMap<_, _>>(),
    }
}

impl StartConsolidatedQuery for Io {
    async fn start_consolidated_query(
        &self,
        patient: &PatientId,
        query: &RecordQuery,
        metadata: &Metadata,
    ) -> Called<ConsolidatedQuery> {
        let record = metadata
            .get(RECORD_MARK)
            .and_then(|record| RecordId::parse(record).ok());
        let record = record.unwrap_or_else(|| unreachable!("a start without its mark"));
        match self
            .upstream(Call::StartConsolidated(record, patient.clone(), query.clone()))
            .await?
        {
            Answer::Consolidated(request) => Ok(ConsolidatedQuery::begun(request)),
            other => unreachable!("{other:?}"),
        }
    }
}

impl WebhookReplay for Io {
    async fn webhook_status(&self) -> Called<Option<WebhookStatus>> {
        let answer = self.upstream(Call::WebhookStatus).await?;
        let Answer::Failed(failed) = answer else {
            unreachable!("{answer:?}")
        };
        Ok(Some(WebhookStatus {
            enabled: Some(true),
            processing: 0,
            failed,
        }))
    }

    async fn retry_webhooks(&self) -> Called<()> {
        self.upstream(Call::RetryWebhooks).await.map(drop)
    }
}
