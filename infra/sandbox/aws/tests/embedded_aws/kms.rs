//! KMS: keys that sign. The judge of a signature is the verifier of `ring`.

use crate::harness;
use aws_sdk_kms::Client;
use aws_sdk_kms::error::SdkError;
use aws_sdk_kms::operation::sign::{SignError, SignOutput};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

const ARN: &str = "arn:aws:kms:eu-central-1:000000000000:key/seal";

async fn sign(client: &Client, key: &str, message: &[u8]) -> Result<SignOutput, SdkError<SignError>> {
    let call = client.sign().key_id(key).message(Blob::new(message));
    let call = call.message_type(MessageType::Raw);
    call.signing_algorithm(SigningAlgorithmSpec::EcdsaSha256).send().await
}

async fn public_key(client: &Client) -> Vec<u8> {
    let read = client.get_public_key().key_id("alias/seals").send().await.unwrap();
    assert_eq!(read.key_id(), Some(ARN));
    assert_eq!(read.key_spec(), Some(&KeySpec::EccNistP256));
    assert_eq!(read.key_usage(), Some(&KeyUsageType::SignVerify));
    assert_eq!(read.signing_algorithms(), [SigningAlgorithmSpec::EcdsaSha256]);
    read.public_key.unwrap().into_inner()
}

/// Whether the signature is that of the message by the key, which is a SubjectPublicKeyInfo.
fn verifies(spki: &[u8], message: &[u8], signature: &SignOutput) -> bool {
    // The point follows 26 bytes, which are equal for all keys on P-256.
    let (_, point) = spki.split_at(26);
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
    key.verify(message, signature.signature().unwrap().as_ref()).is_ok()
}

#[tokio::test]
async fn signature_is_verified_with_the_public_key() {
    let aws = harness::start().await;
    let client = harness::kms(&aws);
    assert_eq!(aws.create_signing_key("seal").unwrap(), ARN);
    aws.put_key_alias("alias/seals", "seal").unwrap();
    let key = public_key(&client).await;
    let longest = vec![7; 4096];
    for name in ["seal", ARN, "alias/seals"] {
        let signed = sign(&client, name, &longest).await.unwrap();
        assert_eq!(signed.key_id(), Some(ARN));
        assert_eq!(signed.signing_algorithm(), Some(&SigningAlgorithmSpec::EcdsaSha256));
        assert!(verifies(&key, &longest, &signed));
        assert!(!verifies(&key, &longest[1..], &signed));
    }
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn wrong_key_message_or_algorithm_is_refused() {
    let aws = harness::start().await;
    let client = harness::kms(&aws);
    aws.create_signing_key("seal").unwrap();
    for (key, message, code) in [
        ("other", &[7; 1][..], "NotFoundException"),
        ("alias/seal", &[7; 1], "NotFoundException"),
        ("seal", &[], "ValidationException"),
        ("seal", &[7; 4097], "ValidationException"),
    ] {
        assert_eq!(harness::code(sign(&client, key, message).await), code, "{key}");
    }
    for (algorithm, code) in [
        (SigningAlgorithmSpec::EcdsaSha384, "InvalidKeyUsageException"),
        (SigningAlgorithmSpec::from("NONE"), "ValidationException"),
    ] {
        let call = client.sign().key_id("seal").message(Blob::new("text"));
        assert_eq!(harness::code(call.signing_algorithm(algorithm).send().await), code);
    }
    let unknown = client.get_public_key().key_id("other").send().await;
    assert_eq!(harness::code(unknown), "NotFoundException");
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn digest_is_not_embedded_and_never_signed_as_raw() {
    let aws = harness::start().await;
    aws.create_signing_key("seal").unwrap();
    let call = harness::kms(&aws).sign().key_id("seal").message(Blob::new([7; 32]));
    let call = call.message_type(MessageType::Digest);
    let refused = call.signing_algorithm(SigningAlgorithmSpec::EcdsaSha256).send().await;
    assert_eq!(harness::code(refused), "NotImplemented");
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn key_survives_a_restart_in_a_private_file() {
    let folder = tempfile::tempdir().unwrap();
    let aws = harness::start_in(folder.path()).await;
    aws.create_signing_key("seal").unwrap();
    aws.put_key_alias("alias/seals", "seal").unwrap();
    let key = public_key(&harness::kms(&aws)).await;
    aws.shutdown().await.unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let file = std::fs::metadata(folder.path().join("kms.json")).unwrap();
        assert_eq!(file.permissions().mode() & 0o077, 0);
    }
    let aws = harness::start_in(folder.path()).await;
    aws.create_signing_key("seal").unwrap();
    assert_eq!(public_key(&harness::kms(&aws)).await, key);
    aws.shutdown().await.unwrap();
}
