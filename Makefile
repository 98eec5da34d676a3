# make demo   the whole workflow on a simulated cohort, in a virtual environment of its own
# make test   lint, all tests and the demo
# make test-fast   the unit tests alone
# make check-reruns   what a change makes new, row by row
# make chaos [SEED=]   runs disturbed on purpose, and how each ends: docs/reliability.md
# make ixi-grid [BIDS=FOLDER]   the losses on real heads in five folds, resumable
# make lock   resolve the requirements anew

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
CORES ?= $(shell nproc)
PYTHON ?= $(shell for v in 3.11 3.12 3.13; do command -v python$$v && break; done || command -v python3)
BIN := .venv/bin

.PHONY: help environment test-environment demo ixi-grid ixi-grid-table test test-fast check-reruns chaos lint check-lock lock manual clean

help:
	@sed -n 's/^# //p' Makefile | head -7

environment: .venv/workflow.done
test-environment: .venv/test.done

.venv/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "brainage needs Python 3.11, 3.12 or 3.13: there is no python3 here"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "brainage needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) -V)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python's venv package is missing: sudo apt install python3-venv"; exit 1; }
	rm -rf .venv
	$(PYTHON) -m venv .venv

.venv/workflow.done: requirements/workflow.lock | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/workflow.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

.venv/test.done: requirements/test.lock .venv/workflow.done
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/test.lock
	touch $@

demo: environment
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/demo.sh $(CORES)

# Finished cells stay: an interrupted run goes on, and ixi-grid-table prints what there is so far.
BIDS ?= ../shared/data/ixi
ixi-grid: environment
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --cores $(CORES) --keep-going --rerun-incomplete \
	  --configfile config/ixi-grid.yaml --config bids=$(BIDS)
	$(MAKE) ixi-grid-table

ixi-grid-table: environment
	$(BIN)/python scripts/finished_cells.py config/ixi-grid.yaml results/ixi-grid

lint: test-environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --lint
	$(BIN)/lint-imports
	$(BIN)/mypy

# The demo comes before the tests: some of them look at what came out of it.
test: lint demo
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 2 --dist loadfile

# Without the demo and without running the workflow.
test-fast: test-environment
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" \
	  --ignore tests/workflow

# docs/reruns.md, row by row.
check-reruns: test-environment
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest tests/workflow/check_reruns.py

# Finished trials stay: an interrupted call goes on with the next.
SEED ?= 2026
chaos: environment
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/chaos.py --seed $(SEED)

# The CUDA packages are torch's own business: it pins them, and a build without CUDA wants none.
CUDA := ^(nvidia-|cuda-|triton==)

lock: .venv/bin/python
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	  --extra workflow pyproject.toml | grep -vE '$(CUDA)' > requirements/workflow.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	  --extra workflow --extra test pyproject.toml -c requirements/workflow.lock \
	  | grep -vE '$(CUDA)' > requirements/test.lock
	$(BIN)/python scripts/environments.py

# Whether the lock file also resolves for the Pythons that it was not run on.
check-lock: test-environment
	for v in 3.12 3.13; do \
	  $(BIN)/uv pip compile --quiet --python-version $$v requirements/test.lock > /dev/null \
	    && echo "the lock file resolves for Python $$v"; done

# config/README.md from the schema of the config.
manual: environment
	$(BIN)/python scripts/config_manual.py

clean:
	rm -rf results .snakemake
