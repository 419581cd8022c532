//! The parts of functions besides their steps: requests and replies, batches, announcements of due work, errors, the
//! rate budget, and a function's start.

mod announce;
mod batch;
pub mod budget;
mod consented;
pub mod error;
pub mod http;
pub mod init;
mod log_page;
mod quarantine;
pub mod redirects;
mod verified;

pub use announce::{announce_change, announce_end, announce_pull, announce_record};
pub use batch::each;
pub use consented::{consented, refuse_erasing, refuse_withdrawn};
pub use log_page::{ReadLogPage, begin_log, read_log_page};
pub use quarantine::{QuarantineView, read_origin, refuse_quarantined, view_quarantine};
pub use verified::verified;
