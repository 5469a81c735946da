# make run    sets everything up and plays; make test sets everything up and runs the whole suite.
# make run ARGS="fire --source file:clip.mp4"    gives the show its options.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: setup run test check clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "streamflow-live wants Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[video,test,check]'
	$(BIN)/streamflow-live build
	@touch $@

run: setup
	$(BIN)/streamflow-live run --open $(ARGS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Tests that only compute run side by side, and so do those of bridges and of the page, which pass on a busy machine.
# Tests of shows depend on timing and have the machine for themselves.
# Torch has one thread in each process: several that wait for each other crawl where other processes have the cores.
BESIDE := tests/io_bridges tests/pipeline tests/presets tests/daemon/prebuild tests/daemon/commands/test_build.py \
	tests/daemon/commands/test_offline_render.py tests/daemon/commands/test_render.py \
	tests/daemon/renderer/test_player.py tests/daemon/stage/test_morph_clock.py tests/daemon/stage/test_store.py \
	tests/daemon/stage/test_store_looks.py \
	$(patsubst %,tests/benchmarks/%,paper report stream test_bench_runner.py)

# The bench's rival: its class alone, without the old packages that it names.
test: check
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps streamdiffusion
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile $(BESIDE)
	OMP_NUM_THREADS=1 $(BIN)/pytest $(BESIDE:%=--ignore=%)

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
