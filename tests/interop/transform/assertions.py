"""Assertions on every expansion. Each yields its faults; breaks.py shows that each can fail."""

import json
import pathlib

from expansion import BOUND, NOTICE, ORIGINS, REGION, STACK, Template, effective_policies
from graph import cycle, reached, references
from limits import over_the_limits
import retained

EXPECTED = pathlib.Path(__file__).with_name("policies.json")

# Every name that we choose, and why it does not prevent a second stack: the parts that make it unique, or a reason.
NAMES = {
    ("AWS::ApiGatewayV2::Api", "Name"): [STACK],
    ("AWS::ApiGatewayV2::DomainName", "DomainName"): "the operator's, one for a stack",
    ("AWS::Route53::RecordSet", "Name"): "the operator's, the same",
    ("AWS::ApiGatewayV2::Stage", "StageName"): "within its API",
    ("AWS::Cognito::UserPool", "UserPoolName"): "two pools may have one name",
    ("AWS::Cognito::UserPoolClient", "ClientName"): "within its pool",
    ("AWS::KMS::Alias", "AliasName"): [STACK],
    ("AWS::Logs::LogGroup", "LogGroupName"): [STACK],
    ("AWS::CloudWatch::Dashboard", "DashboardName"): ["{stage}", REGION],
}


def names(expansion):
    """A fixed name prevents a second stack in an account, in a region or anywhere."""
    for place, _, body in expansion.resources:
        kind = body["Type"].split("::")[-1]
        for key, value in body.get("Properties", {}).items():
            is_own = key.endswith("Name") and (kind.endswith(key.removesuffix("Name")) or key == kind)
            if not is_own or key == "PolicyName":
                continue
            reason = NAMES.get((body["Type"], key))
            if reason is None:
                yield f"{place} has the name {value}"
            elif isinstance(reason, list):
                stage = expansion.root.values["Stage"]
                parts = [part.format(stage=stage) for part in reason]
                yield from (f"{place}: {value} lacks {part}" for part in parts if part not in value)


def policies(expansion):
    """Each function has the policies of policies.json, which a person has read. `run --policies` prints a new file."""
    expected, found = json.loads(EXPECTED.read_text()), effective_policies(expansion.root)
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            yield f"the policies of {name} differ from policies.json"


def cors(expansion):
    """The API and the bucket allow the same origins and everything that a page needs; without origins, none."""
    api = expansion.root.resources["Api"]["Properties"]["Body"].get("x-amazon-apigateway-cors")
    bucket = expansion.root.resources["RecordsBucket"]["Properties"].get("CorsConfiguration")
    if "CorsOrigins" not in expansion.given:
        yield from (f"CORS without origins: {one}" for one in (api, bucket) if one is not None)
        return
    if not isinstance(api, dict) or bucket is None:
        yield f"with origins the API has {api}, the bucket {bucket}"
        return
    [rule] = bucket["CorsRules"]
    if (api.get("allowOrigins"), rule["AllowedOrigins"]) != (ORIGINS, ORIGINS):
        yield f"origins are {api} and {rule}"
    if sorted(rule["AllowedMethods"]) != ["GET", "HEAD"]:
        yield f"the bucket allows {rule['AllowedMethods']}"
    paths = expansion.root.resources["Api"]["Properties"]["Body"]["paths"]
    methods = {verb.upper() for path in paths.values() for verb in path}
    if set(api.get("allowMethods", [])) != methods:
        yield f"the API allows {api.get('allowMethods')}"
    if not {"authorization", "content-type", "idempotency-key", "x-aal2-session"} <= set(api.get("allowHeaders", [])):
        yield f"the API takes {api.get('allowHeaders')}"
    if not {"apigw-requestid", "retry-after"} <= set(api.get("exposeHeaders", [])):
        yield f"the API shows {api.get('exposeHeaders')}"


# By type: the types that must exist until a resource of this type is deleted, and so are created before it.
NEEDED = {
    "AWS::ApiGatewayV2::Stage": ["AWS::ApiGatewayV2::Api", "AWS::Logs::LogGroup", "AWS::KMS::Key"],
    "AWS::Lambda::EventSourceMapping": ["AWS::Lambda::Function", "AWS::IAM::Role", "AWS::SQS::Queue"],
    "AWS::Lambda::Function": ["AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::Logs::LogGroup"],
    "AWS::Lambda::Permission": ["AWS::Lambda::Function"],
    "AWS::Scheduler::Schedule": ["AWS::Lambda::Function", "AWS::IAM::Role"],
    "AWS::SQS::Queue": ["AWS::KMS::Key"],
    "AWS::S3::BucketPolicy": ["AWS::S3::Bucket"],
}
NEEDED_BY_NESTED = {
    "Domain": ["AWS::ApiGatewayV2::Stage"],
    "Alarms": ["AWS::ApiGatewayV2::Stage", "AWS::KMS::Key", "AWS::Lambda::Function"],
}


def dependencies(expansion):
    """CloudFormation deletes only by the reverse order of references."""
    root = expansion.root
    for name, body in root.resources.items():
        needed = NEEDED.get(body["Type"], []) + NEEDED_BY_NESTED.get(name, [])
        kinds = {root.body["Resources"][one]["Type"] for one in reached(root.body, name)}
        yield from (f"{name} does not depend on any {kind}" for kind in needed if kind not in kinds)
    for place, template, body in expansion.resources:
        if body["Type"] == "AWS::ApiGatewayV2::ApiMapping":
            stage = referred(expansion, template, body["Properties"]["Stage"])
            if stage.get("Type") != "AWS::ApiGatewayV2::Stage":
                yield f"{place} does not depend on a stage"
            elif stage["Properties"]["ApiId"] != body["Properties"]["ApiId"]:
                yield f"{place} maps one API to the stage of another"


def referred(expansion, template, value):
    """The resource that a resolved reference names: in its own template, or in the root, which passes it on."""
    name = value.removeprefix("${").removesuffix("}")
    return template.resources.get(name) or expansion.root.resources.get(name, {})


def webhook_segment(expansion):
    """With a secret segment, every path that begins with the webhook's own path leads to an API without routes. An API
    with that route would find it in the rest of such a path."""
    if "WebhookSegment" not in expansion.given:
        return
    domain = expansion.nested["Domain"]
    mappings = [one["Properties"] for one in domain.of("AWS::ApiGatewayV2::ApiMapping").values()]
    closing = [one["ApiId"] for one in mappings if one.get("ApiMappingKey") == "v1/webhooks"]
    if len(closing) != 1:
        yield f"{len(closing)} mappings close the webhook's path"
    for api in closing:
        body = domain.resources.get(api.removeprefix("${").removesuffix("}"), {})
        if body.get("Type") != "AWS::ApiGatewayV2::Api" or {"Body", "BodyS3Location", "Target"} & set(body["Properties"]):
            yield f"the closing mapping leads to {api}, which has routes"
        elif body["Properties"].get("DisableExecuteApiEndpoint") is not True:
            yield f"{api} has a second address"
        routes = domain.of("AWS::ApiGatewayV2::Route").items()
        yield from (f"{name} is a route of {api}" for name, one in routes if one["Properties"]["ApiId"] == api)


def cycles(expansion):
    for prefix, template in expansion.templates.items():
        if found := cycle(template.body):
            yield f"{prefix or 'the stack'}: {' -> '.join(found)}"


def sizes(expansion):
    yield from over_the_limits(expansion)


def vended_logs(expansion):
    """The log group of the access log has the prefix that one statement of the account's resource policy covers."""
    groups = expansion.root.of("AWS::Logs::LogGroup")
    for name, stage in expansion.root.of("AWS::ApiGatewayV2::Stage").items():
        group = groups[stage["Properties"]["AccessLogSettings"]["DestinationArn"].strip("${}").split(".")[0]]
        if not group["Properties"].get("LogGroupName", "").startswith("/aws/vendedlogs/"):
            yield f"{name} logs outside /aws/vendedlogs/"


def concurrency(expansion):
    """Every event source has a maximum; together they leave the API three of a new account's ten executions, and one
    while persons are erased."""
    mappings = expansion.root.of("AWS::Lambda::EventSourceMapping")
    scaling = {name: one["Properties"].get("ScalingConfig", {}) for name, one in mappings.items()}
    most = {name: one.get("MaximumConcurrency") for name, one in scaling.items()}
    yield from (f"{name} may take all executions of the account" for name, one in most.items() if one is None)
    maxima = {name: int(one) for name, one in most.items() if one is not None}
    total = sum(maxima.values())
    usual = sum(one for name, one in maxima.items() if not name.startswith("AccountWork"))
    # One more execution is for reconcile.
    if usual + 1 > 10 - 3 or total + 1 > 10 - 1:
        yield f"the sources take {total} of 10 executions by default"


def retention(expansion):
    """Bucket policies and key are retained like buckets and table, and no version of a record outlives an erasure."""
    resources = expansion.root.resources
    policy = {name: body.get("DeletionPolicy", "Delete") for name, body in resources.items()}
    for name, body in expansion.root.of("AWS::S3::BucketPolicy").items():
        bucket = body["Properties"]["Bucket"].strip("${}")
        kept = [(one.get("DeletionPolicy"), one.get("UpdateReplacePolicy")) for one in (body, resources[bucket])]
        if kept[0] != kept[1]:
            yield f"{name} is not retained like {bucket}"
        # Object Lock needs versions. A seal is not a person's record.
        if bucket == "SealsBucket":
            continue
        if "VersioningConfiguration" in resources[bucket]["Properties"]:
            yield f"versions in {bucket} outlive an erasure"
        # A bucket that had versioning before still has old versions, and only this rule removes them.
        rules = resources[bucket]["Properties"]["LifecycleConfiguration"]["Rules"]
        whole = [one for one in rules if is_for_all(one)]
        if not any(one.get("NoncurrentVersionExpiration") == {"NoncurrentDays": 1} for one in whole):
            yield f"{bucket} never deletes its old versions"
        if not any(one.get("ExpiredObjectDeleteMarker") is True for one in whole):
            yield f"{bucket} never removes its deletion markers"
    for name, body in expansion.root.of("AWS::DynamoDB::Table").items():
        if policy[name] != policy["DataKey"]:
            yield f"a failed first deployment retains only one of {name} and its key"


def is_for_all(rule):
    """Whether a lifecycle rule applies to every object of its bucket."""
    return rule["Status"] == "Enabled" and not {"Prefix", "TagFilters", "ObjectSizeGreaterThan"} & set(rule)


def importable(expansion):
    """The resources that outlive a stack refer only to each other, so that the next stack can import them."""
    template = retained.template(expansion.written["template.yaml"])
    known = {"AWS::NoValue", *template["Parameters"], *template["Resources"], *expansion.root.pseudo}
    for name, body in template["Resources"].items():
        yield from (f"{name} refers to {one}, which is not retained" for one in references(body) if one not in known)
    kinds = sorted(body["Type"].split("::")[1] for body in template["Resources"].values())
    if kinds != ["DynamoDB", "KMS", "KMS", "S3", "S3", "SecretsManager"]:
        yield f"the retained types are {kinds}"


def user_pool(expansion):
    """Strangers cannot create users, and users cannot write attributes that DemographicsClaims may trust."""
    for place, _, body in expansion.resources:
        properties = body.get("Properties", {})
        if body["Type"] == "AWS::Cognito::UserPool":
            if properties.get("AdminCreateUserConfig", {}).get("AllowAdminCreateUserOnly") is not True:
                yield f"{place}: anyone can sign up"
        if body["Type"] == "AWS::Cognito::UserPoolClient":
            if properties.get("WriteAttributes") != ["email"]:
                yield f"{place}: users write {properties.get('WriteAttributes', 'every attribute')}"
    if "CreateUserPool" in expansion.given and "UserPool" not in expansion.nested:
        yield "no user pool"


def alarms(expansion):
    """The alarm on slow webhooks includes cold starts, and one retry after a crash raises no alarm."""
    template, root = expansion.nested["Alarms"], expansion.root
    slow = template.resources["WebhookIntakeSlow"]["Properties"]
    dimensions = {one["Name"]: one["Value"] for one in slow["Dimensions"]}
    route = f"{dimensions.get('Method')} {dimensions.get('Resource')}"
    settings = root.resources["ApiApiGatewayDefaultStage"]["Properties"]["RouteSettings"].get(route, {})
    if slow["MetricName"] != "IntegrationLatency" or settings.get("DetailedMetricsEnabled") is not True:
        yield f"WebhookIntakeSlow watches {slow['MetricName']} of {route}"
    mappings = [one["Properties"] for one in root.of("AWS::Lambda::EventSourceMapping").values()]
    queues = {one["EventSourceArn"].split(".")[0].strip("${}"): one["FunctionName"].strip("${}") for one in mappings}
    for name, alarm in template.of("AWS::CloudWatch::Alarm").items():
        if alarm["Properties"].get("MetricName") != "ApproximateAgeOfOldestMessage":
            continue
        queue = alarm["Properties"]["Dimensions"][0]["Value"].split(".")[0].strip("${}")
        timeout = root.resources[queues[queue]]["Properties"]["Timeout"]
        retried = root.resources[queue]["Properties"]["VisibilityTimeout"] + timeout
        if alarm["Properties"]["Threshold"] < retried:
            yield f"{name} alarms at {alarm['Properties']['Threshold']} s, but one retry may take {retried} s"


def import_warnings(expansion):
    """FailOnWarnings would refuse every deployment as long as our document causes warnings, and must be set when it no
    longer does (docs/decisions/0017-warnings-of-the-import.md)."""
    api = expansion.root.resources["Api"]["Properties"]
    body = api["Body"]
    known = set(body["components"]["securitySchemes"])
    verbs = [verb for path in body["paths"].values() for verb in path.values()]
    named = {name for verb in verbs for one in verb.get("security", []) for name in one}
    warnings = {f"an undefined scheme {name}" for name in named - known}
    warnings |= {"servers without url" for server in body.get("servers", []) if "url" not in server}
    if bool(warnings) == bool(api.get("FailOnWarnings")):
        yield f"FailOnWarnings is {api.get('FailOnWarnings', False)}, with the warnings {sorted(warnings)}"


# Parameters that a rule refuses together with those of the expansion, and a part of its reason.
PRODUCTION = {"MetriportBaseUrl": "https://api.metriport.com"}
REFUSED = [
    ({"DemographicsClaims": "", "AcceptUnboundDemographics": "false"}, "DemographicsClaims"),
    ({"DemographicsClaims": BOUND, "AcceptUnboundDemographics": "true"}, "Set one of them"),
    *(({"ConsentKeptElsewhere": "false", name: ""}, "Name the notice") for name in NOTICE),
    *(({"ConsentKeptElsewhere": "true", **dict.fromkeys(NOTICE, ""), name: NOTICE[name]}, "its own") for name in NOTICE),
    (PRODUCTION | {"RecordLinkHosts": "any-s3-bucket"}, "sandbox"),
    ({"MetriportBaseUrl": "https://metriport.example.com", "RecordLinkHosts": "any-s3-bucket"}, "sandbox"),
    ({"CreateUserPool": "false", "JwtIssuer": ""}, "JwtIssuer"),
    ({"CreateUserPool": "true", "JwtIssuer": "https://issuer.example.com"}, "JwtIssuer"),
    ({"CreateUserPool": "true", "JwtAudience": "app"}, "JwtAudience"),
    ({"CreateUserPool": "true", "RequiredAmr": "mfa"}, "leave RequiredAmr"),
    ({"CreateUserPool": "true", "RequiredAcr": "c1", "AcceptAnySignIn": "false"}, "leave RequiredAmr"),
    ({"CreateUserPool": "true", "AssuranceClaims": "acr=acrs"}, "AssuranceClaims"),
    ({"CreateUserPool": "true", "AcceptAnySignIn": "true"}, "AcceptAnySignIn"),
    ({"CreateUserPool": "false", "RequiredAmr": "", "RequiredAcr": ""}, "Say how a person"),
    ({"RequiredAmr": "mfa", "AcceptAnySignIn": "true"}, "contradicts"),
    ({"RequiredAcr": "c1", "AcceptAnySignIn": "true"}, "contradicts"),
    ({"DomainName": "a.example.com", "CertificateArn": ""}, "CertificateArn"),
    ({"DomainName": "", "WebhookSegment": "8f14e45fceea167a5a36dedd4bea2543"}, "of no use"),
]


def rules(expansion):
    """CloudFormation accepts the parameters of the expansion. It refuses contradictions, waivers that are not stated,
    and any-s3-bucket in production."""
    yield from (f"refused: {reason}" for reason in expansion.root.refusals)
    for given, word in REFUSED:
        reasons = list(Template(expansion.root.body, expansion.given | given).refusals)
        if not any(word in reason for reason in reasons):
            yield f"{given} is refused for {reasons}"
    named = PRODUCTION | {"RecordLinkHosts": "bucket.s3.us-west-1.amazonaws.com"}
    yield from (f"production is refused: {one}" for one in Template(expansion.root.body, expansion.given | named).refusals)
    parameters = expansion.written["template.yaml"]["Parameters"]
    if parameters["AcceptUnboundDemographics"]["Default"] != "false" or "Default" in parameters["RecordLinkHosts"]:
        yield "a default waives a check that only the operator may waive"


def stated_waivers(expansion):
    """A tag of the API key's secret, by which `ias account status` warns, has the value of the parameter."""
    tags = expansion.root.resources["MetriportApiKeySecret"]["Properties"].get("Tags", [])
    stated = {one["Key"]: one["Value"] for one in tags}.get("individual-access:accept-unbound-demographics")
    if stated != expansion.root.values["AcceptUnboundDemographics"]:
        yield f"the tag says {stated}"


def processor(expansion):
    """Every function runs on the processor that the parameter names."""
    chosen = expansion.root.values["Architecture"]
    for name, function in expansion.root.of("AWS::Lambda::Function").items():
        if function["Properties"]["Architectures"] != [chosen]:
            yield f"{name} runs on {function['Properties']['Architectures']}"


ALL = {
    one.__name__: one
    for one in (
        names, policies, cors, dependencies, webhook_segment, cycles, sizes, vended_logs, concurrency, retention,
        importable, user_pool, alarms, import_warnings, rules, stated_waivers, processor,
    )
}
