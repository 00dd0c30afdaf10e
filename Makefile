# Everything runs inside .venv; `make` alone prints this help.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKSMITH := $(BIN)/locksmith

.DEFAULT_GOAL := help
.PHONY: help install demo demo-check test test-slow lint format types imports lock clean

help: ## Show what can be made
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Install everything into .venv, from the hash-locked file

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Locksmith needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed: install your system's python3-venv package, then run make again." >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## See and click the whole story: everything embedded, nothing else needed
	$(LOCKSMITH) demo

demo-check: install ## Play the story headless and fail if any part fails
	$(LOCKSMITH) demo --check

test: install ## Run the tests (cluster tests too when KUBECONFIG names a cluster)
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

test-slow: install ## Run the long tests: processes that are killed, loads, the fuzz, generated rights
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m slow

lint: install ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install ## Types
	$(BIN)/mypy

imports: install ## Who may import whom
	$(BIN)/lint-imports

format: install ## Let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: install ## Renew requirements.lock
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --python-version 3.11 --extra build --extra demo --extra test --output-file requirements.lock pyproject.toml

clean: ## Remove what install and the tests made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info
