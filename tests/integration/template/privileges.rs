//! The privileges of a function: named actions, on named resources, and only on resources that its variables name.

use std::collections::BTreeSet;

use sandbox_host::template::{Function, Stack};
use serde_json::{Value, json};

use super::stack;

/// A value or the items of a list.
fn items(value: &Value) -> Vec<&Value> {
    value
        .as_array()
        .map_or_else(|| vec![value], |items| items.iter().collect())
}

/// The function's own policies. The shared policy for the data key is left out, because it has an effect only together
/// with them.
fn policies(function: &Function) -> Vec<&Value> {
    let key = json!({ "Ref": "UseDataKey" });
    let (shared, own): (Vec<_>, Vec<_>) = function.policies.iter().partition(|policy| **policy == key);
    assert_eq!(shared.len(), 1, "{} cannot use the key of the data", function.binary);
    own
}

fn of_effect<'f>(function: &'f Function, effect: &str) -> Vec<&'f Value> {
    let policies = policies(function).into_iter();
    let statements = policies.flat_map(|policy| items(&policy["Statement"]));
    statements.filter(|statement| statement["Effect"] == effect).collect()
}

/// The statements that allow actions.
fn statements(function: &Function) -> Vec<&Value> {
    of_effect(function, "Allow")
}

/// The resources to which a value refers by `Ref`, `GetAtt` or `Sub`.
fn referred(stack: &Stack, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            let name = fields
                .get("Ref")
                .or_else(|| fields.get("Fn::GetAtt")?.get(0))
                .and_then(Value::as_str);
            let template = fields.get("Fn::Sub").and_then(Value::as_str).unwrap_or_default();
            let named = template
                .split("${")
                .skip(1)
                .filter_map(|rest| rest.split(['.', '}']).next());
            found.extend(
                named
                    .chain(name)
                    .filter(|name| stack.resource(name).is_some())
                    .map(str::to_owned),
            );
            fields.values().for_each(|value| referred(stack, value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| referred(stack, value, found)),
        _ => {}
    }
}

#[test]
fn policies_contain_their_own_statements() {
    for function in stack().functions {
        // A name would be a managed policy or a SAM policy template, whose actions others decide.
        assert!(
            policies(&function).iter().all(|policy| policy["Statement"].is_array()),
            "{}",
            function.binary
        );
        let statements = statements(&function);
        assert!(!statements.is_empty(), "{}", function.binary);
        for statement in statements {
            assert!(statement.get("NotAction").is_none() && statement.get("NotResource").is_none());
        }
    }
}

#[test]
fn policies_never_contain_a_wildcard() {
    for function in stack().functions {
        for statement in statements(&function) {
            for action in items(&statement["Action"]) {
                let action = action.as_str().unwrap();
                assert!(
                    action.contains(':') && !action.contains('*'),
                    "{}: {action}",
                    function.binary
                );
            }
            for resource in items(&statement["Resource"]) {
                // A policy cannot name an object before it exists, so these prefixes are as narrow as possible.
                let folders = ["/records/*", "/exports/*", "/seals/*", "/shards/*"].iter();
                let text = folders.fold(resource.to_string(), |text, folder| text.replace(folder, "/"));
                assert!(
                    resource.is_object() && !text.contains('*'),
                    "{}: {resource}",
                    function.binary
                );
            }
        }
    }
}

#[test]
fn policy_grants_only_resources_in_the_variables() {
    let stack = stack();
    for function in &stack.functions {
        let (mut named, mut granted) = (BTreeSet::new(), BTreeSet::new());
        function
            .environment
            .values()
            .for_each(|value| referred(&stack, value, &mut named));
        statements(function)
            .iter()
            .for_each(|statement| referred(&stack, statement, &mut granted));
        assert_eq!(granted, named, "{}", function.binary);
    }
}

/// SAM attaches `AWSLambdaSQSQueueExecutionRole` to each consumer, which allows every queue of the account.
#[test]
fn consumer_is_denied_every_queue_except_its_own() {
    for function in &stack().functions {
        let own = function.queue_sources.iter().map(|source| {
            json!({
                "Effect": "Deny",
                "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                "NotResource": { "Fn::GetAtt": [source.queue, "Arn"] },
            })
        });
        let denials: Vec<Value> = of_effect(function, "Deny").into_iter().cloned().collect();
        assert_eq!(denials, own.collect::<Vec<_>>(), "{}", function.binary);
    }
}

/// Lambda stops a function after about sixteen rounds in one chain of messages. Only functions that can loop must be
/// exempt.
#[test]
fn only_looping_functions_are_allowed_to_loop() {
    let stack = stack();
    let reaches = |from: &Function| -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let sends = |statement: &&Value| items(&statement["Action"]).contains(&&json!("sqs:SendMessage"));
        let sending = statements(from).into_iter().filter(sends);
        sending.for_each(|statement| referred(&stack, &statement["Resource"], &mut found));
        let fed = |to: &&Function| to.queue_sources.iter().any(|source| found.contains(&source.queue));
        stack.functions.iter().filter(fed).map(|to| to.binary.clone()).collect()
    };
    for function in &stack.functions {
        let mut reached = reaches(function);
        for _ in &stack.functions {
            let further = reached
                .iter()
                .filter_map(|binary| stack.function(binary))
                .flat_map(reaches);
            let further: Vec<String> = further.collect();
            reached.extend(further);
        }
        assert_eq!(
            reached.contains(&function.binary),
            function.loop_allowed,
            "{}",
            function.binary
        );
    }
}

/// Each consumer may send dead letters to the queue to which SQS moves them, and may do nothing else with that queue.
#[test]
fn consumer_sends_only_to_its_own_dead_letter_queue() {
    let stack = stack();
    let mut consumers = 0;
    for function in &stack.functions {
        let own = function.queue_sources.iter().map(|source| {
            let queue = stack.queue(&source.queue).unwrap();
            queue.redrive.as_ref().unwrap().dead_letter_queue.clone()
        });
        let own: BTreeSet<String> = own.collect();
        let mut reached = BTreeSet::new();
        for statement in statements(function) {
            let mut resources = BTreeSet::new();
            referred(&stack, &statement["Resource"], &mut resources);
            resources.retain(|resource| resource.ends_with("DeadLetters"));
            if !resources.is_empty() {
                assert_eq!(
                    items(&statement["Action"]),
                    ["sqs:SendMessage"].map(Value::from).iter().collect::<Vec<_>>()
                );
            }
            reached.extend(resources);
        }
        assert_eq!(reached, own, "{}", function.binary);
        consumers += usize::from(!own.is_empty());
    }
    assert_eq!(consumers, 4);
}

#[test]
fn each_secret_is_readable_only_by_its_functions() {
    let stack = stack();
    let readers = |secret: &str| -> BTreeSet<String> {
        let functions = stack.functions.iter().filter(|function| {
            let mut granted = BTreeSet::new();
            policies(function)
                .iter()
                .for_each(|policy| referred(&stack, policy, &mut granted));
            granted.contains(secret)
        });
        functions.map(|function| function.binary.clone()).collect()
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(
        readers("MetriportApiKeySecret"),
        names(&[
            "aal2-challenge",
            "account-work",
            "identity-session",
            "query-dispatch",
            "reconcile"
        ])
    );
    assert_eq!(readers("WebhookKeysSecret"), names(&["webhook-intake"]));
    assert_eq!(
        readers("OwnerKeySecret"),
        names(&[
            "aal2-challenge",
            "account",
            "identity-session",
            "network-query",
            "record-read"
        ])
    );
}

/// All keys for an action must be in one statement of a function, because one transaction can name all of them. An
/// index is a resource of its own, because a transaction cannot name it. A statement without keys would cover every
/// person's items.
#[test]
fn each_table_action_is_in_one_statement_with_its_keys() {
    let stack = stack();
    let mut actions = 0;
    for function in &stack.functions {
        let mut distinct = BTreeSet::new();
        for statement in statements(function) {
            let mut resources = BTreeSet::new();
            referred(&stack, &statement["Resource"], &mut resources);
            if !resources.contains("Table") {
                continue;
            }
            let place = format!("{}: {}", function.binary, statement["Action"]);
            let keys = &statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
            assert!(
                !items(keys).is_empty() && items(keys).iter().all(|key| key.is_string()),
                "{place}"
            );
            for action in items(&statement["Action"]) {
                // By AWS's definition, a request without keys meets any condition on keys.
                assert!(action != "dynamodb:Scan", "{place}");
                let on = statement["Resource"].to_string();
                assert!(distinct.insert((action.to_string(), on)), "{place}");
            }
        }
        actions += distinct.len();
    }
    assert!(actions > 20, "{actions}");
}

/// The functions that an action on seals is granted to.
fn granted_on_seals(action: &str) -> BTreeSet<String> {
    let stack = stack();
    let grants = |function: &&Function| {
        statements(function).iter().any(|statement| {
            let mut resources = BTreeSet::new();
            referred(&stack, &statement["Resource"], &mut resources);
            let is_seals = ["SealsBucket", "SealKey"]
                .iter()
                .any(|seals| resources.contains(*seals));
            is_seals && items(&statement["Action"]).contains(&&json!(action))
        })
    };
    let functions = stack.functions.iter().filter(grants);
    functions.map(|function| function.binary.clone()).collect()
}

#[test]
fn only_log_seal_puts_seals_and_account_work_also_signs() {
    assert_eq!(
        granted_on_seals("s3:PutObject"),
        BTreeSet::from(["log-seal".to_owned()])
    );
    let signers = BTreeSet::from(["account-work", "log-seal"].map(str::to_owned));
    for action in ["kms:Sign", "kms:GetPublicKey"] {
        assert_eq!(granted_on_seals(action), signers, "{action}");
    }
    let readers = BTreeSet::from(["account", "account-work", "log-seal"].map(str::to_owned));
    for action in ["s3:GetObject", "s3:ListBucket"] {
        assert_eq!(granted_on_seals(action), readers, "{action}");
    }
}

#[test]
fn data_key_is_used_only_through_services() {
    let stack = stack();
    let policy = stack.resource("UseDataKey").unwrap();
    let statements = policy["Properties"]["PolicyDocument"]["Statement"].as_array().unwrap();
    // The only other statement denies actions.
    assert_eq!(statements.len(), 2);
    assert_eq!(statements[1]["Fn::If"][1]["Effect"], "Deny");
    let services = statements[0]["Condition"]["StringEquals"]["kms:ViaService"].as_array();
    let services: BTreeSet<_> = services
        .unwrap()
        .iter()
        .map(|service| service["Fn::Sub"].as_str())
        .collect();
    let expected = ["dynamodb", "s3", "secretsmanager", "sqs"];
    let expected = expected.map(|service| format!("{service}.${{AWS::Region}}.amazonaws.com"));
    assert_eq!(
        services,
        expected.iter().map(|service| Some(service.as_str())).collect()
    );
    assert_eq!(statements[0]["Resource"], json!({ "Fn::GetAtt": ["DataKey", "Arn"] }));
}
