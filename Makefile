# Everything that contributors and CI run. Each target sets up what it needs.

# The first Python that is new enough; where there is none, setup says so.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && exit; \
	done; echo python3)
BIN := .venv/bin
READY := .venv/.ready
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --quiet
# The newest Kafka client, without the extra [streams], which holds it back in .venv.
NEWEST := .venv/newest
NEWEST_NEEDS := $(addprefix --extra ,psycopg kafka cli stack metrics) --group newest
NEWEST_TYPED := $(addprefix src/mainstem/,kafka replicator verification) tests/kafka
NEWEST_TESTED := tests/kafka tests/replicator tests/faults/test_zombies.py
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test newest check format lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with everything that is locked

$(READY): requirements/dev.txt requirements/uv.txt requirements/install.py pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
		echo "error: there is no $(PYTHON); Mainstem needs Python 3.11 or newer" >&2; exit 2; }
	@echo "setting up .venv with $(PYTHON)" >&2
	@$(PYTHON) requirements/install.py
	@touch $@

demo: $(READY) ## Real orders from PostgreSQL into Kafka, with kills and a proof (ARGS=…)
	@$(BIN)/mainstem demo $(ARGS)

test: $(READY) ## All tests, on real servers (ARGS=…)
	@$(BIN)/python -m pytest $(ARGS)

newest: $(NEWEST)/.ready ## Types and tests of the Kafka side, on the newest client (ARGS=…)
	$(BIN)/mypy --python-executable $(NEWEST)/bin/python --cache-dir .mypy_cache/newest $(NEWEST_TYPED)
	$(NEWEST)/bin/python -m pytest $(NEWEST_TESTED) $(ARGS)

$(NEWEST)/.ready: $(READY) requirements/newest.txt
	@echo "setting up $(NEWEST)" >&2
	@$(BIN)/python requirements/install.py $(NEWEST) requirements/newest.txt
	@touch $@

check: $(READY) ## Lint, format, types, layers, spelling and house rules, as in CI
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy src tests bench examples
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/codespell
	$(BIN)/python -m pytest -q tests/tidy

format: $(READY) ## Format, and mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: $(READY) ## Renew requirements/ after a change of dependencies
	$(COMPILE) --upgrade --all-extras --group dev -o requirements/dev.txt pyproject.toml
	$(COMPILE) --upgrade $(NEWEST_NEEDS) -o requirements/newest.txt pyproject.toml
	grep '^uv==' requirements/dev.txt | tr -d '\\' | $(COMPILE) -o requirements/uv.txt -

clean: ## Stop development servers; remove .venv, .mainstem, caches and builds
	@if [ -d .mainstem ] && [ -x $(BIN)/mainstem ]; then $(BIN)/mainstem down; fi
	rm -rf .venv .mainstem dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
