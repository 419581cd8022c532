//! The only module of the stand-in that reads a clock.

use crate::moment::Moment;

#[expect(
    clippy::disallowed_methods,
    reason = "the edge of the sandbox: everything below gets the time as an argument"
)]
pub(crate) fn now() -> Moment {
    Moment::from_millis(jiff::Timestamp::now().as_millisecond())
}
