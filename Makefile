# Each target makes .venv if it is missing and installs again only when pyproject.toml or constraints.txt has changed.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
BENCH := .venv/.bench

.DELETE_ON_ERROR:
.PHONY: demo test lint bench bench-long gallery analysis format coverage

demo: $(READY)
	$(BIN)/physode compare hudson-bay --models node,anode,sonode,hnn --seeds 2 -o runs/hudson-bay --force
	$(BIN)/physode compare pendulum --models node,anode,sonode,hnn --seeds 2 --observe theta --noise 0.01 --noise-model relative \
	    --trajectories 20 --points 100 --duration 10 -o runs/pendulum --force

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

# Four scripts in full and quick looks at others; the peers are installed by the first of the two targets that is made.
bench: $(BENCH)
	$(BIN)/python benchmarks
	$(BIN)/python benchmarks/simulate.py
	$(BIN)/python benchmarks/lyapunov.py
	$(BIN)/python benchmarks/time_to_error.py --quick
	$(BIN)/python benchmarks/gradient_step.py --quick
	$(BIN)/python benchmarks/adjoint.py --quick
	$(BIN)/python benchmarks/memory.py --quick
	$(BIN)/python benchmarks/ensemble.py --quick
	$(BIN)/python benchmarks/noisy.py
	$(BIN)/python benchmarks/noisy_bound.py

# Every script in full that `make bench` does not run so. The last one reads records that physode does not ship: PHYSODE_DATA names their folder.
bench-long: $(BENCH)
	$(BIN)/python benchmarks/time_to_error.py
	$(BIN)/python benchmarks/oscillators.py
	$(BIN)/python benchmarks/pendulums.py
	$(BIN)/python benchmarks/gradient_step.py
	$(BIN)/python benchmarks/adjoint.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/ensemble.py
	$(BIN)/python benchmarks/defaults.py
	$(BIN)/python benchmarks/large.py
	$(BIN)/python benchmarks/measured.py

gallery: $(READY)
	$(BIN)/python docs/make_gallery.py

analysis: $(READY)
	$(BIN)/python docs/make_analysis.py

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

coverage: $(READY)
	$(BIN)/python -m coverage run -m pytest
	$(BIN)/python -m coverage report

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[test,lint]'
	@touch $@

$(BENCH): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[bench]'
	@touch $@
