# What people do here. Each target makes what it needs; a fresh clone needs Python >= 3.11, a C compiler and make.
#
#   make run [DAY=path]   a day on a store, its process killed meanwhile (one million generated events, or a LOBSTER file)
#   make test             the whole suite             FSM_PURE=1 make test   the same with no compiler, on the mirror
#   make bench            the benchmarks, each beside its floor
#   make lint docs        what CI holds the source and the documents to
#   make sanitize         what runs the core, on one built with ASan and UBSan
#   make crash            workers killed KILLS=5000 times; then every instruction, store and takeover (CRASH_ALL=1)
#   make mutants          errors made on purpose in the core and the compiler: the suite must see each (an hour)
#   make clean            remove what was built here

PYTHON ?= python3
# As many files of tests at a time as there are cores; WORKERS= for one process, as a debugger wants it.
# A worker that dies is not replaced: the others would wait for its files for ever.
WORKERS ?= -n auto --dist loadfile --max-worker-restart=0
SANITIZERS := address,undefined
# What is Python alone takes minutes under the sanitizers, which have nothing to see there.
WITHOUT_CORE := tests/define tests/docs tests/source tests/formats tests/typing tests/test_values* tests/test_codes* \
	tests/tables/test_tablecheck* \
	$(addprefix tests/compile/test_,canonical* check* configurations* decide* interpreter* places*)
# What compiles random flows by the thousand. There Python has its own allocator, and malloc, which the sanitizers watch,
# holds all but its objects of up to 512 bytes: tables, areas, arrays, the core's own. Elsewhere it holds those too.
MOSTLY_COMPILES := tests/compile tests/differential tests/tables
SOURCES := setup.py pyproject.toml $(wildcard native/* fsm/*.pxd fsm/engine/*.pxd fsm/include/fsm/*.h)

# A pure build and a sanitized one are installed into environments of their own, away from the tree: the compiled core
# lies in the tree of the usual one, and a test must run what it says it runs.
ifneq ($(filter-out 0,$(FSM_PURE)),)
VENV := .venv-pure
INSTALL := ".[cli,arrays]"
else
VENV := .venv
INSTALL := -e ".[cli,arrays]"
endif
BIN := $(VENV)/bin
DAY ?= var/day.csv

.PHONY: run test bench lint docs sanitize crash mutants clean
.DELETE_ON_ERROR:

run: $(VENV)/.core $(DAY)
	$(BIN)/fsm rehearse examples/limit_order.py $(DAY) --kills $(or $(KILLS),3) --store var/rehearsal

test: $(VENV)/.tools
	$(BIN)/pytest -q $(WORKERS) $(ARGS)

bench: $(VENV)/.bench
	$(BIN)/pytest -q benchmarks -o addopts= -o python_files=bench_*.py -o python_functions=bench_* -o timeout=0 \
		--benchmark-only --benchmark-columns=min,median,max,rounds $(ARGS)

lint: $(VENV)/.tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy examples
	$(BIN)/pytest -q tests/source

docs: $(VENV)/.tools
	$(BIN)/pytest -q tests/docs $(ARGS)

# The chart is not read beside the engines (FSM_READING), which is Python again; and a process that is stepped instruction
# by instruction (tests/crash) would step through the sanitizers.
SANITIZED = LD_PRELOAD="$$(cc -print-file-name=libasan.so) $$(cc -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 FSM_SANITIZE=$(SANITIZERS) FSM_READING=0
SANITIZED_PYTEST = .venv-sanitize/bin/pytest -q $(WORKERS) -m "not slow" --ignore=tests/crash $(WITHOUT_CORE:%=--ignore-glob=%)

sanitize: .venv-sanitize/.tools
	$(SANITIZED) PYTHONMALLOC=malloc $(SANITIZED_PYTEST) $(MOSTLY_COMPILES:%=--ignore=%) $(ARGS)
	$(SANITIZED) $(SANITIZED_PYTEST) $(MOSTLY_COMPILES) $(ARGS)

# SEED, FLOW and ENGINE as well, if one run is to be made again.
crash: $(VENV)/.tools
	PYTHONPATH=. $(BIN)/python -m tests.crash.killing
	CRASH_ALL=1 $(BIN)/pytest -q -s -o timeout=0 tests/crash $(ARGS)

mutants: $(VENV)/.tools
	$(BIN)/python tests/mutants/run.py $(ARGS)

clean:
	rm -rf build dist var *.egg-info .venv-pure .venv-sanitize .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -f fsm/engine/*.so $(VENV)/.core $(VENV)/.tools $(VENV)/.bench

var/day.csv: examples/limit_order.py | $(VENV)/.core
	$(BIN)/python examples/limit_order.py $@

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip

$(VENV)/.core: $(SOURCES) | $(VENV)/bin/python
	rm -rf build/pure
	$(BIN)/python -m pip install -q $(INSTALL)
	touch $@

$(VENV)/.tools: $(VENV)/.core
	$(BIN)/python -m pip install -q --group test --group lint
	touch $@

$(VENV)/.bench: $(VENV)/.tools
	$(BIN)/python -m pip install -q --group bench
	touch $@

# The other two environments hold a copy: it is renewed whenever any file of the package is newer.
.venv-pure/.core: $(shell find fsm -name '*.py')

.venv-sanitize/.tools: $(SOURCES) $(shell find fsm -name '*.py')
	test -x .venv-sanitize/bin/python || $(PYTHON) -m venv .venv-sanitize
	.venv-sanitize/bin/python -m pip install -q --upgrade pip
	rm -rf build/sanitize-*/lib.*
	FSM_SANITIZE=$(SANITIZERS) .venv-sanitize/bin/python -m pip install -q ".[cli,arrays]" --group test
	touch $@
