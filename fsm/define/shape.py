"""How states may stand inside each other, and which ways lead across them.

    states, transitions ──▶ Tree ──▶ findings: a state inside a final one, two targets in one region, ...

It looks at the parts of the chart, and asks nothing of guards and actions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fsm.define.chart import Place, State, StateKind, Transition
from fsm.define.places import Problem
from fsm.layout import Finding, Trigger

HISTORIES = (StateKind.HISTORY_SHALLOW, StateKind.HISTORY_DEEP)
RESTS = (StateKind.FINAL, StateKind.POISON)
NESTS = (StateKind.COMPOUND, StateKind.PARALLEL)
KINDS = {StateKind.HISTORY_SHALLOW: "a history", StateKind.HISTORY_DEEP: "a history"}
"""What a message calls a kind, where it is not its name."""
MOVERS = {Trigger.ALWAYS: "always()", Trigger.DONE: "on_done()", Trigger.AFTER: "after()", Trigger.AT: "at()"}
"""How a transition is declared that waits for no event."""

Told = Iterator[tuple[Place, Problem]]


class Tree(NamedTuple):
    """States by name, and the names of what stands directly inside each."""

    states: dict[str, State]
    children: dict[str, list[str]]

    def lineage(self, name: str) -> Iterator[str]:
        """A state and all that it stands in, outward."""
        step: str | None = name
        while step is not None:
            yield step
            step = self.states[step].parent

    def inside(self, name: str, outer: str) -> bool:
        """Whether a state stands inside another, however deep."""
        return name != outer and outer in self.lineage(name)


def shape_findings(states: tuple[State, ...], transitions: tuple[Transition, ...]) -> list[Finding]:
    """What is wrong with the nesting of a chart, and with transitions because of it."""
    tree = Tree({state.name: state for state in states}, {state.name: [] for state in states})
    for state in states:
        if state.parent is not None:
            tree.children[state.parent].append(state.name)
    told = [*_all_states(tree), *_all_transitions(tree, transitions)]
    return [problem.at(place) for place, problem in told]


def _all_states(tree: Tree) -> Told:
    for state in tree.states.values():
        if state.kind in (*RESTS, *HISTORIES):
            yield from _childless(tree, state)
        if state.kind is StateKind.PARALLEL:
            yield from _regions(tree, state)
        if state.kind in HISTORIES:
            yield from _history(tree, state)


def _childless(tree: Tree, state: State) -> Told:
    for child in tree.children[state.name]:
        kind = KINDS.get(state.kind, state.kind.name.lower())
        message = f"{state.name} is {kind}, and {child} stands inside it."
        yield tree.states[child].place, Problem("no-children", message, "Nest inside a plain State or a Region.")


def _regions(tree: Tree, state: State) -> Told:
    for region in (tree.states[child] for child in tree.children[state.name]):
        if region.kind in RESTS:
            message = f"{region.name} is {region.kind.name.lower()} and stands directly in the Parallel {state.name}."
            yield region.place, Problem("parallel-regions", message, "Put it into a Region, or outside.")


def _history(tree: Tree, state: State) -> Told:
    if state.parent is None:
        message = f"history {state.name} stands in no state, so there is nothing to remember."
        yield state.place, Problem("history-place", message, "Make it in the `with` block of what it is to remember.")
    elif state.default is not None and state.default in tree.states:
        kind = tree.states[state.default].kind
        if kind in HISTORIES or not tree.inside(state.default, state.parent):
            found = f"{state.default}, a history," if kind in HISTORIES else state.default
            message = f"the default of history {state.name} is a state inside {state.parent}, and {found} was found."
            yield state.place, Problem("history-default", message, f"Name a state inside {state.parent}.")
    if state.initial and state.default is None:
        message = f"history {state.name} is initial, and has nowhere to go while there is nothing to remember."
        yield state.place, Problem("history-default", message, "Say default=, a state beside it.")


def _all_transitions(tree: Tree, transitions: tuple[Transition, ...]) -> Told:
    for transition in transitions:
        source = tree.states[transition.source]
        yield from ((transition.place, problem) for problem in _source(source, transition.trigger))
        if transition.stay:
            yield from ((transition.place, problem) for problem in _stay(tree, source, transition.targets))
        if len(transition.targets) > 1 and not _in_different_regions(tree, transition.targets):
            message = f"{', '.join(transition.targets)} do not stand each in another region of one Parallel."
            remedy = "Name one state, or one of each region that is to be entered elsewhere than at its start."
            yield transition.place, Problem("several-targets", message, remedy)


def _source(source: State, trigger: Trigger) -> Iterator[Problem]:
    if source.kind is StateKind.FINAL and trigger in MOVERS:
        message = f"{source.name} is final, and {MOVERS[trigger]} was declared for it."
        yield Problem("restless-final", message, "A final state rests: only an event leaves it. Say it elsewhere.")
    elif source.kind not in NESTS and trigger is Trigger.DONE:
        message = f"on_done() was declared for {source.name}, which has nothing inside it that could be done."
        yield Problem("done-source", message, "Declare it for the state that has the final state inside.")


def _stay(tree: Tree, source: State, targets: tuple[str, ...]) -> Iterator[Problem]:
    if source.kind is not StateKind.COMPOUND:
        found = "a Parallel" if source.kind is StateKind.PARALLEL else "a state without children"
        message = f"stay=True was declared for {source.name}, {found}."
        yield Problem("stay-inside", message, "Leave it out: only a state with one active child can be stayed in.")
        return
    for target in targets:
        if not tree.inside(target, source.name):
            message = f"stay=True stays in {source.name}, and its target {target} is not inside."
            yield Problem("stay-inside", message, "Name a state inside, or leave out stay=True.")


def _in_different_regions(tree: Tree, targets: tuple[str, ...]) -> bool:
    """Whether there is a Parallel of which each target stands in, or is, another region."""
    first, *others = targets
    for outer in tree.lineage(first):
        if all(outer in tree.lineage(other) for other in others):
            # The innermost that holds them all: it is what parts them, or nothing does.
            regions = {_child_towards(tree, outer, target) for target in targets}
            kinds = {tree.states[region].kind for region in regions}
            return tree.states[outer].kind is StateKind.PARALLEL and len(regions) == len(targets) and not (
                outer in regions or kinds & set(HISTORIES)
            )  # fmt: skip
    return False


def _child_towards(tree: Tree, outer: str, name: str) -> str:
    """The child of a state in which another one stands; the state itself for itself."""
    child = name
    for step in tree.lineage(name):
        if step == outer:
            return child
        child = step
    return child
