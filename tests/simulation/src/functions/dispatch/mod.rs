//! `query-dispatch`.

pub(crate) mod record;
pub(crate) mod run;
