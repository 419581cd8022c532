"""A template of the resources that outlive the stack, by which CloudFormation can import them: without a transform, and
only with the parameters and conditions that they use. The next deployment creates the bucket's policy again."""

from graph import references


def template(written):
    resources = {
        name: body for name, body in written["Resources"].items()
        if body.get("DeletionPolicy", "Delete") != "Delete" and body["Type"] != "AWS::S3::BucketPolicy"
    }
    chosen = {name: written["Conditions"][name] for name in set(conditions(resources))}
    used = set(references(resources)) | set(references(chosen))
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Individual Access: the resources that outlive a stack, for an import",
        "Parameters": {name: one for name, one in written["Parameters"].items() if name in used},
        "Conditions": chosen,
        "Resources": resources,
    }


def conditions(value):
    """The conditions that `Fn::If` names."""
    if isinstance(value, list):
        for one in value:
            yield from conditions(one)
    elif isinstance(value, dict):
        if "Fn::If" in value:
            yield value["Fn::If"][0]
        yield from conditions(list(value.values()))
