//! Follows record links: only by HTTPS, only to hosts that the deployment names, and never to an address inside our own
//! network. The client follows no redirects, and uses neither a proxy nor an API key.

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
use super::hosts::{LinkHosts, is_name};
use super::unpack::{Piece, unpacked};
use crate::config::{ConfigError, Env, is_loopback};
use crate::message::Link;

/// Why a link is not followed. It reveals nothing about the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkRefusal {
    /// The link is not a URL.
    #[error("not a URL")]
    NotAUrl,
    /// The link does not use HTTPS.
    #[error("not HTTPS")]
    NotHttps,
    /// The link contains a user name or a password.
    #[error("carries credentials")]
    Credentials,
    /// The link's host is not on the list.
    #[error("host not on the list")]
    Host,
}

/// The hosts from which records are fetched.
#[derive(Debug, Clone)]
pub struct LinkPolicy {
    hosts: LinkHosts,
    sandbox: bool,
}

impl LinkPolicy {
    /// Reads `RECORD_LINK_HOSTS`, the parameter `RecordLinkHosts`: host names, with a leading `*.` for any subdomain.
    /// In a sandbox, where Metriport is on loopback, a listed `host:port` on loopback is followed by plain HTTP.
    ///
    /// # Errors
    /// Fails if the list is missing or malformed, or names a host on which any customer of a cloud can store a file.
    pub fn read(env: &Env, metriport: &Url) -> Result<Self, ConfigError> {
        Ok(Self {
            hosts: LinkHosts::read(env, metriport)?,
            sandbox: is_loopback(metriport),
        })
    }

    /// Checks whether a link may be followed, and returns its URL.
    ///
    /// # Errors
    /// Returns the first reason against the link.
    pub fn check(&self, link: &Link) -> Result<Url, LinkRefusal> {
        let url = Url::parse(link.as_str()).map_err(|_holds_the_link| LinkRefusal::NotAUrl)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(LinkRefusal::Credentials);
        }
        if is_loopback(&url) {
            let listed = self.sandbox && self.hosts.lists_origin(&origin(&url));
            return if listed { Ok(url) } else { Err(LinkRefusal::Host) };
        }
        if url.scheme() != "https" {
            return Err(LinkRefusal::NotHttps);
        }
        match url.host() {
            Some(Host::Domain(name)) if url.port().is_none() && self.hosts.lists(name) => Ok(url),
            _ => Err(LinkRefusal::Host),
        }
    }
}

/// The name of a link's host, for the log: the operator needs it to correct the list. Nothing else of the link is
/// logged. `None` if the host is an address, or is longer than a name can be (RFC 1035, section 2.3.4).
fn host_to_log(link: &Link) -> Option<String> {
    let url = Url::parse(link.as_str()).ok()?;
    let name = url.host_str().filter(|name| name.len() <= 253 && is_name(name))?;
    Some(name.to_owned())
}

fn origin(url: &Url) -> String {
    match (url.host_str(), url.port_or_known_default()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        _ => String::new(),
    }
}

/// Opens links.
pub trait OpenLink {
    /// The bytes behind a link, unpacked, as they arrive.
    fn open(
        &self,
        link: &Link,
    ) -> impl Future<Output = Result<impl Stream<Item = Piece> + Send + Unpin, RecordsError>> + Send;
}

/// The client for links. It connects only to public addresses.
#[derive(Clone)]
pub struct LinkClient {
    policy: LinkPolicy,
    http: reqwest::Client,
}

impl LinkClient {
    /// Makes the client over a TLS configuration. The client limits only the time to connect;
    /// [`transfer`](super::transfer) limits the whole transfer and its stalls.
    ///
    /// # Errors
    /// Fails if `reqwest` refuses its options. They are the same in every build, so this does not happen.
    pub fn new(policy: LinkPolicy, tls: ClientConfig) -> Result<Self, RecordsError> {
        Self::over(SystemNames, policy, tls)
    }

    fn over(names: impl LookUp, policy: LinkPolicy, tls: ClientConfig) -> Result<Self, RecordsError> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(PublicAddresses(Arc::new(names))))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // `unpacked` recognises gzip by its first bytes, and unpacks it within bounds.
            .gzip(false)
            .connect_timeout(Duration::from_secs(5))
            .build()
            .map_err(|_setup| RecordsError::Broken("client"))?;
        Ok(Self { policy, http })
    }
}

impl OpenLink for LinkClient {
    async fn open(&self, link: &Link) -> Result<impl Stream<Item = Piece> + Send + Unpin, RecordsError> {
        let url = self.policy.check(link).inspect_err(|refusal| {
            if let (LinkRefusal::Host, Some(host)) = (refusal, host_to_log(link)) {
                tracing::warn!(host, "this host of a link is not in RecordLinkHosts");
            }
        })?;
        let request = self.http.get(url).header(ACCEPT_ENCODING, "gzip");
        let reply = request.send().await.map_err(|error| broken(&error))?;
        if reply.status() != reqwest::StatusCode::OK {
            return Err(RecordsError::Dead(reply.status().as_u16()));
        }
        unpacked(reply.bytes_stream().map(|piece| piece.map_err(|error| broken(&error)))).await
    }
}

/// Keeps only the kind of the failure, because the error's text holds the link.
fn broken(error: &reqwest::Error) -> RecordsError {
    RecordsError::Broken(match () {
        () if error.is_timeout() => "timeout",
        () if error.is_connect() => "connection",
        () => "interrupted",
    })
}

/// Looks a name up, without a check of its addresses.
trait LookUp: Send + Sync + 'static {
    fn look_up(&self, name: &str) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

struct SystemNames;

impl LookUp for SystemNames {
    async fn look_up(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        // Port 0 stands for the port of the URL.
        Ok(tokio::net::lookup_host((name, 0)).await?.collect())
    }
}

/// Resolves names to public addresses only, so that a listed name cannot lead into our network.
struct PublicAddresses<L>(Arc<L>);

impl<L: LookUp> Resolve for PublicAddresses<L> {
    fn resolve(&self, name: Name) -> Resolving {
        let names = Arc::clone(&self.0);
        Box::pin(async move {
            let mut found = names.look_up(name.as_str()).await?;
            // `localhost` gets here only in a sandbox, because the policy refuses it elsewhere.
            let loopback = name.as_str() == "localhost";
            found.retain(|found| is_public(found.ip()) || (loopback && found.ip().is_loopback()));
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(hosts: &str, metriport: &str) -> LinkPolicy {
        let env = Env::from_pairs([("RECORD_LINK_HOSTS", hosts)]);
        LinkPolicy::read(&env, &metriport.parse().unwrap()).unwrap()
    }

    fn check(sandbox: bool, link: &str) -> Result<(), LinkRefusal> {
        let hosts = "*.files.metriport.test,bucket.s3.us-west-1.amazonaws.com,files.example.test,127.0.0.1:4000";
        let metriport = if sandbox {
            "http://127.0.0.1:3000"
        } else {
            "https://api.metriport.com"
        };
        policy(hosts, metriport).check(&Link::new(link.to_owned())).map(|_| ())
    }

    #[test]
    fn missing_or_malformed_list_is_refused_by_name() {
        let read = |env: Env| LinkPolicy::read(&env, &"https://api.metriport.com".parse().unwrap()).unwrap_err();
        assert_eq!(read(Env::from_pairs([])).problem, "missing");
        let refused = read(Env::from_pairs([("RECORD_LINK_HOSTS", "*.s3.amazonaws.com")]));
        assert!(
            refused
                .to_string()
                .starts_with("environment variable RECORD_LINK_HOSTS: names a host")
        );
    }

    #[test]
    fn log_of_a_refused_link_names_only_its_host() {
        let host = |link: &str| host_to_log(&Link::new(link.to_owned()));
        let name = "b.s3.us-east-2.amazonaws.com";
        assert_eq!(
            host("https://u:p@B.s3.us-east-2.amazonaws.com:8443/k?X-Amz-Signature=1#f").as_deref(),
            Some(name)
        );
        let long = format!("https://{}.test/k", ["a"; 130].join("."));
        for link in [
            "https://10.0.0.1/k",
            "https://[::1]/k",
            "https://a~b.test/k",
            "/k",
            "mailto:a@b.test",
            &long,
        ] {
            assert_eq!(host(link), None, "{link}");
        }
    }

    #[test]
    fn only_https_links_to_listed_hosts_are_followed() {
        assert_eq!(
            check(false, "https://bucket.s3.us-west-1.amazonaws.com/k?X-Amz-Signature=1"),
            Ok(())
        );
        assert_eq!(check(false, "https://a.files.metriport.test/k"), Ok(()));
        assert_eq!(check(false, "https://files.example.test/k"), Ok(()));
        for (link, refusal) in [
            ("http://files.example.test/k", LinkRefusal::NotHttps),
            ("https://s3.us-west-1.amazonaws.com/bucket/k", LinkRefusal::Host),
            ("https://other.s3.us-west-1.amazonaws.com/k", LinkRefusal::Host),
            ("https://files.metriport.test/k", LinkRefusal::Host),
            ("https://.files.metriport.test/k", LinkRefusal::Host),
            ("https://evilfiles.metriport.test/k", LinkRefusal::Host),
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
    fn loopback_is_allowed_only_if_listed_in_a_sandbox() {
        assert_eq!(check(true, "http://127.0.0.1:4000/k"), Ok(()));
        assert_eq!(check(true, "http://127.0.0.1:4001/k"), Err(LinkRefusal::Host));
        assert_eq!(check(false, "http://127.0.0.1:4000/k"), Err(LinkRefusal::Host));
        assert_eq!(check(false, "https://localhost/k"), Err(LinkRefusal::Host));
    }

    /// Resolves every name to one address, port included.
    struct Leads(SocketAddr);

    impl LookUp for Leads {
        async fn look_up(&self, _name: &str) -> io::Result<Vec<SocketAddr>> {
            Ok(vec![self.0])
        }
    }

    /// Only the check of addresses keeps the client from connecting.
    #[tokio::test]
    async fn listed_name_with_private_address_is_never_connected() {
        let inner = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        inner.set_nonblocking(true).unwrap();
        let policy = policy("files.example.test", "https://api.metriport.com");
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
        assert_eq!(met.kind(), io::ErrorKind::WouldBlock, "the inner server was not called");
    }
}
