//! `ias account seal-key` prints the public key that verifies the seals of the access log. An operator who keeps it
//! outside the account notices if seals are later signed by another key.

use std::path::PathBuf;

use clap::Args;
use shared::aws::Aws;
use shared::config::Env;
use shared::domain::log::SealPublicKey;
use shared::seals::SealKey;

use crate::report::{say, say_line};

/// Characters of a line in PEM (RFC 7468, section 2).
const LINE_CHARS: usize = 64;

/// Options of `account seal-key`.
#[derive(Debug, Clone, Args)]
pub struct SealKeyArgs {
    /// Name of the stack.
    #[arg(long, env = "STACK_NAME", default_value = "ias", value_name = "NAME")]
    stack: String,
    /// Id or ARN of the key, if the alias names another key, as after a change.
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// Write the key to this file, which must not exist, instead of printing it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn seal_key(args: &SealKeyArgs) -> Result<(), String> {
    let aws = Aws::read(&Env::of_process()).map_err(|error| error.to_string())?;
    let id = args
        .key
        .clone()
        .unwrap_or_else(|| format!("alias/{}-seals", args.stack));
    let der = SealKey::new(aws.kms(), id).public_key_der().await;
    let der = der.map_err(|error| format!("reading the public key: {error}"))?;
    let key = SealPublicKey::from_spki(&der).map_err(|error| error.to_string())?;
    match &args.out {
        Some(path) => write(path, &pem(&der))?,
        None => say(pem(&der).trim_end()),
    }
    say_line(&format!("SHA-256 {}", key.fingerprint()));
    Ok(())
}

fn write(path: &PathBuf, pem: &str) -> Result<(), String> {
    use std::io::Write as _;
    let file = std::fs::File::create_new(path);
    let written = file.and_then(|mut file| file.write_all(pem.as_bytes()));
    written.map_err(|error| format!("{}: {error}", path.display()))
}

/// The key in PEM.
fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines = text.as_bytes().chunks(LINE_CHARS).map(String::from_utf8_lossy);
    let lines: Vec<_> = lines.collect();
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::SubjectPublicKeyInfoDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn pem_is_read_back() {
        let der = [7; 91];
        let text = pem(&der);
        assert!(text.lines().all(|line| line.len() <= LINE_CHARS));
        assert_eq!(*SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).unwrap(), der);
    }
}
