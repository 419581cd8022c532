//! The front door: its throttles, and what it writes down about who came.

use sandbox_host::template::{Bindings, Stack};
use serde_json::{Value, json};

use super::{ROOT, stack};

const WEBHOOK: &str = "POST /v1/webhooks/metriport";

fn api() -> Value {
    stack().resource("Api").unwrap()["Properties"].clone()
}

/// What persons use up must never keep a webhook out: Metriport sends it once.
#[test]
fn webhooks_have_a_throttle_of_their_own_above_all_others() {
    let api = api();
    let routes = api["RouteSettings"].as_object().unwrap();
    assert_eq!(routes.keys().collect::<Vec<_>>(), [WEBHOOK]);
    for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
        let (usual, webhooks) = (&api["DefaultRouteSettings"][limit], &routes[WEBHOOK][limit]);
        assert!(webhooks.as_u64().unwrap() > usual.as_u64().unwrap(), "{limit}");
    }
    // The settings name a route that there is.
    let stack = stack();
    let mut all = stack.functions.iter().flat_map(|function| &function.routes);
    assert!(all.any(|route| format!("{} {}", route.method, route.path) == WEBHOOK));
}

/// Paths hold ids, queries may hold an AAL2 session, and an address may tell who somebody is.
#[test]
fn access_logs_name_routes_and_nobody() {
    let format = api()["AccessLogSettings"]["Format"].as_str().unwrap().to_owned();
    let fields: Value = serde_json::from_str(&format).unwrap();
    for (name, value) in fields.as_object().unwrap() {
        let value = value.as_str().unwrap();
        assert!(value.starts_with("$context."), "{name}");
        let allowed = [
            "$context.requestId",
            "$context.routeKey",
            "$context.status",
            "$context.responseLength",
            "$context.responseLatency",
            "$context.integrationStatus",
            "$context.integrationLatency",
            "$context.authorizer.error",
            "$context.error.responseType",
        ];
        assert!(allowed.contains(&value), "{value}");
    }
}

/// Behind the closing mapping the rest of the webhook's path is not a route, and no other route has a path like it.
#[test]
fn a_secret_segment_closes_the_route_that_anybody_can_call() {
    let text = std::fs::read_to_string(format!("{ROOT}/infra/domain.yaml")).unwrap();
    let parameters = [
        "DomainName",
        "CertificateArn",
        "HostedZoneId",
        "WebhookSegment",
        "ApiId",
        "ApiStage",
    ];
    let bindings = parameters
        .iter()
        .fold(Bindings::new("us-east-1", "000000000000", "ias"), |bindings, name| {
            bindings.with_parameter(*name, *name)
        });
    let domain = Stack::read(&text, &bindings).unwrap();
    let mapping = |id: &str| {
        let mapping = domain.resource(id).unwrap();
        assert_eq!(mapping["Condition"], "HidesWebhook");
        mapping["Properties"]["ApiMappingKey"].clone()
    };
    assert_eq!(mapping("SecretMapping"), json!({ "Ref": "WebhookSegment" }));
    let closing = format!("/{}/", mapping("ClosingMapping").as_str().unwrap());
    let stack = stack();
    let routes = stack.functions.iter().flat_map(|function| &function.routes);
    let (closed, open): (Vec<_>, Vec<_>) = routes.partition(|route| route.path.starts_with(&closing));
    assert_eq!(closed.len(), 1, "{closed:?}");
    let left = closed[0].path.strip_prefix(closing.trim_end_matches('/')).unwrap();
    assert!(closed[0].authorizer.is_none() && open.iter().all(|route| route.path != left));
}

#[test]
fn with_a_domain_there_is_no_other_way_in() {
    assert_eq!(api()["DisableExecuteApiEndpoint"]["Fn::If"][0], "HasDomain");
    assert_eq!(api()["DisableExecuteApiEndpoint"]["Fn::If"][1], true);
}
