"""Expands the stack with each set of parameters and checks every assertion on every expansion. Then it breaks the
template in memory at least once for each assertion, which must notice that. Last it tests infra/leading-keys-check,
which also expands the template."""

import copy
import pathlib
import sys

import assertions
import breaks
import leading_keys
import retained
from expansion import SETS, Expansion, effective_policies, printed, sources

ROOT = pathlib.Path(__file__).resolve().parents[3]


def faults_of(expansion, chosen=None):
    """Pairs of an assertion's name and a fault that it found."""
    for name, assertion in assertions.ALL.items():
        if chosen in (None, name):
            yield from ((name, fault) for fault in assertion(expansion))


def unseen(written):
    """The breaks that their assertion does not notice."""
    for break_name, (assertion, chosen, mutate) in breaks.ALL.items():
        broken = copy.deepcopy(written)
        mutate(broken)
        if not any(faults_of(Expansion(chosen, broken, SETS[chosen]), assertion)):
            yield f"{assertion} does not notice: {break_name}"


def judged(written):
    expansions = [Expansion(name, written, given) for name, given in SETS.items()]
    faults = [f"{one.name}: {name}: {fault}" for one in expansions for name, fault in faults_of(one)]
    untested = set(assertions.ALL) - {assertion for assertion, _, _ in breaks.ALL.values()}
    faults += [f"no break shows that this assertion can fail: {name}" for name in sorted(untested)]
    faults += unseen(written)
    faults += leading_keys.faults()
    for fault in faults:
        print(fault, file=sys.stderr)
    most = max(sum(1 for _ in one.resources) for one in expansions)
    print(
        f"transform: {len(expansions)} expansions of up to {most} resources, {len(assertions.ALL)} assertions on each, "
        f"{len(breaks.ALL)} breaks of the template tried, leading-keys-check in {len(leading_keys.ACCOUNTS)} accounts, "
        f"{len(faults)} faults"
    )
    return 1 if faults else 0


def main(arguments):
    written = sources(ROOT)
    match arguments:
        case []:
            return judged(written)
        case ["--policies"]:
            print(printed(effective_policies(Expansion("bare", written, {}).root)), end="")
        case ["--retained"]:
            print(printed(retained.template(written["template.yaml"])), end="")
        case ["--expansion", name] if name in SETS:
            print(printed(Expansion(name, written, SETS[name]).root.body), end="")
        case _:
            sets = ", ".join(SETS)
            print(f"run [--policies | --retained | --expansion NAME], NAME one of {sets}", file=sys.stderr)
            return 2
    return 0


sys.exit(main(sys.argv[1:]))
