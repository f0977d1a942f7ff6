# make setup   .venv with the pinned requirements and popcast itself
# make repro   setup if needed, then the whole pipeline; JOBS=2 runs independent stages side by side
# make test    setup if needed, lint and test suite

PYTHON ?= python3
JOBS ?= 1
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --constraint constraints.txt
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: setup repro test
.DELETE_ON_ERROR:

setup: $(VENV)/.installed

repro: setup
ifeq ($(JOBS),1)
	dvc repro
else
	python scripts/repro_parallel.py --jobs $(JOBS)
endif

test: $(VENV)/.installed-dev
	ruff check .
	ruff format --check .
	python -m pytest -q

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "popcast needs Python 3.11 or newer: make setup PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt constraints.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) --requirement requirements.txt
	$(VENV)/bin/python -m pip install --quiet --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(PIP) --requirement requirements-dev.txt
	@touch $@
