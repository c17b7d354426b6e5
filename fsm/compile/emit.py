"""Fill the sections of the tables from a chart and its lowered program.

    Chart, Program ──▶ words of every section of `tables.SECTIONS` ──tables.build()──▶ Tables

Files are written relative to the package that they belong to (`orders/flows.py`), so that the bytes do not differ from
checkout to checkout.
"""

from __future__ import annotations

from hashlib import sha256
from os.path import basename, dirname, exists, join

from fsm import tables
from fsm.compile.canonical import canonical
from fsm.compile.cells import Program
from fsm.compile.code import Source, text_words
from fsm.compile.configurations import Configuration, initial_configuration
from fsm.define import render
from fsm.define.chart import Argument, Chart, Field, Place, Type
from fsm.layout import NONE, ROW_FIELDS, FieldKind


def emit(chart: Chart, walked: tuple[Configuration, ...], program: Program) -> tables.Tables:
    """The tables of `chart`."""
    strings = _Strings()
    options: list[int] = []
    name, documentation = strings.index(chart.name), strings.index(chart.documentation)
    offsets = [0]
    for configuration in walked:
        offsets.append(offsets[-1] + len(configuration.active))
    text = canonical(chart).encode()
    sources, places = _sources(program, strings)
    sections = {
        "cells": program.cells,
        "code": program.assembly.code,
        "places": places,
        "constants": program.assembly.constants,
        "initial": _initial(chart, program),
        "configurations": offsets,
        "active": [state_id for configuration in walked for state_id in configuration.active],
        "states": _states(chart, strings),
        "events": _events(chart, strings),
        "arguments": [
            word
            for event in chart.events
            for argument in event.arguments
            for word in _variable(argument, argument.offset, strings, options)
        ],
        "fields": [
            word for field in chart.fields for word in _variable(field, program.fields[field.name], strings, options)
        ],
        "options": options,
        "transitions": _transitions(chart, strings),
        "ignores": _ignores(chart, strings),
        "sources": sources,
        "waivers": _waivers(chart, strings),
        "strings": strings.offsets,
        "text": bytes(strings.text),
        "chart": text,
    }
    return tables.build(
        sections,
        row_words=program.row_words,
        temporary_count=program.assembly.temporary_count,
        initial_configuration=initial_configuration(chart),
        name=name,
        documentation=documentation,
        fingerprint=sha256(text).digest(),
    )


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


def _initial(chart: Chart, program: Program) -> list[int]:
    words = [0] * (program.row_words - ROW_FIELDS)
    for field in chart.fields:
        first = program.fields[field.name] - ROW_FIELDS
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


def _states(chart: Chart, strings: _Strings) -> list[int]:
    ids = {state.name: index for index, state in enumerate(chart.states)}
    words: list[int] = []
    for state in chart.states:
        parent = NONE if state.parent is None else ids[state.parent]
        words += strings.index(state.name), state.kind, parent, state.initial, *strings.place(state.place)
    return words


def _events(chart: Chart, strings: _Strings) -> list[int]:
    words: list[int] = []
    first = 0
    for event in chart.events:
        word_count = max((argument.offset + argument.type.words for argument in event.arguments), default=0)
        words += strings.index(event.name), first, len(event.arguments), word_count, *strings.place(event.place)
        first += len(event.arguments)
    return words


def _transitions(chart: Chart, strings: _Strings) -> list[int]:
    state_ids = {state.name: index for index, state in enumerate(chart.states)}
    event_ids = {event.name: index for index, event in enumerate(chart.events)}
    words: list[int] = []
    for transition in chart.transitions:
        words += (
            state_ids[transition.source],
            event_ids[transition.event],
            NONE if transition.target is None else state_ids[transition.target],
            NONE if transition.guard is None else strings.index(render(transition.guard)),
            strings.index("; ".join(action.text for action in transition.actions)) if transition.actions else NONE,
            *strings.place(transition.place),
        )
    return words


def _ignores(chart: Chart, strings: _Strings) -> list[int]:
    state_ids = {state.name: index for index, state in enumerate(chart.states)}
    event_ids = {event.name: index for index, event in enumerate(chart.events)}
    words: list[int] = []
    for ignore in chart.ignores:
        words += state_ids[ignore.source], event_ids[ignore.event], *strings.place(ignore.place)
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
            takers = program.takers[source]
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
    subjects += [(f"transition {t.source} on {t.event}", t.waivers) for t in chart.transitions]
    words: list[int] = []
    for subject, waivers in subjects:
        for rule, reason in waivers:
            words += strings.index(subject), strings.index(rule), strings.index(reason)
    return words
