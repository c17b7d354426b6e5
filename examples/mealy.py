"""A learned Mealy machine as a flow: each input is an event, and the output that it gives stands in a field.

    s0 -> s1 [label="SYN(V,V,0)/TIMEOUT"]  ──read──▶ Machine ──flow_of──▶ Learned: the flow, and what names became
                                             └──▶ ValueError: file and line, what was expected, what was found

    python examples/mealy.py FILE       print the size of the machine, and a picture of it for Mermaid

Tools that learn how a TLS, MQTT or TCP stack behaves, AALpy among them, write what they found as DOT, a statement a
line: `state -> state [label="input/output"]`, and `__start0 -> state` for the initial one. Where the label is HTML it
reads `input | input<br />output`. States and inputs may have any name in the file; a flow needs Python's.
"""

from __future__ import annotations

import re
import sys
from keyword import iskeyword
from pathlib import Path
from types import new_class
from typing import TYPE_CHECKING, Any, NamedTuple

from fsm import Choice, Event, Flow, State

if TYPE_CHECKING:
    from collections.abc import Iterable

NOTHING = "(nothing yet)"
"""The output before the first input."""
SINK = "the file leads nowhere from here: a connection that was closed, say, stays closed"
ENDLESS = "it was learned from answers to inputs, and there is always one more input"
ANSWER = "whoever gave the input reads it"


class Machine(NamedTuple):
    """What a file says, under the names that it uses."""

    name: str
    initial: str
    answers: dict[tuple[str, str], tuple[str, str]]
    """(state, input) to (output, next state)"""

    @property
    def states(self) -> list[str]:
        """The states, the initial one first."""
        ends = [end for (source, _), (_, target) in self.answers.items() for end in (source, target)]
        return list(dict.fromkeys([self.initial, *ends]))

    @property
    def inputs(self) -> list[str]:
        """The inputs, in the order of the file."""
        return list(dict.fromkeys(given for _, given in self.answers))

    @property
    def outputs(self) -> list[str]:
        """The outputs, in the order of the file."""
        return list(dict.fromkeys(output for output, _ in self.answers.values()))


class Learned(NamedTuple):
    """A machine as a flow, and what stands there for the names of the file."""

    flow: type[Flow]
    states: dict[str, str]
    events: dict[str, type[Event]]


# --- from a file to a machine ----------------------------------------------------------------------------------------

NAME = r'(?:"(?:[^"\\]|\\.)*"|[\w.]+)'
FRAME = re.compile(rf"\s*(?:digraph\s*{NAME}?\s*\{{|\}})?\s*")
STATEMENT = re.compile(rf"\s*({NAME})\s*(?:->\s*({NAME})\s*)?(?:\[(.*)\]\s*)?;?\s*")
LABEL = re.compile(rf"(?:^|[\s,;])label\s*=\s*(?:<(.*)>|({NAME}))")
START = "__start"


def read(path: str | Path) -> Machine:
    """The machine of a DOT file. Raises ValueError where a line is none of one, or an input has two answers."""
    initial = None
    answers: dict[tuple[str, str], tuple[str, str]] = {}
    for number, line in enumerate(Path(path).read_text("utf-8").splitlines(), 1):
        try:
            source, target, label = _edge(line)
            if source.startswith(START):
                if target and initial not in (None, target):
                    raise ValueError(f"expected one initial state, found {target!r} after {initial!r}")
                initial = target or initial
            elif target:
                inputs, output = _inputs_and_output(label)
                for given in inputs:
                    if answers.setdefault((source, given), (output, target)) != (output, target):
                        raise ValueError(f"expected one answer to {given!r} in {source!r}, found another one")
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from None
    if initial is None:
        raise ValueError(f"{path}: expected {START}0 -> STATE, which says where to begin, found none")
    return Machine(Path(path).stem, initial, answers)


def _edge(line: str) -> tuple[str, str, str]:
    """Source, target and attributes of the edge in a line; no target where it only declares a state."""
    if FRAME.fullmatch(line):
        return "", "", ""
    statement = STATEMENT.fullmatch(line)
    if not statement:
        raise ValueError(f"expected STATE [...] or STATE -> STATE [...], found {line.strip()!r}")
    source, target, attributes = statement.groups(default="")
    return _plain(source), _plain(target), attributes


def _inputs_and_output(attributes: str) -> tuple[list[str], str]:
    """What the label of an edge says. An HTML label may stand for several inputs, and `/` means nothing there."""
    label = LABEL.search(attributes)
    html, name = label.groups(default="") if label else ("", "")
    separator = "<br />" if html else "/"
    given, _, output = (html or _plain(name)).partition(separator)
    inputs = [each.strip() for each in given.split(" | ")] if html else [given.strip()]
    if not (all(inputs) and output.strip()):
        raise ValueError(f'expected label="input/output" or label=<input<br />output>, found [{attributes}]')
    return inputs, output.strip()


def _plain(name: str) -> str:
    """A name without its quotes."""
    return re.sub(r"\\(.)", r"\1", name[1:-1]) if name.startswith('"') else name


# --- from a machine to a flow ----------------------------------------------------------------------------------------

RESERVED = {"id", "signature", "words"}
"""What an event has already, so that nothing in a flow is called so."""


def flow_of(machine: Machine) -> Learned:
    """The flow of a machine: a state for each state, an event for each input, `output` for what it gave last."""
    wanted = [*(("state", name) for name in machine.states), *(("input", name) for name in machine.inputs)]
    names = names_of(wanted, {"output"})
    leaving = {state for (state, _), (_, target) in machine.answers.items() if target != state}
    states = {
        name: State(initial=name == machine.initial, waive=None if name in leaving else {"no-way-out": SINK})
        for name in machine.states
    }
    events: dict[str, Any] = {name: new_class(names["input", name], (Event,)) for name in machine.inputs}
    output = Choice(NOTHING, *machine.outputs, waive={"unread-field": ANSWER})
    for (source, given), (answer, target) in machine.answers.items():
        stays = target == source
        states[source].on(events[given], do=output.set(answer), to=None if stays else states[target])

    def body(members: dict[str, Any]) -> None:
        members["__doc__"] = f"What was learned as {machine.name}."
        members["output"] = output
        members.update({event.__name__: event for event in events.values()})
        members.update({names["state", name]: state for name, state in states.items()})

    flow: Any = new_class(identifier(machine.name), (Flow,), {"waive": {"no-final-state": ENDLESS}}, body)
    return Learned(flow, {name: names["state", name] for name in states}, events)


def names_of(wanted: Iterable[tuple[str, str]], taken: Iterable[str] = ()) -> dict[tuple[str, str], str]:
    """A name for each (kind, text), no two alike and none that is taken; what is a name already keeps it."""
    used, names = set(taken), dict[tuple[str, str], str]()
    for each in sorted(wanted, key=lambda each: identifier(each[1]) != each[1]):
        first = name = identifier(each[1])
        number = 1
        while name in used:
            number += 1
            name = f"{first}_{number}"
        names[each] = name
        used.add(name)
    return names


def identifier(text: str) -> str:
    """The nearest name that a member of a flow may have."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or "unnamed"
    if name[0].isdigit():
        return f"n{name}"
    return f"{name}_" if iskeyword(name) or name in RESERVED else name


def main(path: str) -> None:
    """Print a Mermaid diagram; its first lines, comments there, tell the size and the names that had to change."""
    import fsm
    from fsm.formats import mermaid

    machine = read(path)
    learned = flow_of(machine)
    sizes = {"states": machine.states, "inputs": machine.inputs, "outputs": machine.outputs}
    print(f"%% {path}: {', '.join(f'{len(each)} {what}' for what, each in sizes.items())}")
    changed = {name: text for text, name in learned.states.items()}
    changed |= {event.__name__: text for text, event in learned.events.items()}
    for name, text in changed.items():
        if name != text:
            print(f"%% {name} is {text}")
    print(mermaid.draw(fsm.compile(learned.flow)), end="")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python examples/mealy.py FILE    (draws the Mealy machine of a DOT file)")
    main(sys.argv[1])
