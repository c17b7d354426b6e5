"""Fill the sections of the tables from a lowered program.

    Program ──▶ words of every section of `tables.SECTIONS` ──tables.build()──▶ Tables

Files are written relative to the package that they belong to (`orders/flows.py`), so that the bytes do not differ from
checkout to checkout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import accumulate
from os.path import basename, dirname, exists, join

from fsm import tablecheck, tables
from fsm.compile.canonical import canonical
from fsm.compile.cells import Program
from fsm.compile.code import Code, Source, text_words
from fsm.compile.columns import Columns
from fsm.compile.titles import titled
from fsm.compile.tree import bits
from fsm.define import render, render_moment
from fsm.define.chart import Action, Argument, Chart, Field, Place, Trigger, Type
from fsm.layout import NONE, ROW_FIELDS, FieldKind


def emit(program: Program) -> tables.Tables:
    """The tables of a chart."""
    walk, code = program.walk, program.code
    chart = walk.chart
    strings = _Strings()
    options: list[int] = []
    name, documentation = strings.index(chart.name), strings.index(chart.documentation)
    actives = [list(bits(configuration.active)) for configuration in walk.configurations]
    text = canonical(chart).encode()
    sources, places = _sources(program, strings)
    targets: list[int] = []
    sections = {
        "cells": program.cells,
        "successors": program.successors,
        "code": program.assembly.code,
        "places": places,
        "constants": program.assembly.constants,
        "initial": _initial(chart, code),
        "configurations": [0, *accumulate(map(len, actives))],
        "active": [state_id for active in actives for state_id in active],
        "states": _states(chart, walk.tree.ids, strings),
        "events": _events(chart, strings),
        "arguments": [
            word
            for event in chart.events
            for argument in event.arguments
            for word in _variable(argument, argument.offset, strings, options)
        ],
        "fields": [
            word for field in chart.fields for word in _variable(field, code.fields[field.name], strings, options)
        ],
        "options": options,
        "transitions": _transitions(chart, walk.tree.ids, strings, targets),
        "targets": targets,
        "ignores": _ignores(chart, walk.tree.ids, strings),
        "defers": _defers(chart, walk.tree.ids, strings),
        "timers": _timers(walk.columns, strings),
        "sources": sources,
        "waivers": _waivers(chart, strings),
        "strings": strings.offsets,
        "text": bytes(strings.text),
        "chart": text,
    }
    columns = walk.columns
    header = tablecheck.Header(
        row_words=code.row_words,
        temporary_count=program.assembly.temporary_count,
        fingerprint=sha256(text).digest(),
        initial_configuration=walk.ids[walk.initial],
        semantics_version=tables.SEMANTICS_VERSION,
        name=name,
        documentation=documentation,
        done_count=len(columns.done),
        always_count=int(columns.always is not None),
        timer_slots=columns.timer_slots,
        deferral_slots=code.deferral_slots,
        deferral_words=code.deferral_words,
        successor_count=program.successor_count,
        raised_max=chart.raised_max,
        microsteps_max=chart.microsteps_max,
        start=program.start,
    )
    return tables.build(sections, header)


class _Strings:
    """Every text of the tables once, in the order in which the sections name them."""

    def __init__(self) -> None:
        self.offsets = [0]
        self.text = bytearray()
        self._indexes: dict[str, int] = {}

    def index(self, text: str) -> int:
        if text not in self._indexes:
            self._indexes[text] = len(self._indexes)
            self.text += text.encode("utf-8", "backslashreplace")
            self.offsets.append(len(self.text))
        return self._indexes[text]

    def place(self, place: Place) -> tuple[int, int]:
        return self.index(relative(place.file)), place.line


def relative(file: str) -> str:
    """The path of a source file from the folder that holds its outermost package, with `/`."""
    folder, names = dirname(file), [basename(file)]
    while basename(folder) and exists(join(folder, "__init__.py")):
        folder, names = dirname(folder), [basename(folder), *names]
    return "/".join(names)


def _initial(chart: Chart, code: Code) -> list[int]:
    words = [0] * (code.row_words - ROW_FIELDS)
    for field in chart.fields:
        first = code.fields[field.name] - ROW_FIELDS
        for offset, word in enumerate(_words(field.type, field.default)):
            words[first + offset] = word
    return words


def _words(type: Type, value: int | bytes) -> list[int]:
    return text_words(value, type.words) if isinstance(value, bytes) else [int(value)]


def _variable(variable: Field | Argument, word: int, strings: _Strings, options: list[int]) -> tuple[int, ...]:
    type = variable.type
    parameter = type.size if type.kind is FieldKind.TEXT else type.places
    first = len(options) if type.options else 0
    options.extend(map(strings.index, type.options))
    return strings.index(variable.name), type.kind, parameter, first, len(type.options), word


def _states(chart: Chart, ids: Mapping[str, int], strings: _Strings) -> list[int]:
    words: list[int] = []
    for state in chart.states:
        parent, default = (NONE if name is None else ids[name] for name in (state.parent, state.default))
        entry, exit = (_action_text(actions, strings) for actions in (state.entry, state.exit))
        words += (
            strings.index(state.name), state.kind, parent, state.initial, default, entry, exit,
            *strings.place(state.place),
        )  # fmt: skip
    return words


def _action_text(actions: Sequence[Action], strings: _Strings) -> int:
    return strings.index("; ".join(action.text for action in actions)) if actions else NONE


def _events(chart: Chart, strings: _Strings) -> list[int]:
    words: list[int] = []
    first = 0
    for event in chart.events:
        word_count = max((argument.offset + argument.type.words for argument in event.arguments), default=0)
        words += strings.index(event.name), first, len(event.arguments), word_count, *strings.place(event.place)
        first += len(event.arguments)
    return words


def _transitions(chart: Chart, ids: Mapping[str, int], strings: _Strings, targets: list[int]) -> list[int]:
    event_ids = {event.name: index for index, event in enumerate(chart.events)}
    words: list[int] = []
    for transition in chart.transitions:
        first = len(targets) if transition.targets else 0
        targets.extend(ids[name] for name in transition.targets)
        words += (
            ids[transition.source],
            transition.trigger,
            event_ids[transition.event] if transition.trigger is Trigger.EVENT else NONE,
            transition.stay,
            first,
            len(transition.targets),
            NONE if transition.guard is None else strings.index(render(transition.guard)),
            _action_text(transition.actions, strings),
            NONE if transition.moment is None else strings.index(render_moment(transition.moment)),
            *strings.place(transition.place),
        )
    return words


def _ignores(chart: Chart, ids: Mapping[str, int], strings: _Strings) -> list[int]:
    event_ids = {event.name: index for index, event in enumerate(chart.events)}
    words: list[int] = []
    for ignore in chart.ignores:
        words += ids[ignore.source], event_ids[ignore.event], *strings.place(ignore.place)
    return words


def _defers(chart: Chart, ids: Mapping[str, int], strings: _Strings) -> list[int]:
    event_ids = {event.name: index for index, event in enumerate(chart.events)}
    words: list[int] = []
    for defer in chart.defers:
        words += ids[defer.source], event_ids[defer.event], defer.at_most, *strings.place(defer.place)
    return words


def _timers(columns: Columns, strings: _Strings) -> list[int]:
    words: list[int] = []
    for timer in columns.timers:
        moment = strings.index(render_moment(timer.moment))
        words += timer.state, timer.slot, timer.trigger, moment, *strings.place(timer.place)
    return words


def _sources(program: Program, strings: _Strings) -> tuple[list[int], list[int]]:
    """The records of the sources that the code names, and for each instruction its source."""
    ids: dict[Source, int] = {}
    records: list[int] = []
    places: list[int] = []
    for source in program.assembly.sources:
        if not isinstance(source, Source):
            places.append(NONE)
            continue
        if source not in ids:
            ids[source] = len(ids)
            takers = program.takers.get(source, ())
            # Code that several transitions of a group share names none of them: state and event tell which it was.
            only = next(iter(takers)) if len(takers) == 1 else NONE
            records += strings.index(source.text), only, *strings.place(Place(source.file, source.line))
        places.append(ids[source])
    return records, places


def _waivers(chart: Chart, strings: _Strings) -> list[int]:
    subjects = [(f"flow {chart.name}", chart.waivers)]
    subjects += [(f"field {field.name}", field.waivers) for field in chart.fields]
    subjects += [(f"event {event.name}", event.waivers) for event in chart.events]
    subjects += [(f"state {state.name}", state.waivers) for state in chart.states]
    subjects += [
        (
            f"{titled(t)} of {t.source}" if t.trigger is not Trigger.EVENT else f"transition {t.source} on {t.event}",
            t.waivers,
        )
        for t in chart.transitions
    ]
    words: list[int] = []
    for subject, waivers in subjects:
        for rule, reason in waivers:
            words += strings.index(subject), strings.index(rule), strings.index(reason)
    return words
