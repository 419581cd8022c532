//! TLS in front of the sandbox's servers, which speak plain HTTP. A process in AWS spends most of its start on TLS
//! handshakes and on loading root certificates, so the measured programs must do both. Sessions are never resumed,
//! because in AWS a new process makes a full handshake with each service.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::CertifiedKey;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::NoServerSessionStorage;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::Problem;

/// Paths of the system's certificates in common distributions. The usual way reads these certificates at its start.
const SYSTEM_ROOTS: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// Listeners that forward TLS connections until the runtime ends.
pub struct Front {
    /// Host and port of each server, and of the listener in front of it.
    hosts: Vec<(String, String)>,
    folder: TempDir,
}

impl Front {
    /// Listens in front of each server, under a new certificate for `localhost`.
    pub async fn start(servers: Vec<String>) -> Result<Self, Problem> {
        let folder = tempfile::tempdir()?;
        let (config, root) = certified()?;
        let system = SYSTEM_ROOTS.iter().find_map(|path| fs::read_to_string(path).ok());
        fs::write(folder.path().join("all.pem"), system.unwrap_or_default() + &root)?;
        fs::write(folder.path().join("root.pem"), root)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let mut hosts = Vec::new();
        for server in servers {
            let listener = TcpListener::bind("localhost:0").await?;
            hosts.push((server.clone(), format!("localhost:{}", listener.local_addr()?.port())));
            tokio::spawn(accept(listener, acceptor.clone(), server));
        }
        Ok(Self { hosts, folder })
    }

    /// The same text with every server's address replaced by that of its listener.
    pub fn secure(&self, text: &str) -> String {
        let hosts = self.hosts.iter();
        let text = hosts.fold(text.to_owned(), |text, (server, host)| text.replace(server, host));
        text.replace("http://localhost:", "https://localhost:")
    }

    /// The file with the front's root alone, for functions, which have the other roots built in.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// The file with the system's roots and then the front's, for programs that read the system's certificates.
    pub fn all_roots(&self) -> PathBuf {
        self.folder.path().join("all.pem")
    }
}

/// A server's configuration, and its self-signed certificate as PEM, which is also the root.
fn certified() -> Result<(ServerConfig, String), Problem> {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok((config, cert.pem()))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, server: String) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, server) = (acceptor.clone(), server.clone());
        // A killed process breaks its connections, so an error is expected.
        tokio::spawn(async move { forward(stream, &acceptor, &server).await.ok() });
    }
}

async fn forward(stream: TcpStream, acceptor: &TlsAcceptor, server: &str) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut client = acceptor.accept(stream).await?;
    let mut server = TcpStream::connect(server).await?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
