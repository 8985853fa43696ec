# One command per chore. `make` alone lists them. What is done is in `modelsvc`, `loadtest/` and `tools/`; here are only names.

.DEFAULT_GOAL := help
.PHONY: help setup demo run up stop logs logs-all health chat memory mem reset start-green stop-green swap-to-green
.PHONY: swap-to-blue which-active demo-swap test-zero-downtime test-inference deploy state history rollback
.PHONY: rollback-blue rollback-green deploy-log test-deploy test-full-cycle prewarm deploy-fast prewarm-and-deploy
.PHONY: prewarm-status up-full prom-targets prom-check grafana deploy-monitored generate-traffic install-locust
.PHONY: test-baseline test-deploy-load test-prewarm report open-report results test test-faults lint types format
.PHONY: screenshots config-docs diagrams shape lock clean
.PHONY: wheel wheel-check release-check release-notes release publish deploy-ci container-lint

# nginx is in sbin on Debian, where an ordinary user's PATH does not reach.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

# What people write is text: make would take a $ in it for a variable of its own.
override MESSAGE := $(value MESSAGE)
override MODEL := $(value MODEL)
export MESSAGE

PYTHON_ENV ?= .venv/bin/python
MODELSVC = $(PYTHON_ENV) -m modelsvc
# For what needs no package: any Python will do.
PLAIN_PYTHON = $(or $(PYTHON),$(wildcard $(PYTHON_ENV)),python3)

# What a variable becomes as an option, if it is set. Targets that ask a service take the one that `modelsvc ctl` finds:
# MODELSVC_HOME and MODELSVC_CONFIG choose it.
QUOTED = '$(subst ','\'',$(1))'
OPTION = $(if $($(1)),--$(2) $(call QUOTED,$($(1))))
CHANGE = $(call OPTION,MODEL,model) $(foreach setting,$(SET),--set '$(setting)') $(ARGS)
REHEARSE = $(PYTHON_ENV) -m loadtest.rehearse
REHEARSAL = $(call OPTION,CLIENTS,clients) $(call OPTION,SWAPS,swaps) $(call OPTION,DWELL,dwell)
# Variables of load tests; docs/loadtest.md tells more of them. One that is not set is the program's to choose.
TRAFFIC = $(call OPTION,DURATION,duration) $(call OPTION,USERS,users) $(call OPTION,TOKENS,tokens) \
	$(call OPTION,PROMPT_WORDS,prompt-words) $(call OPTION,URL,url) $(call OPTION,RESULTS,results)
SERVICE = $(call OPTION,MODEL,model) $(call OPTION,CONTEXT_TOKENS,context-tokens) $(call OPTION,SLOTS,slots) \
	$(call OPTION,BAKE_S,bake-s)

##@ Begin

help: ## list these commands
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install all that is needed; fast when it is there already (PYTHON=... is the interpreter; MODEL=smollm2 pulls it)
	@PYTHON='$(PYTHON)' QUIET='$(if $(filter setup,$(MAKECMDGOALS)),,1)' scripts/setup.sh
	$(if $(and $(MODEL),$(filter setup,$(MAKECMDGOALS))),@$(PYTHON_ENV) -m modelsvc model pull $(call QUOTED,$(MODEL)))

demo: setup ## serve the built-in model, deploy over it under traffic, roll back, and show what failed
	@$(PYTHON_ENV) -m tools.demo

##@ Run

run: setup ## run the service in the foreground until Ctrl-C
	@$(MODELSVC) up $(ARGS)

up: setup ## run the service in the background; returns when a colour serves
	@$(MODELSVC) up --detach $(ARGS)

stop: setup ## stop the service; done, too, when it does not run
	@$(MODELSVC) ctl shutdown --if-running

logs: setup ## the supervisor's last log lines; ARGS='green -n 20', ARGS=--follow
	@$(MODELSVC) ctl logs $(ARGS)

logs-all: setup ## the last lines of all logs, by time; ARGS=--follow
	@$(MODELSVC) ctl logs all $(ARGS)

health: setup ## whether the service can answer, and how it is
	@$(MODELSVC) health $(ARGS)

chat: setup ## talk to the model, or ask it MESSAGE once; ARGS="--user ada" remembers
	@$(MODELSVC) chat $(ARGS) $${MESSAGE:+-- "$$MESSAGE"}

memory: setup ## what each process holds, and what another worker would need
	@$(MODELSVC) ctl memory

mem: setup ## the same
	@$(MODELSVC) ctl memory

reset: setup ## stop the service and remove its state after a question; YES=1: without, MODELS=1: the model store, too
	@$(MODELSVC) reset $(if $(MODELS),--models) $(if $(YES),--yes)

##@ Two colours

start-green: setup ## start green's worker beside the one that serves
	@$(MODELSVC) ctl start green

stop-green: setup ## stop green's worker, unless it serves
	@$(MODELSVC) ctl stop green

swap-to-green: setup ## let green serve; its worker must be ready
	@$(MODELSVC) ctl swap green

swap-to-blue: setup ## let blue serve; its worker must be ready
	@$(MODELSVC) ctl swap blue

which-active: setup ## print the colour that serves
	@$(MODELSVC) ctl active

demo-swap: setup ## swap there and back on the running service, under traffic that is shown; SWAPS, CLIENTS, DWELL
	@$(REHEARSE) swaps $(REHEARSAL)

test-zero-downtime: setup ## the same eight times; exit code not 0 if one request failed
	@$(REHEARSE) swaps --swaps 8 --dwell 0.3 $(REHEARSAL)

test-inference: setup ## ask the running service in every way, and check the answers
	@$(PYTHON_ENV) -m loadtest.inference $(call OPTION,URL,url)

##@ Deploy

deploy: setup ## deploy under traffic; MODEL=file or name in the store, SET='model.slots=2 …', ARGS=--plan
	@$(MODELSVC) ctl deploy $(CHANGE)

state: setup ## what serves, what it costs and what is going on
	@$(MODELSVC) ctl status

history: setup ## the latest deployments
	@$(MODELSVC) ctl history $(ARGS)

rollback: setup ## go back to the release that served before
	@$(MODELSVC) ctl rollback $(ARGS)

rollback-blue: setup ## the same, unless blue serves already
	@$(MODELSVC) ctl rollback --to blue

rollback-green: setup ## the same, unless green serves already
	@$(MODELSVC) ctl rollback --to green

deploy-log: setup ## the latest deployment's story, and what was logged meanwhile
	@$(MODELSVC) ctl explain --logs $(ARGS)

test-deploy: setup ## one deployment on the running service under traffic; 0 failed, or exit code 1; MODEL, SET
	@$(REHEARSE) deploy $(REHEARSAL) -- $(CHANGE)

test-full-cycle: setup ## deploy, roll back, prewarm and deploy that, under traffic; MODEL, SET
	@$(REHEARSE) full-cycle $(REHEARSAL) -- $(CHANGE)

##@ Prewarm

prewarm: setup ## start a release beside the one that serves, ready to be deployed; MODEL, SET
	@$(MODELSVC) ctl prewarm $(CHANGE)

deploy-fast: setup ## switch to what was prewarmed
	@$(MODELSVC) ctl deploy --fast

prewarm-and-deploy: setup ## both; MODEL, SET
	@$(MODELSVC) ctl prewarm $(CHANGE)
	@$(MODELSVC) ctl deploy --fast

prewarm-status: setup ## what is prewarmed, or being so
	@$(MODELSVC) ctl prewarm --status

##@ Monitor

up-full: setup ## run the service in the background, and a Prometheus beside it
	@$(MODELSVC) up --detach $(ARGS)
	@$(MODELSVC) monitor up

prom-targets: setup ## whom Prometheus scrapes, and how that goes
	@$(MODELSVC) monitor targets

prom-check: setup ## have promtool check configuration and rules
	@$(MODELSVC) monitor check

grafana: setup ## how to see the dashboard in a Grafana
	@$(MODELSVC) monitor grafana $(ARGS)

deploy-monitored: setup ## deploy on the running service, with its metrics before and after; MODEL, ARGS
	@$(PYTHON_ENV) -m loadtest.monitored $(call OPTION,MODEL,model) $(ARGS)

generate-traffic: setup ## ask the running service until Ctrl-C, or for DURATION; then the report
	@$(PYTHON_ENV) -m loadtest.run traffic $(TRAFFIC)

##@ Load tests

install-locust: setup ## the version of Locust, which setup installs
	@$(PYTHON_ENV) -m locust --version

test-baseline: setup ## load test of 90 s without a deployment, and its report; DURATION, USERS, TOKENS, MODEL, URL
	@$(PYTHON_ENV) -m loadtest.run baseline $(TRAFFIC) $(SERVICE)

test-deploy-load: setup ## load test with a deployment in the middle; exit code not 0 if anything failed
	@$(PYTHON_ENV) -m loadtest.run deploy $(TRAFFIC) $(SERVICE)

test-prewarm: setup ## load test with a prewarming and the fast deployment of it
	@$(PYTHON_ENV) -m loadtest.run prewarm $(TRAFFIC) $(SERVICE)

report: setup ## write the latest load test's report anew, or that of RESULT
	@$(PYTHON_ENV) -m loadtest.report $(RESULT) $(call OPTION,RESULTS,results)

open-report: setup ## the same, and open it in the browser
	@$(PYTHON_ENV) -m loadtest.report $(RESULT) $(call OPTION,RESULTS,results) --open

results: setup ## list results by time, with the key figures
	@$(PYTHON_ENV) -m loadtest.results $(call OPTION,RESULTS,results)

##@ Develop

test: lint types ## lint, types and all tests
	$(PYTHON_ENV) -m pytest

test-faults: setup ## kill each process at each step of a deployment, and deploy 100 times in a row; takes about 10 minutes
	$(PYTHON_ENV) -m pytest -m '' tests/acceptance/test_fault_matrix.py tests/acceptance/test_endurance.py

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
	find src tests tools scripts disposable loadtest benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Release

wheel: setup ## build the wheel into dist/, without a look at the network
	rm -rf build dist
	$(PYTHON_ENV) -m pip --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir dist .

wheel-check: wheel ## install the wheel into a fresh environment, and see that nothing is missing in it
	$(PYTHON_ENV) -m scripts.check_wheel dist/*.whl

container-lint: setup ## what can be said of packaging/container without an engine
	$(PYTHON_ENV) -m pytest tests/container

# TAG and ARGS reach the programs by the environment: whatever is in them, no shell reads it.
release-check: ## whether TAG may be released: its version, and its section of the changelog; TAG=v0.1.0
	@$(PLAIN_PYTHON) -m scripts.release check "$$TAG"

release-notes: ## print the changelog's section of TAG; TAG=v0.1.0
	@$(PLAIN_PYTHON) -m scripts.release notes "$$TAG"

define PUBLISH
$(PLAIN_PYTHON) -m scripts.release notes "$$TAG" > dist/notes.md
gh release create "$$TAG" dist/*.whl --verify-tag --title "$$TAG" --notes-file dist/notes.md
endef

release: release-check wheel-check ## build and check the wheel, and publish it; TAG=v0.1.0
	$(PUBLISH)

publish: release-check ## publish TAG with the wheel in dist/ and its notes, by GitHub's command line; TAG=v0.1.0
	$(PUBLISH)

deploy-ci: ## deploy as CI does, and keep the evidence; ARGS of ctl deploy, WHEEL to install first, MODELSVC_COMMAND to deploy with
	@$(or $(PYTHON),python3) -m scripts.deploy_ci
