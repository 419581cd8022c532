//! Reads the issuer of the app's tokens as API Gateway reads it when it creates the routes. API Gateway leaves the
//! routes out if it cannot read the issuer, or if the issuer's document names another issuer.

use std::time::Duration;

use clap::Args;
use serde_json::Value;
use shared::config::is_loopback;
use shared::metriport::http_client;
use url::Url;

use crate::report::say;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Options of `account check-issuer`.
#[derive(Debug, Clone, Args)]
pub struct CheckIssuerArgs {
    /// The issuer, exactly as in the tokens' `iss` claim and in the parameter JwtIssuer.
    #[arg(value_name = "ISSUER")]
    issuer: String,
}

pub(super) async fn check_issuer(args: &CheckIssuerArgs) -> Result<(), String> {
    say(&check(&args.issuer).await?);
    Ok(())
}

/// Reads an issuer's discovery document and keys (OpenID Connect Discovery 1.0, sections 3 and 4). Fails with the
/// reason for which API Gateway would refuse the issuer.
pub(super) async fn check(issuer: &str) -> Result<String, String> {
    let discovery = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let document = read(&discovery).await?;
    let named = document.get("issuer").and_then(Value::as_str).unwrap_or_default();
    if named != issuer {
        return Err(format!(
            "{discovery} names the issuer `{named}`, not `{issuer}`: both must be identical, including a slash at the \
             end. JwtIssuer must be the document's issuer, which is also the tokens' iss claim"
        ));
    }
    let keys = document.get("jwks_uri").and_then(Value::as_str);
    let keys = keys.ok_or_else(|| format!("{discovery} names no jwks_uri"))?;
    let found = read(keys).await?;
    let found = found.get("keys").and_then(Value::as_array);
    let rsa = |key: &&Value| key.get("kty").and_then(Value::as_str) == Some("RSA");
    match found.into_iter().flatten().filter(rsa).count() {
        0 => Err(format!("{keys} has no RSA key, the only kind that API Gateway accepts")),
        count => Ok(format!("{issuer} can be read and its name matches; {count} RSA keys")),
    }
}

/// Reads a JSON document over https, as API Gateway does, or over http from a server on this machine.
async fn read(address: &str) -> Result<Value, String> {
    let url: Url = address.parse().map_err(|error| format!("{address}: {error}"))?;
    if url.scheme() != "https" && !is_loopback(&url) {
        return Err(format!("{address} is not https"));
    }
    let client = http_client(TIMEOUT, TIMEOUT).map_err(|error| error.to_string())?;
    let unreadable = |error: reqwest::Error| format!("{address} cannot be read: {}", error.without_url());
    let answer = client.get(url).send().await.map_err(unreadable)?;
    match answer.status().as_u16() {
        200 => answer
            .json()
            .await
            .map_err(|_not_json| format!("{address} is not JSON")),
        status => Err(format!("{address} answered {status}")),
    }
}
