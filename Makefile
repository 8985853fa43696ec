# One command per chore. `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-faults lint types format shape lock clean

# nginx is in sbin on Debian, where an ordinary user's PATH does not reach.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

PYTHON_ENV := .venv/bin/python

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install all that is needed; fast when it is there already (PYTHON=... chooses the interpreter)
	@PYTHON='$(PYTHON)' scripts/setup.sh

demo: setup ## serve the built-in model, deploy over it under traffic, roll back, and show what failed
	@$(PYTHON_ENV) -m tools.demo

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

shape: setup ## module and function lengths, beside what we aim at
	@$(PYTHON_ENV) scripts/shape.py

lock: setup ## write requirements.lock anew; UPGRADE=1 moves the versions forward
	@UPGRADE='$(UPGRADE)' scripts/lock.sh

clean: ## remove what tools leave behind; .venv stays, for llama-cpp-python takes minutes to compile
	rm -rf build dist .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests tools scripts -name __pycache__ -type d -prune -exec rm -rf {} +
