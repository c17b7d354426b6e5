"""Packages of care at a hospital, from their opening to the invoice, replayed from the log of its billing system.

    start ─▶ in_progress ─▶ closed ─▶ released ─▶ billed ─▶ invoice_rejected ─▶ rejected
                │   ╎                             ▲    │           │
                ▼   ╎                             │    ▼           │
              empty └╌╌╌╌ 60 h, some kinds ╌╌╌╌▶ billable ◀────────┘

    reopen        closed, released, billable, rejected ─▶ in_progress
    release       closed, and again: released, billable, rejected, unbillable ─▶ released, which asks for a code
    set status    all but billed and empty ─▶ unbillable ─▶ where it was
    delete        all but billed, invoice_rejected, rejected: beside the state that it keeps, the package is cancelled

    fsm run examples/hospital_billing.py FILE       replay a log, plain or gzipped
    python examples/hospital_billing.py FILE        the same, and compare each state with the one that was recorded

A log is CSV with a header and without quotes. Its columns `case_id`, `activity`, `resource`, `timestamp`, `casetype`,
`closecode` and `flagd` are read; a blank means that nothing changed. The events stand case by case: all are read, then
given in order of time. The column `state` is what the billing system said after each event: the flow never sees it, and
is compared with it.
"""

from __future__ import annotations

import gzip
import re
import sys
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from string import ascii_uppercase
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fsm import Boolean, Choice, Engine, Event, Flow, History, Integer, Outcome, Parallel, Region, State, raise_
from fsm.runtime import Batch, Parked

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("unchanged", *ascii_uppercase[:8])
CLOSE_CODES = ("unchanged", *ascii_uppercase)
PEOPLE = ("unchanged", "batch", "desk", "care")
"""Who acts: whoever acted before; the batch account, which also closes two packages of three; those who send invoices;
those who give care."""

NEVER_OVER = "an insurer may still refuse an invoice years later"


class BillingPackage(Flow, waive={"no-final-state": NEVER_OVER}):
    """A package of care: what was done for one complaint of one patient, which goes on one invoice."""

    parts = Integer()  # a package may be put together from several, and then things happen to it several times
    needs_code = Boolean()
    storno_by = Choice(*PEOPLE)

    class New(Event):
        kind: Choice = Choice(*KINDS)
        needs_code: Boolean = Boolean()

    class ChangeDiagnosis(Event):
        pass

    class ChangeEnd(Event):
        pass

    class JoinPatient(Event):
        """The patient turns out to be one who is known already."""

    class Close(Event):
        code: Choice = Choice(*CLOSE_CODES)

    class Reopen(Event):
        pass

    class Release(Event):
        pass

    class CodeOk(Event):
        """The grouper, which derives what to charge for a package, found a code."""

    class CodeNotOk(Event):
        pass

    class CodeError(Event):
        pass

    class Bill(Event):
        pass

    class Storno(Event):
        by: Choice = Choice(*PEOPLE)

    class Reject(Event):
        by: Choice = Choice(*PEOPLE)

    class SetStatus(Event):
        pass

    class Manual(Event):
        """Operations put a package right by hand."""

    class Delete(Event):
        pass

    class Cancel(Event):
        """Raised where a package may be deleted."""

    start = State(initial=True)
    with Parallel() as package:
        # As in the billing system, a deleted package keeps its state: the two stand beside each other. Validity comes
        # first: of its transition and one on the way to the invoice, where only one can be taken, it is that one.
        with Region() as validity:
            valid = State(initial=True)
            cancelled = State()
        with Region() as billing:
            with State(initial=True) as payable:
                where_it_was = History(deep=True)
                with State(initial=True) as in_progress:
                    under_care = State(initial=True)
                    collected = State()
                closed = State()
                with State() as released:
                    uncoded = State(initial=True)
                    coded = State()
                    code_refused = State()
                    code_failed = State()
                    exempt = State()
                billable = State()
                with State() as billed:
                    invoiced = State(initial=True)
                    recoded = State()
                recoding = State()
                invoice_rejected = State()
                rejected = State()
            empty = State()
            unbillable = State()
    quarantined = State(poison=True)

    opened = (parts.set(1), needs_code.set(New.needs_code))
    start.on(New, when=(New.kind == "C") | (New.kind == "H"), to=collected, do=opened)
    start.on(New, to=package, do=opened)

    in_progress.on(New, do=parts.add(1))
    in_progress.on(ChangeDiagnosis)
    in_progress.on(ChangeEnd)
    in_progress.on(JoinPatient)
    in_progress.on(Reopen, when=parts > 1)
    # An answer about a package that was reopened since: the grouper is asked again at the next release.
    in_progress.ignores(CodeOk, CodeNotOk, CodeError)
    in_progress.on(Close, when=Close.code == "H", to=empty)
    in_progress.on(Close, to=closed)

    # Nobody closes these kinds, and the log has no event for it. It shows when: of those that something happens to,
    # 8 of 9 are in progress before, and 60 of 68 are billable after. One that is deleted before is left alone.
    collected.after("60 h", to=billable)
    collected.on(Bill, to=billed)
    collected.on(Delete, to=under_care, do=raise_(Cancel))

    closed.on(Close)
    closed.on(Release, to=released)
    released.on(Release, to=released)
    released.on(CodeOk, to=coded)
    released.on(CodeNotOk, to=code_refused)
    released.on(CodeError, to=code_failed)
    uncoded.always(when=~needs_code, to=exempt)
    exempt.on(Close, to=closed)

    ready = coded | exempt | billable
    ready.on(Bill, to=billed)
    billed.on(Bill, when=parts > 1)
    coded.on(JoinPatient, to=billable)
    billable.on(JoinPatient)

    # The batch account takes back invoices that the hospital itself got wrong, and they are sent anew. All others pass
    # on what the insurer did not accept.
    billed.on(Storno, when=Storno.by == "batch", to=billable)
    billed.on(Storno, to=invoice_rejected, do=storno_by.set(Storno.by))
    # Where those who gave the care do both, the package itself is wrong; where others do, only the invoice is.
    invoice_rejected.on(Reject, when=(Reject.by == "unchanged") & (storno_by == "care"), to=rejected)
    invoice_rejected.on(Reject, to=billable)
    invoice_rejected.on(Storno, when=parts > 1)
    billable.on(Storno, when=parts > 1)
    billable.on(Reject, when=parts > 1)
    rejected.on(Release, to=released)
    billable.on(Release, to=released)

    backwards = closed | released | billable | rejected
    backwards.on(Reopen, to=in_progress)

    # By hand, a package that has its code goes back, to be released anew; one that waits for it stays. One that is
    # billed gets another code, which may have come before, and the invoice stands.
    (coded | code_failed).on(Manual, to=closed)
    (uncoded | exempt).on(Manual)
    invoiced.on(CodeOk, to=recoded)
    recoded.on(CodeOk)
    recoded.on(Manual, to=invoiced)
    invoiced.on(Manual, to=recoding)
    recoding.on(CodeOk)
    recoding.on(Manual, to=billed)

    (in_progress | closed | released | billable | invoice_rejected | rejected).on(SetStatus, to=unbillable)
    unbillable.on(SetStatus, to=where_it_was)
    unbillable.on(Release, to=released)
    empty.on(SetStatus, to=in_progress)

    # A code that was found is given back: that package is no longer released.
    coded.on(Delete, to=closed, do=raise_(Cancel))
    (in_progress | closed | released | billable | empty | unbillable).on(Delete, do=raise_(Cancel))
    valid.on(Cancel, to=cancelled)
    cancelled.on(Bill, to=quarantined)  # a person sees to it that this invoice is not sent


# --- the log ---------------------------------------------------------------------------------------------------------

EVENTS_OF_A_BATCH = 4096
LINE_BYTES_MAX, SHOWN_BYTES = 4096, 200
TIME = re.compile(r"(19[7-9]|20[0-9]|21[0-9])[0-9]-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
EPOCH, SECOND = datetime(1970, 1, 1), timedelta(seconds=1)
COLUMNS = ("case_id", "activity", "resource", "timestamp", "casetype", "closecode", "flagd")
WORDS = {
    "casetype": {"": 0, **{letter: place for place, letter in enumerate(KINDS) if place}},
    "closecode": {"": 0, **{letter: place for place, letter in enumerate(CLOSE_CODES) if place}},
    "flagd": {"": 0, "False": 0, "True": 1},
}
# The names in the log are made up: who somebody is shows in what he does.
ROLE_OF = {"": "unchanged", "ResA": "batch", **dict.fromkeys(("ResB", "ResEB", "ResHG", "ResIA", "ResU"), "desk")}
EVENT_OF: dict[str, type[Event]] = {
    "NEW": BillingPackage.New, "CHANGE DIAGN": BillingPackage.ChangeDiagnosis, "CHANGE END": BillingPackage.ChangeEnd,
    "JOIN-PAT": BillingPackage.JoinPatient, "FIN": BillingPackage.Close, "REOPEN": BillingPackage.Reopen,
    "RELEASE": BillingPackage.Release, "CODE OK": BillingPackage.CodeOk, "CODE NOK": BillingPackage.CodeNotOk,
    "CODE ERROR": BillingPackage.CodeError, "BILLED": BillingPackage.Bill, "STORNO": BillingPackage.Storno,
    "REJECT": BillingPackage.Reject, "SET STATUS": BillingPackage.SetStatus, "MANUAL": BillingPackage.Manual,
    "DELETE": BillingPackage.Delete,
}  # fmt: skip


class Row(NamedTuple):
    """An event of the log, and the state that was recorded after it: empty where it is the one before."""

    time: int
    key: int
    activity: str
    arguments: tuple[int, int]
    recorded: str


def events(path: str, engine: Engine) -> Iterator[Batch]:
    """The events of a log in order of time; the key of a package is the place of its case among those of the log."""
    rows, parked = read(path)
    for begin in range(0, len(rows) or 1, EVENTS_OF_A_BATCH):
        some = rows[begin : begin + EVENTS_OF_A_BATCH]
        yield Batch(
            [row.key for row in some],
            [EVENT_OF[row.activity].id for row in some],
            np.array([row.arguments for row in some], np.int64).reshape(-1, 2),
            [row.time for row in some],
            parked=() if begin else parked,
            progress=(begin + len(some)) / len(rows) if rows else 1,
        )


def read(path: str) -> tuple[list[Row], list[Parked]]:
    """All events in order of time, and the rows that are none. Raises ValueError where a column is missing.

    The whole log is held in memory: what stands last may have been first.
    """
    rows: list[Row] = []
    parked: list[Parked] = []
    keys: dict[str, int] = {}
    latest: dict[int, int] = {}
    texts = lines(path)
    header = next(texts, b"").decode("utf-8", "replace").split(",")
    if missing := [name for name in COLUMNS if name not in header]:
        raise ValueError(f"header: expected the columns {', '.join(COLUMNS)}; not found: {', '.join(missing)}")
    for number, line in enumerate(texts, 1):
        try:
            cells = _cells(line, header)
            time, arguments = _time(cells["timestamp"]), _arguments(cells)
        except ValueError as reason:
            parked.append(Parked(number, str(reason), line if len(line) <= LINE_BYTES_MAX else line[:SHOWN_BYTES]))
            continue
        # A case may have no name: the tool that wrote the log took the name NA for a missing value.
        key = keys.setdefault(cells["case_id"], len(keys))
        # The times are local: in the night when the clocks are put back, a case seems to go back too.
        latest[key] = max(time, latest.get(key, 0))
        rows.append(Row(latest[key], key, cells["activity"], arguments, cells.get("state", "")))
    return sorted(rows, key=lambda row: row.time), parked


def lines(path: str) -> Iterator[bytes]:
    """The lines of a plain or gzipped file without their ends; of one that is too long, enough to see that it is."""
    with open(path, "rb") as raw:
        zipped = raw.peek(2)[:2] == b"\x1f\x8b"
        file = gzip.GzipFile(fileobj=raw) if zipped else raw
        while line := file.readline(LINE_BYTES_MAX + 2):
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = file.readline(1 << 16)
            yield line.rstrip(b"\r\n")


def _cells(line: bytes, header: list[str]) -> dict[str, str]:
    if len(line) > LINE_BYTES_MAX:
        raise ValueError(f"line: expected at most {LINE_BYTES_MAX} bytes, found more: the first {SHOWN_BYTES} are kept")
    columns = line.decode().split(",")
    if len(columns) != len(header):
        raise ValueError(f"columns: expected {len(header)}, found {len(columns)}")
    return dict(zip(header, columns, strict=True))


def _time(text: str) -> int:
    """ns since 1970, as if the times of the log were UTC."""
    try:
        if TIME.fullmatch(text):
            return (datetime.fromisoformat(text) - EPOCH) // SECOND * 10**9
    except ValueError:  # the 30th of February
        pass
    raise ValueError(f"timestamp: expected one like 2013-12-31 23:59:59, found {text[:40]!r}")


def _arguments(cells: dict[str, str]) -> tuple[int, int]:
    activity = cells["activity"]
    if activity not in EVENT_OF:
        raise ValueError(f"activity: expected one of {', '.join(EVENT_OF)}, found {activity[:40]!r}")
    if activity == "NEW":
        return _word(cells, "casetype"), _word(cells, "flagd")
    if activity == "FIN":
        return _word(cells, "closecode"), 0
    if activity in ("STORNO", "REJECT"):
        return PEOPLE.index(ROLE_OF.get(cells["resource"], "care")), 0
    return 0, 0


def _word(cells: dict[str, str], column: str) -> int:
    text, words = cells[column], WORDS[column]
    if text not in words:
        raise ValueError(f"{column}: expected one of {', '.join(filter(None, words))} or nothing, found {text[:40]!r}")
    return words[text]


# --- what was recorded -----------------------------------------------------------------------------------------------

NOBODY = (1 << 64) - 1
WORD_OF = {
    "in_progress": "In progress", "closed": "Closed", "empty": "Empty", "released": "Released", "recoding": "Released",
    "billable": "Billable", "billed": "Billed", "invoice_rejected": "Invoice rejected", "rejected": "Rejected",
    "unbillable": "Unbillable",
}  # fmt: skip
"""What the billing system calls a state. All others lie around these, inside them or beside them."""

Counts = Counter[tuple[str, str]]
"""By the state that an event met, in the words of the log, and the activity."""


class Comparison(NamedTuple):
    """What became of the events of a log: taken to the recorded state, taken to another, or refused, by reason."""

    agreeing: int
    differing: Counts
    refused: dict[str, Counts]
    untold: dict[str, int]
    """What became of the timers."""


def compare(path: str, engine: str | None = None) -> Comparison:
    """Give a log to an engine, event by event, and look at the state after each."""
    rows, _ = read(path)
    packages = Engine(BillingPackage, capacity=len({row.key for row in rows}) or 1, engine=engine)
    recorded: dict[int, str] = {}
    agreeing, differing, refused = 0, Counts(), defaultdict[str, Counts](Counts)
    for row in rows:
        packages.advance(row.time)
        package = packages.find(row.key)
        if package is None:
            package = packages.start(row.key) if row.activity == "NEW" else NOBODY
        met = (state_of(packages, package), row.activity)
        outcome = Outcome(packages.step(package, EVENT_OF[row.activity].id, *row.arguments))
        recorded[row.key] = row.recorded or recorded.get(row.key, "")
        if outcome.refused:
            refused[outcome.label][met] += 1
        elif state_of(packages, package) == recorded[row.key]:
            agreeing += 1
        else:
            differing[met] += 1
    return Comparison(agreeing, differing, dict(refused), packages.untold)


def state_of(packages: Engine, package: int) -> str:
    """The state of a package in the words of the log; empty where there is none."""
    active = () if package == NOBODY else packages.state(package)
    return next((WORD_OF[name] for name in active if name in WORD_OF), "")


def print_comparison(found: Comparison) -> None:
    """How many events agree, and each state and activity where they do not."""
    print(f"{found.agreeing:6}  taken to the state that was recorded")
    parts = {"taken to another": found.differing, **{f"refused: {why}": each for why, each in found.refused.items()}}
    for title, counts in parts.items():
        print(f"{counts.total():6}  {title}")
        for (state, activity), count in counts.most_common():
            print(f"        {count:6}  {state or 'no package'}, {activity}")
    print(f"{sum(found.untold.values()):6}  timers fired besides")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python examples/hospital_billing.py FILE    (compares a log with what it recorded)")
    print_comparison(compare(sys.argv[1]))
