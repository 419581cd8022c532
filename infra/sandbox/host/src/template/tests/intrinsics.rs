//! Parameters, intrinsic functions and conditions.

use serde_json::{Value, json};

use super::bindings;
use crate::template::{Bindings, Stack, TemplateError};

const PARAMETERS: &str = "
Parameters:
  Stage: { Type: String, Default: dev, AllowedValues: [dev, prod] }
  Origins: { Type: CommaDelimitedList, Default: 'https://a.example, https://b.example' }
  Count: { Type: Number, Default: 2 }
  Key: { Type: String, NoEcho: true, Default: hidden }
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsDev: { Fn::Not: [{ Condition: IsProd }] }
  Both: !And [!Condition IsProd, !Condition IsDev]
  Either: !Or [!Condition IsProd, !Condition IsDev]
  Circle: !Not [!Condition Circle]
Resources:
  Jobs: { Type: AWS::SQS::Queue }
";

/// Evaluates one YAML value inside the template above.
fn evaluated_with(value: &str, bindings: &Bindings) -> Result<Option<Value>, TemplateError> {
    let text = format!("{PARAMETERS}  Probe:\n    Type: Test::Probe\n    Properties:\n      Value: {value}\n");
    let stack = Stack::read(&text, bindings)?;
    let probe = stack
        .resource("Probe")
        .and_then(|probe| probe.pointer("/Properties/Value"))
        .unwrap()
        .clone();
    stack.evaluate(&probe, bindings)
}

fn evaluated(value: &str) -> Value {
    evaluated_with(value, &bindings()).unwrap().unwrap()
}

fn problem(value: &str) -> String {
    evaluated_with(value, &bindings()).unwrap_err().to_string()
}

#[test]
fn references_resolve_in_both_forms() {
    assert_eq!(evaluated("!Ref Stage"), "dev");
    assert_eq!(evaluated("{ Ref: Stage }"), "dev");
    assert_eq!(evaluated("!Ref AWS::Region"), "us-east-1");
    assert_eq!(evaluated("!Ref Jobs"), "http://sqs/000000000000/app-Jobs");
    assert_eq!(
        evaluated("!GetAtt Jobs.Arn"),
        "arn:aws:sqs:us-east-1:000000000000:app-Jobs"
    );
    assert_eq!(
        evaluated("{ Fn::GetAtt: [Jobs, Arn] }"),
        "arn:aws:sqs:us-east-1:000000000000:app-Jobs"
    );
    assert_eq!(
        evaluated("{ Fn::GetAtt: Jobs.Arn }"),
        "arn:aws:sqs:us-east-1:000000000000:app-Jobs"
    );
    assert_eq!(
        evaluated("!Ref Origins"),
        json!(["https://a.example", "https://b.example"])
    );
}

#[test]
fn text_functions_substitute_join_split_and_select() {
    assert_eq!(
        evaluated("!Sub '${AWS::StackName}-${Stage}-${Count}-${!Kept}'"),
        "app-dev-2-${Kept}"
    );
    assert_eq!(
        evaluated("!Sub '${Jobs.Arn}/*'"),
        "arn:aws:sqs:us-east-1:000000000000:app-Jobs/*"
    );
    assert_eq!(evaluated("!Sub ['${A}/${Stage}', { A: !Ref Count }]"), "2/dev");
    assert_eq!(evaluated("{ Fn::Sub: ['${A}', { A: x }] }"), "x");
    assert_eq!(evaluated("!Join ['+', [a, !Ref Stage, 3]]"), "a+dev+3");
    assert_eq!(
        evaluated("!Join [',', !Ref Origins]"),
        "https://a.example,https://b.example"
    );
    assert_eq!(evaluated("!Split [':', 'a:b:']"), json!(["a", "b", ""]));
    assert_eq!(evaluated("!Select [1, !Split [':', !GetAtt Jobs.Arn]]"), "aws");
    assert_eq!(evaluated("!Select ['0', !Ref Origins]"), "https://a.example");
}

#[test]
fn conditions_choose_the_branch() {
    assert_eq!(evaluated("!If [IsProd, 1, 2]"), 2);
    assert_eq!(
        evaluated("{ Fn::If: [IsDev, { a: !Ref Stage }, b] }"),
        json!({ "a": "dev" })
    );
    assert_eq!(evaluated("!If [Both, 1, 2]"), 2);
    assert_eq!(evaluated("!If [Either, 1, 2]"), 1);
    let prod = bindings().with_parameter("Stage", "prod");
    assert_eq!(evaluated_with("!If [IsProd, 1, 2]", &prod).unwrap(), Some(json!(1)));
    assert_eq!(
        evaluated("{ kept: 1, gone: !If [IsProd, 1, !Ref AWS::NoValue], list: [!Ref AWS::NoValue, 2] }"),
        json!({ "kept": 1, "list": [2] })
    );
    assert_eq!(evaluated_with("!Ref AWS::NoValue", &bindings()).unwrap(), None);
}

#[test]
fn unknown_reference_is_refused_with_its_place() {
    assert_eq!(problem("!Ref Nothing"), "value.Ref: `Ref` of `Nothing` is unknown");
    assert_eq!(
        problem("{ a: [!GetAtt Jobs.Color] }"),
        "value.a[0].Fn::GetAtt: `Color` of `Jobs` is unknown"
    );
    assert_eq!(
        problem("!Sub '${Nothing}'"),
        "value.Fn::Sub.Ref: `Ref` of `Nothing` is unknown"
    );
    assert_eq!(
        problem("!Base64 x"),
        "value.Fn::Base64: is an intrinsic function this reader does not know"
    );
    assert_eq!(problem("!If [Missing, 1, 2]"), "value.Fn::If: no condition `Missing`");
    assert_eq!(
        problem("!If [Circle, 1, 2]"),
        "Conditions.Circle: condition `Circle` depends on itself"
    );
    assert_eq!(
        problem("!Select [9, !Ref Origins]"),
        "value.Fn::Select: index 9 is outside the list"
    );
    assert_eq!(
        problem("!Sub '${open'"),
        "value.Fn::Sub: has a `${` that is never closed"
    );
}

#[test]
fn invalid_parameter_values_are_refused() {
    let read = |bindings: &Bindings| {
        Stack::read(PARAMETERS, bindings)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert_eq!(read(&bindings()), Ok(()));
    let unknown = read(&bindings().with_parameter("Stege", "dev")).unwrap_err();
    assert_eq!(
        unknown,
        "Parameters: a value was bound to `Stege`, which is not declared"
    );
    let outside = read(&bindings().with_parameter("Stage", "moon")).unwrap_err();
    assert_eq!(outside, "Parameters.Stage: the value is not one of AllowedValues");
    let required = "Parameters: { A: { Type: String } }\nResources: {}\n";
    let unbound = Stack::read(required, &bindings()).unwrap_err().to_string();
    assert_eq!(unbound, "Parameters.A: has no default and no value was bound");
}

#[test]
fn debug_output_omits_parameter_values() {
    let bindings = bindings().with_parameter("Key", "s3cret");
    let stack = Stack::read(PARAMETERS, &bindings).unwrap();
    assert!(!format!("{bindings:?} {stack:?}").contains("s3cret"));
}
