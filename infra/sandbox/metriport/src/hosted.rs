//! What the hosted pages have in common: the form that comes back, and what the browser gets.

use std::collections::HashMap;

use crate::pages;

/// Wrong codes before a page gives up.
pub(crate) const CODE_TRIES: u8 = 5;

/// A form of a hosted page.
pub(crate) struct Form {
    /// The code typed in.
    pub(crate) code: String,
    /// Whether the cancel button was pressed.
    pub(crate) cancelled: bool,
}

impl Form {
    pub(crate) fn read(fields: &HashMap<String, String>) -> Self {
        Self {
            code: fields.get("code").cloned().unwrap_or_default(),
            cancelled: fields.get("action").is_some_and(|action| action == "cancel"),
        }
    }
}

/// What the browser gets.
pub(crate) enum Hosted {
    /// A page.
    Show {
        /// HTTP status.
        status: u16,
        /// The page.
        html: String,
    },
    /// 303 to this place.
    Leave(String),
}

impl Hosted {
    /// A page to fill in; 422 when it comes back with something wrong.
    pub(crate) fn show(html: String, wrong: bool) -> Self {
        Self::Show {
            status: if wrong { 422 } else { 200 },
            html,
        }
    }

    /// The URL was used, has expired, or never was.
    pub(crate) fn gone() -> Self {
        Self::Show {
            status: 410,
            html: pages::gone(),
        }
    }
}
