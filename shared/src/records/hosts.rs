//! The hosts from which records are fetched, as the parameter `RecordLinkHosts` names them.
//!
//! A name that covers the files of all customers of a cloud is refused, because any customer can store a file there. At
//! a first deployment, the operator does not know the name of Metriport's bucket yet. With Metriport's sandbox, which
//! holds no person's record, [`ANY_S3_BUCKET`] therefore allows every bucket on S3.

use url::Url;

use crate::config::{ConfigError, Env, is_loopback};

const NAME: &str = "RECORD_LINK_HOSTS";
/// The value that allows every bucket on S3.
const ANY_S3_BUCKET: &str = "any-s3-bucket";
/// Metriport's sandbox (docs.metriport.com, page `medical-api/getting-started/sandbox`).
const METRIPORT_SANDBOX: &str = "api.sandbox.metriport.com";

/// Domains under which every customer of a cloud can have a subdomain.
const SHARED_DOMAINS: [&str; 10] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "cloudfront.net",
    "googleapis.com",
    "windows.net",
    "azureedge.net",
    "backblazeb2.com",
    "digitaloceanspaces.com",
    "on.aws",
    "r2.dev",
];
/// Hosts that all customers of a cloud share, with the bucket in the path. S3's own hosts have many forms, so
/// [`is_shared`] checks them separately.
const SHARED_HOSTS: [&str; 1] = ["storage.googleapis.com"];

/// Hosts by name, with a leading `*.` for any subdomain; or every bucket on S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LinkHosts {
    Listed(Vec<String>),
    AnyS3Bucket,
}

impl LinkHosts {
    pub(super) fn read(env: &Env, metriport: &Url) -> Result<Self, ConfigError> {
        Self::parse(env.required(NAME)?, metriport).map_err(|problem| ConfigError { name: NAME, problem })
    }

    /// Fails if the text is not a list of hosts, or if a name covers the files of all customers of a cloud. Refuses
    /// [`ANY_S3_BUCKET`], unless `metriport` is Metriport's sandbox or on loopback.
    pub(super) fn parse(text: &str, metriport: &Url) -> Result<Self, &'static str> {
        if text == ANY_S3_BUCKET {
            return match metriport.host_str() == Some(METRIPORT_SANDBOX) || is_loopback(metriport) {
                true => Ok(Self::AnyS3Bucket),
                false => Err("any-s3-bucket is allowed only with Metriport's sandbox; name Metriport's own hosts"),
            };
        }
        let hosts: Vec<String> = text.split(',').map(str::to_owned).collect();
        if !hosts.iter().all(|host| is_host(host)) {
            return Err("not a list of host names in lower case, separated by commas");
        }
        match hosts.iter().any(|host| is_shared(host)) {
            true => Err("names a host that all customers of a cloud share; name Metriport's own hosts"),
            false => Ok(Self::Listed(hosts)),
        }
    }

    /// Whether a link may lead to the host of this name.
    pub(super) fn lists(&self, name: &str) -> bool {
        let Self::Listed(hosts) = self else {
            return is_s3_bucket(name);
        };
        hosts.iter().any(|host| match host.strip_prefix("*.") {
            Some(domain) => name
                .strip_suffix(domain)
                .is_some_and(|sub| sub.len() > 1 && sub.ends_with('.')),
            None => host == name,
        })
    }

    pub(super) fn lists_origin(&self, origin: &str) -> bool {
        matches!(self, Self::Listed(hosts) if hosts.iter().any(|host| host == origin))
    }
}

/// A name, a wildcard below a name, or a loopback host with a port.
fn is_host(host: &str) -> bool {
    if let Some(("127.0.0.1" | "localhost", port)) = host.split_once(':') {
        return !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    }
    is_name(host.strip_prefix("*.").unwrap_or(host))
}

/// Whether this is a lower-case name of at least two labels, and not an address.
pub(super) fn is_name(name: &str) -> bool {
    let in_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(in_label);
    let Some((labels, last)) = name.rsplit_once('.') else {
        return false;
    };
    let is_last = last.len() >= 2
        && !last.contains('_')
        && last.starts_with(|first: char| first.is_ascii_lowercase())
        && !last.ends_with('-');
    is_last && is_label(last) && labels.split('.').all(is_label)
}

/// Whether a host holds files of all customers of a cloud: a wildcard over their subdomains, or a host with the bucket
/// in the path.
fn is_shared(host: &str) -> bool {
    match host.strip_prefix("*.") {
        Some(domain) => SHARED_DOMAINS.iter().any(|shared| is_within(domain, shared)),
        None => {
            let is_s3 = (host.starts_with("s3.") || host.starts_with("s3-")) && is_of_aws(host);
            is_s3 || SHARED_HOSTS.contains(&host)
        }
    }
}

fn is_within(domain: &str, shared: &str) -> bool {
    domain
        .strip_suffix(shared)
        .is_some_and(|sub| sub.is_empty() || sub.ends_with('.'))
}

fn is_of_aws(host: &str) -> bool {
    [".amazonaws.com", "-amazonaws.com"]
        .iter()
        .any(|end| host.strip_suffix(".cn").unwrap_or(host).ends_with(end))
}

/// Whether this is the host of one bucket on S3, in any region: `BUCKET.s3.amazonaws.com` or
/// `BUCKET.s3.REGION.amazonaws.com` (docs.aws.amazon.com, "Virtual hosting of general purpose buckets").
fn is_s3_bucket(name: &str) -> bool {
    let Some(rest) = name.strip_suffix(".amazonaws.com") else {
        return false;
    };
    let mut labels = rest.rsplit('.');
    let is_s3 = match labels.next() {
        Some("s3") => true,
        Some(_region) => labels.next() == Some("s3"),
        None => false,
    };
    is_s3 && labels.next().is_some_and(|bucket| !bucket.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCTION: &str = "https://api.metriport.com";

    fn parse(text: &str, metriport: &str) -> Result<LinkHosts, &'static str> {
        LinkHosts::parse(text, &metriport.parse().unwrap())
    }

    #[test]
    fn names_wildcards_and_ports_on_loopback_are_hosts() {
        let text =
            "b-1.s3.us-west-1.amazonaws.com,*.files.example.test,127.0.0.1:4000,localhost:80,x_y.s3.amazonaws.com";
        let listed = text.split(',').map(str::to_owned).collect();
        assert_eq!(parse(text, PRODUCTION), Ok(LinkHosts::Listed(listed)));
    }

    #[test]
    fn malformed_list_is_refused_with_a_reason() {
        for text in [
            "",
            ",",
            "a.example.test,",
            "a.example.test, b.example.test",
            "A.example.test",
            "https://a.example.test",
            "a.example.test/x",
            "a.example.test:443",
            "a..test",
            "*",
            "*.com",
            "*.*.example.test",
            "test",
            "10.0.0.1",
            "[::1]:80",
            "localhost",
            "127.0.0.1:",
            "any-s3-bucket,a.example.test",
        ] {
            let refused = parse(text, PRODUCTION).unwrap_err();
            assert!(refused.contains("not a list of host names"), "{text}: {refused}");
        }
    }

    #[test]
    fn host_shared_by_all_customers_is_refused() {
        for text in [
            "*.s3.us-west-1.amazonaws.com",
            "*.s3.amazonaws.com",
            "*.amazonaws.com",
            "*.s3.cn-north-1.amazonaws.com.cn",
            "a.example.test,*.cloudfront.net",
            "*.storage.googleapis.com",
            "*.blob.core.windows.net",
            "s3.amazonaws.com",
            "s3.us-west-1.amazonaws.com",
            "s3-us-west-1.amazonaws.com",
            "s3.cn-north-1.amazonaws.com.cn",
        ] {
            for metriport in [PRODUCTION, "https://api.sandbox.metriport.com"] {
                let refused = parse(text, metriport).unwrap_err();
                assert!(refused.contains("all customers"), "{text}: {refused}");
            }
        }
        for text in ["*.example-amazonaws.com", "*.metriport.com", "d111.cloudfront.net"] {
            assert!(parse(text, PRODUCTION).is_ok(), "{text}");
        }
    }

    #[test]
    fn any_s3_bucket_is_allowed_only_with_metriport_sandbox() {
        let any = parse(ANY_S3_BUCKET, "https://api.sandbox.metriport.com").unwrap();
        assert_eq!(
            parse(ANY_S3_BUCKET, "http://127.0.0.1:4000"),
            Ok(LinkHosts::AnyS3Bucket)
        );
        for metriport in [
            PRODUCTION,
            "https://proxy.example.test",
            "https://api.sandbox.metriport.com.evil.test",
        ] {
            assert!(parse(ANY_S3_BUCKET, metriport).unwrap_err().contains("sandbox"));
        }
        for listed in [
            "b.s3.amazonaws.com",
            "b.s3.us-west-1.amazonaws.com",
            "a.b.s3.eu-central-1.amazonaws.com",
        ] {
            assert!(any.lists(listed), "{listed}");
        }
        for other in [
            "s3.amazonaws.com",
            "s3.us-west-1.amazonaws.com",
            ".s3.amazonaws.com",
            "b.sqs.us-west-1.amazonaws.com",
            "b.s3.us-west-1.amazonaws.com.evil.test",
            "s3.evil.test",
            "b.s3.evilamazonaws.com",
        ] {
            assert!(!any.lists(other), "{other}");
        }
        assert!(!any.lists_origin("127.0.0.1:4000"));
    }
}
