//! Takes a person's request for an export of everything that is stored about them, and shows the export. Neither needs
//! a consent or a verified identity: a person may always see what is stored. An export has the paths of the records
//! instead of their files, so the conditions of a record hold for each.

use serde::Serialize;
use shared::Error;
use shared::domain::export::{Export, ExportAnswer, ExportPart, ExportStatus, PartContent};
use shared::domain::log::{Access, Actor};
use shared::domain::{ExportId, OwnerId};
use shared::edge::http::{Code, LinkView, Next, Problem};
use shared::edge::refuse_erasing;
use shared::message::{AccountSubject, AccountWork};
use shared::ports::Clock;
use shared::queue::SendAccountWork;
use shared::records::MintExportLink;
use shared::store::{NoteHour, ReadExport, ReadRoot, RequestExport, StoreError};

/// Maximum number of attempts to store the request.
const ATTEMPTS: u32 = 8;

/// An export.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportView {
    id: ExportId,
    status: ExportStatus,
    requested_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<Vec<PartView>>,
    next: Next,
}

/// A part of an export.
#[derive(Serialize)]
pub struct PartView {
    name: String,
    content: PartContent,
    lines: u64,
    bytes: u64,
    sha256: String,
    link: LinkView,
}

shared::ports! {
    /// Takes a request for an export.
    pub trait TakeExportRequest = ReadRoot + ReadExport + RequestExport + SendAccountWork + Clock;
}

/// Begins an export with this id. An unfinished export answers the request instead, and so does the newest one if the
/// person has as many as allowed.
///
/// # Errors
/// Refuses during an erasure. Also fails if the table fails. If only the message was not sent, `reconcile` sends it.
pub async fn request(
    io: &impl TakeExportRequest,
    owner: &OwnerId,
    actor: &Actor,
    id: ExportId,
) -> Result<ExportView, Error> {
    let mut tries = 1;
    loop {
        refuse_erasing(&io.root(owner).await?)?;
        let export = match Export::answer(id, &io.exports(owner).await?, io.now(), io.timing()) {
            ExportAnswer::Present(export) => return Ok(view_export(&export, None)),
            ExportAnswer::New(export) => export,
        };
        match io.request_export(owner, &export, actor).await {
            // An erasure or another export of the person began meanwhile.
            Err(StoreError::Conflict(_)) if tries < ATTEMPTS => tries += 1,
            stored => {
                stored?;
                // The export is stored, so a lost message only delays it.
                let work = AccountSubject::Export {
                    owner: owner.clone(),
                    number: export.number,
                };
                if let Err(error) = io.send_account_work(&AccountWork::about(work)).await {
                    tracing::warn!(context = %error, "the message about an export was not sent");
                }
                return Ok(view_export(&export, None));
            }
        }
    }
}

/// One export of the caller. An available one has a link for each part; the access log then gets one entry an hour for
/// each app.
///
/// # Errors
/// `not_found` if the person has no such export, or if it has expired. Also fails if the entry cannot be written.
pub async fn show(
    io: &(impl ReadExport + NoteHour + MintExportLink + Clock),
    owner: &OwnerId,
    actor: &Actor,
    id: ExportId,
) -> Result<ExportView, Error> {
    let (exports, now) = (io.exports(owner).await?, io.now());
    let shown = |export: &Export| export.id == id && !export.has_expired(now);
    let export = exports
        .into_iter()
        .find(shown)
        .ok_or_else(|| Problem::new(Code::NotFound))?;
    if export.status() != ExportStatus::Available {
        return Ok(view_export(&export, None));
    }
    io.note_hour(owner, Access::ExportRead, actor, now).await?;
    let made_at = io.now();
    let mut parts = Vec::new();
    for (index, part) in export.parts.iter().enumerate() {
        let name = part.file_name(index);
        let link = io.mint_part(id, part, &name, LinkView::LIFE).await?;
        parts.push(view_part(part, name, LinkView::new(&link, made_at)));
    }
    Ok(view_export(&export, Some(parts)))
}

/// A part with the link to it, as its person sees it.
#[must_use]
pub fn view_part(part: &ExportPart, name: String, link: LinkView) -> PartView {
    PartView {
        name,
        content: part.content,
        lines: part.lines,
        bytes: part.bytes,
        sha256: part.sha256.clone(),
        link,
    }
}

/// The export as its person sees it. `parts` has the links, if they were made.
#[must_use]
pub fn view_export(export: &Export, parts: Option<Vec<PartView>>) -> ExportView {
    ExportView {
        id: export.id,
        status: export.status(),
        requested_at: export.requested_at.to_string(),
        completed_at: export.completed_at.map(|at| at.to_string()),
        expires_at: export.expires_at.to_string(),
        next: match (export.status(), &parts) {
            (ExportStatus::Failed, _) => Next::CONTACT_SUPPORT,
            (ExportStatus::Available, Some(_)) => Next::NONE,
            (ExportStatus::Available | ExportStatus::Processing, _) => Next::read_export(export.id),
        },
        parts,
    }
}
