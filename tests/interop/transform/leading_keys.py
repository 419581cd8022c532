"""Tests infra/leading-keys-check with simulated accounts: in some the policies hold, in others they do not. The
simulation applies the policies to the check's requests, so that a wrong statement fails here, not in an account."""

import contextlib
import fnmatch
import importlib.machinery
import importlib.util
import io
import json
import pathlib

from botocore.exceptions import ClientError

SCRIPT = pathlib.Path(__file__).resolve().parents[3] / "infra/leading-keys-check"
ACTIONS = {"Put": "dynamodb:PutItem", "ConditionCheck": "dynamodb:ConditionCheckItem"}

# By the behaviour of an account: the keys that it passes to a policy, the expected exit status, and a part of the
# advice.
ACCOUNTS = {
    "each element has its own key": (lambda needs, place: [needs[place][1]], 0, "also denies requests without any key"),
    "an action has the keys of all of its elements": (
        lambda needs, place: [key for action, key in needs if action == needs[place][0]], 0, "also denies",
    ),
    "an action has all keys of the transaction": (lambda needs, place: [key for _, key in needs], 1, "fallback"),
    "a transaction has the key of its first element": (lambda needs, place: [needs[0][1]], 1, "fallback"),
    "no request has keys": (lambda needs, place: [], 1, "fallback"),
}


def loaded():
    loader = importlib.machinery.SourceFileLoader("leading_keys_check", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def refused(code):
    return ClientError({"Error": {"Code": code, "Message": code}}, "any")


def listed(value):
    return value if isinstance(value, list) else [value]


def applies(statement, action, resource, keys):
    """Applies IAM's rules, as far as these statements need them ("Condition operators", IAM User Guide)."""
    def holds(operator, wanted):
        if operator == "Null":
            return (wanted["dynamodb:LeadingKeys"] == "true") == (not keys)
        assert operator == "ForAllValues:StringLike", operator
        return all(any(fnmatch.fnmatchcase(key, one) for one in listed(wanted["dynamodb:LeadingKeys"])) for key in keys)

    return (
        action in listed(statement["Action"])
        and any(fnmatch.fnmatchcase(resource, one) for one in listed(statement["Resource"]))
        and all(holds(operator, wanted) for operator, wanted in statement.get("Condition", {}).items())
    )


class Account:
    """A simulated account: it plays IAM, STS and DynamoDB, and remembers the resources that were not removed."""

    def __init__(self, keys_of, fails_at=None, partition="aws"):
        self.keys_of, self.fails_at, self.left, self.documents, self.refusals = keys_of, fails_at, set(), {}, 0
        self.partition, self.trusted = partition, set()
        self.region_name, self.arn = "us-east-1", f"arn:{partition}:dynamodb:us-east-1:123456789012:table/t"

    def client(self, _service):
        return self

    def get_caller_identity(self):
        return {"Account": "123456789012", "Arn": f"arn:{self.partition}:iam::123456789012:user/operator"}

    def create_table(self, **named):
        self.left.add(named["TableName"])
        return {"TableDescription": {"TableArn": self.arn}}

    def describe_table(self, **_named):
        return {"Table": {"TableStatus": "ACTIVE"}}

    def create_role(self, **named):
        if self.fails_at == len(self.documents):
            raise refused("LimitExceeded")
        self.left.add(named["RoleName"])
        [statement] = json.loads(named["AssumeRolePolicyDocument"])["Statement"]
        self.trusted.add(statement["Principal"]["AWS"])
        return {"Role": {"Arn": named["RoleName"]}}

    def put_role_policy(self, **named):
        self.documents[named["RoleName"]] = json.loads(named["PolicyDocument"])["Statement"]

    def delete_table(self, **named):
        # At the first attempt the table is still in creation.
        self.refusals += 1
        if self.refusals == 1:
            raise refused("ResourceInUseException")
        self.remove(named["TableName"], "ResourceNotFoundException")

    def delete_role_policy(self, **named):
        if named["RoleName"] not in self.documents:
            raise refused("NoSuchEntity")

    def delete_role(self, **named):
        self.remove(named["RoleName"], "NoSuchEntity")

    def remove(self, name, code):
        if name not in self.left:
            raise refused(code)
        self.left.remove(name)


class Caller:
    """The account as one role may use it."""

    def __init__(self, account, statements):
        self.account, self.statements = account, statements

    def decide(self, needs, resource):
        for place, (action, _) in enumerate(needs):
            told = self.account.keys_of(needs, place)
            effects = [one["Effect"] for one in self.statements if applies(one, action, resource, told)]
            if "Deny" in effects or "Allow" not in effects:
                raise refused("AccessDeniedException")

    def get_item(self, **named):
        self.decide([("dynamodb:GetItem", named["Key"]["pk"]["S"])], self.account.arn)

    def transact_write_items(self, **named):
        elements = [next(iter(one.items())) for one in named["TransactItems"]]
        needs = [(ACTIONS[kind], one.get("Item", one.get("Key"))["pk"]["S"]) for kind, one in elements]
        self.decide(needs, self.account.arn)

    def query(self, **named):
        [value] = named["ExpressionAttributeValues"].values()
        self.decide([("dynamodb:Query", value["S"])], f"{self.account.arn}/index/{named['IndexName']}")


def faults():
    """The wrong results of the check in each account, and the resources that it does not remove."""
    check = loaded()
    for name, (keys_of, status, said) in ACCOUNTS.items():
        account, printed = Account(keys_of), io.StringIO()
        assume = lambda session, role, *_: Caller(session, session.documents[role])
        with contextlib.redirect_stdout(printed):
            found = check.main(account, pause=lambda: None, assume=assume)
        if found != status or said not in printed.getvalue():
            yield f"leading-keys-check, if {name}: {found}: {printed.getvalue()}"
        if account.left:
            yield f"leading-keys-check leaves {sorted(account.left)}"
    # IAM refuses a principal of another partition.
    for partition in ("aws", "aws-us-gov"):
        account = Account(lambda needs, place: [needs[place][1]], partition=partition)
        assume = lambda session, role, *_: Caller(session, session.documents[role])
        with contextlib.redirect_stdout(io.StringIO()):
            found = check.main(account, pause=lambda: None, assume=assume)
        if found or account.trusted != {f"arn:{partition}:iam::123456789012:root"}:
            yield f"leading-keys-check trusts {sorted(account.trusted)} in the partition {partition}: {found}"
    for step in (0, 1):
        account = Account(lambda needs, place: [needs[place][1]], fails_at=step)
        with contextlib.suppress(ClientError):
            check.main(account, pause=lambda: None)
        if account.left:
            yield f"leading-keys-check leaves {sorted(account.left)} after a failure"
