# The lab in two commands: `make run` and `make test`. `make help` lists the rest.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

HOST ?= 127.0.0.1
PORT ?= 8000
DATA ?= data
# On two cores: a third of the time tests wait for a clock, a peer or a disk.
WORKERS ?= 3
VENV ?= .venv
# The first Python that is new enough; PYTHON=... chooses another.
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$python"; break; }; done)

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
# A lock names every package with its hash, so nothing has to be resolved, and nothing else can get in.
INSTALL := $(PIP) install --quiet --require-hashes --no-deps --only-binary :all:
# Tests marked with the same xdist_group (a clock on the wall, a peer, a browser) never run at the same time.
PYTEST := -m pytest -n $(WORKERS) --dist loadgroup
ifdef COVER
# Processes started elsewhere write beside the others.
export COVERAGE_FILE := $(CURDIR)/.coverage
PYTEST := -m coverage run $(PYTEST)
endif

# Hundreds of processes of the tests load the same modules: what Python compiles is kept, whatever the shell says.
test soak: export PYTHONDONTWRITEBYTECODE :=

# What numba compiles is compiled once, before many processes need it at the same time.
WARM := $(BIN)/python -c "from fablab.programs import gcode; gcode.warm()" & \
	$(BIN)/python -c "from scheduler import search; search.warm()" && wait

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  HOST=$(HOST) PORT=$(PORT) DATA=$(DATA)   where run and demo listen, and keep their data"
	@echo "  ARGS=...                                 more for pytest, bench, run and demo"

.PHONY: run
run: $(VENV)/.run ## set up, then serve a demo lab with mock machines until Ctrl-C
	@$(BIN)/fablab demo --host "$(HOST)" --port "$(PORT)" --data "$(DATA)" $(ARGS)

.PHONY: demo
demo: $(VENV)/.run ## the same on fresh data every time, in build/demo
	@rm -rf build/demo && mkdir -p build/demo
	@$(BIN)/fablab demo --host "$(HOST)" --port "$(PORT)" --data build/demo $(ARGS)

.PHONY: test
test: $(VENV)/.dev ## all tests; COVER=1 measures what they reach
	@.ci/tools zones chromium headers sodium
	@$(WARM)
	@$(BIN)/python $(PYTEST) $(ARGS)

.PHONY: check
check: $(VENV)/.dev ## format, lint, types, import contracts, packages that fit together
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PIP) check

.PHONY: bench
bench: $(VENV)/.dev ## measure: make bench NAME=analyse
	@$(BIN)/python -m tests.bench $(NAME) $(ARGS)

.PHONY: soak
soak: $(VENV)/.dev ## the long tests
	@.ci/tools zones chromium headers sodium
	@$(BIN)/python -m pytest -m soak --timeout 7200 $(ARGS)

.PHONY: clean
clean: ## remove ./data, the environments and every cache (a DATA kept elsewhere stays)
	rm -rf data build $(VENV) .peers .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage*
	find fablab drivers scheduler web tests -name __pycache__ -prune -exec rm -rf {} +

# Stamps: an environment is made once, and again when its lock changes.

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer was found. Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) does not run, or is older than Python 3.11." >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) has no venv module. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Making $(VENV) with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv "$(VENV)"
	@"$(BIN)/python" -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "fablab.pth").write_text(str(pathlib.Path.cwd()) + "\n")'
	@printf '#!/bin/sh\n# Made by make: the fablab command on the source tree it was made in.\nexec "%s/python" -P -c "import sys; sys.argv[0] = \\"fablab\\"; from web.cli import main; sys.exit(main())" "$$@"\n' "$(abspath $(BIN))" > "$(BIN)/fablab"
	@chmod +x "$(BIN)/fablab"
	@touch $@

$(VENV)/.run: requirements.lock | $(VENV)/.made
	@echo "Installing what the lab needs (once, and when requirements.lock changes)"
	@$(INSTALL) -r requirements.lock
	@touch $@

# The second lock holds all of the first, in the same versions (tests/test_houses.py), so it serves for both.
$(VENV)/.dev: requirements-dev.lock | $(VENV)/.made
	@echo "Installing what the tests need (once, and when requirements-dev.lock changes)"
	@$(INSTALL) -r requirements-dev.lock
	@touch $(VENV)/.run $@
