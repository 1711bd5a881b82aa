# Two commands for a new user: `make demo` and `make test`. Both create the environment when it is not there.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: install demo test lint clean

install: $(STAMP)

# Two pip steps: one of mmpose's dependencies (chumpy) builds only where the packages of the first step are visible.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -c constraints.txt torch torchvision numpy setuptools wheel
	$(BIN)/python -m pip install --no-build-isolation -c constraints.txt -e ".[dev]"
	@touch $(STAMP)

demo: install
	$(BIN)/occbench attack --model hrnet-mini --data sample --boxes gt --kind all --radius 6,12,18 --limit 40 --out runs/demo

# One process per core, each with one thread: the tests of a file stay together, for they share what is slow to make.
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

# mypy and import-linter do not follow the editable install's mapping of the top-level folders: they read an installed copy.
lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-compile --target build/typecheck .
	MYPYPATH=build/typecheck $(BIN)/mypy -p occbench
	cd build/typecheck && $(abspath $(BIN))/lint-imports $(CURDIR)/pyproject.toml --no-cache

clean:
	rm -rf $(VENV) build dist *.egg-info runs/demo
