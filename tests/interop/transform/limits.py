"""Checks every template of an expansion against the limits of CloudFormation and IAM (docs.aws.amazon.com: "AWS
CloudFormation quotas", "IAM and AWS STS quotas", "CloudWatch Logs quotas")."""

import json

TEMPLATE_BYTES, DESCRIPTION_BYTES = 1_048_576, 1_024
SECTIONS = {"Resources": 500, "Parameters": 200, "Outputs": 200, "Mappings": 200}
PARAMETER_BYTES, NAME_CHARACTERS = 4_096, 255
INLINE_POLICIES, MANAGED_POLICY, MANAGED_POLICIES_OF_A_ROLE = 10_240, 6_144, 10
ENVIRONMENT_BYTES, DASHBOARD_BYTES, KEY_POLICY_BYTES, BUCKET_POLICY_BYTES = 4_096, 1_048_576, 32_768, 20_480


def compact(value):
    """The size without white space, which IAM does not count."""
    return len(json.dumps(value, separators=(",", ":")))


def measured(expansion):
    """Each measured thing, its size and its limit."""
    for prefix, template in expansion.templates.items():
        body, place = template.body, prefix or "the stack"
        yield f"{place}: bytes", len(json.dumps(body)), TEMPLATE_BYTES
        yield f"{place}: description", len(body.get("Description", "")), DESCRIPTION_BYTES
        for section, most in SECTIONS.items():
            yield f"{place}: {section}", len(body.get(section, {})), most
        for name, value in template.values.items():
            yield f"{place}: the value of {name}", len(value.encode()), PARAMETER_BYTES
        for name in [*body["Resources"], *template.values]:
            yield f"{place}: the name {name}", len(name), NAME_CHARACTERS
    for place, _, body in expansion.resources:
        found = of_resource(body["Type"], body.get("Properties", {}))
        yield from ((f"{place}: {what}", size, most) for what, size, most in found)


def of_resource(kind, properties):
    match kind:
        case "AWS::IAM::Role":
            inline = sum(compact(one["PolicyDocument"]) for one in properties.get("Policies", []))
            yield "inline policies", inline, INLINE_POLICIES
            yield "managed policies", len(properties.get("ManagedPolicyArns", [])), MANAGED_POLICIES_OF_A_ROLE
        case "AWS::IAM::ManagedPolicy":
            yield "policy", compact(properties["PolicyDocument"]), MANAGED_POLICY
        case "AWS::KMS::Key":
            yield "policy", compact(properties["KeyPolicy"]), KEY_POLICY_BYTES
        case "AWS::S3::BucketPolicy":
            yield "policy", compact(properties["PolicyDocument"]), BUCKET_POLICY_BYTES
        case "AWS::Lambda::Function":
            yield "environment", compact(properties["Environment"]["Variables"]), ENVIRONMENT_BYTES
        case "AWS::CloudWatch::Dashboard":
            yield "body", len(properties["DashboardBody"]), DASHBOARD_BYTES


def over_the_limits(expansion):
    return (f"{what}: {size} of at most {most}" for what, size, most in measured(expansion) if size > most)
