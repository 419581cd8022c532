//! The key that signs seals. It never leaves AWS KMS.

use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::SealsError;
use crate::aws::aws_code;
use crate::config::{ConfigError, Env};
use crate::domain::log::SealPublicKey;
use crate::ports::port;

/// The signing key of one deployment.
#[derive(Clone)]
pub struct SealKey {
    client: Client,
    id: String,
}

port! {
    /// Signs seals.
    pub trait SignSeal via HasSealKey {
        /// The public key.
        async fn seal_public_key(&self) -> Result<SealPublicKey, SealsError>;
        /// The ECDSA signature of the text's SHA-256 hash, in DER and base64.
        async fn sign_seal(&self, text: &str) -> Result<String, SealsError>;
    }
}

impl SealKey {
    /// The key with this id, ARN or alias.
    #[must_use]
    pub fn new(client: Client, id: impl Into<String>) -> Self {
        Self { client, id: id.into() }
    }

    /// Reads `SEAL_KEY_ID`.
    ///
    /// # Errors
    /// Fails if the variable is missing.
    pub fn read(client: Client, env: &Env) -> Result<Self, ConfigError> {
        Ok(Self::new(client, env.required("SEAL_KEY_ID")?))
    }

    /// The public key as SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// Fails if KMS refuses.
    pub async fn public_key_der(&self) -> Result<Vec<u8>, SealsError> {
        let answer = self.client.get_public_key().key_id(&self.id).send().await;
        let answer = answer.map_err(|error| SealsError::Key(aws_code(&error).to_owned()))?;
        let key = answer.public_key.ok_or(SealsError::Unreadable("public key"))?;
        Ok(key.into_inner())
    }
}

impl SignSeal for SealKey {
    async fn seal_public_key(&self) -> Result<SealPublicKey, SealsError> {
        let der = self.public_key_der().await?;
        SealPublicKey::from_spki(&der).map_err(|_another_kind| SealsError::Unreadable("public key"))
    }

    /// KMS hashes the text itself, which may have 4,096 bytes (docs.aws.amazon.com, AWS KMS API reference, "Sign"). A
    /// statement has fewer than 1,000.
    async fn sign_seal(&self, text: &str) -> Result<String, SealsError> {
        let call = self.client.sign().key_id(&self.id).message(Blob::new(text.as_bytes()));
        let call = call.message_type(MessageType::Raw);
        let answer = call.signing_algorithm(SigningAlgorithmSpec::EcdsaSha256).send().await;
        let answer = answer.map_err(|error| SealsError::Key(aws_code(&error).to_owned()))?;
        let signature = answer.signature.ok_or(SealsError::Unreadable("signature"))?;
        Ok(STANDARD.encode(signature.into_inner()))
    }
}
