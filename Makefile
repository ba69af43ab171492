# What make does is always one command that can be typed without it; `make -n TARGET` prints it.
# The small CPU build of torch:  make run TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
PYTHON ?= python3
TORCH ?= torch==2.13.0
# More for pytest to do:  make test PYTEST="--cov=kit"
PYTEST ?=
# More for Jupyter to do:  make lab LAB=--allow-root
LAB ?=
BENCH ?=
BIN := .venv/bin

.PHONY: help setup run test bench lab refresh screenshots docs lint clean

help:
	@echo "make run      set up, run notebooks 00 to 04 (profile cpu), print the table of results"
	@echo "make test     set up, run all tests, the notebooks among them"
	@echo "make bench    measure the kit beside its peers, into reports/bench (half an hour of a quiet machine)"
	@echo "make lab      set up, open JupyterLab on the notebooks"
	@echo "make refresh  execute the notebooks and store their outputs, with pictures (needs Chrome or Chromium)"
	@echo "make screenshots  run the explorers in JupyterLab and store their pictures in reports/screens (needs Chrome or Chromium)"
	@echo "make docs     build the site from docs/ and the docstrings, into site/"
	@echo "make lint     check style, docstrings, the order of the rooms and types"
	@echo "make clean    remove cached models and evaluations (not reports)"

setup: .venv/ready

.venv/ready: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch .venv/ready

run: setup
	$(BIN)/python -m kit run --profile cpu

test: setup
	$(BIN)/python -m pytest $(PYTEST)

# A pretrained encoder and real text for training and encoding:  make bench BENCH="--model FOLDER"
bench: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	for name in evaluation samplers mining growth starting; do $(BIN)/python benchmarks/$$name.py || exit 1; done
	for name in training encoding; do $(BIN)/python benchmarks/$$name.py $(BENCH) || exit 1; done

lab: setup
	@[ "$$(id -u)" != 0 ] || [ -n "$(LAB)" ] || { echo "make lab: Jupyter does not start as root: type make lab LAB=--allow-root, if nobody else reaches this machine"; exit 1; }
	$(BIN)/jupyter lab notebooks $(LAB)

refresh: setup
	$(BIN)/python -m kit refresh

screenshots: setup
	KIT_SCREENSHOTS=1 $(BIN)/python -m pytest tests/run/test_jupyterlab.py

docs: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	$(BIN)/mkdocs build --strict

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python

clean:
	rm -rf data/cache
