# make demo   the whole workflow on a simulated cohort, in a virtual environment of its own
# make test   lint, all tests and the demo
# make test-fast   the quick unit tests
# make slurm   Snakemake's plugin for Slurm into that environment: docs/cluster.md
# make test-slurm   the workflow on a Slurm cluster of this machine alone; as root
# make chaos [SEED=]   runs disturbed on purpose, and how each ends: docs/reliability.md
# make ixi-grid [BIDS=FOLDER]   the losses on real heads in five folds, resumable
# make lock [UPGRADE=--upgrade]   resolve the requirements anew (docs/environments.md)

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
CORES ?= $(shell nproc)
PYTHON ?= $(shell for v in 3.11 3.12 3.13; do command -v python$$v && break; done || command -v python3)
BIN := .venv/bin
# What is given on the command line reaches the shell as a variable, never as a part of its text;
# programs are modules of Python, since the first line of a script can't hold every path.
export BIDS CORES PYTHON SEED
ENTER := PATH="$$PWD/$(BIN):$$PATH"
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help environment test-environment slurm demo ixi-grid ixi-grid-table test test-fast test-slurm chaos lint check-lock lock manual clean

help:
	@sed -n 's/^# //p' Makefile | head -8

environment: .venv/workflow.done
test-environment: .venv/test.done
slurm: .venv/slurm.done

.venv/bin/python:
	@[ -n "$$PYTHON" ] || { echo "brainage needs Python 3.11, 3.12 or 3.13: there is no python3 here"; exit 1; }
	@"$$PYTHON" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "brainage needs Python 3.11, 3.12 or 3.13; $$PYTHON is $$("$$PYTHON" -V)"; exit 1; }
	@"$$PYTHON" -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python's venv package is missing: sudo apt install python3-venv"; exit 1; }
	rm -rf .venv
	"$$PYTHON" -m venv .venv

# torch comes last and alone: pip checks the hashes of all packages or of none.
.venv/workflow.done: requirements/workflow.lock requirements/torch.lock | .venv/bin/python
	$(PIP) --no-deps --require-hashes -r requirements/workflow.lock
	$(PIP) --constraint requirements/torch.lock torch
	$(PIP) --no-deps --editable .
	touch $@

.venv/test.done: requirements/test.lock .venv/workflow.done
	$(PIP) --no-deps --require-hashes -r requirements/test.lock
	touch $@

# Apart, since Snakemake imports each plugin (and this one pandas) whenever it starts. Without what
# it requires: it asks for numpy 2.4.5 and antspyx for less than 2.4; with the numpy of the lock it
# works (make test-slurm).
.venv/slurm.done: requirements/slurm.lock .venv/workflow.done
	$(PIP) --no-deps --require-hashes -r requirements/slurm.lock
	touch $@

demo: environment
	@$(ENTER) scripts/demo.sh "$$CORES"

# Finished cells stay: an interrupted run goes on, and ixi-grid-table prints what there is so far.
BIDS ?= ../shared/data/ixi
override BIDS := $(value BIDS)
ixi-grid: environment
	$(ENTER) python -m snakemake --cores "$$CORES" --keep-going --rerun-incomplete \
	  --configfile config/ixi-grid.yaml --config "bids=$$BIDS"
	$(MAKE) ixi-grid-table

ixi-grid-table: environment
	$(BIN)/python scripts/finished_cells.py config/ixi-grid.yaml results/ixi-grid

lint: test-environment
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m snakefmt --check Snakefile workflow
	$(ENTER) python -m snakemake --lint
	$(BIN)/python -c 'from importlinter.cli import lint_imports_command as c; c()'
	$(BIN)/python -m mypy

# The demo comes before the tests: some of them look at what came out of it.
test: lint demo
	$(ENTER) python -m pytest -n 2 --dist loadfile

# Without the demo, without running the workflow and without what takes seconds (marked slow).
test-fast: test-environment
	$(ENTER) python -m pytest -n 2 --dist loadfile -m "not slow" \
	  --ignore tests/workflow

# Needs Debian's slurm-wlm and munge; starts the daemons itself and ends them.
test-slurm: test-environment slurm
	$(ENTER) python -m pytest tests/workflow/check_slurm.py

# Finished trials stay: an interrupted call goes on with the next.
SEED ?= 2026
chaos: environment
	$(ENTER) python scripts/chaos.py --seed "$$SEED"

# Pins stay, but for what pyproject.toml adds or takes away; UPGRADE=--upgrade renews all of them.
RESOLVE := $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --no-header \
  --generate-hashes --extra workflow pyproject.toml
lock: .venv/bin/python
	$(PIP) uv
	$(RESOLVE) $(if $(UPGRADE),--upgrade,-c requirements/torch.lock) -o requirements/workflow.lock
	$(RESOLVE) $(if $(UPGRADE),--upgrade) --extra test -c requirements/workflow.lock \
	  -o requirements/test.lock
	printf '%s\n' snakemake-executor-plugin-slurm snakemake-executor-plugin-slurm-jobstep \
	  | $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --no-header \
	  --no-annotate --no-deps --generate-hashes $(if $(UPGRADE),--upgrade) - -o requirements/slurm.lock
	$(BIN)/python scripts/environments.py

# Whether the lock files also resolve for the Pythons that they were not run on.
check-lock: test-environment
	for v in 3.12 3.13; do \
	  cat requirements/{workflow,torch,test}.lock | grep -v '^ ' | tr -d '\\' \
	    | $(BIN)/python -m uv pip compile --quiet --python-version $$v - > /dev/null \
	    && echo "the lock files resolve for Python $$v"; done

# config/README.md from the schema of the config.
manual: environment
	$(BIN)/python scripts/config_manual.py

clean:
	rm -rf results .snakemake
