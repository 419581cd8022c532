//! CloudFormation refuses wrong parameters with a reason when the stack is created, before they can fail at the first
//! request.

use std::collections::BTreeSet;

use fancy_regex::Regex;
use serde_json::{Map, Value};
use shared::config::Env;
use shared::metriport::{refused_webhook_texts, webhook_url_problem};
use shared::records::LinkPolicy;

use super::{ROOT, stack};

fn parameters() -> Map<String, Value> {
    stack().section("Parameters").unwrap().as_object().unwrap().clone()
}

fn accepts(parameter: &str, value: &str) -> bool {
    let pattern = parameters()[parameter]["AllowedPattern"].as_str().unwrap().to_owned();
    Regex::new(&pattern).unwrap().is_match(value).unwrap()
}

#[test]
fn every_parameter_is_described_and_restricted() {
    for (name, parameter) in parameters() {
        assert!(parameter["Description"].is_string(), "{name}");
        let bounded = match parameter["Type"].as_str().unwrap() {
            "Number" => parameter.get("MinValue").is_some() || parameter.get("AllowedValues").is_some(),
            _ => parameter.get("AllowedPattern").is_some() || parameter.get("AllowedValues").is_some(),
        };
        assert!(bounded, "{name} takes anything");
    }
}

#[test]
fn every_pattern_has_a_constraint_description() {
    for (name, parameter) in parameters() {
        // Without a description, CloudFormation shows the pattern itself.
        let silent = parameter.get("AllowedPattern").is_some() && parameter.get("ConstraintDescription").is_none();
        assert!(!silent, "{name}");
    }
}

/// Metriport refuses some hosts in a webhook URL. The domain must not be one of these hosts.
#[test]
fn domain_refused_by_metriport_is_refused() {
    for good in [
        "",
        "api.example.com",
        "ias.health.example",
        "a-1.b-2.co",
        "api100.example.org",
    ] {
        assert!(accepts("DomainName", good), "{good}");
    }
    for bad in [
        "abc123.execute-api.us-east-1.amazonaws.com",
        "localhost",
        "api.localhost",
        "app.localtest.me",
        "10.1.2.3.nip.io",
        "127-0-0-1.sslip.io",
        "10.0.0.1.xip.io",
        "127.0.0.1",
        "169.254.169.254",
        "[::]",
        "api0000.example.com",
        "https://api.example.com",
        "api.example.com/internal",
        "api.example.com:8443",
        "API.example.com",
        "example",
        "-a.example.com",
        "api.example.com.",
    ] {
        assert!(!accepts("DomainName", bad), "{bad}");
    }
}

/// The parameter must refuse the same texts as the command that later registers the URL.
#[test]
fn domain_with_a_text_refused_in_webhook_urls_is_refused() {
    let of_a_name = |text: &&str| text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '.' | '-'));
    let mut texts = 0;
    for text in refused_webhook_texts().filter(of_a_name) {
        texts += 1;
        let inner = text.trim_matches('.');
        for domain in [format!("a.{inner}.example.com"), format!("a.{text}1.example.com")] {
            let url = format!("https://{domain}/v1/webhooks/metriport");
            assert_eq!(
                accepts("DomainName", &domain),
                webhook_url_problem(&url).is_none(),
                "{domain}"
            );
        }
    }
    assert!(texts > 20, "{texts}");
}

/// A segment must be too long to guess. Metriport must accept it in a URL, and CloudFormation must not show it.
#[test]
fn webhook_segment_is_long_and_accepted_by_metriport() {
    let good = "8f14e45fceea167a5a36dedd4bea2543";
    for segment in ["", good, &format!("{good}{good}")] {
        assert!(accepts("WebhookSegment", segment), "{segment}");
    }
    let zeros = format!("8f140000{}", &good[8..]);
    let address = format!("a2130706433{}", &good[11..]);
    for segment in [
        &good[1..],
        &good.to_uppercase(),
        &format!("{good}/"),
        &format!("g{}", &good[1..]),
    ] {
        assert!(!accepts("WebhookSegment", segment), "{segment}");
    }
    // The pattern must agree with Metriport's list of refused texts.
    for segment in [good, &zeros, &address] {
        let url = format!("https://a.example.com/{segment}/v1/webhooks/metriport");
        assert_eq!(
            accepts("WebhookSegment", segment),
            webhook_url_problem(&url).is_none(),
            "{segment}"
        );
    }
    let of_digits = |text: &&str| text.chars().all(|c| c.is_ascii_hexdigit());
    let refused: Vec<_> = refused_webhook_texts().filter(of_digits).collect();
    assert_eq!(refused, ["0000", "2130706433"], "what else the pattern has to exclude");
    let wanted = parameters()["WebhookSegment"]["ConstraintDescription"].clone();
    assert!(
        refused.iter().all(|text| wanted.as_str().unwrap().contains(text)),
        "{wanted}"
    );
    assert_eq!(parameters()["WebhookSegment"]["NoEcho"], true);
}

#[test]
fn metriport_url_without_tls_is_refused() {
    for good in [
        "https://api.metriport.com",
        "https://api.sandbox.metriport.com",
        "http://127.0.0.1:4000",
    ] {
        assert!(accepts("MetriportBaseUrl", good), "{good}");
    }
    for bad in [
        "http://api.metriport.com",
        "api.metriport.com",
        "https://api.metriport.com/",
        "http://127.0.0.1.evil.test",
    ] {
        assert!(!accepts("MetriportBaseUrl", bad), "{bad}");
    }
}

/// The parameter must refuse the same hosts as `record-fetch`, which would otherwise not start.
#[test]
fn record_hosts_equal_those_record_fetch_accepts() {
    let takes = |hosts: &str| {
        let env = Env::from_pairs([("RECORD_LINK_HOSTS", hosts)]);
        let metriport = "https://api.sandbox.metriport.com".parse().unwrap();
        LinkPolicy::read(&env, &metriport).is_ok()
    };
    for good in [
        "any-s3-bucket",
        "bucket.s3.us-west-1.amazonaws.com",
        "bucket.s3.amazonaws.com,*.files.metriport.com",
        "d111.cloudfront.net",
        "x_y-1.s3.us-east-2.amazonaws.com",
        "127.0.0.1:4000,localhost:80",
        "*.example-amazonaws.com",
    ] {
        assert!(accepts("RecordLinkHosts", good) && takes(good), "{good}");
    }
    for bad in [
        "",
        "*",
        "*.com",
        "localhost",
        "10.0.0.1",
        "127.0.0.1:",
        "A.example.com",
        "a..example.com",
        "a.example.com,",
        "a.example.com, b.example.com",
        "https://a.example.com",
        "a.example.com/x",
        "a.example.com:443",
        "any-s3-bucket,a.example.com",
        "*.amazonaws.com",
        "*.s3.amazonaws.com",
        "a.example.com,*.s3.us-west-1.amazonaws.com",
        "*.s3.cn-north-1.amazonaws.com.cn",
        "*.cloudfront.net",
        "*.storage.googleapis.com",
        "*.blob.core.windows.net",
        "s3.amazonaws.com",
        "s3-us-west-1.amazonaws.com,a.example.com",
        "a.example.com,s3.us-west-1.amazonaws.com",
        "s3.cn-north-1.amazonaws.com.cn",
        "storage.googleapis.com",
        "*.r2.dev,a.example.com",
        "*.nyc3.digitaloceanspaces.com",
    ] {
        assert!(!accepts("RecordLinkHosts", bad) && !takes(bad), "{bad}");
    }
}

/// A hosted page returns only to a URL that is exactly equal to a registered one.
#[test]
fn redirect_with_http_or_a_query_is_refused() {
    let two = "https://app.example.test/a,https://app.example.test/b";
    assert!(accepts("RedirectAllowlist", two));
    for bad in [
        "",
        "http://app.example.test/a",
        "https://app.example.test/a?x=1",
        "https://app.example.test/a#b",
        "https://app.example.test/a, https://app.example.test/b",
        "https://app.example.test/a,",
    ] {
        assert!(!accepts("RedirectAllowlist", bad), "{bad}");
    }
}

#[test]
fn origin_beyond_scheme_host_and_port_is_refused() {
    for good in [
        "",
        "https://app.example.com",
        "https://app.example.com,https://beta.example.com:8443",
        "http://localhost:5173,http://127.0.0.1:8080",
    ] {
        assert!(accepts("CorsOrigins", good), "{good}");
    }
    for bad in [
        "*",
        "app.example.com",
        "http://app.example.com",
        "https://app.example.com/",
        "https://app.example.com, https://beta.example.com",
        "https://app.example.com,",
        "https://*.example.com",
    ] {
        assert!(!accepts("CorsOrigins", bad), "{bad}");
    }
}

#[test]
fn every_stage_of_samconfig_sets_known_parameters() {
    let text = std::fs::read_to_string(format!("{ROOT}/samconfig.toml")).unwrap();
    let known: BTreeSet<String> = parameters().into_iter().map(|(name, _)| name).collect();
    let (mut stages, mut section) = (0, "");
    for line in text.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let Some(line) = line.strip_prefix("parameter_overrides = ") else {
            continue;
        };
        stages += 1;
        // `sam build` and `sam deploy` must take the processor from the same parameter.
        assert!(section.ends_with(".global.parameters]"), "{section}: {line}");
        for (name, value) in line
            .trim_matches('"')
            .split(' ')
            .filter_map(|pair| pair.split_once('='))
        {
            assert!(known.contains(name), "{name}");
            if parameters()[name].get("AllowedPattern").is_some() {
                assert!(accepts(name, value), "{name}={value}");
            }
        }
    }
    assert_eq!(stages, 3);
}
