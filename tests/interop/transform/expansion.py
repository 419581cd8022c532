"""The stack as CloudFormation gets it: template.yaml after AWS's own transform, and the nested templates, which have no
transform. Conditions and functions are resolved for one set of parameters. References to resources stay visible, as
"${LogicalId}" and "${LogicalId.Attribute}"."""

import copy
import json
import logging
import os
import re

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

REGION, ACCOUNT, STACK = "us-east-1", "123456789012", "ias-check"
# samtranslator warns that its own metrics are not collected.
logging.getLogger("samtranslator.metrics").setLevel(logging.ERROR)
PSEUDO = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::StackName": STACK,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}
ABSENT = object()
NOTICE = {
    "ConsentNoticeVersion": "2026-11",
    "ConsentNoticeSha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "ConsentNoticeUrl": "https://app.example.com/notice",
}
BOUND = "firstName=given_name,lastName=family_name,dob=birthdate"
REQUIRED = {
    "FacilityId": "01989f00-1111-7222-8333-444455556666",
    "DemographicsClaims": BOUND,
    "RecordLinkHosts": "bucket.s3.us-west-1.amazonaws.com",
    "RedirectAllowlist": "https://app.example.com/ias/back",
    "JwtIssuer": "https://issuer.example.com",
    "JwtAudience": "my-app",
    "RequiredAmr": "mfa",
    **NOTICE,
}
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-1111-2222-3333-444444444444"
DOMAIN = {"DomainName": "health.example.com", "CertificateArn": CERTIFICATE}
ORIGINS = ["https://app.example.com", "https://beta.example.com:8443"]
TWO_ORIGINS = {"CorsOrigins": ",".join(ORIGINS)}
USER_POOL = {"CreateUserPool": "true", "JwtIssuer": "", "JwtAudience": "", "RequiredAmr": ""}
SETS = {
    "bare": {},
    "domain": DOMAIN,
    "two-origins": TWO_ORIGINS,
    "user-pool": USER_POOL,
    "x86_64": {"Architecture": "x86_64"},
    "unbound": {"DemographicsClaims": "", "AcceptUnboundDemographics": "true"},
    "any-s3-bucket": {"RecordLinkHosts": "any-s3-bucket"},
    "everything": DOMAIN | TWO_ORIGINS | USER_POOL | {
        "HostedZoneId": "Z0123456789ABCDEFGHIJ", "AlarmEmail": "oncall@example.com",
        "WebhookReservedConcurrency": "50", "Stage": "prod", "WebhookSegment": "8f14e45fceea167a5a36dedd4bea2543",
    },
}


def sources(root):
    """The templates before the transform, by path."""
    paths = ["template.yaml", *(f"infra/{name}.yaml" for name in ("domain", "user-pool", "alarms", "dashboard"))]
    return {path: yaml_parse((root / path).read_text()) for path in paths}


class Template:
    """One template with the values of its parameters."""

    def __init__(self, body, given, stack=STACK):
        self.body = body
        declared = body.get("Parameters", {})
        if unknown := set(given) - set(declared):
            raise ValueError(f"parameters that are not declared: {sorted(unknown)}")
        self.values = {name: str(given.get(name, one.get("Default", ""))) for name, one in declared.items()}
        self.pseudo = PSEUDO | {"AWS::StackName": stack}

    @property
    def resources(self):
        """The resources that exist with these parameters, resolved."""
        kept = {
            name: body for name, body in self.body["Resources"].items()
            if "Condition" not in body or self.holds({"Condition": body["Condition"]})
        }
        return {name: self.resolved(body) for name, body in kept.items()}

    def of(self, kind):
        return {name: body for name, body in self.resources.items() if body["Type"] == kind}

    def holds(self, condition):
        [(function, argument)] = condition.items()
        if function == "Condition":
            return self.holds(self.body["Conditions"][argument])
        if function == "Fn::Equals":
            left, right = (str(self.resolved(side)) for side in argument)
            return left == right
        inner = [self.holds(one) for one in argument]
        return {"Fn::Not": not inner[0], "Fn::And": all(inner), "Fn::Or": any(inner)}[function]

    @property
    def refusals(self):
        """The reasons for which CloudFormation's rules refuse these parameters, before it creates a resource."""
        for rule in self.body.get("Rules", {}).values():
            if "RuleCondition" not in rule or self.holds(rule["RuleCondition"]):
                broken = (one for one in rule["Assertions"] if not self.holds(one["Assert"]))
                yield from (one["AssertDescription"] for one in broken)

    def resolved(self, value):
        if isinstance(value, list):
            return [one for one in map(self.resolved, value) if one is not ABSENT]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, argument)] = value.items()
            if function == "Ref" or function.startswith("Fn::"):
                return self.called(function, argument)
        pairs = ((key, self.resolved(one)) for key, one in value.items())
        return {key: one for key, one in pairs if one is not ABSENT}

    def called(self, function, argument):
        match function:
            case "Ref":
                return self.reference(argument)
            case "Fn::GetAtt":
                return "${" + (argument if isinstance(argument, str) else ".".join(argument)) + "}"
            case "Fn::If":
                return self.resolved(argument[1 if self.holds({"Condition": argument[0]}) else 2])
            case "Fn::Sub":
                return self.substituted(argument)
            case "Fn::Split":
                return self.resolved(argument[1]).split(argument[0])
            case "Fn::Join":
                return argument[0].join(map(str, self.resolved(argument[1])))
        raise ValueError(f"{function} is not resolved here")

    def reference(self, name):
        if name == "AWS::NoValue":
            return ABSENT
        if name in self.pseudo:
            return self.pseudo[name]
        if name not in self.values:
            return "${" + name + "}"
        is_list = self.body["Parameters"][name]["Type"] == "CommaDelimitedList"
        return self.values[name].split(",") if is_list else self.values[name]

    def substituted(self, argument):
        text, own = argument if isinstance(argument, list) else (argument, {})
        known = {key: self.resolved(one) for key, one in own.items()}

        def placed(found):
            name = found.group(1)
            return str(known[name]) if name in known else self.reference(name)

        return re.sub(r"\$\{([^!}]+)\}", placed, text)


class Expansion:
    """Root and nested templates with one set of parameters."""

    def __init__(self, name, written, given):
        self.name = name
        self.given = REQUIRED | given
        self.written = written
        self.root = Template(transformed(written["template.yaml"], self.given), self.given)
        self.nested = {}
        for logical_id, stack in self.root.of("AWS::CloudFormation::Stack").items():
            body = written[stack["Properties"]["TemplateURL"]]
            handed = stack["Properties"]["Parameters"]
            self.nested[logical_id] = Template(body, handed, f"{STACK}-{logical_id}-1A2B3C4D5E6F")

    @property
    def templates(self):
        return {"": self.root, **self.nested}

    @property
    def resources(self):
        """Every resource of every template: a place, its template, its body."""
        for prefix, template in self.templates.items():
            for name, body in template.resources.items():
                yield f"{prefix}/{name}".lstrip("/"), template, body


def transformed(written, given):
    """The transformed template, after `sam package` has replaced the folder of the code by an address."""
    written = copy.deepcopy(written)
    written["Globals"]["Function"]["CodeUri"] = "s3://bucket/package.zip"
    values = {name: one.get("Default") for name, one in written["Parameters"].items()} | given
    return Translator({}, Parser()).translate(written, values, get_managed_policy_map=dict)


def effective_policies(template):
    """By function: the statements of its role and of the stack's managed policies, and the ARNs of AWS's policies."""
    policies = {}
    for name, function in template.of("AWS::Lambda::Function").items():
        role = template.resources[function["Properties"]["Role"].split(".")[0].strip("${}")]["Properties"]
        effective = [one for inline in role.get("Policies", []) for one in inline["PolicyDocument"]["Statement"]]
        for arn in role["ManagedPolicyArns"]:
            own = template.resources.get(arn.strip("${}"))
            effective += own["Properties"]["PolicyDocument"]["Statement"] if own else [arn]
        policies[name] = effective
    return policies


def printed(value):
    return json.dumps(value, indent=2) + "\n"
