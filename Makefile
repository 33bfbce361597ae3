# Every command of this repository. `make help` lists them; a fresh clone needs nothing but Python 3.11+ and make.
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup demo local test check fmt fast e2e soak format lint types imports deployed deployed-tests suite package \
	state-table terraform-readme bench lock clean

PYTHON ?= python3
BIN := .venv/bin
VENV := .venv/.installed
TERRAFORM_VENV := .venv-terraform/.installed
DEPLOYED_VENV := .venv-deployed/.installed
# The functions' runtime, as infra/terraform sets it, and this machine's Python of that version; a pyenv shim may be there
# without one behind it, so each is asked.
RUNTIME = $(shell cat infra/terraform/*.tf | sed -n 's/^ *default *= "python3\([0-9]*\)"$$/3.\1/p')
PYTHON_DEPLOYED ?= $(shell for python in python$(RUNTIME) "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$(RUNTIME).*/bin/python; do \
	"$$python" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "$(RUNTIME)")' 2>/dev/null && echo "$$python" && break; done)
NOT_DEPLOYED = NOT TESTED ON THE DEPLOYED RUNTIME: no Python $(RUNTIME) here; make PYTHON_DEPLOYED=/path/to/python$(RUNTIME) ...
# Most tests wait (for processes, for their start and end), so more run at once than a small machine has cores. A file stays
# with one of them, for its servers are started once; long files first, as tests/conftest.py orders them.
TESTS_AT_ONCE ?= 3
PYTEST_AT_ONCE = -n $(TESTS_AT_ONCE) --dist loadfile --no-loadscope-reorder
# uv installs in seconds what takes pip a minute, but does not read pip's configuration: pip is there for when uv finds no
# way. Bytecode is compiled here as pip does, or a library's old syntax would warn in a test, and a warning is an error.
install = $(BIN)/uv pip install --quiet --compile-bytecode --python $(1)/bin/python $(addprefix -r ,$(2)) >&2 \
	|| $(1)/bin/python -m pip install --quiet --disable-pip-version-check $(addprefix -r ,$(2)) >&2

help: ## list the commands
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)$$/  make \1\t\2/' | expand -t 20

# Standard output belongs to the commands, so setting up talks on standard error.
$(VENV): requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ...")' >&2
	@echo "setting up .venv from requirements-dev.txt (once, at most some minutes)" >&2
	@$(PYTHON) -m venv .venv >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep ^uv== requirements-dev.txt)" >&2
	@$(call install,.venv,requirements-dev.txt)
	@touch $@

$(TERRAFORM_VENV): requirements-terraform.txt | $(VENV)
	@echo "setting up .venv-terraform from requirements-terraform.txt (once, some seconds)" >&2
	@$(BIN)/python -m venv .venv-terraform >&2
	@$(call install,.venv-terraform,requirements-terraform.txt)
	@touch $@

$(DEPLOYED_VENV): functions/requirements.txt requirements-dev.txt | $(VENV)
	@echo "setting up .venv-deployed from functions/requirements.txt and requirements-dev.txt (once)" >&2
	@$(PYTHON_DEPLOYED) -m venv .venv-deployed >&2
	@$(call install,.venv-deployed,functions/requirements.txt requirements-dev.txt)
	@touch $@

setup: $(VENV) ## set up .venv; the other make targets do it when they need it, ./ops does not

demo: $(VENV) ## one job from request to callback on this machine (VIDEO= AUDIO= your own files, STORE=firestore)
	@exec $(BIN)/python -m infra.local.demo $(if $(VIDEO),--video '$(VIDEO)') $(if $(AUDIO),--audio '$(AUDIO)')

local: $(VENV) ## the whole system on loopback until you stop it (PORT= STORE= REPLICAS= and more: README)
	@exec $(BIN)/python -m infra.local.stack

test: check ## everything that CI runs

fmt: $(VENV) ## repair what ruff check can repair, then format
	@$(BIN)/ruff check --fix .; status=$$?; $(BIN)/ruff format . && exit $$status

fast: $(VENV) ## the unit tests without coverage, in half a minute on two cores
	@$(BIN)/python -m pytest --quiet -n 2 --dist loadfile --no-loadscope-reorder tests/unit

e2e: $(VENV) ## the end-to-end tests: whole jobs through the rehearsal, also under faults
	@$(BIN)/python -m pytest $(PYTEST_AT_ONCE) tests/e2e

soak: $(VENV) ## bad days on purpose, then the books (SEED=1 JOBS=200 STORE=sqlite MINUTES=2): docs/reliability.md
	@$(BIN)/python -m tests.soak

check: format lint types imports deployed suite ## format, lint, types, import rules, tests on both Pythons, coverage

format: $(VENV) ## fails where a file is not formatted
	@$(BIN)/ruff format --check .

lint: $(VENV) ## ruff check
	@$(BIN)/ruff check .

types: $(VENV) ## mypy
	@$(BIN)/mypy

imports: $(VENV) ## the import rules of pyproject.toml
	@PYTHONPATH=functions:. $(BIN)/lint-imports

# Before `suite`, so that the summary of the whole suite is what a run ends with.
deployed: $(VENV) ## unit and contract tests on the functions' deployed runtime, where this machine has it
	@$(if $(RUNTIME),,$(error infra/terraform names no runtime))
	@$(if $(PYTHON_DEPLOYED),$(MAKE) deployed-tests,echo "$(NOT_DEPLOYED)" >&2)

deployed-tests: $(DEPLOYED_VENV)
	@echo "unit and contract tests on the deployed runtime, $$(.venv-deployed/bin/python --version)"
	@.venv-deployed/bin/python -m pytest $(PYTEST_AT_ONCE) tests/unit tests/contract

suite: $(VENV) $(TERRAFORM_VENV) ## the whole suite with coverage
	@$(BIN)/python -m pytest $(PYTEST_AT_ONCE) --cov --cov-report=term:skip-covered

package: $(VENV) ## one deterministic zip a function, under build/
	@$(BIN)/python -m infra.tools.package --out build

state-table: $(VENV) ## generate docs/state-table.md from the code
	@PYTHONPATH=functions:. $(BIN)/python -m infra.tools.state_table

terraform-readme: $(VENV) ## generate the tables of infra/terraform/README.md from its files
	@$(BIN)/python -m infra.tools.terraform_readme

bench: $(VENV) ## run one benchmark: NAME=decide (bench/README.md lists them), ARGS= its options
	@PYTHONPATH=functions:. $(BIN)/python -m bench.$(or $(NAME),$(error say which: make bench NAME=decide)) $(ARGS)

lock: $(VENV) ## pin anew what the *.in files ask for
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --upgrade -o requirements-dev.txt requirements-dev.in
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --upgrade -o requirements-terraform.txt requirements-terraform.in
	@for part in functions gpu_worker; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header -c requirements-dev.txt \
			-o $$part/requirements.txt $$part/requirements.in; \
	done

clean: ## drop everything that is not in git
	@rm -rf .venv .venv-* build .coverage* .mypy_cache .ruff_cache .import_linter_cache .hypothesis
