# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
TWO    := -n 2 --dist loadfile --no-loadscope-reorder  # conftest.py puts long files first

.PHONY: demo test test-long chaos check bench minimum screenshots clean

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -e '.[dev,parquet]'
	touch $@

demo: $(STAMP)  ## run the main example and draw it
	$(BIN)/python examples/demo.py

test: $(STAMP)  ## the quick form of all tests
	$(BIN)/python -m compileall -q models sweep dashboards  # tests start hundreds of processes
	$(BIN)/python -m pytest -q -m "not long" $(TWO)

test-long: $(STAMP) minimum  ## every test, the long forms too
	$(BIN)/python -m compileall -q models sweep dashboards
	$(BIN)/python -m pytest -q $(TWO)

chaos: $(STAMP)  ## the service under a killer, with a count of what it survived
	$(BIN)/python -m pytest -q -s tests/service/test_chaos.py

check: $(STAMP)  ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)  ## measure, as ratios in one run
	$(BIN)/pip install --quiet -e '.[compare]'
	$(BIN)/python -m benchmarks

minimum:  ## the quick tests with the oldest versions that pyproject.toml allows
	$(PYTHON) -m venv .venv-minimum
	.venv-minimum/bin/pip install --quiet --upgrade pip
	$(PYTHON) tests/minimum.py > .venv-minimum/requirements.txt
	.venv-minimum/bin/pip install --quiet -r .venv-minimum/requirements.txt
	.venv-minimum/bin/pip install --quiet --no-deps -e .
	.venv-minimum/bin/python -m compileall -q models sweep dashboards
	.venv-minimum/bin/python -m pytest -q -m "not long" $(TWO)

screenshots: $(STAMP)  ## pictures of the pages, from sweeps that really run; needs a Chromium
	$(BIN)/python examples/screenshots.py

clean:
	rm -rf $(VENV) .venv-minimum results
