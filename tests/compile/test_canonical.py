"""The canonical chart, its fingerprint, and bytes that are the same everywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import fsm
from fsm.compile import compile
from fsm.compile.canonical import canonical
from fsm.compile.emit import relative
from fsm.define.chart import Chart, Conditional, Field, FieldKind, Ignore, Place, Rounding, StateKind, Term, Type
from fsm.formats.listing import disassemble
from tests.compile.charts import (
    BOOLEAN,
    INTEGER,
    apply,
    argument,
    at,
    both,
    chart,
    constant,
    either,
    equal,
    event,
    field,
    less,
    limit_order,
    negated,
    on,
    set_,
    state,
)

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def full() -> Chart:
    """A chart with a little of everything."""
    price, side = Type(FieldKind.DECIMAL, places=2), Type(FieldKind.CHOICE, options=("buy", "sell"))
    isin = Type(FieldKind.TEXT, size=12)
    size, total = argument("Go", "size"), field("total")
    choice = Conditional(less(size, total), (set_("total", size),), (set_("total", constant(0)),), "when(...)", at(9))
    scaled = apply("scale", size, total, constant(3), value=Rounding.HALF_EVEN)
    return chart(
        name="Full",
        fields=[
            Field("total", INTEGER, 7, at(1), (("unread-field", "shown"),)),
            Field("price", price, 1050, at(2)),
            Field("isin", isin, b"US0378331005", at(3)),
            Field("side", side, 1, at(4)),
        ],
        events=[event("Go", ("size", INTEGER), ("isin", isin)), event("Stop", waivers=(("unhandled-event", "later"),))],
        states=[
            state("a", initial=True),
            state("b", waivers=(("no-way-out", "by hand: \"x\"\n"),)),
            state("p", StateKind.POISON),
            state("z", StateKind.FINAL),
        ],
        transitions=[
            on("a", "Go", both(less(size, total), negated(equal(size, constant(0)))), (choice,), "b"),
            on("a", "Go", either(less(total, size), constant(1, BOOLEAN)), (set_("total", scaled),), "p",
               waivers=(("overlapping-guards", "first wins"),)),
            on("b", "Stop", to="z"),
            on("b", "Go", equal(argument("Go", "isin", isin), field("isin", isin)), to="z"),
        ],
        ignores=[Ignore("b", "Go", at(7))],
        waivers=(("constant-guard", "for the test"),),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["limit_order", "full"])
def test_the_canonical_chart_is_the_golden_one(name: str) -> None:
    """A change of this text changes every fingerprint that users have stored: it must be meant."""
    made = limit_order() if name == "limit_order" else full()
    assert (GOLDEN / f"{name}.chart").read_text() == canonical(made)


@pytest.mark.parametrize("name", ["limit_order", "full"])
def test_the_code_is_the_golden_one(name: str) -> None:
    """A change of the compiler shows as a difference that people can read."""
    made = limit_order() if name == "limit_order" else full()
    assert (GOLDEN / f"{name}.listing").read_text() == disassemble(compile(made))


def test_the_fingerprint_is_the_hash_of_the_canonical_chart() -> None:
    """And the tables carry both."""
    tables = compile(limit_order())
    assert canonical(limit_order()) == tables.chart
    assert sha256(tables.chart.encode()).hexdigest() == tables.fingerprint


def moved(chart: Chart) -> Chart:
    """The same chart in another file, with other words about it."""
    there = Place("elsewhere.py", 77)
    return chart._replace(
        documentation="Other words.",
        place=there,
        fields=tuple(each._replace(place=there) for each in chart.fields),
        events=tuple(each._replace(place=there) for each in chart.events),
        states=tuple(each._replace(place=there) for each in chart.states),
        transitions=tuple(each._replace(place=there) for each in chart.transitions),
        ignores=tuple(each._replace(place=there) for each in chart.ignores),
    )


def test_docstrings_and_places_leave_the_fingerprint_alone() -> None:
    """They change nothing in a step; they do show in the tables."""
    before, after = compile(full()), compile(moved(full()))
    assert before.fingerprint == after.fingerprint
    assert before.to_bytes() != after.to_bytes()
    assert "Other words." == after.documentation


def change(part: str, index: int, /, **to: object) -> Chart:
    """`full` with one part replaced."""
    parts = list(getattr(full(), part))
    parts[index] = parts[index]._replace(**to)
    parts_by_name: dict[str, Any] = {part: tuple(parts)}
    return full()._replace(**parts_by_name)


CHANGES = {
    "name": full()._replace(name="Other"),
    "flow waiver": full()._replace(waivers=()),
    "waiver reason": full()._replace(waivers=(("constant-guard", "another"),)),
    "field name": change("fields", 3, name="way"),
    "field type": change("fields", 1, type=Type(FieldKind.DECIMAL, places=3)),
    "field default": change("fields", 1, default=1051),
    "text size": change("fields", 2, type=Type(FieldKind.TEXT, size=13)),
    "options": change("fields", 3, type=Type(FieldKind.CHOICE, options=("buy", "sell", "short"))),
    "option order": change("fields", 3, type=Type(FieldKind.CHOICE, options=("sell", "buy"))),
    "field waiver": change("fields", 0, waivers=()),
    "field order": full()._replace(fields=full().fields[::-1]),
    "event name": change("events", 1, name="Halt"),
    "event order": full()._replace(events=full().events[::-1]),
    "argument": change("events", 0, arguments=full().events[0].arguments[:1]),
    "event waiver": change("events", 1, waivers=()),
    "state name": change("states", 2, name="q"),
    "state kind": change("states", 2, kind=StateKind.FINAL),
    "initial state": change("states", 0, initial=False),
    "state waiver": change("states", 1, waivers=()),
    "state order": full()._replace(states=full().states[::-1]),
    "guard": change("transitions", 0, guard=None),
    "guard operator": change("transitions", 3, guard=negated(full().transitions[3].guard or constant(1))),
    "actions": change("transitions", 0, actions=()),
    "rounding": change("transitions", 1, actions=(
        set_("total", apply("scale", argument("Go", "size"), field("total"), constant(3), value=Rounding.UP)),)),
    "target": change("transitions", 0, targets=("z",)),
    "no target": change("transitions", 0, targets=()),
    "transition waiver": change("transitions", 1, waivers=()),
    "transition order": full()._replace(transitions=full().transitions[::-1]),
    "ignores": full()._replace(ignores=()),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_means_something_changes_the_canonical_chart(name: str) -> None:
    """Names, order, types, guards, actions, waivers: each shows, and each differs from every other change."""
    others = [canonical(full()), *(canonical(made) for other, made in CHANGES.items() if other != name)]
    assert canonical(CHANGES[name]) not in others


def test_a_line_break_in_a_reason_stays_inside_its_line() -> None:
    """One declaration, one line: no text of a user can look like another declaration."""
    made = full()._replace(waivers=(("constant-guard", "x\nstate extra: atomic"),))
    assert len(canonical(full()).splitlines()) == len(canonical(made).splitlines())


def test_terms_of_other_structure_have_other_texts() -> None:
    """A constant of another type, an operation of another kind, a nesting of another shape."""
    from fsm.compile.canonical import term_text

    one, price = constant(1), Type(FieldKind.DECIMAL, places=2)
    terms: list[Term] = [
        one, constant(1, price), constant(1, BOOLEAN), constant(b"1", Type(FieldKind.TEXT, size=1)),
        apply("add", one, one), apply("add", apply("add", one, one), one), apply("add", one, apply("add", one, one)),
        apply("subtract", one, one), field("a"), argument("a", "b"), both(less(one, one), less(one, one)),
    ]  # fmt: skip
    assert len(terms) == len({term_text(term) for term in terms})


def test_sources_are_named_from_their_package_on(tmp_path: Path) -> None:
    """Wherever the tree is checked out, and whatever runs there."""
    package = tmp_path / "orders" / "flows"
    package.mkdir(parents=True)
    (tmp_path / "orders" / "__init__.py").touch()
    (package / "__init__.py").touch()
    assert "orders/flows/limit.py" == relative(str(package / "limit.py"))
    assert "limit.py" == relative(str(tmp_path / "limit.py"))
    assert "<string>" == relative("<string>")


PROGRAM = """
import sys
sys.path[:0] = [{root!r}]
from fsm.compile import compile
from tests.compile.charts import limit_order
from tests.compile.random_charts import emitted
from hashlib import sha256
digest = sha256(compile(limit_order()).to_bytes())
for seed in range(10):
    digest.update(emitted(seed).to_bytes())
print(digest.hexdigest())
"""


def interpreters() -> list[str]:
    """Every Python from 3.11 on that is at hand, this one first."""
    found = {f"{sys.version_info[0]}.{sys.version_info[1]}": sys.executable}
    versions = Path.home() / ".pyenv" / "versions"
    for minor in range(11, 16):
        name = f"3.{minor}"
        known = sorted(versions.glob(f"{name}.*/bin/python")) if versions.is_dir() else []
        path = str(known[-1]) if known else shutil.which(f"python{name}")
        if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
            found.setdefault(name, path)
    return list(found.values())


def digest_of(python: str, seed: str, root: Path) -> str:
    """The digest of the tables of many charts, made by `python` under a hash seed."""
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [python, "-c", PROGRAM.format(root=str(root))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert 0 == done.returncode, done.stderr
    return done.stdout.strip()


def test_bytes_are_the_same_under_ten_hash_seeds(root: Path) -> None:
    """No set, no dict order, no id reaches the tables."""
    assert 1 == len({digest_of(sys.executable, str(seed), root) for seed in range(10)})


def test_bytes_are_the_same_under_every_python(root: Path, record_property: Callable[[str, object], None]) -> None:
    """Every interpreter from 3.11 on that this machine has; the report of the run names them."""
    pythons = interpreters()
    record_property("pythons", " ".join(pythons))
    print("compared under:", *pythons)
    assert 1 == len({digest_of(python, "0", root) for python in pythons})


def test_a_flow_class_and_its_chart_by_hand_are_one_flow() -> None:
    """The definition and the hand-written chart of the documentation's orders agree."""

    class LimitOrder(fsm.Flow):
        """One limit order."""

        quantity = fsm.Integer()
        leaves = fsm.Integer()

        class Submit(fsm.Event):
            quantity: fsm.Integer = fsm.Integer()

        class Execute(fsm.Event):
            quantity: fsm.Integer = fsm.Integer()

        class Reduce(fsm.Event):
            quantity: fsm.Integer = fsm.Integer()

        class Cancel(fsm.Event):
            pass

        new = fsm.State(initial=True)
        working = fsm.State()
        part_filled = fsm.State()
        filled = fsm.State(final=True)
        cancelled = fsm.State(final=True)
        quarantined = fsm.State(poison=True)

        new.on(
            Submit,
            when=Submit.quantity > 0,
            to=working,
            do=[quantity.set(Submit.quantity), leaves.set(Submit.quantity)],
        )
        live = working | part_filled
        live.on(
            Execute,
            when=(Execute.quantity > 0) & (Execute.quantity < leaves),
            to=part_filled,
            do=leaves.subtract(Execute.quantity),
        )
        live.on(Execute, when=Execute.quantity == leaves, to=filled, do=leaves.set(0))
        live.on(Reduce, when=(Reduce.quantity > 0) & (Reduce.quantity < leaves), do=leaves.subtract(Reduce.quantity))
        live.on(Cancel, to=cancelled)
        cancelled.on(Execute, to=quarantined)

    by_class, by_hand = fsm.compile(LimitOrder), compile(limit_order())
    assert by_hand.fingerprint == by_class.fingerprint
    assert list(by_hand.code) == list(by_class.code)


def test_an_alias_leaves_the_fingerprint_alone() -> None:
    """A Python name for a group or an expression is no part of the flow."""

    def flow(alias: bool) -> type[fsm.Flow]:
        class Door(fsm.Flow):
            count = fsm.Integer()

            class Push(fsm.Event):
                force: fsm.Integer = fsm.Integer()

            shut = fsm.State(initial=True)
            open = fsm.State(final=True)
            if alias:
                hard = Push.force > 3
                shut.on(Push, when=hard, to=open)
            else:
                shut.on(Push, when=Push.force > 3, to=open)

        return Door

    assert fsm.compile(flow(True)).fingerprint == fsm.compile(flow(False)).fingerprint
