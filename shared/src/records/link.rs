//! Which links are followed, and how: by HTTPS, to hosts the deployment names, without redirects, proxy or API key, and
//! never to an address inside our own network.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::ACCEPT_ENCODING;
use rustls::ClientConfig;
use url::{Host, Url};

use super::RecordsError;
use super::unpack::{Piece, unpacked};
use crate::config::is_loopback;
use crate::message::Link;

/// Why a link is not followed. Says nothing of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkRefusal {
    /// Not a URL.
    #[error("not a URL")]
    NotAUrl,
    /// Not HTTPS.
    #[error("not HTTPS")]
    NotHttps,
    /// With user name or password.
    #[error("carries credentials")]
    Credentials,
    /// A host that is not on the list.
    #[error("host not on the list")]
    Host,
}

/// The hosts that records are fetched from.
#[derive(Debug, Clone)]
pub struct LinkPolicy {
    hosts: Vec<String>,
    sandbox: bool,
}

impl LinkPolicy {
    /// From the parameter `RecordLinkHosts`: host names, `*.` in front for any subdomain. In a sandbox, where Metriport
    /// itself is on loopback, a listed `host:port` on loopback is followed by plain HTTP.
    #[must_use]
    pub fn new(hosts: Vec<String>, sandbox: bool) -> Self {
        Self {
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            sandbox,
        }
    }

    /// Whether a link may be followed; an empty list allows nothing.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn check(&self, link: &Link) -> Result<Url, LinkRefusal> {
        let url = Url::parse(link.as_str()).map_err(|_holds_the_link| LinkRefusal::NotAUrl)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(LinkRefusal::Credentials);
        }
        if is_loopback(&url) {
            let listed = self.sandbox && self.hosts.contains(&origin(&url));
            return if listed { Ok(url) } else { Err(LinkRefusal::Host) };
        }
        if url.scheme() != "https" {
            return Err(LinkRefusal::NotHttps);
        }
        match url.host() {
            Some(Host::Domain(name)) if url.port().is_none() && self.lists(name) => Ok(url),
            _ => Err(LinkRefusal::Host),
        }
    }

    fn lists(&self, name: &str) -> bool {
        self.hosts.iter().any(|host| match host.strip_prefix("*.") {
            Some(domain) => name
                .strip_suffix(domain)
                .is_some_and(|sub| sub.len() > 1 && sub.ends_with('.')),
            None => host == name,
        })
    }
}

fn origin(url: &Url) -> String {
    match (url.host_str(), url.port_or_known_default()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        _ => String::new(),
    }
}

/// Opens links.
pub trait OpenLink {
    /// The bytes behind a link, unpacked, as they come.
    fn open(
        &self,
        link: &Link,
    ) -> impl Future<Output = Result<impl Stream<Item = Piece> + Send + Unpin, RecordsError>> + Send;
}

/// The client for links: no key, no redirects, no proxy, no address inside our network.
#[derive(Clone)]
pub struct LinkClient {
    policy: LinkPolicy,
    http: reqwest::Client,
}

impl LinkClient {
    /// Makes the client over a TLS configuration. How long a transfer may take, and stall, is for
    /// [`transfer`](super::transfer) to say.
    ///
    /// # Errors
    /// When the client refuses its options, which no build of it does.
    pub fn new(policy: LinkPolicy, tls: ClientConfig) -> Result<Self, RecordsError> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(PublicAddresses))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // What is packed is told by its first bytes, and unpacked within bounds.
            .gzip(false)
            .connect_timeout(Duration::from_secs(5))
            .build()
            .map_err(|_setup| RecordsError::Broken("client"))?;
        Ok(Self { policy, http })
    }
}

impl OpenLink for LinkClient {
    async fn open(&self, link: &Link) -> Result<impl Stream<Item = Piece> + Send + Unpin, RecordsError> {
        let url = self.policy.check(link)?;
        let asked = self.http.get(url).header(ACCEPT_ENCODING, "gzip");
        let reply = asked.send().await.map_err(|error| broken(&error))?;
        if reply.status() != reqwest::StatusCode::OK {
            return Err(RecordsError::Dead(reply.status().as_u16()));
        }
        unpacked(reply.bytes_stream().map(|piece| piece.map_err(|error| broken(&error)))).await
    }
}

/// The kind of failure; its text holds the link.
fn broken(error: &reqwest::Error) -> RecordsError {
    RecordsError::Broken(match () {
        () if error.is_timeout() => "timeout",
        () if error.is_connect() => "connection",
        () => "interrupted",
    })
}

/// Resolves names to public addresses only, so that a listed name cannot be pointed into our network.
struct PublicAddresses;

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            // Names on loopback get here in a sandbox alone: elsewhere the policy has refused them.
            let loopback = name.as_str() == "localhost";
            let usable: Vec<SocketAddr> = found
                .filter(|a| is_public(a.ip()) || (loopback && a.ip().is_loopback()))
                .collect();
            Ok(Box::new(usable.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is on the public internet (IANA special-purpose address registries).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let benchmark = a == 198 && (b == 18 || b == 19);
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_documentation()
                || shared
                || benchmark
                || a == 0
                || a >= 240)
        }
        IpAddr::V6(v6) => match v6.to_ipv4() {
            Some(v4) => is_public(IpAddr::V4(v4)),
            // Global unicast is 2000::/3; the NAT64 prefix and everything else special lies outside of it.
            None => v6.segments().first().is_some_and(|first| first & 0xe000 == 0x2000),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sandbox: bool, link: &str) -> Result<(), LinkRefusal> {
        let hosts = ["*.s3.us-west-1.amazonaws.com", "files.example.test", "127.0.0.1:4000"];
        let policy = LinkPolicy::new(hosts.map(str::to_owned).to_vec(), sandbox);
        policy.check(&Link::new(link.to_owned())).map(|_| ())
    }

    #[test]
    fn follows_listed_hosts_by_https_alone() {
        assert_eq!(
            check(false, "https://bucket.s3.us-west-1.amazonaws.com/k?X-Amz-Signature=1"),
            Ok(())
        );
        assert_eq!(check(false, "https://files.example.test/k"), Ok(()));
        for (link, refusal) in [
            ("http://files.example.test/k", LinkRefusal::NotHttps),
            ("https://s3.us-west-1.amazonaws.com/k", LinkRefusal::Host),
            ("https://.s3.us-west-1.amazonaws.com/k", LinkRefusal::Host),
            ("https://evils3.us-west-1.amazonaws.com/k", LinkRefusal::Host),
            ("https://files.example.test.evil.test/k", LinkRefusal::Host),
            ("https://files.example.test:8443/k", LinkRefusal::Host),
            ("https://169.254.169.254/latest", LinkRefusal::Host),
            ("https://10.0.0.1/k", LinkRefusal::Host),
            ("https://u:p@files.example.test/k", LinkRefusal::Credentials),
            ("ftp://files.example.test/k", LinkRefusal::NotHttps),
            ("/k", LinkRefusal::NotAUrl),
        ] {
            assert_eq!(check(false, link), Err(refusal), "{link}");
        }
    }

    #[test]
    fn loopback_is_for_the_sandbox_and_listed() {
        assert_eq!(check(true, "http://127.0.0.1:4000/k"), Ok(()));
        assert_eq!(check(true, "http://127.0.0.1:4001/k"), Err(LinkRefusal::Host));
        assert_eq!(check(false, "http://127.0.0.1:4000/k"), Err(LinkRefusal::Host));
        assert_eq!(check(false, "https://localhost/k"), Err(LinkRefusal::Host));
    }

    #[test]
    fn inner_addresses_are_not_public() {
        for inner in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "::1",
            "::ffff:10.0.0.1",
            "fe80::1",
            "fd00:ec2::254",
            "64:ff9b::a00:1",
        ] {
            assert!(!is_public(inner.parse().unwrap()), "{inner}");
        }
        for outer in ["52.219.112.1", "2600:1fa0::1", "8.8.8.8"] {
            assert!(is_public(outer.parse().unwrap()), "{outer}");
        }
    }
}
