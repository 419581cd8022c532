"""Corrects two gaps of ministack in a deployed stack.

- ministack ignores an HTTP API's `Body`, the OpenAPI document that SAM makes from the template's events. API Gateway
  reads authorizer, integrations and routes from it. This script reads the same document from the stack's processed
  template, and creates them by API Gateway's calls. It lists no route itself.
- CloudFormation passes a parameter as text, which Lambda converts to a number. ministack keeps an event source's
  `MaximumConcurrency` as text, and then polls no queue. This script writes the number.

Usage: deploy-local-routes.py STACK ISSUER AUDIENCE. Prints the API's id.
"""

import json
import re
import sys

import boto3


def processed(cloudformation, stack):
    """The stack's template after SAM's transform."""
    body = cloudformation.get_template(StackName=stack, TemplateStage="Processed")["TemplateBody"]
    return body if isinstance(body, dict) else json.loads(body)


def physical_ids(cloudformation, stack):
    """The physical id of each logical id of the stack."""
    resources = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}


def operations(document):
    """For each operation: its route key, its function's logical id, and whether it needs a token."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            integration = operation["x-amazon-apigateway-integration"]
            function = re.search(r"\$\{(\w+)\.Arn\}", json.dumps(integration["uri"])).group(1)
            guarded = any(name != "NONE" for entry in operation.get("security", []) for name in entry)
            yield f"{method.upper()} {path}", function, guarded


def number_concurrency(functions):
    """Writes the `MaximumConcurrency` of each event source again, as a number."""
    for source in functions.list_event_source_mappings()["EventSourceMappings"]:
        most = source.get("ScalingConfig", {}).get("MaximumConcurrency")
        if most is not None:
            scaling = {"MaximumConcurrency": int(most)}
            functions.update_event_source_mapping(UUID=source["UUID"], ScalingConfig=scaling)


def main(stack, issuer, audience):
    number_concurrency(boto3.client("lambda"))
    cloudformation, gateway = boto3.client("cloudformation"), boto3.client("apigatewayv2")
    account = boto3.client("sts").get_caller_identity()["Account"]
    ids = physical_ids(cloudformation, stack)
    resources = processed(cloudformation, stack)["Resources"]
    (logical_id, api), *more = [(id, r) for id, r in resources.items() if r["Type"] == "AWS::ApiGatewayV2::Api"]
    if more:
        sys.exit("the template has more than one HTTP API")
    api_id, document = ids[logical_id], api["Properties"]["Body"]
    authorizer = gateway.create_authorizer(
        ApiId=api_id,
        Name="token",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": issuer, "Audience": [audience]},
    )["AuthorizerId"]
    integrations = {}
    for key, function, guarded in operations(document):
        if function not in integrations:
            arn = f"arn:aws:lambda:{boto3.session.Session().region_name}:{account}:function:{ids[function]}"
            integrations[function] = gateway.create_integration(
                ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
            )["IntegrationId"]
        token = {"AuthorizationType": "JWT", "AuthorizerId": authorizer} if guarded else {}
        gateway.create_route(ApiId=api_id, RouteKey=key, Target=f"integrations/{integrations[function]}", **token)
    print(api_id)


main(*sys.argv[1:])
