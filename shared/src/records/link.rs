//! Which links are followed, and how: by HTTPS, to hosts the deployment names, without redirects, proxy or API key, and
//! never to an address inside our own network.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::ACCEPT_ENCODING;
use rustls::ClientConfig;
use url::{Host, Url};

use super::RecordsError;
use super::address::is_public;
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
        Self::over(SystemNames, policy, tls)
    }

    fn over(names: impl LookUp, policy: LinkPolicy, tls: ClientConfig) -> Result<Self, RecordsError> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(PublicAddresses(Arc::new(names))))
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

/// Looks a name up, whatever the addresses are.
trait LookUp: Send + Sync + 'static {
    fn look_up(&self, name: &str) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

/// As the system does it.
struct SystemNames;

impl LookUp for SystemNames {
    async fn look_up(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        // Port 0 stands for that of the URL.
        Ok(tokio::net::lookup_host((name, 0)).await?.collect())
    }
}

/// Resolves names to public addresses only, so that a listed name cannot be pointed into our network.
struct PublicAddresses<L>(Arc<L>);

impl<L: LookUp> Resolve for PublicAddresses<L> {
    fn resolve(&self, name: Name) -> Resolving {
        let names = Arc::clone(&self.0);
        Box::pin(async move {
            let mut found = names.look_up(name.as_str()).await?;
            // Names on loopback get here in a sandbox alone: elsewhere the policy has refused them.
            let loopback = name.as_str() == "localhost";
            found.retain(|found| is_public(found.ip()) || (loopback && found.ip().is_loopback()));
            Ok(Box::new(found.into_iter()) as Addrs)
        })
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

    /// Leads every name to one address, port included.
    struct Leads(SocketAddr);

    impl LookUp for Leads {
        async fn look_up(&self, _name: &str) -> io::Result<Vec<SocketAddr>> {
            Ok(vec![self.0])
        }
    }

    /// Nothing but the check of addresses keeps the client from connecting.
    #[tokio::test]
    async fn a_listed_name_that_leads_inward_is_not_connected_to() {
        let inner = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        inner.set_nonblocking(true).unwrap();
        let policy = LinkPolicy::new(vec!["files.example.test".to_owned()], false);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let client = LinkClient::over(Leads(inner.local_addr().unwrap()), policy, tls).unwrap();
        let link = Link::new("https://files.example.test/k".to_owned());
        let opened = client.open(&link).await;
        assert_eq!(opened.err(), Some(RecordsError::Broken("connection")));
        let met = inner.accept().unwrap_err();
        assert_eq!(met.kind(), io::ErrorKind::WouldBlock, "nobody came");
    }
}
