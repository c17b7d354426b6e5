"""Ingest: what starts an instance, what is refused, and that every row is accounted for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fsm
from fsm import Boolean, Duration, Event, Flow, History, Integer, Outcome, Parallel, Region, State
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


# --- time, deferral and states inside each other ----------------------------------------------------------------------


class Timed(Flow):
    """An order that lapses if nobody fills it in ten nanoseconds, and a note that may come too early."""

    wait = Duration(default=10)
    lapses = Integer()

    class Submit(Event):
        quantity: Integer = Integer()

    class Fill(Event):
        pass

    class Note(Event):
        pass

    with State(initial=True) as open:
        new = State(initial=True)
        working = State()
    filled = State(final=True)
    lapsed = State(final=True)
    new.on(Submit, to=working)
    new.after(wait, to=lapsed)
    open.defers(Note, at_most=1)
    working.on(Fill, to=filled)
    working.after(wait, to=lapsed, do=lapses.add(1))
    lapsed.ignores(Note)
    filled.ignores(Note)


EARLY = Timed.Note.id


def timed(*events: tuple[int, int, int]) -> Batch:
    """A batch of (key, event id, time)."""
    keys, ids, times = zip(*events, strict=True) if events else ((), (), ())
    return Batch(np.array(keys, np.int64), np.array(ids, np.int64), None, np.array(times, np.int64))


def test_an_instance_with_timers_is_started_at_the_time_of_its_own_event(engine_name: str) -> None:
    """Its first timers count from there, though the batch began long before."""
    ingest = Ingest(fsm.Engine(Timed, capacity=4, engine=engine_name))
    outcomes = ingest.take(timed((1, SUBMIT, 100), (2, SUBMIT, 105), (3, SUBMIT, 1_000), (3, FILL, 1_009)))
    assert [0, 0, 0, 0] == outcomes.tolist()
    assert {"filled": 1, "lapsed": 2} == count_states(ingest.engine)
    assert {"accepted": 2} == ingest.engine.untold
    assert (3, 4) == (ingest.started, ingest.rows)


def test_timers_fire_between_a_start_and_what_follows_in_the_same_batch(engine_name: str) -> None:
    """In the order of their times."""
    ingest = Ingest(fsm.Engine(Timed, capacity=4, engine=engine_name))
    outcomes = ingest.take(timed((1, SUBMIT, 100), (2, SUBMIT, 109), (1, FILL, 110), (2, FILL, 111), (1, NOTE, 111)))
    assert [0, 0, Outcome.ENDED, 0, Outcome.IGNORED] == outcomes.tolist()


def test_a_time_that_steps_back_starts_an_instance_at_the_time_of_the_engine(engine_name: str) -> None:
    """Also one before all time, which `advance` would not take."""
    ingest = Ingest(fsm.Engine(Timed, capacity=4, engine=engine_name))
    assert [0, 0, 0] == ingest.take(timed((1, SUBMIT, 100), (2, SUBMIT, 50), (3, SUBMIT, -1))).tolist()
    assert 3 == ingest.engine.advance(110)


def test_without_times_an_instance_with_timers_starts_at_the_time_of_the_engine(engine_name: str) -> None:
    """The source tells none."""
    ingest = Ingest(fsm.Engine(Timed, capacity=4, engine=engine_name))
    ingest.engine.advance(7)
    assert [0] == ingest.take(Batch([1], [SUBMIT])).tolist()
    assert (0, 1) == (ingest.engine.advance(16), ingest.engine.advance(17))


def test_an_event_that_is_deferred_at_first_starts_an_instance(engine_name: str) -> None:
    """The flow wants it, though later: news that overtakes a submission is not lost."""
    assert [True, False, True] == starting_events(fsm.compile(Timed)).tolist()
    ingest = Ingest(fsm.Engine(Timed, capacity=4, engine=engine_name))
    assert [Outcome.DEFERRED, 0, 0] == ingest.take(timed((1, EARLY, 1), (1, SUBMIT, 2), (1, FILL, 3))).tolist()
    assert ({"filled": 1}, {"ignored": 1}) == (count_states(ingest.engine), ingest.engine.untold)


class Moving(Flow):
    """Eventless transitions lead on before any event comes."""

    urgent = Boolean()
    quantity = Integer()

    class First(Event):
        pass

    class Second(Event):
        pass

    class Third(Event):
        pass

    a = State(initial=True)
    b = State()
    c = State()
    end = State(final=True)
    a.always(when=urgent, to=c)
    a.always(when=quantity == 0, to=b)
    a.on(First, to=end)
    b.on(Second, to=end)
    c.on(Third, to=end)


def test_what_starts_an_instance_is_asked_where_it_rests_after_its_start(engine_name: str) -> None:
    """Not in the initial configuration, which it leaves at once, nor where other fields would lead it."""
    assert [False, True, False] == starting_events(fsm.compile(Moving)).tolist()
    ingest = Ingest(fsm.Engine(Moving, engine=engine_name))
    assert [UNKNOWN, 0, UNKNOWN] == ingest.take(Batch([1, 2, 3], [0, 1, 2])).tolist()


class Faulting(Flow):
    """A start that cannot be made while the field has its default."""

    parts = Integer()

    class Go(Event):
        pass

    a = State(initial=True)
    b = State(final=True)
    a.on_entry(parts.set(100 // parts))
    a.on(Go, to=b)


class Overflowing(Flow):
    """A start that cannot be made from some time on."""

    wait = Duration(default=(1 << 63) - 100)

    class Go(Event):
        pass

    a = State(initial=True)
    b = State(final=True)
    a.on(Go, to=b)
    a.after(wait, to=b)


def test_an_event_whose_start_faults_has_no_instance(engine_name: str) -> None:
    """It is refused as unknown, and nothing counts as started."""
    ingest = Ingest(fsm.Engine(Faulting, engine=engine_name))
    assert [UNKNOWN, UNKNOWN] == ingest.take(Batch([1, 2], [0, 0])).tolist()
    assert (0, 0, 2) == (ingest.started, len(ingest.engine), ingest.events)
    ingest = Ingest(fsm.Engine(Overflowing, engine=engine_name))
    outcomes = ingest.take(timed((1, 0, 5), (2, 0, 200), (3, 0, 100), (2, 0, 300), (1, 0, 300)))
    assert [0, UNKNOWN, UNKNOWN, UNKNOWN, Outcome.ENDED] == outcomes.tolist()
    assert (1, 1) == (ingest.started, len(ingest.engine))


class Legs(Flow):
    """Two legs, and a history that configurations may differ in alone."""

    class Go(Event):
        pass

    class Back(Event):
        pass

    with State(initial=True) as open:
        again = History(deep=True)
        with Parallel(initial=True) as legs:
            with Region() as left:
                a = State(initial=True)
                b = State()
            with Region() as right:
                c = State(initial=True)
                d = State()
    away = State()
    end = State(final=True)
    a.on(Go, to=b)
    b.on(Go, to=away)
    c.on(Back, to=d)
    d.on(Back, to=c)
    away.on(Go, to=again)
    away.on(Back, to=end)


def test_instances_are_counted_by_where_they_stand(engine_name: str) -> None:
    """Nested states as a path; those that differ in what a history remembers are counted together."""
    ingest = Ingest(fsm.Engine(Legs, engine=engine_name))
    go, back = Legs.Go.id, Legs.Back.id
    ingest.take(Batch([1, 2, 2, 2, 3, 3, 3, 3], [go, go, go, back, go, back, go, back]))
    ingest.take(Batch([4, 4, 5, 5, 5], [go, go, go, back, go]))
    assert {"open/legs (left/b and right/c)": 1, "away": 2, "end": 2} == count_states(ingest.engine)
    assert ingest.started == sum(count_states(ingest.engine).values())


timed_events = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([SUBMIT, FILL, EARLY, 9]), st.integers(0, 9)), max_size=30
)


@given(events=timed_events, cuts=st.sets(st.integers(0, 30)))
def test_the_cut_into_batches_changes_nothing_where_time_matters(
    events: list[tuple[int, int, int]], cuts: set[int]
) -> None:
    """One batch, many, or one event at a time by `advance`, `find`, `start` and `step`: the same to the last byte."""
    times = list(itertools.accumulate(step for _, _, step in events))
    starts = starting_events(fsm.compile(Timed))
    one_by_one = fsm.Engine(Timed, engine="mirror")
    expected = []
    for (key, event_id, _), now in zip(events, times, strict=True):
        one_by_one.advance(now)
        handle = one_by_one.find(key)
        if handle is None and event_id < len(starts) and starts[event_id]:
            handle = one_by_one.start(key)
        expected.append(one_by_one.step((1 << 64) - 1 if handle is None else handle, event_id))
    ends = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
    ingest = Ingest(fsm.Engine(Timed, engine="mirror"))
    rows = [(key, event_id, now) for (key, event_id, _), now in zip(events, times, strict=True)]
    found = [ingest.take(timed(*rows[a:b])).tolist() for a, b in itertools.pairwise(ends)]
    assert expected == [outcome for part in found for outcome in part]
    assert one_by_one.memory.rows[:] == ingest.engine.memory.rows[:]
    assert one_by_one.untold == ingest.engine.untold
