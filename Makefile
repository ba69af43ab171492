# What make does is always one command that can be typed without it; `make -n TARGET` prints it.
PYTHON ?= python3
# On Linux PyPI's torch brings gigabytes of CUDA, so without a GPU its CPU build is taken. Another one:  make run TORCH=torch==2.13.0
CPU_BUILD := --extra-index-url https://download.pytorch.org/whl/cpu --retries 1
NO_GPU := $(shell [ "$$(uname)" = Linux ] && ! command -v nvidia-smi >/dev/null && echo yes)
TORCH ?= torch==2.13.0 $(if $(NO_GPU),$(CPU_BUILD))
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
# More for pytest to do:  make test PYTEST="--cov=kit"
PYTEST ?=
# More for Jupyter to do:  make lab LAB=--allow-root
LAB ?=
BENCH ?=
BIN := .venv/bin

.PHONY: help setup run test bench lab app refresh screenshots docs lint clean

help:
	@echo "make run      set up, run notebooks 00 to 04 (profile cpu), print the table of results"
	@echo "make test     set up, run all tests, the notebooks among them"
	@echo "make bench    measure the kit beside its peers, into reports/bench (on a quiet machine)"
	@echo "make lab      set up, open JupyterLab on the notebooks"
	@echo "make app      set up, open a page without Jupyter: audit a model, ask it questions"
	@echo "make refresh  execute the notebooks and store their outputs, with pictures (needs Chrome or Chromium)"
	@echo "make screenshots  store pictures of explorers, app and report in reports/screens (needs Chrome or Chromium)"
	@echo "make docs     build the site from docs/ and the docstrings, into site/"
	@echo "make lint     check style, docstrings, the order of the rooms and types"
	@echo "make clean    remove cached models and evaluations (not reports)"

setup: .venv/ready

.venv/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	@echo "setup: a virtual environment in .venv, some two minutes and 2 GB, once"
	@$(PYTHON) -m venv --upgrade-deps .venv
	@echo "setup: $(firstword $(TORCH))$(if $(findstring whl/cpu,$(TORCH)), for the CPU)"
	@$(PIP) --no-deps $(TORCH)
	@echo "setup: the other packages, in the versions of requirements.txt"
	@$(PIP) -r requirements.txt
	@$(PIP) --no-deps -e .
	@touch .venv/ready
	@echo "setup: done; 'source .venv/bin/activate' for python -m kit"

.venv/ready-to-test: .venv/ready requirements-dev.txt
	@echo "setup: what tests and checks need besides, in the versions of requirements-dev.txt"
	@$(PIP) -r requirements-dev.txt
	@touch .venv/ready-to-test

run: setup
	$(BIN)/python -m kit run --profile cpu

test: .venv/ready-to-test
	$(BIN)/python -m pytest $(PYTEST)

# A pretrained encoder and real text for training and encoding:  make bench BENCH="--model FOLDER"
bench: .venv/ready-to-test
	for name in evaluation samplers mining growth starting; do PYTHONPATH=. $(BIN)/python benchmarks/$$name.py || exit 1; done
	for name in training encoding; do PYTHONPATH=. $(BIN)/python benchmarks/$$name.py $(BENCH) || exit 1; done

lab: setup
	@[ "$$(id -u)" != 0 ] || [ -n "$(LAB)" ] || { echo "make lab: Jupyter does not start as root: type make lab LAB=--allow-root, if nobody else reaches this machine"; exit 1; }
	$(BIN)/jupyter lab notebooks $(LAB)

app: setup
	@$(PIP) -e '.[app]'
	$(BIN)/python -m kit app

refresh: setup
	$(BIN)/python -m kit refresh

screenshots: .venv/ready-to-test
	$(BIN)/python -m kit run --profile cpu
	KIT_SCREENSHOTS=1 $(BIN)/python -m pytest tests/run/test_jupyterlab.py tests/run/test_screens.py

docs: setup
	$(PIP) -e '.[docs]'
	$(BIN)/mkdocs build --strict

lint: .venv/ready-to-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python

clean:
	rm -rf data/cache
