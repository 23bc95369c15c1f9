# aejax: everything goes through .venv, made from setup.cfg and pinned by .ci/constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
CONFIG ?= configs/cae.py

.DEFAULT_GOAL := help
.PHONY: help install run test lint format clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## create .venv with the pinned dependencies, and nothing else

$(STAMP): setup.cfg pyproject.toml .ci/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "error: aejax needs Python 3.11 to 3.13, and $(PYTHON) is not; try make PYTHON=python3.12" >&2; exit 1; }
	@echo "installing into .venv (once, about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt --editable '.[dev]'
	@touch $@

run: $(STAMP) ## train the contractive autoencoder on the digits (CONFIG=configs/vae.py for another)
	@$(BIN)/python -m experiments.run --config=$(CONFIG)

# In the order of collection: by number of tests, the files with few and long ones would all come at the end, on one worker.
test: $(STAMP) ## run the whole test suite
	@$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder

lint: $(STAMP) ## check formatting, style and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(STAMP) ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## remove .venv, caches and build leftovers; runs/ stays
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
