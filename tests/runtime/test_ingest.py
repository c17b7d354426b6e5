"""Ingest: what starts an instance, what is refused, and that every row is accounted for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fsm
from fsm import Event, Flow, Integer, Outcome, State
from fsm.runtime import Batch, Ingest, Parked
from fsm.runtime.ingest import LATENCY_NS_MAX, PARKED_KEPT_MAX, count_states, starting_events


class Order(Flow):
    """Submitted, then filled; a late fill is refused."""

    quantity = Integer()

    class Submit(Event):
        quantity: Integer = Integer()

    class Fill(Event):
        pass

    class Note(Event):
        pass

    new = State(initial=True)
    working = State()
    filled = State(final=True)
    new.on(Submit, when=Submit.quantity > 0, to=working, do=quantity.set(Submit.quantity))
    new.ignores(Note)
    working.on(Fill, when=quantity > 0, to=filled)


SUBMIT, FILL, NOTE = Order.Submit.id, Order.Fill.id, Order.Note.id
UNKNOWN = Outcome.UNKNOWN_INSTANCE


def ingest_on(engine_name: str) -> Ingest:
    """An account of a new engine with room for four, so that it has to grow."""
    return Ingest(fsm.Engine(Order, capacity=4, engine=engine_name))


def batch(*events: tuple[int, int], quantity: int = 5, **details: object) -> Batch:
    """A batch of (key, event id)."""
    keys, ids = zip(*events, strict=True) if events else ((), ())
    return Batch(np.array(keys, np.int64), np.array(ids, np.int64), np.full((len(keys), 1), quantity), **details)


def test_only_events_that_the_initial_state_handles_start_an_instance() -> None:
    """A declared ignore and a default refusal do not."""
    assert [True, False, False] == starting_events(fsm.compile(Order)).tolist()


def test_a_submission_starts_its_instance(engine_name: str) -> None:
    """Without a flag: the flow says which event comes first."""
    ingest = ingest_on(engine_name)
    assert [0, 0, 0] == ingest.take(batch((7, SUBMIT), (7, FILL), (8, SUBMIT))).tolist()
    assert {"working": 1, "filled": 1} == count_states(ingest.engine)
    assert 2 == ingest.started


def test_an_event_before_the_submission_of_its_key_is_refused_as_unknown(engine_name: str) -> None:
    """Also where both are in one batch, and again when the key is known."""
    ingest = ingest_on(engine_name)
    outcomes = ingest.take(batch((7, FILL), (9, NOTE), (7, SUBMIT), (7, FILL), (7, FILL)))
    assert [UNKNOWN, UNKNOWN, 0, 0, Outcome.ENDED] == outcomes.tolist()
    assert {"unknown_instance": 2, "ended": 1} == ingest.refusals()


def test_a_refused_submission_leaves_its_instance_in_the_initial_state(engine_name: str) -> None:
    """It can be given again."""
    ingest = ingest_on(engine_name)
    assert [Outcome.GUARD] == ingest.take(batch((7, SUBMIT), quantity=-1)).tolist()
    assert {"new": 1} == count_states(ingest.engine)
    assert [0] == ingest.take(batch((7, SUBMIT))).tolist()
    assert 1 == ingest.started


def test_instances_are_started_in_the_order_of_their_submissions(engine_name: str) -> None:
    """So that rows do not depend on how a source is cut into batches."""
    ingest = ingest_on(engine_name)
    ingest.take(batch((9, SUBMIT), (3, SUBMIT), (9, FILL), (5, SUBMIT)))
    assert [0, 1, 2] == [ingest.engine.find(key) for key in (9, 3, 5)]


@pytest.mark.parametrize("event_id", [-1, 3, 1 << 40, -(1 << 63)])
def test_an_event_id_that_the_flow_lacks_starts_nothing(engine_name: str, event_id: int) -> None:
    """It is refused, for whatever key."""
    ingest = ingest_on(engine_name)
    ingest.take(batch((7, SUBMIT)))
    first, second = ingest.take(batch((8, event_id), (7, event_id))).tolist()
    assert (True, Outcome.UNKNOWN_EVENT) == (Outcome(first).refused, second)
    assert 1 == ingest.started


def test_an_empty_batch_is_no_event(engine_name: str) -> None:
    """A block of a source may hold nothing but rows that are left out."""
    ingest = ingest_on(engine_name)
    ingest.take(batch(left_out=3, parked=[Parked(4, "columns: expected 6, found 1", b"x")]))
    assert (0, 3, 1, 4) == (ingest.events, ingest.left_out, len(ingest.parked), ingest.rows)


def test_only_the_first_parked_rows_are_kept(engine_name: str) -> None:
    """All are counted."""
    ingest = ingest_on(engine_name)
    rows = [Parked(row, "columns: expected 6, found 1", b"x") for row in range(1, PARKED_KEPT_MAX)]
    for first in (0, PARKED_KEPT_MAX):
        ingest.take(batch(parked=[each._replace(row=each.row + first) for each in rows]))
    kept = [each.row for each in ingest.parked]
    assert [*range(1, PARKED_KEPT_MAX), PARKED_KEPT_MAX + 1] == kept
    assert (2 * len(rows), 2 * len(rows)) == (ingest.parked_count, ingest.rows)


def test_a_batch_tells_how_far_its_source_is_read(engine_name: str) -> None:
    """Or nothing, where the source cannot tell."""
    ingest = ingest_on(engine_name)
    found = []
    for progress in (0.5, None):
        ingest.take(batch(progress=progress))
        found.append(ingest.progress)
    assert [0.5, None] == found


def test_a_tuple_of_arrays_is_a_batch(engine_name: str) -> None:
    """The plainest `events` yields four arrays."""
    ingest = ingest_on(engine_name)
    assert [0] == ingest.take(([7], [SUBMIT], [[5]], [1_000])).tolist()


def test_what_a_source_makes_up_is_counted_apart(engine_name: str) -> None:
    """Rows of the source and events of the report agree."""
    ingest = ingest_on(engine_name)
    ingest.take(batch((7, SUBMIT), (8, SUBMIT)))
    live = ingest.engine.select(state="working")
    ingest.take(Batch(None, FILL, instances=live, made_up=True))
    assert (2, 2, 2) == (ingest.events, ingest.rows, ingest.made_up)
    assert ({"accepted": 2}, {"accepted": 2}) == (ingest.outcomes(), ingest.outcomes(made_up=True))


@pytest.mark.parametrize("part", ["keys", "event_ids", "arguments", "times"])
def test_a_batch_takes_integers_only(part: str) -> None:
    """A fraction is not cut off, and a number beyond int64 does not wrap around."""
    good = {"keys": [1], "event_ids": [0], "arguments": [[1]], "times": [0]}
    with pytest.raises(TypeError, match=f"{part}: expected integers, found float64"):
        Batch(**{**good, part: np.array(good[part]) + 0.5})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"{part}: expected int64"):
        Batch(**{**good, part: np.array(good[part]).astype(np.uint64) + (1 << 63)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keys": None}, "keys or instances"),
        ({"keys": [1], "instances": [1]}, "keys or instances"),
        ({"keys": [1, 2], "arguments": [[1]]}, "expected arguments"),
        ({"keys": [1, 2, 3], "times": [1, 2]}, "times: expected 3 of them"),
        ({"keys": [1, 2], "event_ids": [0, 0, 0]}, "event_ids: expected 2 of them"),
        ({"keys": 1}, "keys: expected one for each event"),
        ({"keys": None, "instances": [[1]]}, "instances: expected one for each event"),
        ({"keys": [1], "left_out": -1}, "left_out is 0 or more"),
        ({"keys": [1], "progress": 1.5}, "progress: expected 0 to 1, or None, found 1.5"),
        ({"keys": [1], "parked": [(1, "no reason", b"")]}, "parked holds Parked"),
        ({"keys": [1], "parked": [Parked(1, "text", "x")]}, "content in bytes"),  # type: ignore[arg-type]
    ],
)
def test_a_batch_that_does_not_fit_is_an_error(arguments: dict[str, object], message: str) -> None:
    """And says which part."""
    with pytest.raises(ValueError, match=message):
        Batch(**{"event_ids": 0, **arguments})  # type: ignore[arg-type]


def test_every_step_has_a_latency(engine_name: str) -> None:
    """The percentiles are ordered and within the range that is kept."""
    ingest = ingest_on(engine_name)
    ingest.take(batch(*((key, SUBMIT) for key in range(1000))))
    p50, p99, highest = (ingest.latency_ns(share) for share in (0.5, 0.99, 1.0))
    assert 0 <= p50 <= p99 <= highest <= LATENCY_NS_MAX


events_of_three_keys = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([SUBMIT, FILL, NOTE, 9])), max_size=40)


@given(events=events_of_three_keys, cuts=st.sets(st.integers(0, 40)))
def test_the_cut_into_batches_changes_nothing(events: list[tuple[int, int]], cuts: set[int]) -> None:
    """One batch, many, or one event at a time by `find`, `start` and `step`: the same outcomes."""
    starts = starting_events(fsm.compile(Order))
    one_by_one = fsm.Engine(Order, engine="mirror")
    expected = []
    for key, event_id in events:
        handle = one_by_one.find(key)
        if handle is None and event_id < len(starts) and starts[event_id]:
            handle = one_by_one.start(key)
        expected.append(one_by_one.step((1 << 64) - 1 if handle is None else handle, event_id, 5))
    ends = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
    ingest = ingest_on("mirror")
    found = [ingest.take(batch(*events[a:b])).tolist() for a, b in itertools.pairwise(ends)]
    assert expected == [outcome for part in found for outcome in part]
