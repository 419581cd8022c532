//! The typed resources.

use std::time::Duration;

use serde_json::json;

use super::bindings;
use crate::template::*;

const STACK: &str = "
Globals:
  Function:
    Timeout: 10
    Environment: { Variables: { STAGE: dev, SHARED: globals } }
Conditions:
  Never: !Equals [a, b]
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Person
        Authorizers: { Person: { JwtConfiguration: { issuer: https://issuer.example, audience: [app] } } }
      CorsConfiguration: { AllowOrigins: ['https://app.example'], AllowMethods: [GET], MaxAge: 60 }
  ReadThingsFunction:
    Type: AWS::Serverless::Function
    Properties:
      MemorySize: 256
      Environment: { Variables: { SHARED: own, QUEUE: !Ref Jobs, GONE: !If [Never, x, !Ref AWS::NoValue] } }
      Policies: { Statement: [{ Effect: Allow, Resource: !GetAtt Jobs.Arn }] }
      Events:
        Read: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: get, Path: '/things/{id}' } }
        Hook:
          Type: HttpApi
          Properties: { ApiId: !Ref Api, Method: POST, Path: /hook, Auth: { Authorizer: NONE }, TimeoutInMillis: 5000 }
  WorkFunction:
    Type: AWS::Serverless::Function
    Metadata: { BuildMethod: rust-cargolambda, BuildProperties: { Binary: worker } }
    Properties:
      Timeout: 30
      ReservedConcurrentExecutions: 3
      Events:
        Jobs:
          Type: SQS
          Properties:
            Queue: !GetAtt Jobs.Arn
            BatchSize: 5
            MaximumBatchingWindowInSeconds: 1
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: { MaximumConcurrency: 2 }
        Rule: { Type: Schedule, Properties: { Schedule: rate(1 minute) } }
        Clock: { Type: ScheduleV2, Properties: { ScheduleExpression: rate(2 hours), Input: '{}' } }
        Off: { Type: Schedule, Properties: { Schedule: rate(1 minute), Enabled: false } }
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub '${AWS::StackName}-jobs'
      VisibilityTimeout: 180
      DelaySeconds: 1
      MessageRetentionPeriod: 1209600
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 5 }
  Dead: { Type: AWS::SQS::Queue }
  Absent: { Type: AWS::SQS::Queue, Condition: Never }
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: things
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - { AttributeName: pk, AttributeType: S }
        - { AttributeName: at, AttributeType: N }
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      GlobalSecondaryIndexes:
        - IndexName: due
          KeySchema: [{ AttributeName: pk, KeyType: HASH }, { AttributeName: at, KeyType: RANGE }]
          Projection: { ProjectionType: INCLUDE, NonKeyAttributes: [seq] }
      TimeToLiveSpecification: { AttributeName: ttl, Enabled: true }
  Files: { Type: AWS::S3::Bucket }
  Random:
    Type: AWS::SecretsManager::Secret
    Properties: { GenerateSecretString: { PasswordLength: 64, SecretStringTemplate: '{}', GenerateStringKey: k } }
  Fixed:
    Type: AWS::SecretsManager::Secret
    Properties: { Name: fixed, SecretString: s3cret, Tags: [{ Key: region, Value: !Ref AWS::Region }] }
  Unset: { Type: AWS::SecretsManager::Secret }
  Data: { Type: AWS::KMS::Key }
  Signer: { Type: AWS::KMS::Key, Properties: { KeySpec: ECC_NIST_P256 } }
  SignerAlias:
    Type: AWS::KMS::Alias
    Properties: { AliasName: !Sub 'alias/${AWS::StackName}-signer', TargetKeyId: !Ref Signer }
";

fn stack() -> Stack {
    Stack::read(STACK, &bindings()).unwrap()
}

#[test]
fn functions_are_merged_with_the_globals() {
    let stack = stack();
    let reader = stack.function("read-things").unwrap();
    assert_eq!(
        (reader.timeout_secs, reader.memory_mb, reader.reserved_concurrency),
        (10, 256, None)
    );
    let worker = stack.function("worker").unwrap();
    assert_eq!(
        (worker.timeout_secs, worker.memory_mb, worker.reserved_concurrency),
        (30, 128, Some(3))
    );
    let environment = stack.environment(reader, &bindings()).unwrap();
    let expected = [
        ("QUEUE", "http://sqs/000000000000/app-Jobs"),
        ("SHARED", "own"),
        ("STAGE", "dev"),
    ];
    assert_eq!(
        environment,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    );
    assert_eq!(
        reader.policies[0]["Statement"][0]["Resource"],
        json!({ "Fn::GetAtt": ["Jobs", "Arn"] })
    );
    let nothing_made = Bindings::new("us-east-1", "000000000000", "app");
    let error = stack.environment(reader, &nothing_made).unwrap_err().to_string();
    assert_eq!(
        error,
        "ReadThingsFunction.Environment.Variables.QUEUE.Ref: `Ref` of `Jobs` is unknown"
    );
}

#[test]
fn events_become_routes_sources_and_schedules() {
    let stack = stack();
    let routes = &stack.function("read-things").unwrap().routes;
    let route = |event: &str, method: &str, path: &str, authorizer: Option<&str>, timeout_ms| Route {
        event: event.to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        authorizer: authorizer.map(str::to_owned),
        timeout_ms,
    };
    let hook = route("Hook", "POST", "/hook", None, 5_000);
    assert_eq!(
        *routes,
        [hook, route("Read", "GET", "/things/{id}", Some("Person"), 30_000)]
    );
    let worker = stack.function("worker").unwrap();
    let source = QueueSource {
        event: "Jobs".to_owned(),
        queue: "Jobs".to_owned(),
        batch_size: 5,
        batching_window_secs: 1,
        reports_batch_item_failures: true,
        concurrency_max: Some(2),
    };
    assert_eq!(worker.queue_sources, [source]);
    let schedule = |event: &str, secs, kind, input: Option<&str>| Schedule {
        event: event.to_owned(),
        every: Duration::from_secs(secs),
        kind,
        input: input.map(str::to_owned),
    };
    let clock = schedule("Clock", 7_200, ScheduleKind::Scheduler, Some("{}"));
    assert_eq!(
        worker.schedules,
        [clock, schedule("Rule", 60, ScheduleKind::Rule, None)]
    );
}

#[test]
fn queues_are_read_with_their_redrive_and_defaults() {
    let jobs = Queue {
        logical_id: "Jobs".to_owned(),
        name: "app-jobs".to_owned(),
        visibility_timeout_secs: 180,
        delay_secs: 1,
        retention_secs: 1_209_600,
        redrive: Some(Redrive {
            dead_letter_queue: "Dead".to_owned(),
            receive_count_max: 5,
        }),
    };
    let dead = Queue {
        logical_id: "Dead".to_owned(),
        name: "app-Dead".to_owned(),
        visibility_timeout_secs: 30,
        delay_secs: 0,
        retention_secs: 345_600,
        redrive: None,
    };
    assert_eq!(stack().queues, [dead, jobs]);
}

#[test]
fn tables_are_read_with_their_keys_and_indexes() {
    let stack = stack();
    let key = |name: &str, role, attribute_type: &str| KeyAttribute {
        name: name.to_owned(),
        role,
        attribute_type: attribute_type.to_owned(),
    };
    let table = &stack.tables[0];
    assert_eq!(
        (table.name.as_str(), table.on_demand, table.ttl_attribute.as_deref()),
        ("things", true, Some("ttl"))
    );
    assert_eq!(table.key, [key("pk", KeyRole::Hash, "S")]);
    assert_eq!(
        table.indexes[0].key,
        [key("pk", KeyRole::Hash, "S"), key("at", KeyRole::Range, "N")]
    );
    assert_eq!(table.indexes[0].projection, Projection::Include(vec!["seq".to_owned()]));
}

#[test]
fn keys_are_read_with_their_spec_and_alias() {
    let stack = stack();
    let keys = stack
        .keys
        .iter()
        .map(|key| (key.logical_id.as_str(), key.spec.as_str()));
    let expected = [("Data", "SYMMETRIC_DEFAULT"), ("Signer", "ECC_NIST_P256")];
    assert_eq!(keys.collect::<Vec<_>>(), expected);
    let alias = KeyAlias {
        name: "alias/app-signer".to_owned(),
        key: "Signer".to_owned(),
    };
    assert_eq!(stack.key_aliases, [alias]);
}

#[test]
fn buckets_and_secrets_are_read_and_debug_omits_secrets() {
    let stack = stack();
    assert_eq!(stack.buckets[0].name, "app-files");
    let sources: Vec<_> = stack
        .secrets
        .iter()
        .map(|secret| (secret.logical_id.as_str(), &secret.source))
        .collect();
    let random = SecretSource::Generated {
        length: 64,
        exclude_characters: String::new(),
        exclude_punctuation: false,
        template: Some(("{}".to_owned(), "k".to_owned())),
    };
    let fixed = SecretSource::Text("s3cret".to_owned());
    assert_eq!(
        sources,
        [("Fixed", &fixed), ("Random", &random), ("Unset", &SecretSource::Empty)]
    );
    let tags: Vec<_> = stack.secrets.iter().map(|secret| secret.tags.as_slice()).collect();
    assert_eq!(tags, [&[("region".to_owned(), "us-east-1".to_owned())][..], &[], &[]]);
    assert!(!format!("{:?}", stack.secrets).contains("s3cret"));
}

#[test]
fn api_is_read_with_its_authorizer_and_cors() {
    let api = stack().api.unwrap();
    let authorizer = api.authorizer("Person").unwrap();
    assert_eq!(
        (authorizer.issuer.as_str(), authorizer.audiences.as_slice()),
        ("https://issuer.example", &["app".to_owned()][..])
    );
    let cors = api.cors.unwrap();
    assert_eq!(
        (cors.allow_origins, cors.max_age_secs),
        (vec!["https://app.example".to_owned()], Some(60))
    );
}

#[test]
fn cors_as_a_whole_may_be_a_function() {
    let written = "CorsConfiguration: { AllowOrigins: ['https://app.example'], AllowMethods: [GET], MaxAge: 60 }";
    let origins = "!Split [',', 'https://a.example,https://b.example']";
    let (whole, none) = (
        format!("{{ AllowOrigins: {origins}, AllowMethods: [GET] }}"),
        "!Ref AWS::NoValue",
    );
    let read = |never: &str, otherwise: &str| {
        let chosen = format!("CorsConfiguration: !If [Never, {never}, {otherwise}]");
        let stack = Stack::read(&STACK.replacen(written, &chosen, 1), &bindings());
        stack.unwrap().api.unwrap().cors
    };
    assert_eq!(read(&whole, none), None);
    let cors = read(none, &whole).unwrap();
    assert_eq!(cors.allow_origins, ["https://a.example", "https://b.example"]);
    assert_eq!(cors.allow_methods, ["GET"]);
}

#[test]
fn unsupported_settings_are_refused() {
    for (from, to, expected) in [
        (
            "Schedule: rate(1 minute)",
            "Schedule: cron(0 * * * ? *)",
            "is not of the form rate(value unit)",
        ),
        ("rate(2 hours)", "rate(2 weeks)", "unknown unit `week`"),
        ("VisibilityTimeout: 180", "FifoQueue: true", "FIFO"),
        ("STAGE: dev", "AWS_REGION: eu-west-1", "which Lambda reserves"),
        (
            "Authorizer: NONE",
            "Authorizer: Nobody",
            "`Nobody` is not one of the HTTP API's",
        ),
        ("BatchSize: 5", "FilterCriteria: {}", "FilterCriteria"),
        (
            "DefaultAuthorizer: Person",
            "DefaultAuthorizer: Other",
            "`Other` is not among",
        ),
        ("Condition: Never", "Condition: Missing", "no condition `Missing`"),
        (
            "Queue: !GetAtt Jobs.Arn",
            "Queue: arn:aws:sqs:x",
            "must refer to a resource",
        ),
        (
            "Binary: worker",
            "Binary: read-things",
            "second function of the binary `read-things`",
        ),
        ("Type: HttpApi", "Type: Api", "unsupported type `Api`"),
        (
            "AllowOrigins: ['https://app.example']",
            "AllowOrigins: !Split [',', 'https://app.example']",
            "AllowOrigins must not be a function",
        ),
    ] {
        assert!(STACK.contains(from), "{from}");
        let error = Stack::read(&STACK.replacen(from, to, 1), &bindings())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[test]
fn text_that_is_not_a_template_is_refused() {
    for text in [
        "",
        "a: [",
        "- 1",
        "Resources: { A: {} }",
        "Resources: { A: !!binary x }",
    ] {
        assert!(Stack::read(text, &bindings()).is_err(), "{text}");
    }
}
