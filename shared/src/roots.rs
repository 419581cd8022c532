//! Root certificates that are trusted besides the bundled ones. A local stack needs them if its stand-in for Metriport
//! or its emulators of AWS speak TLS.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::Url;

use crate::config::{ConfigError, Env, is_loopback};

const NAME: &str = "EXTRA_ROOTS_FILE";

/// The roots trusted besides the bundled ones: always an empty set if Metriport is not on loopback.
#[derive(Debug, Clone, Default)]
pub struct ExtraRoots {
    pem: Vec<u8>,
    roots: Vec<CertificateDer<'static>>,
}

impl ExtraRoots {
    /// Reads the PEM file that `EXTRA_ROOTS_FILE` names, if it is set.
    ///
    /// # Errors
    /// Fails if the variable is set and Metriport is not on loopback. It also fails if the file cannot be read, has no
    /// root, or has an unusable one.
    pub fn read(env: &Env, metriport: &Url) -> Result<Self, ConfigError> {
        let Some(path) = env.optional(NAME) else {
            return Ok(Self::default());
        };
        let refused = |problem| ConfigError { name: NAME, problem };
        if !is_loopback(metriport) {
            return Err(refused("other roots can be trusted only if Metriport is on loopback"));
        }
        let pem = std::fs::read(path).map_err(|_names_the_file| refused("the file cannot be read"))?;
        Self::parse(pem).ok_or_else(|| refused("the file has no root certificate in PEM, or an unusable one"))
    }

    fn parse(pem: Vec<u8>) -> Option<Self> {
        let roots = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<Vec<_>, _>>()
            .ok()?;
        let found = Self { pem, roots };
        let is_usable = !found.roots.is_empty() && found.add_to(&mut RootCertStore::empty()).is_ok();
        is_usable.then_some(found)
    }

    /// The roots in PEM, as the file holds them; `None` for an empty set.
    #[must_use]
    pub fn pem(&self) -> Option<&[u8]> {
        Some(self.pem.as_slice()).filter(|pem| !pem.is_empty())
    }

    /// Adds the roots to a store.
    ///
    /// # Errors
    /// Fails if the store refuses a root. Roots from [`Self::read`] never fail, because it has tried each of them.
    pub fn add_to(&self, store: &mut RootCertStore) -> Result<(), rustls::Error> {
        self.roots.iter().try_for_each(|root| store.add(root.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMAZON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/aws/amazon-roots.pem");
    const NOT_PEM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/roots.rs");

    fn read(file: &str, metriport: &str) -> Result<ExtraRoots, ConfigError> {
        ExtraRoots::read(&Env::from_pairs([(NAME, file)]), &metriport.parse().unwrap())
    }

    #[test]
    fn extra_roots_are_empty_without_a_file() {
        let none = read("", "https://api.metriport.com").unwrap();
        assert_eq!(none.pem(), None);
        let mut store = RootCertStore::empty();
        none.add_to(&mut store).unwrap();
        assert!(store.is_empty());
    }

    #[test]
    fn extra_roots_are_trusted_on_loopback_only() {
        for real in [
            "https://api.metriport.com",
            "https://localhost.example.test",
            "https://127.0.0.1.example.test",
            "https://10.0.0.1",
        ] {
            assert_eq!(read(AMAZON, real).unwrap_err().name, NAME, "{real}");
        }
        let mut store = RootCertStore::empty();
        let five = read(AMAZON, "https://localhost:4000").unwrap();
        five.add_to(&mut store).unwrap();
        assert_eq!(store.len(), 5);
    }

    #[test]
    fn unusable_roots_file_is_refused_without_naming_it() {
        for file in ["/CANARY/none.pem", NOT_PEM] {
            let error = read(file, "https://127.0.0.1:4000").unwrap_err().to_string();
            assert!(error.contains(NAME) && !error.contains(file), "{error}");
        }
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(ExtraRoots::parse(broken.into()).is_none());
    }
}
