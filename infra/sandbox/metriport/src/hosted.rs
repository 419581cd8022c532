//! The submitted form of the hosted pages, and the answer to the browser.

use std::collections::HashMap;

use crate::pages;

/// Number of wrong codes after which a page ends.
pub(crate) const CODE_TRIES: u8 = 5;

pub(crate) struct Form {
    pub(crate) code: String,
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

/// The answer to the browser.
pub(crate) enum Hosted {
    Show {
        status: u16,
        html: String,
    },
    /// 303 to this URL.
    Leave(String),
}

impl Hosted {
    /// A page with a form; 422 if the page reports a wrong code.
    pub(crate) fn show(html: String, wrong: bool) -> Self {
        Self::Show {
            status: if wrong { 422 } else { 200 },
            html,
        }
    }

    /// The answer for a URL that is used, expired or unknown.
    pub(crate) fn gone() -> Self {
        Self::Show {
            status: 410,
            html: pages::gone(),
        }
    }
}
