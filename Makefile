# The commands of this repository; `make` lists them.

SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python tests/tools/run_sessions.py
SESSIONS ?=
SINCE ?= HEAD
KILLS ?= 200
SEED ?= random
REQUIREMENTS := tests/requirements.txt tests/requirements-tests.txt

# pip's advice is noise in the output of the checks.
export PIP_DISABLE_PIP_VERSION_CHECK=1
export PIP_ROOT_USER_ACTION=ignore

.PHONY: help demo test quick bench faults lint format sanity assets moduledocs clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

demo: ## audit the sandbox with the installed collection, and print the path of the report
	@$(PYTHON) tests/demo/run.py

test: ## install missing packages, and run every check and test (SESSIONS="lint typing" for some of them)
	@sh tests/tools/system_packages.sh
	@$(MAKE) --no-print-directory $(VENV)/installed
	@$(RUN) $(SESSIONS)

quick: $(VENV)/installed ## lint, types, and the unit tests of files that differ from the last commit (SINCE=main: from main)
	@SINCE=$(SINCE) $(RUN) lint typing quick

bench: $(VENV)/installed ## measure speed and memory against the sandbox
	@$(VENV)/bin/python tests/perf/bench.py

faults: $(VENV)/installed ## kill collectors and deliveries at 200 random instants each (KILLS=20 for fewer)
	@PERIMETER_KILLS=$(KILLS) PERIMETER_FAULT_SEED=$(SEED) $(VENV)/bin/python -m nox --session faults -- tests/faults tests/receivers/test_kills.py
	@PERIMETER_EDA_EVENTS=10000 PERIMETER_FAULT_SEED=$(SEED) $(VENV)/bin/python -m nox --session eda -- tests/eda/test_rulebook.py

lint: $(VENV)/installed ## ruff, mypy, ansible-lint, documentation and changelog
	@$(RUN) lint typing ansible-lint docs

format: $(VENV)/installed ## format the Python files
	@$(VENV)/bin/python -m nox --session format

sanity: $(VENV)/installed ## every check of ansible-test sanity with every supported ansible-core
	@EVERY_CHECK=1 $(RUN) sanity-2.16 sanity-2.18 sanity-2.19 sanity-newest

assets: ## rebuild the generated assets of the report
	@$(PYTHON) docs/report-assets/build.py

moduledocs: $(VENV)/installed ## write what repeats in the documentation of modules
	@$(VENV)/bin/python tests/conftest.py
	@PYTHONPATH=.build $(VENV)/bin/python -m tests.tools.module_docs

clean: ## remove everything that the targets made
	rm -rf .build .demo .nox $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* tests/output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/installed: $(REQUIREMENTS)
	@echo "Creating $(VENV) with the requirements of the checks ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: install it, or run make PYTHON=/path/to/python3.11."; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "Python's venv module is needed: install it (Debian: apt-get install python3-venv)."; exit 1; }
	@# uv takes a second where pip takes twenty; pip knows more about mirrors and proxies.
	@{ $(VENV)/bin/python -m pip install --quiet 'uv>=0.5' \
		&& $(VENV)/bin/python -m uv pip install --quiet --python $(VENV)/bin/python -r tests/requirements.txt; } \
		|| $(VENV)/bin/python -m pip install --quiet -r tests/requirements.txt \
		|| { echo "pip could not install tests/requirements.txt: a package index that pip reaches is needed."; exit 1; }
	@touch $@
