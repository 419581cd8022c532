//! The URLs that Metriport's hosted pages may return to. Metriport's API cannot change its list of these URLs, so the
//! command only checks their form and prints the list.

use clap::Args;
use shared::metriport::RedirectUrl;

use crate::report::say;

/// Options of `account redirects`.
#[derive(Debug, Clone, Args)]
pub struct RedirectsArgs {
    /// A page of your app that hosted pages may return to.
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,
}

pub(super) fn redirects(args: &RedirectsArgs) -> Result<(), String> {
    let problems: Vec<_> = args
        .urls
        .iter()
        .filter_map(|url| Some(format!("{url}: {}", problem(url)?)))
        .collect();
    if !problems.is_empty() {
        return Err(problems.join("\n       "));
    }
    say("Metriport's API cannot change this list. Enter exactly these URLs in its dashboard, or write to");
    say("support@metriport.com, for identity sessions and AAL2 challenges:\n");
    args.urls.iter().for_each(|url| say(&format!("  {url}")));
    say("\nGive the stack the same list:\n");
    say(&format!("  RedirectAllowlist={}", args.urls.join(",")));
    Ok(())
}

/// The reason why a URL cannot be on the list, if there is one.
fn problem(url: &str) -> Option<&'static str> {
    if !url.starts_with("https://") {
        return Some("it must begin with https://");
    }
    if url.contains([',', ' ']) {
        return Some("it has a comma or a space, which separate the URLs of the list");
    }
    match RedirectUrl::parse(url) {
        Ok(_) => None,
        Err(_not_plain) => {
            Some("it must be a URL without credentials, query or fragment, because Metriport appends parameters")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_https_urls_can_be_registered() {
        assert_eq!(problem("https://app.example.org/ias/identity/return"), None);
        for bad in [
            "http://app.example.org/back",
            "http://127.0.0.1/back",
            "HTTPS://app.example.org/back",
            "https://app.example.org/back?x=1",
            "https://app.example.org/back#top",
            "https://u:p@app.example.org/back",
            "https://app.example.org/a,b",
            "app.example.org",
            "",
        ] {
            assert!(problem(bad).is_some(), "{bad}");
        }
    }
}
