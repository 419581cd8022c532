//! The repository's own template, as the sandbox reads it.

use std::path::Path;

use sandbox_host::template::{Bindings, Stack};

fn bindings() -> Bindings {
    let bindings = Bindings::new("us-east-1", "000000000000", "ias");
    let bound = [
        ("FacilityId", "facility"),
        ("JwtIssuer", "https://issuer.example"),
        ("JwtAudience", "app"),
        ("RedirectAllowlist", "https://app.example/back"),
        ("RecordLinkHosts", "bucket.s3.us-west-1.amazonaws.com"),
    ];
    let bindings = bound
        .into_iter()
        .fold(bindings, |bindings, (name, value)| bindings.with_parameter(name, value));
    bindings.with_resolver(|id, attribute| Some(format!("{id}/{attribute}")))
}

fn stack() -> Stack {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../template.yaml");
    Stack::read(&std::fs::read_to_string(root).unwrap(), &bindings()).unwrap()
}

#[test]
fn every_function_has_an_environment_and_a_trigger() {
    let stack = stack();
    assert!(stack.functions.len() >= 9);
    for function in &stack.functions {
        let environment = stack.environment(function, &bindings()).unwrap();
        assert_eq!(environment["STAGE"], "dev", "{}", function.binary);
        let triggers = function.routes.len() + function.queue_sources.len() + function.schedules.len();
        assert!(triggers > 0, "{}", function.binary);
    }
}

#[test]
fn webhook_and_receipt_are_the_only_routes_without_an_authorizer() {
    let stack = stack();
    let routes = stack.functions.iter().flat_map(|function| &function.routes);
    let open: Vec<_> = routes
        .filter(|route| route.authorizer.is_none())
        .map(|route| route.path.as_str())
        .collect();
    assert_eq!(open, ["/v1/erasures/{receipt}", "/v1/webhooks/metriport"]);
}

#[test]
fn every_polled_queue_has_a_dead_letter_queue() {
    let stack = stack();
    let sources: Vec<_> = stack
        .functions
        .iter()
        .flat_map(|function| &function.queue_sources)
        .collect();
    assert!(!sources.is_empty());
    for source in sources {
        let queue = stack.queue(&source.queue).unwrap();
        let redrive = queue.redrive.as_ref().unwrap();
        assert!(
            stack.queue(&redrive.dead_letter_queue).is_some(),
            "{}",
            queue.logical_id
        );
    }
}

#[test]
fn cors_is_off_without_origins() {
    assert_eq!(stack().api.unwrap().cors, None);
    let origins = "https://app.example,https://beta.example:8443";
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../template.yaml");
    let text = std::fs::read_to_string(root).unwrap();
    let open = Stack::read(&text, &bindings().with_parameter("CorsOrigins", origins)).unwrap();
    let cors = open.api.unwrap().cors.unwrap();
    assert_eq!(cors.allow_origins.join(","), origins);
    assert_eq!(cors.allow_methods, ["GET", "POST", "PUT", "DELETE"]);
    assert!(cors.expose_headers.contains(&"apigw-requestid".to_owned()));
}

#[test]
fn every_policy_evaluates() {
    let stack = stack();
    for function in &stack.functions {
        for policy in &function.policies {
            assert!(
                stack.evaluate(policy, &bindings()).unwrap().is_some(),
                "{}",
                function.binary
            );
        }
    }
}
