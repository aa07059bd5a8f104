# Everything runs in .venv, made from requirements.lock when it or pyproject.toml changed.
PYTHON ?= python3
STUDY ?= data/raw/demo
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help

help: ## show the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

setup: $(READY) ## make .venv with the locked dependencies and qa_lib, editable

report: $(READY) ## render the newest period of the demo study (STUDY=…, PERIOD=…)
	$(BIN)/qa report $(STUDY) $(if $(PERIOD),--period $(PERIOD))

test: $(READY) ## run all tests, nbval on every notebook included
	$(BIN)/python -m pytest -q
	$(BIN)/python -m pytest -q $(NBVAL) notebooks

matrix: ## run the tests held against references with the oldest and newest Python and packages (needs the interpreters)
	.ci/matrix $(SCOPE)

lab: $(READY) ## open JupyterLab on the notebooks
	$(BIN)/jupyter lab notebooks

lint: $(READY) ## check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=180 --nbval-sanitize-with=tests/nbval.cfg

notebooks: $(READY) ## run the notebooks anew and keep their outputs
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False notebooks/*.ipynb

lock: ## renew requirements.lock from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-header --extra test --extra cluster pyproject.toml -o requirements.lock

clean: ## delete what can be rebuilt
	rm -rf data/processed/* reports/* .venv .matrix

.PHONY: help setup report test matrix lab lint notebooks lock clean
