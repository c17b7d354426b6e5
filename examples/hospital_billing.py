"""Packages of care at a hospital, from their opening to the invoice, replayed from the log of its billing system.

    start ─▶ in_progress ─▶ closed ─▶ released ─▶ billed ─▶ invoice_rejected ─▶ rejected
                 ▲   │         │      a code is    ▲  │                │            │
                 │   │         │      asked for    │  └──▶ billable ◀──┘            │
                 │   │         │          │        └──────────┤                     │
          reopen └───┼─────────┴──────────┴───────────────────┴─────────────────────┘
                     ├──▶ empty: closed, and there is nothing to bill
                     └╌╌▶ billable, after 60 h without an event: kinds that nobody closes

    from anywhere on this way: unbillable, and back to where it was          beside it: valid ─▶ cancelled

    fsm run examples/hospital_billing.py FILE       replay a log, plain or gzipped
    python examples/hospital_billing.py FILE        the same, and compare each state with the one that the log recorded

A log is CSV with a header and without quotes. Of its columns `case_id`, `activity`, `resource`, `timestamp`, `casetype`,
`closecode` and `flagd` are read; a blank means that nothing changed. Its events stand case by case: all of them are read,
then given in order of time. The column `state` is what the billing system itself said after the event. No event carries
it: it is there to compare with.
"""

from __future__ import annotations

import gzip
import re
import sys
from collections import Counter
from datetime import datetime
from string import ascii_uppercase
from typing import TYPE_CHECKING, NamedTuple

from fsm import Boolean, Choice, Engine, Event, Flow, History, Integer, Outcome, Parallel, Region, State, raise_
from fsm.runtime import Batch, Parked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KINDS = ("unchanged", *ascii_uppercase[:8])
CLOSE_CODES = ("unchanged", *ascii_uppercase)
PEOPLE = ("unchanged", "batch", "desk", "care")
"""Who acts: the batch account, which closes two packages of three; those who send invoices; those who give care."""


class BillingPackage(Flow):
    """One package of care: what was done for one patient and one complaint, and goes on one invoice."""

    parts = Integer()  # a package may be put together from several, and then things happen to it several times
    needs_code = Boolean()
    cancelled_by = Choice(*PEOPLE)  # the last invoice

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
        # A deleted package keeps its state, as in the billing system, so this is not a part of the way to the invoice.
        # It comes first, so that its word is taken where both would have theirs.
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

    # Kinds C and H are written down by nightly runs, and nobody closes them.
    opened = [parts.set(1), needs_code.set(New.needs_code)]
    start.on(New, when=(New.kind == "C") | (New.kind == "H"), to=collected, do=opened)
    start.on(New, to=package, do=opened)

    in_progress.on(New, do=parts.add(1))
    in_progress.on(ChangeDiagnosis)
    in_progress.on(ChangeEnd)
    in_progress.on(JoinPatient)
    in_progress.on(Reopen, when=parts > 1)
    # The answer of the grouper to a package that has been reopened since: it is asked again at the next release.
    in_progress.ignores(CodeOk, CodeNotOk, CodeError)
    in_progress.on(Close, when=Close.code == "H", to=empty)
    in_progress.on(Close, to=closed)

    # No event says so, but later these packages are found billable, hardly ever sooner.
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

    # The batch account takes back what the hospital itself got wrong, and the invoice is sent anew. All others pass on
    # what the insurer did not accept.
    billed.on(Storno, when=Storno.by == "batch", to=billable)
    billed.on(Storno, to=invoice_rejected, do=cancelled_by.set(Storno.by))
    # Where those who gave the care do both at once, the package itself was wrong; else only the invoice was.
    invoice_rejected.on(Reject, when=(Reject.by == "unchanged") & (cancelled_by == "care"), to=rejected)
    invoice_rejected.on(Reject, to=billable)
    invoice_rejected.on(Storno, when=parts > 1)
    billable.on(Storno, when=parts > 1)
    billable.on(Reject, when=parts > 1)
    rejected.on(Release, to=released)
    billable.on(Release, to=released)

    backwards = closed | released | billable | rejected
    backwards.on(Reopen, to=in_progress)

    # By hand: a package with a code goes back to be released anew, one without stays. One that is billed gets another
    # code, and the invoice stands: either the code is there already, or it is on its way.
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

    # What is on an invoice cannot be deleted. A code is given back: the package is no longer released.
    coded.on(Delete, to=closed, do=raise_(Cancel))
    (in_progress | closed | released | billable | empty | unbillable).on(Delete, do=raise_(Cancel))
    valid.on(Cancel, to=cancelled)
    cancelled.on(Bill, to=quarantined)


LINE_BYTES_MAX, SHOWN_BYTES, BATCH = 4096, 200, 4096
ACTIVITIES = {
    "NEW": BillingPackage.New, "CHANGE DIAGN": BillingPackage.ChangeDiagnosis, "CHANGE END": BillingPackage.ChangeEnd,
    "JOIN-PAT": BillingPackage.JoinPatient, "FIN": BillingPackage.Close, "REOPEN": BillingPackage.Reopen,
    "RELEASE": BillingPackage.Release, "CODE OK": BillingPackage.CodeOk, "CODE NOK": BillingPackage.CodeNotOk,
    "CODE ERROR": BillingPackage.CodeError, "BILLED": BillingPackage.Bill, "STORNO": BillingPackage.Storno,
    "REJECT": BillingPackage.Reject, "SET STATUS": BillingPackage.SetStatus, "MANUAL": BillingPackage.Manual,
    "DELETE": BillingPackage.Delete,
}  # fmt: skip
RECORDED = {
    "in_progress": "In progress", "closed": "Closed", "empty": "Empty", "released": "Released", "recoding": "Released",
    "billable": "Billable", "billed": "Billed", "invoice_rejected": "Invoice rejected", "rejected": "Rejected",
    "unbillable": "Unbillable",
}  # fmt: skip
