# `make help` explains every target. Everything is installed into .venv, nothing anywhere else.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# one worker more than cores, since some tests wait; the tests of a file stay together, and files of long tests come
# first (tests/conftest.py)
WORKERS := $(shell $(PYTHON) -c "import os; print(min(4, (os.cpu_count() or 1) + 1))")
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup demo test quick lab lint docs results bench clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-7s %s\n", $$1, $$2}'

setup: $(STAMP)  ## install everything into .venv (about 4 minutes, once)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench]'
	touch $(STAMP)

demo: $(STAMP)  ## train, evaluate and explore on simulated data; writes runs/demo/index.html (about 4 minutes)
	$(BIN)/tempclr demo --out runs/demo

test: $(STAMP)  ## run all tests, several at a time; ARGS="tests/test_costs.py -k cosine" chooses
	$(PYTEST) $(ARGS)

quick: $(STAMP)  ## run the tests that take neither a browser nor a notebook nor a compiler (about a minute)
	$(PYTEST) -m "not (browser or kernel or slow)" $(ARGS)

lab: $(STAMP)  ## open JupyterLab on the notebooks
	$(BIN)/jupyter lab --ServerApp.ip=127.0.0.1 $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

lint: $(STAMP)  ## check style, types and JavaScript, and that notebooks carry no outputs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/deno lint --quiet widgets
	$(BIN)/deno fmt --quiet --check --line-width 120 widgets/tempclr_widgets/static
	$(BIN)/nbstripout --verify --extra-keys "metadata.papermill cell.metadata.papermill" notebooks/*.ipynb

docs: $(STAMP)  ## build the site from docs/ and the executed notebooks; writes build/docs/html (SMOKE=1: tiny notebooks)
	$(BIN)/python docs/build.py $(if $(SMOKE),--notebooks smoke) $(ARGS)

results: $(STAMP)  ## make the tables of what order teaches over 8 seeds, settings chosen anew (about 40 minutes)
	$(BIN)/python benchmarks/results.py --out runs/results $(ARGS)

bench: $(STAMP)  ## measure against other libraries on this machine
	$(BIN)/python benchmarks/alignment.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/views.py

clean:  ## remove what the targets made, but neither runs/ nor the cache
	rm -rf .venv build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
