# `make demo` and `make test` set up all they need: Python 3.11 or newer and make are enough.
# PYTHON picks the interpreter, VENV the place of the virtual environment:
#   make test PYTHON=python3.12 VENV=venv-3.12

PYTHON ?= python3
VENV ?= .venv

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

# Idle OpenMP threads that spin can make a small batch 20 times slower on busy cores.
export OMP_WAIT_POLICY = PASSIVE
export PIP_DISABLE_PIP_VERSION_CHECK = 1

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-all lint types docs wheel rivals-env clean

help:
	@echo "make demo    cluster a folder of digit images"
	@echo "make test    run the tests, without the slow ones"
	@echo "make test-all    run all tests, as .ci/run does"
	@echo "make lint    check style and format"
	@echo "make types   check types"
	@echo "make docs    build the documentation into docs/_build"
	@echo "make wheel   build sdist and wheel into dist, and try the wheel"
	@echo "make rivals-env  install what benchmarks/rivals.py compares with into .venv-rivals"
	@echo "make venv    install into $(VENV), which the others do when needed"
	@echo "make clean   remove what these commands made, $(VENV) included"

venv: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("skdeepclust needs Python 3.11 or newer. $(PYTHON) is %d.%d; try make PYTHON=python3.11" % sys.version_info[:2])'
	@echo "Installing skdeepclust and what it needs into $(VENV); the first time can take minutes and some GB."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@# Of pip's hundreds of lines, those about big files and the last step show that it works.
	@$(BIN)/python -m pip install --progress-bar off -e ".[all,test,lint]" \
	  | { grep --line-buffered -Eo '^ *(Downloading|Using cached) .*MB\)|^Installing collected packages' || true; }
	@touch $@
	@echo "Installed."

demo: $(STAMP)
	$(BIN)/python examples/digits_folder.py

# Neighbouring tests go to one process, so few fixtures are made twice; who is done takes over a
# part of what another one has left.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

test: $(STAMP)
	$(PYTEST) -m "not slow"

test-all: $(STAMP)
	$(PYTEST)

lint: $(STAMP)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

types: $(STAMP)
	$(BIN)/python -m mypy

docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --progress-bar off -e ".[docs]"
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build

# The wheel is made from the sdist, so both are tried; --target keeps it apart from the clone.
wheel: $(STAMP)
	rm -rf dist build/wheel build/tried
	$(BIN)/python -m pip install --quiet --progress-bar off build
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m pip install --quiet --no-deps --target build/wheel dist/*.whl
	cd build && PYTHONPATH=$(CURDIR)/build/wheel $(abspath $(BIN))/python $(CURDIR)/examples/try_wheel.py tried

rivals-env:
	test -x .venv-rivals/bin/python || $(PYTHON) -m venv .venv-rivals
	.venv-rivals/bin/python -m pip install --progress-bar off -r benchmarks/rivals-requirements.txt

clean:
	rm -rf $(VENV) .venv-rivals .mypy_cache .pytest_cache .ruff_cache build dist demo-output
	rm -rf docs/_build docs/auto_examples docs/generated docs/methods.rst docs/sg_execution_times.rst
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
