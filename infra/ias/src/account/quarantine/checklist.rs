//! `ias account quarantine show`: the ids that Metriport needs to find the responder, and the operator's steps.

use shared::domain::log::Access;
use shared::domain::person_root::PersonRoot;
use shared::domain::pull::Pull;
use shared::domain::quarantine::Quarantine;
use shared::domain::record::Record;
use shared::domain::{OwnerId, UpstreamRequestId};
use shared::store::{ListPulls, ReadPatient, ReadQuarantines};

use super::{QUARANTINE, explain, render_line};
use crate::account::operator::PersonArgs;
use crate::report::{say, say_line};

/// Maximum number of pulls that are read.
const PULLS_READ: i32 = 50;

pub(super) async fn show(args: &PersonArgs) -> Result<(), String> {
    let (operator, owner) = (args.open(QUARANTINE).await?, &args.owner);
    let (root, quarantine) = operator.read_active(owner).await?;
    operator.note(owner, Access::QuarantineShown, None).await?;
    let table = &operator.table;
    let slot = table.patient(owner).await.map_err(explain)?;
    let pulls = table.pulls(owner, PULLS_READ).await.map_err(explain)?;
    let records = table.all_records(owner).await.map_err(explain)?;
    say_line(&render_line(owner, &quarantine));
    say_line(&format!("version={}", root.version));
    if let Some(link) = &slot.link {
        let (patient, external_id) = (link.patient.as_str(), link.external_id.as_str());
        say_line(&format!("patient={patient} external_id={external_id}"));
    }
    for pull in pulls.iter().filter(|pull| pull.created_at >= quarantine.since) {
        say_line(&render_pull(pull));
    }
    for record in records.iter().filter(|record| quarantine.covers(record)) {
        say_line(&render_record(record));
    }
    say(&render_steps(owner, &root, &quarantine));
    Ok(())
}

fn render_request(id: Option<&UpstreamRequestId>) -> &str {
    id.map_or("-", |id| id.as_str())
}

fn render_pull(pull: &Pull) -> String {
    let sources: Vec<String> = pull.sources.kinds().map(|kind| kind.as_str().to_owned()).collect();
    format!(
        "network_query={} request={} status={} accepted_at={} sources={}",
        pull.id,
        render_request(pull.request.as_ref()),
        pull.state.as_str(),
        pull.created_at,
        sources.join(",")
    )
}

fn render_record(record: &Record) -> String {
    let object = record.object.as_ref();
    let different = object.into_iter().flat_map(|object| object.comparison.different());
    let different: Vec<&str> = different.map(|field| field.as_str()).collect();
    format!(
        "record={} request={} status={} form={} different={}",
        record.id,
        render_request(record.request.as_ref()),
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
fn render_steps(owner: &OwnerId, root: &PersonRoot, quarantine: &Quarantine) -> String {
    let (owner, version, purge_by) = (owner.as_str(), root.version, quarantine.purge_by);
    format!(
        "To do (docs/runbook.md, \"RecordsQuarantined\"):\n\
         1. Today, give Metriport the patient, the request ids and the reasons above. Ask it to notify the responder.\n\
         2. Ask the person through the app whether the records are theirs. Do not read the records.\n\
         3. Records of another person: let Metriport correct its data. Then run, first without --confirm,\n   \
            ias account quarantine purge --owner {owner} --version {version} --confirm\n\
         4. Records of this person: run\n   \
            ias account quarantine release --owner {owner} --version {version} --reason REASON\n\
         5. Do step 3 or 4 by {purge_by}."
    )
}
