# Every command of this repository. `make help` lists them; a fresh clone needs nothing but Python 3.11+ and make.
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: state-table help demo local test check format lint types imports unit package lock clean

PYTHON ?= python3
BIN := .venv/bin
VENV := .venv/.installed
TERRAFORM_VENV := .venv-terraform/.installed
# uv installs in seconds what takes pip a minute, but does not read pip's configuration: pip is there for when uv finds no way.
install = $(BIN)/uv pip install --quiet --python $(1)/bin/python $(addprefix -r ,$(2)) >&2 \
	|| $(1)/bin/python -m pip install --quiet --disable-pip-version-check $(addprefix -r ,$(2)) >&2

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)$$/  make \1\t\2/' | expand -t 18

# Standard output belongs to the commands, so setting up talks on standard error.
$(VENV): requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ...")' >&2
	@echo "setting up .venv from requirements-dev.txt (once, about a minute)" >&2
	@$(PYTHON) -m venv .venv >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt >&2
	@touch $@

$(TERRAFORM_VENV): requirements-terraform.txt | $(VENV)
	@echo "setting up .venv-terraform from requirements-terraform.txt (once, some seconds)" >&2
	@$(BIN)/python -m venv .venv-terraform >&2
	@$(call install,.venv-terraform,requirements-terraform.txt)
	@touch $@

demo: $(VENV) ## one job from request to callback on this machine (VIDEO= AUDIO= your own files, STORE=firestore)
	@exec $(BIN)/python -m infra.local.demo $(if $(VIDEO),--video '$(VIDEO)') $(if $(AUDIO),--audio '$(AUDIO)')

local: $(VENV) ## the whole system on loopback until you stop it (PORT= STORE= REPLICAS= TICK_SEC= CLIENTS= SALAD_QUEUE_WORKER= WORKER_COMMAND= UPLOAD_KEYS=)
	@exec $(BIN)/python -m infra.local.stack

test: check ## everything that CI runs

check: format lint types imports unit ## format, lint, types, import rules, tests with coverage

format: $(VENV)
	@$(BIN)/ruff format --check .

lint: $(VENV)
	@$(BIN)/ruff check .

types: $(VENV)
	@$(BIN)/mypy

imports: $(VENV)
	@PYTHONPATH=functions:. $(BIN)/lint-imports

unit: $(VENV) $(TERRAFORM_VENV)
	@$(BIN)/python -m pytest --cov --cov-report=term:skip-covered

package: $(VENV) ## one deterministic zip a function, under build/
	@$(BIN)/python -m infra.package --out build

state-table: $(VENV) ## generate docs/state-table.md from the code
	@PYTHONPATH=functions:. $(BIN)/python -m infra.docs.state_table

lock: $(VENV) ## pin anew what the *.in files ask for
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --upgrade -o requirements-dev.txt requirements-dev.in
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --upgrade -o requirements-terraform.txt requirements-terraform.in
	@for part in functions gpu_worker; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header -c requirements-dev.txt \
			-o $$part/requirements.txt $$part/requirements.in; \
	done

clean: ## drop everything that is not in git
	@rm -rf .venv .venv-* build .coverage* .mypy_cache .ruff_cache .import_linter_cache .hypothesis
