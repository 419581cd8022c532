#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use serde_json::json;

const TABLE: &str = "arn:aws:dynamodb:r:0:table/t";

fn policy(statement: &Value) -> Result<Policy, PolicyError> {
    let mut policy = Policy::default();
    policy.add(&json!({ "Version": VERSION, "Statement": [statement] }))?;
    Ok(policy)
}

fn need(action: &str, resource: &str, leading_keys: &[&str]) -> Need {
    Need {
        action: action.to_owned(),
        resource: resource.to_owned(),
        leading_keys: leading_keys.iter().map(|key| (*key).to_owned()).collect(),
    }
}

fn statement(action: &Value, resource: &Value, keys: &[&str]) -> Value {
    json!({
        "Effect": "Allow", "Action": action, "Resource": resource,
        "Condition": { "ForAllValues:StringLike": { "dynamodb:LeadingKeys": keys } },
    })
}

#[test]
fn policy_grants_only_allowed_actions_and_resources() {
    assert!(!Policy::default().grants(&need("sqs:SendMessage", "arn:q", &[])));
    let allows = json!({ "Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": ["arn:q", "arn:r"] });
    let policy = policy(&allows).unwrap();
    assert!(policy.grants(&need("sqs:SendMessage", "arn:q", &[])));
    assert!(policy.grants(&need("sqs:sendmessage", "arn:r", &[])));
    for (action, resource) in [
        ("sqs:DeleteMessage", "arn:q"),
        ("sqs:SendMessage", "arn:qq"),
        ("sqs:SendMessage", "ARN:q"),
    ] {
        assert!(!policy.grants(&need(action, resource, &[])), "{action} {resource}");
    }
}

#[test]
fn wildcards_match_any_text_or_one_letter() {
    let policy = policy(&json!({ "Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:b/?/*" })).unwrap();
    assert!(policy.grants(&need("s3:GetObject", "arn:b/a/b/c", &[])));
    assert!(policy.grants(&need("s3:Get", "arn:b/a/", &[])));
    assert!(!policy.grants(&need("s3:PutObject", "arn:b/a/b", &[])));
    assert!(!policy.grants(&need("s3:GetObject", "arn:b/aa/b", &[])));
}

#[test]
fn every_leading_key_must_match_a_listed_pattern() {
    let listed = statement(&json!("dynamodb:PutItem"), &json!(TABLE), &["OWNER#*", "REPLAYS"]);
    let policy = policy(&listed).unwrap();
    for keys in [&["OWNER#1"][..], &["REPLAYS"], &["OWNER#1", "REPLAYS", "OWNER#"]] {
        assert!(policy.grants(&need("dynamodb:PutItem", TABLE, keys)), "{keys:?}");
    }
    for keys in [
        &["PATIENT#1"][..],
        &["OWNER#1", "PATIENT#1"],
        &["REPLAYS2"],
        &["owner#1"],
    ] {
        assert!(!policy.grants(&need("dynamodb:PutItem", TABLE, keys)), "{keys:?}");
    }
}

/// Two statements that each allow some of the keys do not add up.
#[test]
fn one_statement_must_allow_all_keys_of_a_need() {
    let mut policy = Policy::default();
    let apart = ["OWNER#*", "PATIENT#*"].map(|key| statement(&json!("dynamodb:PutItem"), &json!(TABLE), &[key]));
    policy.add(&json!({ "Version": VERSION, "Statement": apart })).unwrap();
    assert!(policy.grants(&need("dynamodb:PutItem", TABLE, &["PATIENT#1"])));
    assert!(!policy.grants(&need("dynamodb:PutItem", TABLE, &["OWNER#1", "PATIENT#1"])));
}

/// AWS evaluates the condition in the same way, so no statement of the template may allow a scan.
#[test]
fn request_without_leading_keys_meets_conditions_on_them() {
    let policy = policy(&statement(&json!("dynamodb:*"), &json!(TABLE), &["OWNER#*"])).unwrap();
    assert!(policy.grants(&need("dynamodb:Scan", TABLE, &[])));
}

#[test]
fn via_service_condition_never_holds() {
    let through = json!({
        "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:k",
        "Condition": { "StringEquals": { "kms:ViaService": "sqs.r.amazonaws.com" } },
    });
    assert!(!policy(&through).unwrap().grants(&need("kms:Decrypt", "arn:k", &[])));
}

#[test]
fn granted_lists_every_privilege() {
    let mut policy = Policy::default();
    let items = statement(
        &json!(["dynamodb:GetItem", "dynamodb:PutItem"]),
        &json!(TABLE),
        &["OWNER#*", "AAL2#*"],
    );
    let queue =
        json!({ "Sid": "Send", "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": ["arn:q", "arn:r"] });
    policy
        .add(&json!({ "Version": VERSION, "Statement": [items, queue] }))
        .unwrap();
    let listed: Vec<String> = policy.granted("f").iter().map(Privilege::to_string).collect();
    let expected = [
        format!("f dynamodb:GetItem {TABLE} OWNER#*"),
        format!("f dynamodb:GetItem {TABLE} AAL2#*"),
        format!("f dynamodb:PutItem {TABLE} OWNER#*"),
        format!("f dynamodb:PutItem {TABLE} AAL2#*"),
        "f sqs:SendMessage arn:q".to_owned(),
        "f sqs:SendMessage arn:r".to_owned(),
    ];
    assert_eq!(listed, expected);
}

/// SAM's managed policy for a queue source, together with denials.
fn receiving(denials: &[Value]) -> Policy {
    let mut policy = policy(&json!({ "Effect": "Allow", "Action": ["q:Receive", "q:Log"], "Resource": "*" })).unwrap();
    let denials = json!({ "Version": VERSION, "Statement": denials });
    policy.add(&denials).unwrap();
    policy
}

fn denial(action: &str, spared: &Value) -> Value {
    json!({ "Effect": "Deny", "Action": [action], "NotResource": spared })
}

#[test]
fn denial_overrides_an_allow_statement() {
    let open = receiving(&[]);
    assert!(open.grants(&need("q:Receive", "arn:other", &[])));
    let policy = receiving(&[denial("q:receive", &json!("arn:own"))]);
    assert!(policy.grants(&need("q:Receive", "arn:own", &[])));
    assert!(policy.grants(&need("q:Log", "arn:other", &[])), "not denied");
    assert!(!policy.grants(&need("q:Receive", "arn:other", &[])));
    assert!(
        !policy.grants(&need("q:Delete", "arn:own", &[])),
        "what is spared is not allowed by that"
    );
}

#[test]
fn granted_lists_only_privileges_left_by_denials() {
    let listed = |denials: &[Value]| -> Vec<String> {
        let granted = receiving(denials).granted("f");
        granted.iter().map(Privilege::to_string).collect()
    };
    assert_eq!(listed(&[]), ["f q:Receive *", "f q:Log *"]);
    let own = denial("q:*", &json!("arn:own"));
    assert_eq!(
        listed(std::slice::from_ref(&own)),
        ["f q:Receive arn:own", "f q:Log arn:own"]
    );
    let second = denial("q:Receive", &json!(["arn:o*", "arn:else"]));
    assert_eq!(listed(&[own, second]), ["f q:Receive arn:own", "f q:Log arn:own"]);
    assert!(listed(&[denial("q:*", &json!([]))]).is_empty());
}

/// Without the denial, a request without leading keys meets every `ForAllValues` condition.
#[test]
fn keyless_denial_spares_requests_with_leading_keys() {
    let mut policy = policy(&statement(&json!("dynamodb:*"), &json!("*"), &["OWNER#*"])).unwrap();
    let keyless = json!({
        "Effect": "Deny", "Action": ["dynamodb:Query"], "Resource": [TABLE],
        "Condition": { "Null": { "dynamodb:LeadingKeys": "true" } },
    });
    let before = policy.granted("f");
    policy
        .add(&json!({ "Version": VERSION, "Statement": [keyless] }))
        .unwrap();
    assert!(policy.grants(&need("dynamodb:Query", TABLE, &["OWNER#1"])));
    assert!(!policy.grants(&need("dynamodb:Query", TABLE, &[])));
    assert!(policy.grants(&need("dynamodb:Query", "arn:other", &[])), "not denied");
    assert_eq!(policy.granted("f"), before, "what is granted has keys");
}

#[test]
fn unsupported_statements_are_errors() {
    let plain = json!({ "Effect": "Allow", "Action": "a:B", "Resource": "arn:r" });
    assert!(policy(&plain).is_ok());
    let with = |field: &str, value: Value| {
        let mut changed = plain.clone();
        changed[field] = value;
        policy(&changed).err()
    };
    let condition = |operator: &str, key: &str, value: &str| json!({ operator: { key: [value] } });
    for (field, value) in [
        ("Effect", json!("Deny")),
        ("Effect", json!("Permit")),
        ("NotResource", json!("arn:r")),
        ("NotAction", json!("a:B")),
        ("Principal", json!("*")),
        ("Resource", json!({ "Ref": "Table" })),
        ("Resource", json!("arn:${aws:username}")),
        ("Condition", condition("StringLike", LEADING_KEYS, "OWNER#*")),
        (
            "Condition",
            condition("ForAnyValue:StringLike", LEADING_KEYS, "OWNER#*"),
        ),
        (
            "Condition",
            condition("ForAllValues:StringLike", "dynamodb:Attributes", "pk"),
        ),
        (
            "Condition",
            condition("ForAllValues:StringLike", LEADING_KEYS, "${aws:userid}"),
        ),
        ("Condition", condition("Bool", "aws:SecureTransport", "true")),
        ("Condition", condition("Null", LEADING_KEYS, "false")),
    ] {
        assert!(with(field, value.clone()).is_some(), "{field}: {value}");
    }
    let older = json!({ "Version": "2008-10-17", "Statement": [plain] });
    assert!(Policy::default().add(&older).is_err());
    assert!(Policy::default().add(&json!("AmazonDynamoDBFullAccess")).is_err());
}
