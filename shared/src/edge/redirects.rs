//! The URLs to which a hosted page may return the person. A URL must equal an entry of the deployment's own list
//! exactly.

use crate::domain::input::{Faults, Input};
use crate::edge::error::Error;
use crate::edge::http::{Code, Problem};
use crate::metriport::RedirectUrl;

/// Reads the body of a request for a hosted page: the URL to which the page returns.
pub fn read(input: &Input<'_>, faults: &mut Faults) -> Option<String> {
    let fields = input.fields(&["redirectUrl"], faults)?;
    fields.required("redirectUrl", "a URL on the allowlist", faults, Input::text)
}

/// Checks a redirect URL against the list.
///
/// # Errors
/// When the URL is not on the list, or a hosted page cannot return to it. An empty list allows nothing.
pub fn allowed(list: &[String], text: &str) -> Result<RedirectUrl, Error> {
    let refusal = || Problem::new(Code::RedirectUrlNotAllowed).field("/redirectUrl", "a URL on the allowlist");
    if !list.iter().any(|allowed| allowed == text) {
        return Err(refusal().into());
    }
    RedirectUrl::parse(text).map_err(|_not_safe| refusal().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_that_equal_a_list_entry_are_allowed() {
        let list = ["https://app.test/back".to_owned(), "http://app.test/back".to_owned()];
        assert!(allowed(&list, "https://app.test/back").is_ok());
        for other in [
            "https://app.test/back/",
            "https://app.test/back?x=1",
            "https://APP.test/back",
            "",
            "http://app.test/back",
        ] {
            assert!(allowed(&list, other).is_err(), "{other}");
        }
        assert!(allowed(&[], "https://app.test/back").is_err());
    }
}
