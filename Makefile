# Everything runs in .venv, made by a private uv from the locked requirements. Needs Python 3.11+ only.
PYTHON ?= python3
UV_VERSION := 0.13.8
UV := .uv/bin/uv
VENV := .venv
BIN := $(VENV)/bin
# The guarded child processes write no caches: compiled once here, each of them starts sooner.
export UV_COMPILE_BYTECODE := 1
COMPILE := $(BIN)/python -m compileall -q server clients/python/yt_text_client

.PHONY: help demo test check lint types generate lock bench clean

help: ## This list.
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: $(VENV)/runtime ## Transcribes a bundled recording from a web page on this machine, live.
	@$(BIN)/yt-text demo --model tests/data/models/micro-en-q8_0.bin

test: check ## Everything that can be tested on this machine.
	$(BIN)/pytest -n auto --dist worksteal tests clients/python/tests

check: lint types ## Form, style, layers, contract, types.

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --cache-dir .cache/import_linter
	$(BIN)/python proto/generate.py lint

types: $(VENV)/dev
	$(BIN)/basedpyright

generate: $(VENV)/dev ## Writes the generated code from the contract.
	$(BIN)/python proto/generate.py

bench: $(VENV)/dev ## Runs the benchmarks; each prints ratios measured in one run.
	$(BIN)/python -m benchmarks

lock: $(UV) ## Renews the locked requirements.
	$(UV) pip compile -q --universal --generate-hashes --no-emit-package yt-text-client --python-version 3.11 \
	  --custom-compile-command "make lock" $(LOCKFLAGS) pyproject.toml clients/python/pyproject.toml -o requirements.txt
	$(UV) pip compile -q --universal --generate-hashes --no-emit-package yt-text-client --python-version 3.11 \
	  --custom-compile-command "make lock" $(LOCKFLAGS) -c requirements.txt pyproject.toml clients/python/pyproject.toml \
	  --group dev -o requirements-dev.txt

clean: ## Removes what these commands made.
	rm -rf $(VENV) .uv .cache build dist

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit("yt-text needs Python 3.11 or newer; this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv .uv
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# A stamp for each set of requirements: the development set holds the other.
$(VENV)/runtime: requirements.txt pyproject.toml clients/python/pyproject.toml | $(UV)
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	@test -e $(VENV)/dev || $(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps -e clients/python -e .
	@$(COMPILE)
	@touch $@

$(VENV)/dev: requirements-dev.txt pyproject.toml clients/python/pyproject.toml | $(UV)
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps -e clients/python -e .
	@$(COMPILE)
	@touch $@ $(VENV)/runtime
