//! Links in replies.

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
    /// The link, with the time at which it stops working.
    #[must_use]
    pub fn new(link: &Link, expires_at: Time) -> Self {
        Self {
            url: link.as_str().to_owned(),
            expires_at: expires_at.to_string(),
        }
    }
}
