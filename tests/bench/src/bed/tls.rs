//! A root and a certificate of its own for `localhost`, made anew for each run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;
use tokio_rustls::TlsAcceptor;

use crate::Problem;

/// Where distributions keep the system's certificates: what the usual way reads at its start.
const SYSTEM_ROOTS: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// The certificate in use, and the files from which it can be trusted.
pub struct Tls {
    /// Takes connections.
    pub acceptor: TlsAcceptor,
    /// The root alone, for functions that have their own roots built in.
    pub root: PathBuf,
    /// The root after the system's, for what reads the system's certificates.
    pub system_and_root: PathBuf,
}

impl Tls {
    /// Makes root and certificate, and writes the files into `dir`.
    ///
    /// # Errors
    /// When they cannot be made or written.
    pub fn new(dir: &Path) -> Result<Self, Problem> {
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params
            .distinguished_name
            .push(DnType::CommonName, "The benchmark's root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &issuer)?;
        let (root, system_and_root) = (dir.join("root.pem"), dir.join("system-and-root.pem"));
        let system = SYSTEM_ROOTS.iter().find_map(|path| fs::read_to_string(path).ok());
        fs::write(&root, issuer.pem())?;
        fs::write(
            &system_and_root,
            format!("{}\n{}", system.unwrap_or_default(), issuer.pem()),
        )?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        // Every service has one name here: with sessions to resume, the second one's handshake would be a short one.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            root,
            system_and_root,
        })
    }
}
