# make run    sets everything up and plays; make test sets everything up and runs the whole suite.
# make run ARGS="fire --source file:clip.mp4"    gives the show its options.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
STAMP := $(VENV)/.ready
# Python keeps what it compiles, whatever the caller's environment says: the suite starts hundreds of processes.
export PYTHONDONTWRITEBYTECODE :=

TESTS := test test-shows test-waiting test-computing test-in-turn
.PHONY: setup run check rival clean $(TESTS)

setup: $(STAMP)

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "streamflow-live wants Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	-$(BIN)/pip install --quiet --disable-pip-version-check --upgrade pip  # a newer one takes half the time
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --editable '.[video,syphon,test,check]'
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

# The suite runs in three lanes, since none keeps two cores busy by itself. Shows start processes and are the longest; they
# run two at a time, a file to a process, the longest files first (tests/conftest.py). With three, their renderers, which
# are niced, get too little of two cores. Waiting tests need little of a processor: they wait for sockets, windows and
# clocks, two at a time too, and end early. So the checks follow them, and the README's listings, which use the default
# ports and run alone. Computing tests need nothing else and get what the others leave, two at a time, since the shows
# end before them. With the lowest priority a test may wait for minutes, so the limit is longer.
# A new folder of tests belongs to the shows until it is named here.
# Torch has one thread in each process: threads that wait for each other crawl where other processes have the cores.
# StreamDiffusion is the bench's rival: its class alone, without the old packages that it names.
WAITING := tests/io_bridges tests/benchmarks/show tests/daemon/models tests/daemon/doctor tests/daemon/cluster
COMPUTING := tests/pipeline tests/presets tests/daemon/renderer tests/daemon/link \
	tests/benchmarks/model tests/benchmarks/paper tests/benchmarks/report tests/benchmarks/scale tests/benchmarks/stream \
	tests/test_code_style.py tests/test_documents.py
ELSEWHERE := $(WAITING:%=--ignore=%) $(COMPUTING:%=--ignore=%) --ignore=tests/test_readme.py

test:
	@$(MAKE) --no-print-directory --jobs=3 test-shows test-waiting test-computing

rival: $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps streamdiffusion

test-shows: setup
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(ELSEWHERE)

test-waiting: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(WAITING)
	@$(MAKE) --no-print-directory check setup
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/test_readme.py

test-computing: rival
	OMP_NUM_THREADS=1 nice -n 19 $(BIN)/pytest -n 2 --timeout 300 --dist loadfile --no-loadscope-reorder $(COMPUTING)

# The same one after another, as it runs on Windows and macOS.
test-in-turn: check setup rival
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore=tests/test_readme.py
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/test_readme.py

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
