//! A client for the Metriport account, and the inputs of the operator's API key and token. These secrets come from a
//! file, standard input or a variable. They are never arguments, which every process on the machine can read.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;
use shared::config::Env;
use shared::metriport::{self, Client, ClientOptions, UpstreamError, UpstreamErrorKind};
use url::Url;

/// Timeout of one call; Metriport's gateway gives up after about 29 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(25);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Variable that may hold the API key.
const API_KEY: &str = "METRIPORT_API_KEY";

/// Variable that may hold the token.
pub(crate) const TOKEN: &str = "TOKEN";

/// Source of Metriport's API key.
#[derive(Debug, Clone, Default, Args)]
pub struct KeyInput {
    /// File with Metriport's API key, or `-` for standard input. Without it, the variable METRIPORT_API_KEY is read.
    #[arg(long, value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
}

impl KeyInput {
    /// The key, if the operator gives one.
    pub(super) fn given(&self) -> Result<Option<SecretString>, String> {
        match &self.api_key_file {
            Some(path) => read_secret_file(path).map(Some),
            None => Ok(Env::of_process().optional(API_KEY).map(|key| key.trim().into())),
        }
    }

    pub(super) fn required(&self) -> Result<SecretString, String> {
        let missing = || format!("there is no API key: give --api-key-file FILE (`-` is standard input) or {API_KEY}");
        self.given()?.ok_or_else(missing)
    }
}

/// Source of the token of a user of the app.
#[derive(Debug, Clone, Default, Args)]
pub struct TokenInput {
    /// File with a token of the app's issuer, or `-` for standard input. Without it, the variable TOKEN is read.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

impl TokenInput {
    pub(crate) fn required(&self) -> Result<SecretString, String> {
        let missing = || format!("there is no token: give --token-file FILE (`-` is standard input) or {TOKEN}");
        match &self.token_file {
            Some(path) => read_secret_file(path),
            None => Env::of_process()
                .optional(TOKEN)
                .map(|token| token.trim().into())
                .ok_or_else(missing),
        }
    }
}

/// Reads a secret from a file, or from standard input for `-`, and trims it. An error never contains the secret.
pub(crate) fn read_secret_file(path: &Path) -> Result<SecretString, String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| format!("{}: {error}", path.display()))?;
    match text.trim() {
        "" => Err(format!("{}: the file is empty", path.display())),
        secret => Ok(secret.into()),
    }
}

/// Creates a client for the account.
///
/// # Errors
/// Fails if the URL is neither https nor http on this machine, or if the key cannot be a header value.
pub fn client(base_url: &Url, api_key: SecretString) -> Result<Client, String> {
    let http = metriport::http_client(CONNECT_TIMEOUT, CALL_TIMEOUT).map_err(|error| error.to_string())?;
    let options = ClientOptions {
        base_url: base_url.clone(),
        api_key,
        http,
        request_timeout: CALL_TIMEOUT,
        user_agent: format!("individual-access/{} (ias)", env!("CARGO_PKG_VERSION")),
    };
    Client::new(options).map_err(|error| error.to_string())
}

/// Describes a failed call, with a hint at the likely cause.
pub(super) fn render_error(error: &UpstreamError) -> String {
    match error.kind() {
        UpstreamErrorKind::Auth => {
            format!("{error}: Metriport does not accept this API key (is it a key for METRIPORT_BASE_URL?)")
        }
        UpstreamErrorKind::Connect => format!("{error}: no connection (is METRIPORT_BASE_URL right?)"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn secret_file_is_trimmed_and_must_not_be_empty() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), " c2VjcmV0\n").unwrap();
        let read = read_secret_file(file.path()).unwrap();
        assert_eq!(read.expose_secret(), "c2VjcmV0");
        std::fs::write(file.path(), "\n").unwrap();
        assert!(read_secret_file(file.path()).unwrap_err().contains("is empty"));
        assert!(read_secret_file(Path::new("no/such/file")).is_err());
    }
}
