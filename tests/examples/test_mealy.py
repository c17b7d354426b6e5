"""Machines that were learned from TLS, MQTT, TCP and Bluetooth stacks answer as flows what their files say."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import pytest

import fsm
from examples import mealy
from fsm import Engine, Outcome
from tests.conftest import ROOT

FOLDERS = {"TLS": 5, "MQTT": 5, "TCP": 3, "Bluetooth": 9}
"""How many of the files of each are walked."""
STOCHASTIC = {"Bluetooth": 3}
"""The others: Markov decision processes, whose labels are `input:probability`, and so no Mealy machines."""
STEPS = {"native": 100_000, "mirror": 10_000}
RESTART = 0.02
"""How often a walk begins anew: half of the machines have a state that nothing leads out of."""

Answers = dict[tuple[str, str], set[tuple[str, str]]]


def answers_of(path: Path) -> tuple[str, Answers]:
    """Initial state, and all (output, next state) of a (state, input): the file cut at its marks, without a grammar."""
    initial, answers = "", defaultdict(set)
    for line in path.read_text().splitlines():
        source, arrow, rest = line.partition("->")
        target, _, attributes = rest.partition("[")
        source, target = source.strip(), target.strip("\t ;")
        if not arrow or source == "__start0":
            initial = target or initial
            continue
        opening = attributes[attributes.index("label=") + len("label=")]
        label = attributes[attributes.index(opening) + 1 : attributes.rindex({"<": ">"}.get(opening, opening))]
        inputs, output = label.split("<br />" if opening == "<" else "/", 1)
        for given in inputs.split("|"):
            answers[source, given.strip()].add((output.strip(), target))
    return initial, answers


class Beside:
    """A machine that runs as a flow, beside the file that it was made of: each input is given to both."""

    def __init__(self, path: Path, engine_name: str, capacity: int) -> None:
        self.initial, self.answers = answers_of(path)
        self.inputs = sorted({given for _, given in self.answers})
        self.learned = mealy.flow_of(mealy.read(path))
        self.engine = Engine(self.learned.flow, capacity=capacity, engine=engine_name)
        (self.output,) = self.engine.tables.fields
        self.rows = memoryview(self.engine.memory.rows).cast("B").cast("q")
        self.start()

    def start(self) -> None:
        """Begin anew, with another instance."""
        self.state, self.shown, self.instance = self.initial, mealy.NOTHING, self.engine.start(len(self.engine))

    def give(self, given: str) -> None:
        """One input: the flow's outcome and output are those of the file."""
        outcome = self.engine.step(self.instance, self.learned.events[given].id)
        answer = self.answers.get((self.state, given))
        if answer:
            ((self.shown, self.state),) = answer
        word = self.rows[(self.instance & 0xFFFF_FFFF) * self.engine.tables.row_words + self.output.word]
        assert (0 if answer else Outcome.UNHANDLED, self.shown) == (outcome, self.output.options[word])

    def look(self) -> None:
        """The instance stands where the file says, and its friendly form shows the same output."""
        assert (self.learned.states[self.state],) == self.engine.state(self.instance)
        assert {"output": self.shown} == self.engine.fields(self.instance)


def walk(path: Path, engine_name: str) -> None:
    """Give a machine inputs at random and look at each output."""
    seed = crc32(path.name.encode())
    print(f"{path.name}: seed {seed}")
    choose = random.Random(seed)
    both = Beside(path, engine_name, STEPS[engine_name])
    for number in range(STEPS[engine_name]):
        if choose.random() < RESTART:
            both.start()
        both.give(choose.choice(both.inputs))
        if number % 100 == 0:
            both.look()


def ways_from_the_start(initial: str, answers: Answers) -> dict[str, list[str]]:
    """The shortest sequence of inputs to each state."""
    ways = {initial: list[str]()}
    for state in (ahead := [initial]):
        for (source, given), ((_, target),) in answers.items():
            if source == state and target not in ways:
                ways[target] = [*ways[state], given]
                ahead.append(target)
    return ways


def walked(folder: Path) -> list[Path]:
    """The files of Mealy machines there, as many as are known to be."""
    paths = [path for path in sorted(folder.iterdir()) if "stochastic" not in path.name]
    assert FOLDERS[folder.name] == len(paths)
    return paths


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_random_walk_gives_the_outputs_that_the_file_says(
    folder: str, engine_name: str, shared_data: Callable[[str], Path]
) -> None:
    """Each output of 100 000 inputs a machine; 10 000 on the mirror, which takes seconds for them."""
    for path in walked(shared_data("dot") / folder):
        walk(path, engine_name)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_transition_of_a_file_is_taken(folder: str, engine_name: str, shared_data: Callable[[str], Path]) -> None:
    """From the start by the shortest way, since a walk at random hardly comes to what lies deep."""
    for path in walked(shared_data("dot") / folder):
        both = Beside(path, engine_name, 1_000)
        ways = ways_from_the_start(both.initial, both.answers)
        assert {state for state, _ in both.answers} == set(ways)
        for state, given in both.answers:
            both.start()
            for each in (*ways[state], given):
                both.give(each)
            both.look()


@pytest.mark.parametrize("folder", FOLDERS)
def test_check_finds_nothing_that_is_not_waived(folder: str, shared_data: Callable[[str], Path]) -> None:
    """A machine that is learned never ends, and may have a sink: each says so."""
    for path in walked(shared_data("dot") / folder):
        findings = fsm.check(mealy.flow_of(mealy.read(path)).flow)
        assert [] == [str(finding) for finding in findings if finding.waived is None]
        assert {"no-final-state", "unread-field"} <= {finding.rule for finding in findings}


@pytest.mark.parametrize("folder", STOCHASTIC)
def test_what_answers_by_chance_is_left_out(folder: str, shared_data: Callable[[str], Path]) -> None:
    """These files hold no outputs on their edges, but probabilities."""
    paths = sorted((shared_data("dot") / folder).glob("*stochastic*"))
    assert STOCHASTIC[folder] == len(paths)
    for path in paths:
        with pytest.raises(ValueError, match=r"expected label=.*, found \[label=\"\w+:\d\.\d\"\]"):
            mealy.read(path)


def test_what_answers_in_two_ways_is_left_out(engine_name: str, shared_data: Callable[[str], Path]) -> None:
    """Machines that are observably nondeterministic: two of them are not, as they are written, and are walked."""
    deterministic = 0
    for path in sorted(shared_data("dot").glob("onfsm_*")):
        if any(len(ways) > 1 for ways in answers_of(path)[1].values()):
            with pytest.raises(ValueError, match=r"expected one answer to '\w' in '\w+', found another one"):
                mealy.read(path)
        else:
            deterministic += 1
            walk(path, engine_name)
    assert 2 == deterministic


LINES = """digraph "a b" {
    "to be" [shape="circle" label="1"];
    __start0 [label="", shape=none];
    "to be" -> or.not [label="a \\" b / c/d"];
    or.not -> "to be" [label=<x | y<br />e / f>]
    or.not -> or.not [label=z color=red label2="no"];
    __start0 -> "to be" [label=<x<br />y>];
}"""


def written(tmp_path: Path, text: str) -> Path:
    """A file of that text."""
    path = tmp_path / "made.dot"
    path.write_text(text)
    return path


def test_names_may_be_quoted_and_labels_html(tmp_path: Path) -> None:
    """A quote within a quoted name, a slash in an output, several inputs in one HTML label."""
    machine = mealy.read(written(tmp_path, LINES.replace("label=z", 'label="z/1"')))
    assert machine == (
        "made",
        "to be",
        {
            ("to be", 'a " b'): ("c/d", "or.not"),
            ("or.not", "x"): ("e / f", "to be"),
            ("or.not", "y"): ("e / f", "to be"),
            ("or.not", "z"): ("1", "or.not"),
        },
    )
    assert (["to be", "or.not"], ["c/d", "e / f", "1"]) == (machine.states, machine.outputs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LINES, r"made.dot:6: expected label=.* found \[label=z color=red"),
        ("a -> b", r"made.dot:1: expected label=\"input/output\" or label=<input<br />output>, found \[\]"),
        ("\na => b", "made.dot:2: expected STATE .* found 'a => b'"),
        ('a -> b [label="/x"]', r"made.dot:1: expected label=.* found"),
        ('a -> a [label="x/1"]\na -> a [label="x/2"]', "made.dot:2: expected one answer to 'x' in 'a', found another"),
        ("__start0 -> a\n__start1 -> b", "made.dot:2: expected one initial state, found 'b' after 'a'"),
        ('a -> a [label="x/1"]', "made.dot: expected __start0 -> STATE, .* found none"),
    ],
)
def test_a_file_that_is_no_machine_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    """What was expected, and what was found."""
    with pytest.raises(ValueError, match=message):
        mealy.read(written(tmp_path, text))


def test_names_that_python_does_not_take_become_names_without_collisions() -> None:
    """A state and an input of one name too; what is a name already keeps it."""
    states = ["a+b", "a b", "a_b", "", "++", "0", "n0", "class", "class_", "id", "output", "é", "_x", "a_b_2"]
    answers = {(state, given): ("done", state) for state in states for given in (*states[1:], "more")}
    answers |= {(one, "next"): ("gone", other) for one, other in pairwise(states)}
    learned = mealy.flow_of(mealy.Machine("1 machine", states[0], answers))
    names = [*learned.states.values(), *(event.__name__ for event in learned.events.values()), "output"]
    assert (2 * len(states) + 2, True) == (len(set(names)), all(map(str.isidentifier, names)))
    assert ("a_b", "n0", "a_b_2") == tuple(learned.states[name] for name in ("a_b", "n0", "a_b_2"))
    assert "n1_machine" == learned.flow.__name__


def test_an_input_that_the_file_does_not_answer_is_refused(engine_name: str) -> None:
    """And the last output stays."""
    answers = {("0", "go"): ("gone", "1"), ("1", "stop"): ("stopped", "0")}
    learned = mealy.flow_of(mealy.Machine("half", "0", answers))
    engine = Engine(learned.flow, engine=engine_name)
    instance = engine.start("one")
    assert {"output": mealy.NOTHING} == engine.fields(instance)
    for given, label, output in [("stop", "unhandled", mealy.NOTHING), ("go", "accepted", "gone"),
                                 ("go", "unhandled", "gone"), ("stop", "accepted", "stopped")]:  # fmt: skip
        assert label == engine.send("one", learned.events[given]()).outcome.label
        assert {"output": output} == engine.fields(instance)


def test_the_picture_tells_the_size_and_what_was_renamed(tmp_path: Path) -> None:
    """As comments of Mermaid, so that all of it can be piped there."""
    path = written(tmp_path, '__start0 -> 0\n0 -> 0 [label="in put/out put"]')
    command = [sys.executable, str(ROOT / "examples/mealy.py"), str(path)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert [f"%% {path}: 1 states, 1 inputs, 1 outputs", "%% n0 is 0", "%% in_put is in put"] == lines[:3]
    assert "stateDiagram-v2" == lines[3]
    assert any("in_put / output.set('out put')" in line for line in lines)
