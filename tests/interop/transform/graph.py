"""The references between resources. Like CloudFormation, it counts both sides of every condition."""

import re


def references(value):
    if isinstance(value, list):
        for one in value:
            yield from references(one)
    if not isinstance(value, dict):
        return
    for key, one in value.items():
        match key:
            case "Ref" if isinstance(one, str):
                yield one
            case "Fn::GetAtt":
                yield one.split(".")[0] if isinstance(one, str) else one[0]
            case "DependsOn":
                yield from [one] if isinstance(one, str) else one
            case "Fn::Sub":
                text = one if isinstance(one, str) else one[0]
                yield from (name.split(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", text))
                yield from references(one)
            case _:
                yield from references(one)


def edges(body):
    resources = body["Resources"]
    return {name: [one for one in references(resource) if one in resources] for name, resource in resources.items()}


def reached(body, start):
    """Everything that a resource depends on, directly or not."""
    to, found, waiting = edges(body), set(), [start]
    while waiting:
        for name in to[waiting.pop()]:
            if name not in found:
                found.add(name)
                waiting.append(name)
    return found


def cycle(body):
    """A resource that depends on itself, and the other resources of that cycle."""
    for name in body["Resources"]:
        if name in (found := reached(body, name)):
            return [name, *sorted(other for other in found if name in reached(body, other))]
    return None
