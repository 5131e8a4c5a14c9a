# `make fit` and `make test` do all the set-up on a fresh machine. Everything else is a convenience.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Torch comes first and pinned, so that nothing pulls another build of it. For a CPU or CUDA build of your choice,
# install torch into $(VENV) before, or set PIP_INDEX_URL or PIP_FIND_LINKS.
TORCH ?= torch==2.13.0
# Tests run on all cores, a file on one of them; PARALLEL= runs them one after another.
PARALLEL ?= --numprocesses auto --dist loadfile

.PHONY: help fit test docs kills fuzz presets install dev browser format clean
help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

fit: $(VENV)/.installed ## Train HyFormer on the embedded default data and print test metrics
	$(BIN)/hyrec fit --config configs/hyformer.yaml

test: $(VENV)/.dev browser docs ## Format check, lint, types, import rules, the docs site, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL) tests/architecture tests/parity tests/property tests/unit
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL) --doctest-modules plugins tests/integration hyrec

docs: $(VENV)/.dev ## Build the docs site into site/: references from the code, every link and name checked
	NO_MKDOCS_2_WARNING=1 OMP_NUM_THREADS=1 $(BIN)/python -m mkdocs build --strict --quiet

kills: $(VENV)/.dev ## Kill 60 runs by five signals, at steps, in validations and while writing: all resume to the last bit
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL) -m long tests/integration/test_exactness.py

fuzz: $(VENV)/.dev ## Try 2,000 mutated configs and Parquet files each: used or refused in five lines, and nothing is executed
	OMP_NUM_THREADS=1 HYREC_MUTATIONS=2000 $(BIN)/python -m pytest --quiet --numprocesses auto \
	  tests/property/test_mutated_configs.py tests/property/test_mutated_parquet.py

presets: $(VENV)/.dev ## Count all presets of paper scale: as near to the published costs as docs/papers.md says
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m long tests/unit/cli/test_preset_table.py

install: $(VENV)/.installed ## Create the environment and install hyrec into it
dev: $(VENV)/.dev ## The same with the development tools

browser: ## Install a browser for the tests of the report, where there is none and apt-get may be used
	@for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do \
	  command -v $$name >/dev/null 2>&1 && exit 0; \
	done; \
	[ -n "$$HYREC_BROWSER" ] && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  echo "Installing chromium for tests/integration/test_report_browser.py"; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  timeout 120 apt-get update -qq </dev/null >/dev/null 2>&1; \
	  timeout 300 apt-get install -y -qq --no-install-recommends chromium </dev/null >/dev/null 2>&1; \
	fi; \
	command -v chromium >/dev/null 2>&1 || echo "No browser: tests/integration/test_report_browser.py will be skipped"

format: $(VENV)/.dev ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove the environment, caches and runs
	rm -rf $(VENV) runs wandb site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) '$(TORCH)'
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(PIP) --editable '.[dev]'
	$(PIP) --no-deps recbole==1.2.1  # for its copy of MovieLens-100K, which the tests of a plugin read; never imported
	@touch $@
