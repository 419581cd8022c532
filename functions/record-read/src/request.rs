//! Asks for one more consolidated record: another form, some resources, a span of time. It serves what was retrieved
//! before and asks no network, so it needs a verified identity and no new challenge.

use serde::Deserialize;
use shared::Error;
use shared::domain::identity::Standing;
use shared::domain::record::{Asked, AskedError, Conversion, NewRecord, Record};
use shared::domain::run::RecordPhase;
use shared::domain::{OwnerId, RecordId, Time};
use shared::http::{Code, Problem};
use shared::queue::announce_record;
use shared::store::{ReadIdentity, ReadPatient, ReadRecord, WriteRecord};
use tokio::try_join;

use crate::Deps;

/// `POST /v1/records`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AskBody {
    conversion_type: String,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    date_from: Option<String>,
    #[serde(default)]
    date_to: Option<String>,
}

/// What is asked.
pub struct Ask {
    /// The body.
    pub body: AskBody,
    /// The id of the record it becomes.
    pub id: RecordId,
    /// Whether an earlier attempt may have asked for that record already, and never said so.
    pub resumed: bool,
}

/// Asks for a record; it waits until the patient's other consolidated queries are done. One that an earlier attempt has
/// asked for is answered with as it stands: no record can be written twice under one id.
///
/// # Errors
/// Refuses an unknown form, resource type or date, and a caller who is not verified.
pub async fn request(deps: &Deps, owner: &OwnerId, ask: Ask, now: Time) -> Result<Record, Error> {
    let asked = parse(&ask.body)?;
    let record = match place(deps, owner, (ask.id, asked), now).await {
        Err(refusal) if ask.resumed => deps.table.record(owner, ask.id).await?.ok_or(refusal)?,
        placed => placed?,
    };
    // The record is written: what is lost here, the reconciler sends again.
    if let Err(error) = announce_record(&deps.advances, owner, &record, now).await {
        tracing::warn!(record = %record.id, context = %error, "the record was accepted but not announced");
    }
    Ok(record)
}

/// Writes the record, for a caller who is verified.
async fn place(deps: &Deps, owner: &OwnerId, (id, asked): (RecordId, Asked), now: Time) -> Result<Record, Error> {
    let (slot, identity) = try_join!(deps.table.patient(owner), deps.table.identity(owner))?;
    let link = slot.settled()?;
    let standing = identity.standing(&link.patient, &link.demographics, now, deps.timing);
    if !matches!(standing, Standing::Verified(_)) {
        return Err(Problem::new(Code::IdentityNotVerified).into());
    }
    let new = NewRecord {
        id,
        run: None,
        phase: RecordPhase::Asked,
        patient: link.patient.clone(),
        asked,
    };
    let record = Record::ask(new, now, deps.timing);
    deps.table.create_record(owner, &record).await?;
    Ok(record)
}

fn parse(body: &AskBody) -> Result<Asked, Problem> {
    let refuse = |pointer: &str, detail| Problem::new(Code::InvalidRequest).field(pointer, detail);
    let conversion = match body.conversion_type.as_str() {
        "json" => Conversion::Json,
        "pdf" => Conversion::Pdf,
        "html" => Conversion::Html,
        _ => return Err(refuse("/conversionType", "one of json, pdf, html")),
    };
    let asked = Asked::parse(
        conversion,
        &body.resources,
        body.date_from.as_deref(),
        body.date_to.as_deref(),
    );
    asked.map_err(|error| match error {
        AskedError::Resource(index) => refuse(
            &format!("/resources/{index}"),
            "a FHIR resource type that can be asked for",
        ),
        AskedError::DateFrom => refuse("/dateFrom", "a date YYYY-MM-DD"),
        AskedError::DateTo => refuse("/dateTo", "a date YYYY-MM-DD, not before dateFrom"),
    })
}
