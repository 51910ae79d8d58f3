# Two commands: `make build` (everything, from nothing) and `make test` (every check). All paths are relative to here.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
ROOT := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
.ONESHELL:
.DEFAULT_GOAL := build

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := $(ROOT).venv
BIN := $(VENV)/bin
export KAIROS_ROOT := $(ROOT)
export DBT_PROFILES_DIR := $(ROOT)

.PHONY: build test real bench prove leaks chaos publish lock clean setup setup-dev

build: setup
	@cd "$(ROOT)"
	$(BIN)/python -m kairos.cli build

test: setup-dev
	@cd "$(ROOT)"
	bash .ci/check

real: setup
	@cd "$(ROOT)"
	$(BIN)/python -m kairos.cli build --real

bench: setup-dev
	@cd "$(ROOT)"
	$(BIN)/python -m bench
	$(BIN)/python -m bench.increment

prove: setup
	@cd "$(ROOT)"
	$(BIN)/python -m kairos.cli prove

leaks chaos: setup-dev
	@cd "$(ROOT)"
	$(BIN)/python -m pytest -m $@ -vv

publish: setup
	@cd "$(ROOT)"
	$(BIN)/python -m kairos.cli publish

lock: setup-dev
	@cd "$(ROOT)"
	for kind in requirements requirements-dev requirements-dask requirements-ray; do
	  $(BIN)/uv pip compile "$$kind.in" --generate-hashes --no-strip-extras --no-emit-index-url --no-header \
	    --python-version 3.11 --quiet --output-file "$$kind.txt"
	done

setup: $(VENV)/.installed
setup-dev: $(VENV)/.installed-dev

# The environment is made again when the lock or the package's declaration changes.
$(VENV)/.installed: $(ROOT)requirements.txt $(ROOT)pyproject.toml
	@bash "$(ROOT).ci/install" "$(PYTHON)" "$(VENV)" "$(ROOT)requirements.txt" "$(ROOT)"
	touch "$@"

$(VENV)/.installed-dev: $(ROOT)requirements-dev.txt $(ROOT)pyproject.toml
	@bash "$(ROOT).ci/install" "$(PYTHON)" "$(VENV)" "$(ROOT)requirements-dev.txt" "$(ROOT)"
	touch "$@" "$(VENV)/.installed"

clean:
	@cd "$(ROOT)"
	rm -rf .venv target logs market/demo published state kairos.duckdb kairos.duckdb.wal kairos.kept bench/results .pytest_cache .ruff_cache .hypothesis
