# Two commands for a new user: `make demo` and `make test`. Both create the environment when it is not there. What is
# imported is compiled then, and kept whatever the environment says: many processes start. Most is never imported.
unexport PYTHONDONTWRITEBYTECODE
PYTHON      ?= python3
VENV        ?= .venv
CONSTRAINTS ?= constraints.txt
LIMIT       ?= 20
MINIS       := hrnet-mini simplebaseline-mini hourglass-prm-mini
BIN         := $(VENV)/bin
STAMP       := $(VENV)/.installed

.PHONY: install demo test lint clean

install: $(STAMP)

# What can fail for want of the right Python is tried before the first download.
$(STAMP): pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "'$(PYTHON)' is no Python 3.10 or newer; name one: make install PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "'$(PYTHON)' cannot make environments; on Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --no-compile -c $(CONSTRAINTS) -e ".[dev]"
	$(BIN)/occbench setup
	@touch $(STAMP)

# The design card's three families, in models small enough to need no download, two at a time, and a report of the three.
demo: install
	printf '%s\n' $(MINIS) | OMP_NUM_THREADS=1 xargs -P 2 -I MODEL $(BIN)/occbench attack --model MODEL --data sample \
	  --boxes gt --kind part-all,keypoint-meanout --limit $(LIMIT) --out runs/demo/MODEL
	$(BIN)/occbench report $(MINIS:%=runs/demo/%) --out runs/demo/compared

# One process per core, each with one thread: the tests of a file stay together, for they share what is slow to make,
# and files keep their order: sorted by the number of tests, those with few and slow ones would come last.
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder --durations 40

# mypy and import-linter do not follow the editable install's mapping of the top-level folders: they read an installed copy.
lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build
	$(BIN)/python -m pip install --quiet --no-deps --no-compile --target build/typecheck .
	MYPYPATH=build/typecheck $(BIN)/mypy -p occbench
	cd build/typecheck && $(abspath $(BIN))/lint-imports $(CURDIR)/pyproject.toml --no-cache

clean:
	rm -rf $(VENV) build dist *.egg-info runs/demo
