//! `ias account seal-key`: the public key of the seals, as a file that `ias verify-log` reads.

use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use shared::domain::log::SealPublicKey;

use super::Operator;
use crate::harness::TestApp;

const SEAL_KEY: [&str; 2] = ["account", "seal-key"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn public_key_is_printed_or_written_with_its_hash() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let operator = Operator::of(&app);
    let printed = operator
        .types(&SEAL_KEY)
        .await
        .well(&["-----BEGIN PUBLIC KEY-----", "SHA-256 "]);
    let der = SubjectPublicKeyInfoDer::from_pem_slice(printed.as_bytes()).expect("a key in PEM");
    let key = SealPublicKey::from_spki(&der).expect("a key on P-256");
    assert!(
        printed.ends_with(&format!("SHA-256 {}\n", key.fingerprint())),
        "{printed}"
    );

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key.pem");
    let out = [&SEAL_KEY[..], &["--out", path.to_str().expect("UTF-8")]].concat();
    let written = operator.types(&out).await.well(&["SHA-256 "]);
    assert_eq!(written, format!("SHA-256 {}\n", key.fingerprint()));
    let pem = std::fs::read_to_string(&path).expect("a file");
    assert!(printed.starts_with(&pem), "{pem}");
    // An existing key is not replaced: it may be the one that verifies older seals.
    operator.types(&out).await.badly(&["key.pem: "]);
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), pem);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_of_another_stack_is_not_found() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let operator = Operator::of(&app);
    let other = [&SEAL_KEY[..], &["--stack", "other"]].concat();
    operator
        .types(&other)
        .await
        .badly(&["reading the public key: ", "NotFoundException"]);
    app.stop().await;
}
