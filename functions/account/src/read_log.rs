//! Shows the person a page of their access log.

use shared::Error;
use shared::domain::budget::{Allowance, PersonAsk};
use shared::domain::log::export::{ExportPage, ExportPosition, LogRange};
use shared::domain::log::{Access, Actor};
use shared::domain::{OwnerId, Time};
use shared::edge::budget::TakeShare;
use shared::edge::{ReadLogPage, begin_log, read_log_page};
use shared::store::NoteHour;

/// The page that a caller asks for.
#[derive(Debug, Clone)]
pub enum PageRequest {
    /// The first page.
    First(LogRange),
    /// The page at this position.
    At(ExportPosition),
}

/// The page that a caller gets.
pub struct LogPage {
    /// The page.
    pub page: ExportPage,
    /// The position of the next page.
    pub next: Option<ExportPosition>,
    /// The state of the person's share.
    pub allowance: Allowance,
}

/// Reads a page. The person's share is charged first, and the page's own entry is written before anything is read.
///
/// # Errors
/// Fails with `too_many_requests` if the share is used up. It also fails if the entry cannot be written, or if the
/// table or the bucket of seals cannot be read.
pub async fn read_log(
    io: &(impl TakeShare + NoteHour + ReadLogPage),
    owner: &OwnerId,
    actor: &Actor,
    ask: PageRequest,
    now: Time,
) -> Result<LogPage, Error> {
    let allowance = io.share(owner, PersonAsk::LogPage, now).await?;
    io.note_hour(owner, Access::LogRead, actor, now).await?;
    let position = match ask {
        PageRequest::At(position) => position,
        PageRequest::First(range) => begin_log(io, range, now).await?,
    };
    let (page, next) = read_log_page(io, owner, &position).await?;
    Ok(LogPage { page, next, allowance })
}
