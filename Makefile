# `make demo` and `make test` need Python 3.11 or later, make and git; nothing else.
PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null)
ISSUE ?=

.DEFAULT_GOAL := help
.PHONY: help demo test chaos lint lock messages clean

help:
	@echo "make demo [ISSUE=path/to/issue.md]   rehearse a send to invented readers; nobody receives mail"
	@echo "make test                            run every test"
	@echo "make chaos RUNS=200                  kill, stall and starve real processes; nobody may be mailed twice"
	@echo "make lint                            style, types, import floors, dependencies, migrations"
	@echo "make lock                            pin the dependencies anew"
	@echo "make messages                        compile the translations"

# Each stamp names the lock that it installed, so a changed lock installs again.
.venv/bin/python:
ifdef UV
	uv venv -q --python $(PYTHON) .venv
else
	$(PYTHON) -m venv .venv
endif

.venv/run.stamp: requirements.lock pyproject.toml | .venv/bin/python
ifdef UV
	uv pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	uv pip install -q --python $(BIN)/python --no-deps -e .
else
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
endif
	@touch $@

.venv/dev.stamp: requirements-dev.lock .venv/run.stamp
ifdef UV
	uv pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-dev.lock
else
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
endif
	@touch $@

demo: .venv/run.stamp
	@$(BIN)/mailer demo $(if $(ISSUE),"$(ISSUE)")

# Once on SQLite, and what touches the database once more on a real PostgreSQL.
ON_POSTGRES := tests/mailer/sending tests/mailer/cli tests/mailer/test_sweeping.py tests/mailer/test_schema.py tests/mailer/test_clock.py \
	tests/mailer/test_events.py tests/mailer/test_suppressing.py tests/mailer/test_notifying.py tests/mailer/test_metrics.py tests/mailer/test_counting.py tests/mailer/test_presence.py \
	tests/mailer/test_doors.py tests/mailer/test_views.py tests/subscribers

# Thousands of requests and files of any shape; the database has little to say in them.
NOT_TWICE := tests/subscribers/test_attacks.py tests/subscribers/files/test_exporting.py

test: .venv/dev.stamp
	@$(BIN)/python -m pytest -n 4 --ignore=tests/chaos
	@MAILER_TEST_DATABASE=postgres $(BIN)/python -m pytest -n 4 $(ON_POSTGRES) $(patsubst %,--ignore=%,$(NOT_TWICE))

RUNS ?= 21
SEED ?= 1
JOBS ?= 2
chaos: .venv/dev.stamp
	@$(BIN)/python -W ignore -m tests.chaos --runs $(RUNS) --seed $(SEED) --jobs $(JOBS)

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/mailer manage makemigrations --check --dry-run

lock:
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header -q -U pyproject.toml -o requirements.lock
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header -q -U pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

messages: .venv/dev.stamp
	$(BIN)/python -m tests.messages

clean:
	rm -rf .venv var build dist
