# One command per chore. `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-faults lint types format shape lock clean
.PHONY: test-baseline test-deploy-load test-prewarm generate-traffic deploy-monitored report open-report results
.PHONY: screenshots config-docs diagrams

# nginx is in sbin on Debian, where an ordinary user's PATH does not reach.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

PYTHON_ENV := .venv/bin/python

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install all that is needed; fast when it is there already (PYTHON=... is the interpreter; MODEL=smollm2 pulls it)
	@PYTHON='$(PYTHON)' scripts/setup.sh
	$(if $(and $(MODEL),$(filter setup,$(MAKECMDGOALS))),@$(PYTHON_ENV) -m modelsvc model pull '$(MODEL)')

demo: setup ## serve the built-in model, deploy over it under traffic, roll back, and show what failed
	@$(PYTHON_ENV) -m tools.demo

test: lint types ## lint, types and all tests
	$(PYTHON_ENV) -m pytest

test-faults: setup ## kill each process at each step of a deployment, and deploy 100 times in a row; takes about 10 minutes
	$(PYTHON_ENV) -m pytest -m '' tests/acceptance/test_fault_matrix.py tests/acceptance/test_endurance.py

# Variables of load tests; docs/loadtest.md tells more of them. One that is not set is the program's to choose.
OPTION = $(if $($(1)),--$(2) '$($(1))')
TRAFFIC = $(call OPTION,DURATION,duration) $(call OPTION,USERS,users) $(call OPTION,TOKENS,tokens) \
	$(call OPTION,PROMPT_WORDS,prompt-words) $(call OPTION,URL,url) $(call OPTION,RESULTS,results)
SERVICE = $(call OPTION,MODEL,model) $(call OPTION,CONTEXT_TOKENS,context-tokens) $(call OPTION,SLOTS,slots) \
	$(call OPTION,BAKE_S,bake-s)

test-baseline: setup ## load test of 90 s without a deployment, and its report; DURATION, USERS, TOKENS, MODEL, URL
	@$(PYTHON_ENV) -m loadtest.run baseline $(TRAFFIC) $(SERVICE)

test-deploy-load: setup ## load test with a deployment in the middle; exit code not 0 if anything failed
	@$(PYTHON_ENV) -m loadtest.run deploy $(TRAFFIC) $(SERVICE)

test-prewarm: setup ## load test with a prewarming and the fast deployment of it
	@$(PYTHON_ENV) -m loadtest.run prewarm $(TRAFFIC) $(SERVICE)

generate-traffic: setup ## ask the running service until Ctrl-C, or for DURATION; then the report
	@$(PYTHON_ENV) -m loadtest.run traffic $(TRAFFIC)

deploy-monitored: setup ## deploy on the running service, with its metrics before and after; MODEL, ARGS
	@$(PYTHON_ENV) -m loadtest.monitored $(call OPTION,MODEL,model) $(ARGS)

report: setup ## write the latest load test's report anew, or that of RESULT
	@$(PYTHON_ENV) -m loadtest.report $(RESULT) $(call OPTION,RESULTS,results)

open-report: setup ## the same, and open it in the browser
	@$(PYTHON_ENV) -m loadtest.report $(RESULT) $(call OPTION,RESULTS,results) --open

results: setup ## list results by time, with the key figures
	@$(PYTHON_ENV) -m loadtest.results $(call OPTION,RESULTS,results)

lint: setup ## ruff: lint and formatting
	$(PYTHON_ENV) -m ruff check
	$(PYTHON_ENV) -m ruff format --check

types: setup ## mypy --strict
	$(PYTHON_ENV) -m mypy

format: setup ## let ruff rewrite the code
	$(PYTHON_ENV) -m ruff check --fix
	$(PYTHON_ENV) -m ruff format

screenshots: setup ## the status page during a deployment, into docs/img; needs Chromium
	@$(PYTHON_ENV) -m tools.screenshots

config-docs: setup ## write config/modelsvc.toml and docs/configuration.md anew, from the code
	@$(PYTHON_ENV) -m tools.config_docs

diagrams: setup ## draw the pictures of docs/architecture.md anew, from the code
	@$(PYTHON_ENV) -m tools.diagrams

shape: setup ## module and function lengths, beside what we aim at
	@$(PYTHON_ENV) scripts/shape.py

lock: setup ## write requirements.lock anew; UPGRADE=1 moves the versions forward
	@UPGRADE='$(UPGRADE)' scripts/lock.sh

clean: ## remove what tools leave behind; .venv stays, for llama-cpp-python takes minutes to compile
	rm -rf build dist .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests tools scripts -name __pycache__ -type d -prune -exec rm -rf {} +
