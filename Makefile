# make run    sets everything up and plays; make test sets everything up and runs the whole suite.
# make run ARGS="fire --source file:clip.mp4"    gives the show its options.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
STAMP := $(VENV)/.ready
# Python keeps what it compiles, whatever the caller's environment says: the suite starts hundreds of processes.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup run test check checked clean

setup: $(STAMP)

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "streamflow-live wants Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[video,syphon,test,check]'
	@touch $@

$(STAMP): $(INSTALLED)
	$(BIN)/streamflow-live build
	@touch $@

run: setup
	$(BIN)/streamflow-live run --open $(ARGS)

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# mypy has one thread, and the build of the engines beside it takes the other core.
checked:
	@$(MAKE) --no-print-directory --jobs=2 check setup

# Tests run two at a time, a file to a process, the longest files first (tests/conftest.py). With three, the renderers of
# the shows, which are niced, get too little of two cores. The README's listings use the default ports and run alone.
# Torch has one thread in each process: threads that wait for each other crawl where other processes have the cores.
# StreamDiffusion is the bench's rival: its class alone, without the old packages that it names.
test: checked
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps streamdiffusion
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore=tests/test_readme.py
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/test_readme.py

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
