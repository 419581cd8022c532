//! Links in replies.

use std::time::Duration;

use serde::Serialize;

use crate::domain::Time;
use crate::message::Link;

/// A link to a file, which needs no token.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkView {
    url: String,
    expires_at: String,
}

impl LinkView {
    /// How long a link lives.
    pub const LIFE: Duration = Duration::from_secs(60);

    /// A link that was made at this time.
    #[must_use]
    pub fn new(link: &Link, made_at: Time) -> Self {
        Self {
            url: link.as_str().to_owned(),
            expires_at: made_at.plus(Self::LIFE).to_string(),
        }
    }
}
