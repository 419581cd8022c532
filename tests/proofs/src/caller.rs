//! The function behind a call to Metriport.

use sandbox_machine::functions::FUNCTION_NAMES;
use sandbox_metriport::{CallInfo, Operation};

/// The function that follows links.
pub(crate) const FETCHER: &str = "record-fetch";

/// The calling function, by its user agent; `None` for hosted pages, whose caller is a browser. A download names no
/// function, so it is attributed to `record-fetch`.
pub(crate) fn caller(call: &CallInfo) -> Option<&'static str> {
    if call.operation == Operation::DownloadFile {
        return Some(FETCHER);
    }
    let (_, name) = call.user_agent.rsplit_once('(')?;
    FUNCTION_NAMES
        .iter()
        .copied()
        .find(|function| Some(*function) == name.strip_suffix(')'))
}
