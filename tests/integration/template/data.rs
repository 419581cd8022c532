//! Resources that hold data are private, encrypted, and outlive the stack.

use sandbox_host::template::{SecretSource, Stack};
use serde_json::{Value, json};
use shared::domain::retention::{EndedBy, OBJECTS};

use super::stack;

fn resources<'s>(stack: &'s Stack, kind: &'s str) -> Vec<(&'s str, &'s Value)> {
    let all = stack.resources().filter(move |(_, of_kind, _)| *of_kind == kind);
    all.map(|(id, _, body)| (id, body)).collect()
}

fn only<'s>(stack: &'s Stack, kind: &'s str) -> (&'s str, &'s Value) {
    let all = resources(stack, kind);
    assert_eq!(all.len(), 1, "{kind}");
    all[0]
}

fn named<'s>(stack: &'s Stack, id: &str) -> &'s Value {
    stack.resource(id).unwrap()
}

/// Whether a resource outlives the stack. A resource of a failed creation need not stay, because it was never used
/// (docs.aws.amazon.com, "DeletionPolicy attribute").
fn is_retained(resource: &Value) -> bool {
    let policies = ["Retain", "RetainExceptOnCreate"].map(Value::from);
    policies.contains(&resource["DeletionPolicy"]) && resource["UpdateReplacePolicy"] == "Retain"
}

/// Whether this is the one key for all data.
fn is_data_key(value: &Value) -> bool {
    *value == json!({ "Fn::GetAtt": ["DataKey", "Arn"] })
}

/// Whether a resource policy denies these actions to every principal who does not use TLS.
fn is_tls_only(policy: &Value, actions: &str) -> bool {
    let statements = policy["Properties"]["PolicyDocument"]["Statement"].as_array().unwrap();
    statements.iter().any(|statement| {
        statement["Effect"] == "Deny"
            && statement["Principal"] == "*"
            && statement["Action"] == actions
            && statement["Condition"] == json!({ "Bool": { "aws:SecureTransport": false } })
    })
}

#[test]
fn buckets_are_private_and_encrypted() {
    let stack = stack();
    let buckets = resources(&stack, "AWS::S3::Bucket");
    assert_eq!(buckets.len(), 2);
    for (id, bucket) in buckets {
        let properties = &bucket["Properties"];
        for door in [
            "BlockPublicAcls",
            "BlockPublicPolicy",
            "IgnorePublicAcls",
            "RestrictPublicBuckets",
        ] {
            assert_eq!(properties["PublicAccessBlockConfiguration"][door], true, "{id} {door}");
        }
        let owner = &properties["OwnershipControls"]["Rules"][0]["ObjectOwnership"];
        assert_eq!(*owner, "BucketOwnerEnforced", "{id}");
        let encryption = &properties["BucketEncryption"]["ServerSideEncryptionConfiguration"][0];
        let by_default = &encryption["ServerSideEncryptionByDefault"];
        assert_eq!(by_default["SSEAlgorithm"], "aws:kms", "{id}");
        assert!(is_data_key(&by_default["KMSMasterKeyID"]), "{id}");
        // Without a bucket key, every object costs a call of KMS.
        assert_eq!(encryption["BucketKeyEnabled"], true, "{id}");
        assert!(is_retained(bucket), "{id}");
    }
}

#[test]
fn each_bucket_requires_tls() {
    let stack = stack();
    let policies = resources(&stack, "AWS::S3::BucketPolicy");
    for (id, _) in resources(&stack, "AWS::S3::Bucket") {
        let is_its = |(_, policy): &&(&str, &Value)| policy["Properties"]["Bucket"]["Ref"] == id;
        let (_, policy) = policies.iter().find(is_its).unwrap();
        assert!(is_tls_only(policy, "s3:*"), "{id}");
        assert!(is_retained(policy), "{id} outlives its policy");
        let covered = &policy["Properties"]["PolicyDocument"]["Statement"][0]["Resource"];
        let whole = json!([{ "Fn::GetAtt": [id, "Arn"] }, { "Fn::Sub": format!("${{{id}.Arn}}/*") }]);
        assert_eq!(*covered, whole);
    }
}

fn lifecycle_rules<'s>(stack: &'s Stack, bucket: &str) -> &'s Vec<Value> {
    let rules = &named(stack, bucket)["Properties"]["LifecycleConfiguration"]["Rules"];
    rules.as_array().unwrap()
}

#[test]
fn bucket_keeps_only_current_records() {
    let stack = stack();
    let rules = lifecycle_rules(&stack, "RecordsBucket");
    let enabled = |rule: &&Value| rule["Status"] == "Enabled";
    assert!(
        rules
            .iter()
            .filter(enabled)
            .any(|rule| rule["AbortIncompleteMultipartUpload"].is_object())
    );
    // The bucket has no versioning, because a version would outlive an erasure. A rule deletes versions that a bucket
    // kept earlier.
    assert!(
        named(&stack, "RecordsBucket")["Properties"]
            .get("VersioningConfiguration")
            .is_none()
    );
    let forgets = |rule: &Value| {
        rule["NoncurrentVersionExpiration"]["NoncurrentDays"] == 1 && rule["ExpiredObjectDeleteMarker"] == true
    };
    assert!(
        rules
            .iter()
            .filter(enabled)
            .any(|rule| forgets(rule) && rule.get("Prefix").is_none()),
        "old versions stay"
    );
}

#[test]
fn objects_expire_as_the_table_of_retention_states() {
    let stack = stack();
    let buckets: Vec<_> = resources(&stack, "AWS::S3::Bucket")
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    let mut listed: Vec<_> = OBJECTS.iter().map(|objects| objects.bucket).collect();
    listed.dedup();
    assert_eq!(listed, buckets);
    for bucket in buckets {
        let of_bucket = OBJECTS.iter().filter(|objects| objects.bucket == bucket);
        let expected = of_bucket.filter_map(|objects| {
            let days = match objects.ended_by {
                EndedBy::Parameter(name) => json!({ "Ref": name }),
                // A rule for exports that the job lost.
                EndedBy::Job => json!(2),
                _ => return None,
            };
            Some((objects.prefix, days))
        });
        let rules = lifecycle_rules(&stack, bucket).iter();
        let found = rules.filter_map(|rule| {
            let days = rule.get("ExpirationInDays")?.clone();
            Some((rule["Prefix"].as_str().unwrap_or_default(), days))
        });
        assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{bucket}");
    }
}

#[test]
fn seals_are_locked_as_long_as_entries_stay() {
    let stack = stack();
    let properties = &named(&stack, "SealsBucket")["Properties"];
    assert_eq!(properties["ObjectLockEnabled"], true);
    assert_eq!(properties["VersioningConfiguration"]["Status"], "Enabled");
    let days = json!({ "Ref": "AccessLogRetentionDays" });
    let locked = json!({ "Mode": { "Ref": "SealRetentionMode" }, "Days": days });
    assert_eq!(
        properties["ObjectLockConfiguration"],
        json!({ "ObjectLockEnabled": "Enabled", "Rule": { "DefaultRetention": locked } })
    );
}

#[test]
fn no_put_can_replace_a_seal() {
    let stack = stack();
    let policy = &named(&stack, "SealsBucketPolicy")["Properties"]["PolicyDocument"];
    let expected = json!({
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": { "Fn::Sub": "${SealsBucket.Arn}/*" },
        "Condition": { "Null": { "s3:if-none-match": "true" } },
    });
    assert!(policy["Statement"].as_array().unwrap().contains(&expected));
}

#[test]
fn only_the_role_of_log_seal_can_put_a_seal() {
    let stack = stack();
    let policy = &named(&stack, "SealsBucketPolicy")["Properties"]["PolicyDocument"];
    let role = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${AWS::StackName}-LogSealFunctionRole-*";
    let expected = json!({
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": { "Fn::Sub": "${SealsBucket.Arn}/*" },
        "Condition": { "ArnNotLike": { "aws:PrincipalArn": { "Fn::Sub": role } } },
    });
    assert!(policy["Statement"].as_array().unwrap().contains(&expected));
    // 64 characters, less two hyphens and the 13 random characters.
    let longest = "AccountWorkFunctionRole".len();
    assert_eq!(
        64 - 2 - 13 - longest,
        26,
        "docs/deploy.md states the limit of the stack's name"
    );
    // The pattern names the role that SAM makes for this function.
    assert_eq!(stack.function("log-seal").unwrap().logical_id, "LogSealFunction");
}

#[test]
fn table_is_on_demand_and_can_be_restored() {
    let stack = stack();
    assert_eq!(stack.tables.len(), 1);
    assert!(stack.tables[0].on_demand);
    assert_eq!(stack.tables[0].ttl_attribute.as_deref(), Some("ttl"));
    let (_, table) = only(&stack, "AWS::DynamoDB::Table");
    let properties = &table["Properties"];
    assert_eq!(
        properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"],
        true
    );
    assert_eq!(properties["SSESpecification"]["SSEEnabled"], true);
    assert!(is_data_key(&properties["SSESpecification"]["KMSMasterKeyId"]));
    assert_eq!(properties["DeletionProtectionEnabled"], true);
    assert!(is_retained(table));
    // A failed first deployment cannot delete the table, so the table's key must stay too.
    let key = named(&stack, "DataKey");
    assert_eq!(table["DeletionPolicy"], key["DeletionPolicy"]);
}

#[test]
fn every_queue_is_encrypted_and_requires_tls() {
    let stack = stack();
    let (_, policy) = only(&stack, "AWS::SQS::QueuePolicy");
    assert!(is_tls_only(policy, "sqs:*"));
    let covered = policy["Properties"]["Queues"].as_array().unwrap();
    for (id, queue) in resources(&stack, "AWS::SQS::Queue") {
        assert!(is_data_key(&queue["Properties"]["KmsMasterKeyId"]), "{id}");
        assert!(covered.contains(&json!({ "Ref": id })), "{id} takes plain HTTP");
    }
}

#[test]
fn owner_key_is_random_and_outlives_the_stack() {
    let stack = stack();
    let secret = stack
        .secrets
        .iter()
        .find(|secret| secret.logical_id == "OwnerKeySecret")
        .unwrap();
    let SecretSource::Generated {
        length, template: None, ..
    } = secret.source
    else {
        panic!("the owner key is not generated");
    };
    assert!(length >= 32);
    assert!(is_retained(stack.resource("OwnerKeySecret").unwrap()));
}

#[test]
fn template_does_not_contain_a_secret() {
    let stack = stack();
    assert!(
        stack
            .secrets
            .iter()
            .all(|secret| !matches!(secret.source, SecretSource::Text(_)))
    );
    // Each secret is empty or random at first. Calls and webhooks fail until the operator stores Metriport's keys.
    assert_eq!(stack.secrets.len(), 3);
}

#[test]
fn secrets_and_logs_are_encrypted_with_the_data_key() {
    let stack = stack();
    for kind in ["AWS::SecretsManager::Secret", "AWS::Logs::LogGroup"] {
        let all = resources(&stack, kind);
        assert!(all.len() >= 3, "{kind}");
        for (id, resource) in all {
            assert!(is_data_key(&resource["Properties"]["KmsKeyId"]), "{id}");
        }
    }
}

#[test]
fn data_key_rotates_and_outlives_the_stack() {
    let stack = stack();
    let key = named(&stack, "DataKey");
    assert!(is_retained(key));
    assert_eq!(key["Properties"]["EnableKeyRotation"], true);
    // The deletion of the key can be cancelled for as long as AWS allows.
    assert_eq!(key["Properties"]["PendingWindowInDays"], 30);
    // Besides the account itself, the key policy names only AWS services, and only for this account.
    let statements = key["Properties"]["KeyPolicy"]["Statement"].as_array().unwrap();
    let services = statements
        .iter()
        .filter(|statement| statement["Principal"].get("Service").is_some());
    let services: Vec<_> = services.collect();
    assert_eq!((statements.len(), services.len()), (3, 2));
    assert!(services.iter().all(|statement| statement["Condition"].is_object()));
}

#[test]
fn seal_key_outlives_the_stack_and_signs_for_two_roles() {
    let stack = stack();
    let key = named(&stack, "SealKey");
    assert!(is_retained(key));
    assert_eq!(key["Properties"]["KeySpec"], "ECC_NIST_P256");
    assert_eq!(key["Properties"]["KeyUsage"], "SIGN_VERIFY");
    let statements = key["Properties"]["KeyPolicy"]["Statement"].as_array().unwrap();
    let denied: Vec<_> = statements.iter().filter(|one| one["Effect"] == "Deny").collect();
    let [denied] = denied[..] else { panic!("{denied:?}") };
    assert_eq!(
        (&denied["Principal"], &denied["Action"]),
        (&json!("*"), &json!("kms:Sign"))
    );
    let stack_role = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${AWS::StackName}";
    let roles = ["LogSealFunction", "AccountWorkFunction"];
    let roles = roles.map(|function| json!({ "Fn::Sub": format!("{stack_role}-{function}Role-*") }));
    assert_eq!(
        denied["Condition"],
        json!({ "ArnNotLike": { "aws:PrincipalArn": roles } })
    );
    // The pattern names the role that SAM makes for this function.
    assert_eq!(
        stack.function("account-work").unwrap().logical_id,
        "AccountWorkFunction"
    );
}
