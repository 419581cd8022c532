//! Compares the routes of a deployed API with those of the template. API Gateway leaves routes out, with only a
//! warning, if it cannot read the issuer.
//!
//! Each route is called without a token, so that the calls have no effect.

use reqwest::Method;
use sandbox_host::template::{Bindings, Route, Stack};
use sandbox_machine::app::{App, reply};
use sandbox_machine::sandbox::WEBHOOK_PATH;
use sandbox_machine::stack::{REGION, TEMPLATE};
use serde_json::json;

use super::segment::Segment;

/// Placeholder for an id in a path.
const NO_ID: &str = "00000000-0000-7000-8000-000000000000";

/// A route's answer to a caller without a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The route asks for a token or a signature.
    Closed,
    /// API Gateway does not have the route.
    Missing,
    /// The route invokes its function although the call has no token.
    Unguarded,
    /// The route answers another status.
    Other(u16),
}

/// Calls every route of the template, and fails unless each exists and refuses the call. `segment` is the text between
/// `base` and the webhook's path. If it is `None`, the webhook's URL is unknown, so its route is skipped. If it is not
/// empty, it is secret, and the webhook's route must not answer on paths without it.
pub(crate) async fn check(base: &str, segment: Option<&Segment>) -> Result<String, String> {
    let app = App::new(base, "").map_err(|error| error.to_string())?;
    let (mut problems, mut count) = (Vec::new(), 0);
    for route in routes()? {
        let path = route.path.replace("{id}", NO_ID).replace("{receipt}", NO_ID);
        let is_webhook = route.path == WEBHOOK_PATH;
        let found = match (is_webhook, segment) {
            (false, _) => call(&app, &route, &path).await?,
            (true, None) => continue,
            (true, Some(segment)) => {
                if segment.is_secret() {
                    problems.extend(find_open_paths(&app, &route, &path).await?);
                }
                call(&app, &route, &segment.before(&path)).await?
            }
        };
        count += 1;
        problems.extend(problem(&route, found));
    }
    match problems.is_empty() {
        true => Ok(format!("all {count} routes exist and refuse calls without a token")),
        false => Err(format!("{}{}", problems.join(", "), way_on(&problems))),
    }
}

/// Calls the webhook's route on the paths that might lead to it without the segment.
async fn find_open_paths(app: &App, route: &Route, path: &str) -> Result<Vec<String>, String> {
    let mut problems = Vec::new();
    for path in paths_without_segment(path) {
        if call(app, route, &path).await? != Found::Missing {
            problems.push(format!("{} {path} is open without its segment", route.method));
        }
    }
    Ok(problems)
}

/// The webhook's own path, and two paths that begin with `v1/webhooks`. This is the key of the API mapping
/// `ClosingMapping` (infra/domain.yaml), which leads calls without the segment to an API without routes. The key
/// matches every path that begins with it, even `/v1/webhooksX`. API Gateway removes the key from the path and then
/// looks for a route.
fn paths_without_segment(path: &str) -> [String; 3] {
    let closing = path.rsplit_once('/').map_or("", |(closing, _)| closing);
    [path.to_owned(), format!("{closing}{path}"), format!("{closing}X{path}")]
}

fn problem(route: &Route, found: Found) -> Option<String> {
    let defect = match found {
        Found::Closed => return None,
        Found::Missing => "is missing".to_owned(),
        Found::Unguarded => "requires no token".to_owned(),
        Found::Other(status) => format!("answered {status}"),
    };
    Some(format!("{} {} {defect}", route.method, route.path))
}

fn way_on(problems: &[String]) -> &'static str {
    match problems.iter().any(|problem| problem.ends_with("is missing")) {
        true => ". API Gateway could not read the issuer: run `ias account check-issuer`, then deploy again",
        false => "",
    }
}

/// The routes of the template that is compiled into this command.
fn routes() -> Result<Vec<Route>, String> {
    let bindings = Bindings::new(REGION, sandbox_aws::ACCOUNT_ID, "ias")
        .with_parameter("FacilityId", "facility")
        .with_parameter("RedirectAllowlist", "https://app.example.test/back")
        .with_parameter("ConsentKeptElsewhere", "true")
        .with_parameter("RecordLinkHosts", "bucket.s3.us-west-1.amazonaws.com");
    let stack = Stack::read(TEMPLATE, &bindings).map_err(|error| format!("the template: {error}"))?;
    Ok(stack
        .functions
        .into_iter()
        .flat_map(|function| function.routes)
        .collect())
}

async fn call(app: &App, route: &Route, path: &str) -> Result<Found, String> {
    let method: Method = route.method.parse().map_err(|_unknown| route.method.clone())?;
    let answer = reply(app.anonymous(method, path)).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let gateway = |message: &str| answer.body == json!({ "message": message });
    Ok(match (answer.status, route.authorizer.is_some()) {
        (404, _) if gateway("Not Found") => Found::Missing,
        (401, true) if gateway("Unauthorized") => Found::Closed,
        (401, false) => Found::Closed,
        // A receipt that does not exist; its id is the credential.
        (404, false) if answer.code() == "not_found" => Found::Closed,
        (status @ (403 | 429 | 500..), _) | (status, false) => Found::Other(status),
        (_, true) => Found::Unguarded,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_without_segment_include_the_closing_mapping() {
        let expected = [
            "/v1/webhooks/metriport",
            "/v1/webhooks/v1/webhooks/metriport",
            "/v1/webhooksX/v1/webhooks/metriport",
        ];
        assert_eq!(paths_without_segment(WEBHOOK_PATH), expected);
    }

    #[test]
    fn webhook_and_receipt_are_the_only_routes_without_an_authorizer() {
        let routes = routes().unwrap();
        assert!(routes.len() > 10, "{}", routes.len());
        let open = routes.iter().filter(|route| route.authorizer.is_none());
        let open: Vec<_> = open.map(|route| route.path.as_str()).collect();
        assert_eq!(open, ["/v1/erasures/{receipt}", WEBHOOK_PATH]);
    }
}
