# `make demo` and `make test` set up everything they need in .venv; `make help` lists the rest.
PYTHON ?= python3
PROFILE ?= mid
SEED ?= 1
HOURS ?= 1
UV = $(shell grep -oE '^uv==[0-9.]+' requirements.lock)
BIN = .venv/bin
INSTALLED = .venv/.installed
CODE = warehouse features training serving orchestration tests

.PHONY: help demo test bench soak up lint format docs feast lock clean
help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(INSTALLED) ## the whole path on a generated lender: deliveries to a score and a drift report
	@$(BIN)/lending demo

test: $(INSTALLED) ## all tests
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -q

bench: $(INSTALLED) ## what the platform costs beside named references, e.g. make bench PROFILE=mid; writes docs/benchmarks.md
	@$(BIN)/python -m tests.benchmarks.run --profile $(PROFILE) --seed $(SEED) $(ARGS)

up: $(INSTALLED) ## Dagster UI, BentoML, MLflow UI and report pages on loopback; Ctrl-C stops them
	@$(BIN)/lending up

lint: $(INSTALLED) ## format, style, types and import contracts
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## format the code
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

docs: $(INSTALLED) ## write the generated pages of docs/ again
	$(BIN)/python -m tests.generate_docs

feast: $(INSTALLED) ## Feast's own command on our repository, e.g. make feast ARGS="feature-views list"
	@$(BIN)/lending feast $(ARGS)

lock: $(INSTALLED) ## resolve requirements.lock again
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header -q -o requirements.lock

soak: $(INSTALLED) ## kill deliveries and builds for HOURS=1 and check every promise; prints a line a minute
	@$(BIN)/python -m tests.faults.soak --hours $(HOURS) $(ARGS)

clean: ## remove the environment and all state
	rm -rf .venv .lending

$(INSTALLED): requirements.lock pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11'; exit 1; }
	@$(PYTHON) -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null \
	  || { echo 'LightGBM needs libgomp.so.1: install the Debian package libgomp1'; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || { echo 'Python needs its venv module: install the Debian package python3-venv'; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo 'installing the locked packages into .venv ...'
	@$(BIN)/python -m pip install -q --disable-pip-version-check '$(UV)'
	@$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@
