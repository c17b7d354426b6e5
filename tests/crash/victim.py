"""A process that works on a store until somebody kills it; what it has done is counted where that one sees it.

victim.py script STORE CONTROL ENGINE NAME     opens the store, does what is done before, stops itself; each
                                               operation of the script; stops itself
victim.py open STORE CONTROL ENGINE            stops itself, opens the store, stops itself
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from ctypes import c_uint64
from typing import Any

import fsm
from tests.crash import small
from tests.crash.scripts import SCRIPTS, perform, prepare, text


def control_words(path: str) -> memoryview:
    """The words of the control file."""
    descriptor = os.open(path, os.O_RDWR)
    words = memoryview(mmap.mmap(descriptor, 0)).cast("Q")
    os.close(descriptor)
    return words


def stop() -> None:
    """Wait for whoever watches."""
    os.kill(os.getpid(), signal.SIGSTOP)


def run_script(path: str, control: memoryview, engine_name: str, name: str) -> list[str]:
    """The operations one by one, each acknowledged once it has returned."""
    script = SCRIPTS[name]
    with small.sizes(ring_bytes=script.ring_bytes):
        engine = small.open_store(path, script.flow_class, engine_name, **script.settings)
        for operation in script.before:
            perform(engine, operation)
        acknowledged, results = c_uint64.from_buffer(control), []
        calls = prepare(engine, script)
        stop()
        for done, call in enumerate(calls, 1):
            result = attempt(call)
            acknowledged.value = done
            results.append(result)
        stop()
    return [text(operation, result) for operation, result in zip(script.watched, results, strict=True)]


def attempt(call: Callable[[], object]) -> object:
    """What a call returns, or the name of what it raises."""
    try:
        return call()
    except fsm.FsmError as error:
        return type(error).__name__


def run_open(path: str, control: memoryview, engine_name: str) -> list[str]:
    """Recovery alone, which is told of when it is done."""
    with suppress(fsm.StoreError):  # what is imported lazily is there then
        fsm.open(path + "/nowhere", engine=engine_name)
    stop()
    engine: Any = small.open_store(path, None, engine_name)
    control[0] += 1
    stop()
    return [str(engine.sequence)]


def main(arguments: list[str]) -> None:
    """What `arguments` say."""
    what, path, control, engine_name, *more = arguments
    run = {"script": run_script, "open": run_open}[what]
    print(json.dumps(run(path, control_words(control), engine_name, *more)))


if __name__ == "__main__":
    main(sys.argv[1:])
