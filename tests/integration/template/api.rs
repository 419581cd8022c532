//! The API: its throttles, and the fields of its access log.

use sandbox_host::template::{Bindings, Stack};
use serde_json::{Value, json};

use super::{ROOT, stack};

const WEBHOOK: &str = "POST /v1/webhooks/metriport";
const RECEIPT: &str = "GET /v1/erasures/{receipt}";

fn api() -> Value {
    stack().resource("Api").unwrap()["Properties"].clone()
}

/// Requests of persons must never cause a webhook to be throttled, because Metriport sends it only once. Callers
/// without a token can at most use up the low throttle of receipts.
#[test]
fn webhook_route_has_the_highest_throttle() {
    let api = api();
    let routes = api["RouteSettings"].as_object().unwrap();
    assert_eq!(routes.keys().collect::<Vec<_>>(), [RECEIPT, WEBHOOK]);
    for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
        let settings = [&routes[RECEIPT], &api["DefaultRouteSettings"], &routes[WEBHOOK]];
        let limits = settings.map(|settings| settings[limit].as_u64().unwrap());
        assert!(
            limits.is_sorted_by(|lower, higher| lower < higher),
            "{limit}: {limits:?}"
        );
    }
    // The sandbox's gateway applies these limits.
    let read = stack().api.unwrap();
    let rate = |settings: &Value| settings["ThrottlingRateLimit"].as_u64();
    assert_eq!(
        read.default_throttle.map(|one| one.rate_per_sec),
        rate(&api["DefaultRouteSettings"])
    );
    let stack = stack();
    for (name, settings) in routes {
        assert_eq!(read.throttles.get(name).map(|one| one.rate_per_sec), rate(settings));
        // The settings name an existing route.
        let mut all = stack.functions.iter().flat_map(|function| &function.routes);
        assert!(all.any(|route| format!("{} {}", route.method, route.path) == *name));
    }
}

/// Access logs must not contain paths, queries or addresses. Paths have ids, queries can have an AAL2 session, and an
/// address can identify a person.
#[test]
fn access_logs_contain_routes_but_not_persons() {
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

/// infra/domain.yaml, with the name of each parameter as its value.
fn domain() -> Stack {
    let text = std::fs::read_to_string(format!("{ROOT}/infra/domain.yaml")).unwrap();
    let parameters = [
        "DomainName",
        "CertificateArn",
        "HostedZoneId",
        "WebhookSegment",
        "ApiId",
        "ApiStage",
    ];
    let bindings = Bindings::new("us-east-1", "000000000000", "ias");
    let bind = |bindings: Bindings, name: &&str| bindings.with_parameter(*name, *name);
    Stack::read(&text, &parameters.iter().fold(bindings, bind)).unwrap()
}

/// The closing mapping must lead to an API without routes. API Gateway removes a mapping's key before it looks for a
/// route. So our API would find the webhook's route in a path that begins with the key twice.
#[test]
fn secret_segment_closes_the_open_webhook_route() {
    let domain = domain();
    let properties = |id: &str| {
        let resource = domain.resource(id).unwrap();
        assert_eq!(resource["Condition"], "HidesWebhook", "{id}");
        resource["Properties"].clone()
    };
    let (secret, closing) = (properties("SecretMapping"), properties("ClosingMapping"));
    assert_eq!(secret["ApiMappingKey"], json!({ "Ref": "WebhookSegment" }));
    assert_eq!(secret["ApiId"], json!({ "Ref": "ApiId" }));
    assert_eq!(closing["ApiId"], json!({ "Ref": "ClosedApi" }));
    assert_eq!(closing["Stage"], json!({ "Ref": "ClosedStage" }));
    assert_eq!(properties("ClosedStage")["ApiId"], json!({ "Ref": "ClosedApi" }));
    let closed = properties("ClosedApi");
    assert!(
        ["Body", "BodyS3Location", "Target"]
            .iter()
            .all(|routes| closed.get(routes).is_none())
    );
    assert_eq!(closed["DisableExecuteApiEndpoint"], true);
    assert!(
        domain
            .resources()
            .all(|(_, kind, _)| kind != "AWS::ApiGatewayV2::Route")
    );
    let prefix = format!("/{}", closing["ApiMappingKey"].as_str().unwrap());
    let stack = stack();
    let routes = stack.functions.iter().flat_map(|function| &function.routes);
    let hidden: Vec<_> = routes.filter(|route| route.path.starts_with(&prefix)).collect();
    assert_eq!(hidden.len(), 1, "{hidden:?}");
    assert!(hidden[0].authorizer.is_none());
}

#[test]
fn domain_disables_the_default_endpoint() {
    assert_eq!(api()["DisableExecuteApiEndpoint"]["Fn::If"][0], "HasDomain");
    assert_eq!(api()["DisableExecuteApiEndpoint"]["Fn::If"][1], true);
}
