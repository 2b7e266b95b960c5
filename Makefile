# Streamlabel. `make help` explains each target.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
ARGS ?=
# Where the servers of the tests come from: embedded (out of packages) or containers (a Docker engine and the images).
STACK ?= embedded
IMAGE ?= streamlabel:dev
BASE_IMAGE ?= python:3.11-slim-bookworm

RUN_STAMP := $(VENV)/.streamlabel-run
DEV_STAMP := $(VENV)/.streamlabel-dev

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: setup
setup: $(RUN_STAMP) ## Make .venv with everything that running needs, pinned by hash; does nothing where nothing changed

.PHONY: run
run: $(RUN_STAMP) ## Start the demo: the whole stack and a stream of digits. ARGS="--records 3000 --exit --report r.json", ARGS="sentiment"
	@exec $(BIN)/streamlabel demo $(ARGS)

.PHONY: up
up: $(RUN_STAMP) ## Start the stack alone and keep it alive until Ctrl-C
	@exec $(BIN)/streamlabel up $(ARGS)

.PHONY: test
test: $(DEV_STAMP) system-packages ## Run all tests on real servers, in two runs at once. STACK=containers takes them from containers; ARGS="-k review": one run of these
	STACK=$(STACK) $(BIN)/python $(if $(ARGS),-m pytest $(ARGS),tests/support/side_by_side.py)

.PHONY: test-kills
test-kills: $(DEV_STAMP) system-packages ## Kill every process ten times at random moments of a demo and count the labels; takes half an hour
	KILLS=$${KILLS:-10} $(BIN)/python -m pytest tests/e2e/test_kills.py $(ARGS)

.PHONY: check
check: $(DEV_STAMP) ## Look at the code without running it: style, types, imports between rooms, protos
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd protos && ../$(BIN)/buf lint
	cd protos && ../$(BIN)/buf breaking --against released.binpb
	$(BIN)/python protos/generate.py --check

.PHONY: bench
bench: $(DEV_STAMP) ## Measure throughput and latency against a bare copy loop in the same run; writes reports/
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: proto
proto: $(DEV_STAMP) ## Generate services/streamlabel/v1 from protos/
	$(BIN)/python protos/generate.py

.PHONY: images
images: ## Build the one image of all services. BASE_IMAGE=… IMAGE=…
	docker/build.sh $(IMAGE) $(BASE_IMAGE)

.PHONY: lock
lock: $(DEV_STAMP) ## Write the lock files anew with the latest versions that pyproject.toml allows
	@test -x $(BIN)/uv || $(PIP) install uv
	requirements/lock.sh

.PHONY: clean
clean: ## Remove .venv, caches and reports; downloads in ~/.cache/streamlabel and data in .streamlabel stay
	rm -rf $(VENV) build dist reports .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .fresh-out
	rm -rf services/*.egg-info
	find services tests benchmarks protos -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: system-packages
system-packages:
	@requirements/debian.sh

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Streamlabel needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) --version); try make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || \
	  { echo "$(PYTHON) has no venv module; on Debian: sudo apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# A lock is installed exactly, nothing beside it is asked for, and the package itself is built by what the lock holds.
$(RUN_STAMP): requirements/run.lock pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes -r requirements/run.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV_STAMP): requirements/dev.lock pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes -r requirements/dev.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ $(RUN_STAMP)
