"""The index by deadline fires what a plain list would, in the order of that list.

arm, cancel, go on to a time, at random ──▶ native/timers.h ─┐
                                       └──▶ a dictionary ────┴─ the same timers in the same order
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fsm.layout import INT64_MAX, INT64_MIN

pytestmark = pytest.mark.native

HERE = Path(__file__).parent
NOW = 1_700_000_000_000_000_000
SIGNATURES: dict[str, tuple[Any, ...]] = {
    "open": (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64),
    "close": (None, ctypes.c_void_p),
    "arm": (None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int64),
    "cancel": (None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int64),
    "reach": (None, ctypes.c_void_p, ctypes.c_int64),
    "take": (ctypes.c_int64, ctypes.c_void_p),
    "reach_more_than": (ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64),
    "chunks_used": (ctypes.c_size_t, ctypes.c_void_p),
    "chunks": (ctypes.c_size_t, ctypes.c_size_t),
}


class Timers:
    """The index, and the dictionary that it is held to."""

    def __init__(self, library: ctypes.CDLL, count: int, now: int) -> None:
        self.library, self.count, self.now = library, count, now
        self.index = library.timers_open(count, now)
        self.armed: dict[int, int] = {}

    def arm(self, timer: int, deadline: int) -> None:
        """Also one that is armed: it is armed anew."""
        self.cancel(timer)
        self.library.timers_arm(self.index, timer, deadline)
        self.armed[timer] = deadline

    def cancel(self, timer: int) -> None:
        """Also one that is not armed."""
        self.library.timers_cancel(self.index, timer, self.armed.pop(timer, 0))

    def reach(self, now: int) -> list[int]:
        """Go on to a time; what is due, in order, none of it taken yet."""
        self.now = now
        due = sorted((deadline, timer) for timer, deadline in self.armed.items() if deadline <= now)
        assert len(due) <= 8 or self.library.timers_reach_more_than(self.index, 8, now)
        self.library.timers_reach(self.index, now)
        return [timer for _, timer in due]

    def take(self) -> int | None:
        """The next timer that is due."""
        timer = int(self.library.timers_take(self.index))
        if timer < 0:
            return None
        del self.armed[timer]
        return timer

    def fired(self, now: int) -> list[int]:
        """Go on to a time and take all that is due, which must be what the dictionary says."""
        due = self.reach(now)
        taken = list(iter(self.take, None))
        assert due == taken
        return taken

    def close(self) -> None:
        """The room that there is was enough."""
        assert self.library.timers_chunks_used(self.index) <= self.library.timers_chunks(self.count)
        self.library.timers_close(self.index)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """timers.c, compiled."""
    made = tmp_path_factory.mktemp("timers") / "timers.so"
    compiler = os.environ.get("CC", "cc").split()
    native = HERE.parents[1] / "native"
    subprocess.run([*compiler, "-O1", "-shared", "-fPIC", f"-I{native}", "-o", made, HERE / "timers.c"], check=True)
    library = ctypes.CDLL(str(made))
    for name, (result, *arguments) in SIGNATURES.items():
        function = getattr(library, f"timers_{name}")
        function.restype, function.argtypes = result, arguments
    return library


@pytest.fixture
def timers(library: ctypes.CDLL) -> Iterator[Callable[..., Timers]]:
    """What makes one, and closes all at the end."""
    made: list[Timers] = []

    def make(count: int = 64, now: int = NOW) -> Timers:
        made.append(Timers(library, count, now))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("seed", range(40))
def test_any_history_fires_what_a_list_would(seed: int, timers: Callable[..., Timers]) -> None:
    """Deadlines near and far, past ones, equal ones; timers cancelled and armed anew while others are fired."""
    random = Random(seed)
    count, scale = random.choice((1, 5, 70, 400)), random.randrange(1, 62)
    given = timers(count, random.choice((0, NOW, random.randrange(1 << 62))))
    for _ in range(600):
        timer, kind = random.randrange(count), random.random()
        if kind < 0.6:
            given.arm(timer, _deadline(random, given, scale))
        elif kind < 0.75:
            given.cancel(timer)
        else:
            _fire(random, given, scale)


def _deadline(random: Random, given: Timers, scale: int) -> int:
    """Mostly ahead, within the scale or any other; else reached already, or one that another timer has."""
    kind = random.random()
    if kind < 0.1 and given.armed:
        return random.choice(list(given.armed.values()))
    if kind < 0.2:
        return max(INT64_MIN, given.now - random.randrange(1 << random.randrange(1, 64)))
    within = scale if kind < 0.8 else random.randrange(1, 62)
    return min(INT64_MAX, given.now + random.randrange(1 << within))


def _fire(random: Random, given: Timers, scale: int) -> None:
    """Some time passes; whatever is cancelled or armed anew while others are fired is not fired with them."""
    passed = random.choice((0, random.randrange(1 << scale), random.randrange(1 << random.randrange(1, 62))))
    due = given.reach(min(INT64_MAX, given.now + (passed if given.now + passed < 1 << 62 else 1)))
    withdrawn: set[int] = set()
    for expected in due:
        if expected in withdrawn:
            continue
        assert expected == given.take()
        if random.random() < 0.3:
            other = random.randrange(given.count)
            withdrawn.add(other)
            if random.random() < 0.5:
                given.cancel(other)
            else:
                given.arm(other, _deadline(random, given, scale))
    assert given.take() is None


def test_timers_of_one_moment_are_fired_by_number(timers: Callable[..., Timers]) -> None:
    """A thousand that were armed in any order, as at the end of a day."""
    given = timers(1000)
    order = list(range(1000))
    Random(1).shuffle(order)
    for timer in order:
        given.arm(timer, NOW + 7)
    assert [] == given.fired(NOW + 6)
    assert list(range(1000)) == given.fired(NOW + 7)


def test_time_is_exact_to_the_nanosecond(timers: Callable[..., Timers]) -> None:
    """One nanosecond before a deadline nothing is due, however far away it was."""
    for distance in (1, 63, 64, 4095, 4096, 1 << 30, 1 << 36, 1 << 60):
        given = timers()
        given.arm(3, NOW + distance)
        assert [] == given.fired(NOW + distance - 1)
        assert [3] == given.fired(NOW + distance)


def test_the_ends_of_time_are_moments_too(timers: Callable[..., Timers]) -> None:
    """The least and the greatest deadline, and the time that goes from 0 to the end."""
    given = timers(8, 0)
    for timer, deadline in enumerate((INT64_MAX, INT64_MIN, -1, 1, INT64_MAX - 1, INT64_MIN, 0, INT64_MAX)):
        given.arm(timer, deadline)
    assert [1, 5, 2, 6] == given.fired(0)
    assert [3, 4] == given.fired(INT64_MAX - 1)
    assert [0, 7] == given.fired(INT64_MAX)


def test_as_many_buckets_as_there_can_be_have_room(timers: Callable[..., Timers]) -> None:
    """Each timer in a bucket of its own, of those ahead and of those that were reached."""
    ahead = [bucket << 6 * level for level in range(11) for bucket in range(1, 64) if bucket << 6 * level < 1 << 62]
    given = timers(2 * len(ahead), 0)
    for timer, distance in enumerate(ahead):
        given.arm(2 * timer, distance)
        given.arm(2 * timer + 1, INT64_MIN + distance)
    assert 2 * len(ahead) == len(given.fired(1 << 62))
