# `make demo` and `make test` need nothing but Python and a network: they make .venv themselves.
SHELL := /bin/bash
VENV ?= .venv
PYTHON_ENV := $(VENV)/bin/python
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 8 ? n : 8)))
SCENE ?= pile
ARGS ?=
export VENV

.DEFAULT_GOAL := help
.PHONY: help setup demo test cover base mutants pages docs screenshots lint format data train eval bench-quick clean

help:           ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

setup:          ## make .venv (Python, torch, equigrasp); nothing to do when it is up to date
	@bash scripts/setup.sh

demo: setup     ## scenes, a depth image, grasps, a cleared table: pictures in outputs/demo
	$(PYTHON_ENV) examples/demo.py $(ARGS)

test cover pages: export OPTIONAL = ray,view,rerun,docs# what some tests need, and nothing else
test cover screenshots: export PROGRAMS = chromium# opens the pages
test: setup     ## the test suite
	$(PYTHON_ENV) -m pytest -n $(WORKERS) $(ARGS)

cover: setup    ## the suite, and the floor of lines that it has to run, workers included: pyproject.toml
	$(PYTHON_ENV) -m coverage erase
	$(PYTHON_ENV) -m coverage run -m pytest -n $(WORKERS) $(ARGS)
	$(PYTHON_ENV) -m coverage combine -q
	$(PYTHON_ENV) -m coverage report

mutants: setup  ## do the tests notice? 40 small wrong changes, each against the tests that name it
	$(PYTHON_ENV) benchmarks/mutants.py --quick $(ARGS)

base: setup     ## the base tier alone, installed into the newest Python here, and a plan with it
	$(PYTHON_ENV) benchmarks/tiers.py --python newest --tiers base --cpu

pages: setup    ## type every line that a page has people type, each page in a folder of its own
	$(PYTHON_ENV) benchmarks/pages.py $(ARGS)

docs: export OPTIONAL = docs
docs: setup     ## the site of the documents, in build/site; every warning is an error
	$(PYTHON_ENV) -m mkdocs build --strict --site-dir build/site

screenshots: export EQUIGRASP_SCREENSHOTS = docs/pictures
screenshots: setup ## the pictures of pages in README, made by the tests that open them in Chromium
	@mkdir -p $(EQUIGRASP_SCREENSHOTS)
	$(PYTHON_ENV) -m pytest -q -k browser tests/equigrasp/test_browser.py tests/equigrasp/cli/test_view_round.py

lint: setup     ## ruff: rules and format
	$(PYTHON_ENV) -m ruff check .
	$(PYTHON_ENV) -m ruff format --check .

format: setup   ## let ruff mend what it can
	$(PYTHON_ENV) -m ruff check --fix .
	$(PYTHON_ENV) -m ruff format .

data: setup     ## a small data set of either kind in data/ (ARGS="--scenes 3000" for a real one)
	$(PYTHON_ENV) data_gen/packed.py $(ARGS)
	$(PYTHON_ENV) data_gen/pile.py $(ARGS)

train: setup    ## train EquiGIGA on data/$(SCENE)
	$(PYTHON_ENV) -m equigrasp.train model=equigiga data=$(SCENE) $(ARGS)

eval: setup     ## clear 10 scenes of SCENE with the shipped weights
	$(PYTHON_ENV) sim/clutter_eval.py --scene $(SCENE) --rounds 10 --seeds 1 $(ARGS)

bench-quick: setup ## every benchmark, briefly
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(PYTHON_ENV) $$script --quick; done

clean:          ## caches and build products; data/, runs/ and outputs/ stay
	rm -rf build dist *.egg-info .coverage .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
