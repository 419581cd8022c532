//! The account at Metriport, and where its key and tokens come from: a file, standard input, a variable, or the stack's
//! secret. Never an argument, which every process of the machine can read.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;
use shared::config::Env;
use shared::metriport::{self, Client, ClientOptions, UpstreamError, UpstreamErrorKind};
use url::Url;

/// Longest time for one call; Metriport's gateway gives up after about 29 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(25);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The variable that may hold the API key.
const API_KEY: &str = "METRIPORT_API_KEY";

/// The variable that may hold the token.
pub(crate) const TOKEN: &str = "TOKEN";

/// Where Metriport's API key is read from.
#[derive(Debug, Clone, Default, Args)]
pub struct KeyInput {
    /// File that holds Metriport's API key, `-` for standard input; the variable METRIPORT_API_KEY if not given.
    #[arg(long, value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
}

impl KeyInput {
    /// The key, if one is given.
    ///
    /// # Errors
    /// When the file cannot be read or is empty.
    pub(super) fn given(&self) -> Result<Option<SecretString>, String> {
        match &self.api_key_file {
            Some(path) => read_secret_file(path).map(Some),
            None => Ok(Env::of_process().optional(API_KEY).map(|key| key.trim().into())),
        }
    }

    /// The key, which must be given.
    ///
    /// # Errors
    /// When it is not, or cannot be read.
    pub(super) fn required(&self) -> Result<SecretString, String> {
        let missing = || format!("there is no API key: give --api-key-file FILE (`-` is standard input) or {API_KEY}");
        self.given()?.ok_or_else(missing)
    }
}

/// Where the token of a user of the app is read from.
#[derive(Debug, Clone, Default, Args)]
pub struct TokenInput {
    /// File that holds a token of the app's issuer, `-` for standard input; the variable TOKEN if not given.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

impl TokenInput {
    /// The token.
    ///
    /// # Errors
    /// When none is given, or the file cannot be read or is empty.
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

/// Reads a secret from a file, or from standard input; white space around it does not count.
///
/// # Errors
/// When it cannot be read, or nothing is there. Says nothing of what is.
pub(crate) fn read_secret_file(path: &Path) -> Result<SecretString, String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| format!("{}: {error}", path.display()))?;
    match text.trim() {
        "" => Err(format!("{}: there is nothing in it", path.display())),
        secret => Ok(secret.into()),
    }
}

/// A client of the account.
///
/// # Errors
/// When the URL is not https, or http on this machine, or the key cannot be a header.
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

/// What to tell of a call that failed.
pub(super) fn told(error: &UpstreamError) -> String {
    match error.kind() {
        UpstreamErrorKind::Auth => format!("{error}: Metriport does not take this API key (is it of this stage?)"),
        UpstreamErrorKind::Connect => format!("{error}: no connection from here (is METRIPORT_BASE_URL right?)"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn a_key_is_read_from_a_file_without_the_space_around_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), " c2VjcmV0\n").unwrap();
        let read = read_secret_file(file.path()).unwrap();
        assert_eq!(read.expose_secret(), "c2VjcmV0");
        std::fs::write(file.path(), "\n").unwrap();
        assert!(read_secret_file(file.path()).unwrap_err().contains("nothing in it"));
        assert!(read_secret_file(Path::new("no/such/file")).is_err());
    }
}
