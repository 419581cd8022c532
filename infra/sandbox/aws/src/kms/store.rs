//! The signing keys of the account and their aliases. Pure: randomness is an argument.

use super::refusal::Refusal;
use crate::ACCOUNT_ID;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// First bytes of the SubjectPublicKeyInfo of an uncompressed P-256 key (RFC 5480, sections 2 and 2.1.1).
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

#[derive(Default, Serialize, Deserialize)]
pub(super) struct Store {
    /// By key id.
    keys: BTreeMap<String, SigningKey>,
    /// Key ids by alias, such as `alias/seal`.
    aliases: BTreeMap<String, String>,
}

/// A private key on P-256.
#[derive(Serialize, Deserialize)]
pub(super) struct SigningKey {
    /// PKCS#8 in base64.
    pkcs8: String,
}

impl Store {
    /// Creates the key unless it exists.
    pub(super) fn create(&mut self, id: &str, random: &dyn SecureRandom) -> Result<(), Refusal> {
        if !self.keys.contains_key(id) {
            self.keys.insert(id.to_owned(), SigningKey::generate(random)?);
        }
        Ok(())
    }

    /// Gives the key an alias, and takes the alias from another key that has it.
    pub(super) fn put_alias(&mut self, alias: &str, id: &str) -> Result<(), Refusal> {
        if !alias.starts_with("alias/") {
            return Err(Refusal::InvalidAlias);
        }
        if !self.keys.contains_key(id) {
            return Err(Refusal::NotFound(id.to_owned()));
        }
        self.aliases.insert(alias.to_owned(), id.to_owned());
        Ok(())
    }

    /// Finds a key by its id, its alias, or the ARN of either. Returns the id too.
    pub(super) fn find(&self, name: &str, region: &str) -> Result<(&str, &SigningKey), Refusal> {
        let prefix = format!("{}:", arn_prefix(region));
        let id = match name.strip_prefix(&prefix) {
            // Only an alias has the same name in its ARN.
            Some(local) => local.strip_prefix("key/").or_else(|| self.alias(local)),
            None => self.alias(name).or(Some(name)),
        };
        let found = id.and_then(|id| self.keys.get_key_value(id));
        let (id, key) = found.ok_or_else(|| Refusal::NotFound(name.to_owned()))?;
        Ok((id, key))
    }

    fn alias(&self, name: &str) -> Option<&str> {
        self.aliases.get(name).map(String::as_str)
    }
}

pub(super) fn arn(id: &str, region: &str) -> String {
    format!("{}:key/{id}", arn_prefix(region))
}

fn arn_prefix(region: &str) -> String {
    format!("arn:aws:kms:{region}:{ACCOUNT_ID}")
}

impl SigningKey {
    fn generate(random: &dyn SecureRandom) -> Result<SigningKey, Refusal> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, random);
        let pkcs8 = pkcs8.map_err(|_unspecified| Refusal::Internal)?;
        Ok(SigningKey {
            pkcs8: STANDARD.encode(pkcs8),
        })
    }

    /// The ECDSA signature of the message's SHA-256 hash, in DER.
    pub(super) fn sign(&self, message: &[u8], random: &dyn SecureRandom) -> Result<Vec<u8>, Refusal> {
        let signature = self.pair(random)?.sign(random, message);
        let signature = signature.map_err(|_unspecified| Refusal::Internal)?;
        Ok(signature.as_ref().to_vec())
    }

    /// The public key as SubjectPublicKeyInfo in DER.
    pub(super) fn public_key(&self, random: &dyn SecureRandom) -> Result<Vec<u8>, Refusal> {
        let pair = self.pair(random)?;
        Ok([&SPKI_PREFIX, pair.public_key().as_ref()].concat())
    }

    fn pair(&self, random: &dyn SecureRandom) -> Result<EcdsaKeyPair, Refusal> {
        let pkcs8 = STANDARD.decode(&self.pkcs8);
        let pkcs8 = pkcs8.map_err(|_not_base64| Refusal::Internal)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8, random);
        pair.map_err(|_rejected| Refusal::Internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;

    const REGION: &str = "eu-central-1";

    #[test]
    fn key_is_found_by_id_alias_and_both_arns() {
        let mut store = Store::default();
        store.create("seal", &SystemRandom::new()).unwrap();
        store.put_alias("alias/signs", "seal").unwrap();
        for name in [
            "seal",
            "alias/signs",
            "arn:aws:kms:eu-central-1:000000000000:key/seal",
            "arn:aws:kms:eu-central-1:000000000000:alias/signs",
        ] {
            assert_eq!(store.find(name, REGION).unwrap().0, "seal", "{name}");
        }
        for name in [
            "signs",
            "key/seal",
            "alias/seal",
            "arn:aws:kms:eu-central-1:000000000000:seal",
            "arn:aws:kms:us-east-1:000000000000:key/seal",
            "",
        ] {
            assert_eq!(store.find(name, REGION).err(), Some(Refusal::NotFound(name.to_owned())));
        }
    }

    #[test]
    fn existing_key_stays_when_it_is_created_again() {
        let (mut store, random) = (Store::default(), SystemRandom::new());
        store.create("seal", &random).unwrap();
        let public_key = |store: &Store| store.find("seal", REGION).unwrap().1.public_key(&random).unwrap();
        let first = public_key(&store);
        store.create("seal", &random).unwrap();
        assert_eq!(public_key(&store), first);
    }

    #[test]
    fn alias_needs_its_prefix_and_an_existing_key() {
        let mut store = Store::default();
        let missing = Err(Refusal::NotFound("seal".to_owned()));
        assert_eq!(store.put_alias("alias/signs", "seal"), missing);
        assert_eq!(store.put_alias("signs", "seal"), Err(Refusal::InvalidAlias));
    }
}
