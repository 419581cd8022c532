//! The operations of KMS, from JSON to JSON (docs.aws.amazon.com, AWS KMS API reference).

use super::refusal::Refusal;
use super::store::{Store, arn};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SecureRandom;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest message, in bytes.
const MESSAGE_BYTES_MAX: usize = 4096;
/// The only signing algorithm of a key with `KEY_SPEC`.
const ALGORITHM: &str = "ECDSA_SHA_256";
const KEY_SPEC: &str = "ECC_NIST_P256";
/// The signing algorithms of KMS.
const ALGORITHMS: [&str; 13] = [
    "RSASSA_PSS_SHA_256",
    "RSASSA_PSS_SHA_384",
    "RSASSA_PSS_SHA_512",
    "RSASSA_PKCS1_V1_5_SHA_256",
    "RSASSA_PKCS1_V1_5_SHA_384",
    "RSASSA_PKCS1_V1_5_SHA_512",
    ALGORITHM,
    "ECDSA_SHA_384",
    "ECDSA_SHA_512",
    "SM2DSA",
    "ML_DSA_SHAKE_256",
    "ED25519_SHA_512",
    "ED25519_PH_SHA_512",
];

pub(super) struct Context<'a> {
    pub(super) store: &'a Store,
    pub(super) region: &'a str,
    pub(super) random: &'a dyn SecureRandom,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SignInput {
    key_id: String,
    /// Base64.
    message: String,
    #[serde(default = "raw")]
    message_type: String,
    signing_algorithm: String,
}

fn raw() -> String {
    "RAW".to_owned()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SignOutput {
    key_id: String,
    signature: String,
    signing_algorithm: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PublicKeyInput {
    key_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PublicKeyOutput {
    key_id: String,
    public_key: String,
    customer_master_key_spec: &'static str,
    key_spec: &'static str,
    key_usage: &'static str,
    signing_algorithms: [&'static str; 1],
}

pub(super) fn run(context: &Context<'_>, operation: &str, body: &[u8]) -> Result<Value, Refusal> {
    match operation {
        "Sign" => answer(sign(context, &parse(body)?)?),
        "GetPublicKey" => answer(public_key(context, &parse(body)?)?),
        other => Err(Refusal::NotEmbedded(format!("the operation {other}"))),
    }
}

fn sign(context: &Context<'_>, input: &SignInput) -> Result<SignOutput, Refusal> {
    let message = STANDARD
        .decode(&input.message)
        .map_err(|_not_base64| Refusal::Serialization)?;
    check(input, &message)?;
    let (id, key) = context.store.find(&input.key_id, context.region)?;
    if input.signing_algorithm != ALGORITHM {
        return Err(Refusal::InvalidKeyUsage(input.signing_algorithm.clone()));
    }
    Ok(SignOutput {
        key_id: arn(id, context.region),
        signature: STANDARD.encode(key.sign(&message, context.random)?),
        signing_algorithm: ALGORITHM,
    })
}

/// The checks that KMS makes before it looks for the key.
fn check(input: &SignInput, message: &[u8]) -> Result<(), Refusal> {
    if !ALGORITHMS.contains(&input.signing_algorithm.as_str()) {
        return Err(invalid("signingAlgorithm", "satisfy enum value set"));
    }
    if message.is_empty() {
        return Err(invalid("message", "have length greater than or equal to 1"));
    }
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(invalid("message", "have length less than or equal to 4096"));
    }
    match input.message_type.as_str() {
        "RAW" => Ok(()),
        "DIGEST" | "EXTERNAL_MU" => Err(Refusal::NotEmbedded(format!(
            "messages of the type {}",
            input.message_type
        ))),
        _ => Err(invalid("messageType", "satisfy enum value set")),
    }
}

/// AWS's wording, without the value, because the value may be a message.
fn invalid(parameter: &str, constraint: &str) -> Refusal {
    Refusal::Validation(format!(
        "1 validation error detected: Value at '{parameter}' failed to satisfy constraint: Member must {constraint}"
    ))
}

fn public_key(context: &Context<'_>, input: &PublicKeyInput) -> Result<PublicKeyOutput, Refusal> {
    let (id, key) = context.store.find(&input.key_id, context.region)?;
    Ok(PublicKeyOutput {
        key_id: arn(id, context.region),
        public_key: STANDARD.encode(key.public_key(context.random)?),
        customer_master_key_spec: KEY_SPEC,
        key_spec: KEY_SPEC,
        key_usage: "SIGN_VERIFY",
        signing_algorithms: [ALGORITHM],
    })
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            Refusal::Validation("A parameter is missing or has another type.".to_owned())
        }
        _ => Refusal::Serialization,
    })
}

fn answer(output: impl Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(output).map_err(|_unserializable| Refusal::Internal)
}
