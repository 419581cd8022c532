//! `ias account quarantine show`: the ids that Metriport needs to find the responder, and the operator's steps.

use shared::domain::log::Access;
use shared::domain::pull::Pull;
use shared::domain::quarantine::Quarantine;
use shared::domain::record::Record;
use shared::domain::{OwnerId, UpstreamRequestId};
use shared::store::{ListPulls, ReadPatient, ReadQuarantines};

use super::{OfPerson, line, reason};
use crate::report::{say, say_line};

/// Maximum number of pulls that are read.
pub(super) const PULLS_READ: i32 = 50;

pub(super) async fn show(args: &OfPerson) -> Result<(), String> {
    let (session, owner) = (args.at.open().await?, &args.owner);
    let (_, quarantine) = session.active(owner).await?;
    session.note(owner, Access::QuarantineShown, None).await?;
    let table = &session.table;
    let slot = table.patient(owner).await.map_err(reason)?;
    let pulls = table.pulls(owner, PULLS_READ).await.map_err(reason)?;
    let records = table.all_records(owner).await.map_err(reason)?;
    say_line(&line(owner, &quarantine));
    if let Some(link) = &slot.link {
        let (patient, external_id) = (link.patient.as_str(), link.external_id.as_str());
        say_line(&format!("patient={patient} external_id={external_id}"));
    }
    for pull in pulls.iter().filter(|pull| pull.created_at >= quarantine.since) {
        say_line(&of_pull(pull));
    }
    for record in records.iter().filter(|record| quarantine.covers(record)) {
        say_line(&of_record(record));
    }
    say(&steps(owner, &quarantine));
    Ok(())
}

fn request(id: Option<&UpstreamRequestId>) -> &str {
    id.map_or("-", |id| id.as_str())
}

fn of_pull(pull: &Pull) -> String {
    let sources: Vec<String> = pull.sources.kinds().map(|kind| kind.as_str().to_owned()).collect();
    format!(
        "network_query={} request={} status={} accepted_at={} sources={}",
        pull.id,
        request(pull.request.as_ref()),
        pull.state.as_str(),
        pull.created_at,
        sources.join(",")
    )
}

fn of_record(record: &Record) -> String {
    let object = record.object.as_ref();
    let different = object.into_iter().flat_map(|object| object.comparison.different());
    let different: Vec<&str> = different.map(|field| field.as_str()).collect();
    format!(
        "record={} request={} status={} form={} different={}",
        record.id,
        request(record.request.as_ref()),
        record.state.as_str(),
        record.query.conversion.as_str(),
        if different.is_empty() {
            "-".to_owned()
        } else {
            different.join(",")
        }
    )
}

/// The operator's steps. The page `docs/runbook.md` gives the reasons.
fn steps(owner: &OwnerId, quarantine: &Quarantine) -> String {
    let (owner, purge_by) = (owner.as_str(), quarantine.purge_by);
    format!(
        "To do (docs/runbook.md, \"RecordsQuarantined\"):\n\
         1. Today, give Metriport the patient, the request ids and the reasons above. Ask it to notify the responder.\n\
         2. Ask the person through the app whether the records are theirs. Do not read the records.\n\
         3. Records of another person: let Metriport correct its data. Then run, first without --confirm,\n   \
            ias account quarantine purge --owner {owner} --confirm\n\
         4. Records of this person: run\n   \
            ias account quarantine release --owner {owner} --reason REASON\n\
         5. Do step 3 or 4 by {purge_by}."
    )
}
