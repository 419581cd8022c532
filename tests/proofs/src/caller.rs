//! Which function makes a call upstream.

use sandbox_machine::functions::NAMES;
use sandbox_metriport::{CallInfo, Operation};

/// The function that follows links.
const FETCHER: &str = "record-fetch";

/// The function that calls, by what it calls itself; none for hosted pages, whose caller is a browser. Whoever follows
/// a link says nothing about itself.
pub(crate) fn caller(call: &CallInfo) -> Option<&'static str> {
    if call.operation == Operation::DownloadFile {
        return Some(FETCHER);
    }
    let (_, name) = call.user_agent.rsplit_once('(')?;
    NAMES
        .iter()
        .copied()
        .find(|function| Some(*function) == name.strip_suffix(')'))
}
