//! Retries as an app makes them. The app repeats a request that API Gateway throttles. After the pause in
//! `Retry-After`, it also repeats a request that the API refuses as busy.

use std::collections::BTreeMap;
use std::time::Duration;

use sandbox_machine::app::{NoReply, Reply};
use tokio::time::{Instant, sleep};

/// The key under which API Gateway's own 429, which has no code, is counted.
pub(crate) const THROTTLED: &str = "429 of API Gateway";
/// The app's pause if the reply has no `Retry-After`, or if API Gateway throttled the request.
const PAUSE: Duration = Duration::from_millis(250);
/// How long an app retries a request: longer than a call holds its place of the rate budget.
const PATIENCE: Duration = Duration::from_secs(150);

pub(crate) type Refusals = BTreeMap<String, u64>;

/// Repeats a request while API Gateway throttles it.
pub(crate) async fn pass_gateway<R>(ask: impl Fn() -> R) -> Result<Reply, String>
where
    R: Future<Output = Result<Reply, NoReply>>,
{
    ask_again(ask, |reply| is_throttled(reply).then_some(PAUSE)).await
}

/// Repeats a request while it is refused with 429. Fails if the last reply has another status than this one.
pub(crate) async fn expect<R>(status: u16, ask: impl Fn() -> R) -> Result<Reply, String>
where
    R: Future<Output = Result<Reply, NoReply>>,
{
    let is_refused = |reply: &Reply| reply.status == 429 && reply.status != status;
    let pause = |reply: &Reply| is_refused(reply).then(|| retry_after(reply).unwrap_or(PAUSE));
    let reply = ask_again(ask, pause).await?;
    if reply.status == status {
        return Ok(reply);
    }
    let code = refusal(&reply).unwrap_or_default();
    Err(format!("answered {} {code} instead of {status}", reply.status))
}

/// Repeats a request for as long as `pause` returns a pause for its reply, at most for `PATIENCE`.
async fn ask_again<R>(ask: impl Fn() -> R, pause: impl Fn(&Reply) -> Option<Duration>) -> Result<Reply, String>
where
    R: Future<Output = Result<Reply, NoReply>>,
{
    let until = Instant::now() + PATIENCE;
    loop {
        let reply = ask().await.map_err(|error| error.to_string())?;
        match pause(&reply) {
            Some(pause) if Instant::now() < until => sleep(pause).await,
            _ => return Ok(reply),
        }
    }
}

/// Whether API Gateway itself throttled the request.
pub(crate) fn is_throttled(reply: &Reply) -> bool {
    reply.status == 429 && reply.code().is_empty()
}

/// The key under which a refusal is counted; `None` for a reply that is not a refusal.
pub(crate) fn refusal(reply: &Reply) -> Option<String> {
    match (reply.status, reply.code()) {
        (..400, _) => None,
        (429, code) if code.is_empty() => Some(THROTTLED.to_owned()),
        (status, code) if code.is_empty() => Some(format!("{status} without a code")),
        (_, code) => Some(code),
    }
}

/// The wait that a refusal asks for.
pub(crate) fn retry_after(reply: &Reply) -> Option<Duration> {
    let seconds = reply.headers.get("retry-after")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

pub(crate) fn listed(refusals: &Refusals) -> String {
    let counts: Vec<_> = refusals.iter().map(|(code, count)| format!("{count} {code}")).collect();
    match counts.is_empty() {
        true => "none".to_owned(),
        false => counts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue};
    use serde_json::{Value, json};

    use super::*;

    fn reply(status: u16, body: Value) -> Reply {
        let headers = HeaderMap::from_iter([(reqwest::header::RETRY_AFTER, HeaderValue::from_static("7"))]);
        Reply { status, headers, body }
    }

    #[test]
    fn gateway_refusal_is_counted_separately() {
        let gateway = reply(429, json!({ "message": "Too Many Requests" }));
        let ours = reply(429, json!({ "code": "upstream_busy" }));
        assert!(is_throttled(&gateway) && !is_throttled(&ours));
        assert_eq!(refusal(&gateway).as_deref(), Some(THROTTLED));
        assert_eq!(refusal(&ours).as_deref(), Some("upstream_busy"));
        let failed = reply(503, json!({ "message": "Service Unavailable" }));
        assert_eq!(refusal(&failed).as_deref(), Some("503 without a code"));
        assert_eq!(refusal(&reply(202, json!({}))), None);
        assert_eq!(retry_after(&ours), Some(Duration::from_secs(7)));
    }
}
