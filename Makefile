# What people do here. Each target makes what it needs; a fresh clone needs Python >= 3.11, a C compiler and make.
#
#   make run [DAY=path]   replay a trading day through the example (one million generated events, or a LOBSTER file)
#   make test             the whole suite             FSM_PURE=1 make test   the same with no compiler, on the mirror
#   make bench            the benchmarks, each beside its floor
#   make lint docs        what CI holds the source and the documents to
#   make sanitize         what runs the core, on one built with ASan and UBSan
#   make mutants          errors made on purpose in the core and the compiler: the suite must see each (an hour)
#   make clean            remove what was built here

PYTHON ?= python3
SANITIZERS := address,undefined
# What is Python alone takes minutes under the sanitizers, which have nothing to see there.
WITHOUT_CORE := tests/define tests/docs tests/source tests/formats tests/compile/test_check* tests/compile/test_interpreter*
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

.PHONY: run test bench lint docs sanitize mutants clean
.DELETE_ON_ERROR:

run: $(VENV)/.core $(DAY)
	$(BIN)/fsm run examples/limit_order.py $(DAY)

test: $(VENV)/.tools
	$(BIN)/pytest -q $(ARGS)

bench: $(VENV)/.tools
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

sanitize: .venv-sanitize/.tools
	LD_PRELOAD="$$(cc -print-file-name=libasan.so) $$(cc -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc FSM_SANITIZE=$(SANITIZERS) \
	.venv-sanitize/bin/pytest -q -m "not slow" $(WITHOUT_CORE:%=--ignore-glob=%) $(ARGS)

mutants: $(VENV)/.tools
	$(BIN)/python tests/mutants/run.py $(ARGS)

clean:
	rm -rf build dist var *.egg-info .venv-pure .venv-sanitize .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -f fsm/engine/*.so $(VENV)/.core $(VENV)/.tools

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

# The other two environments hold a copy: it is renewed whenever any file of the package is newer.
.venv-pure/.core: $(shell find fsm -name '*.py')

.venv-sanitize/.tools: $(SOURCES) $(shell find fsm -name '*.py')
	test -x .venv-sanitize/bin/python || $(PYTHON) -m venv .venv-sanitize
	.venv-sanitize/bin/python -m pip install -q --upgrade pip
	rm -rf build/sanitize-*/lib.*
	FSM_SANITIZE=$(SANITIZERS) .venv-sanitize/bin/python -m pip install -q ".[cli,arrays]" --group test
	touch $@
