# `make demo` and `make test` only need Python 3.11 or later, make and git.
PYTHON ?= python3
# Give another Python its own environment: make test PYTHON=python3.13 VENV=.venv-3.13
VENV ?= .venv
BIN := $(VENV)/bin
# Check that uv runs: pyenv puts programs on the PATH that only print "command not found".
UV := $(shell uv --version >/dev/null 2>&1 && command -v uv)
# As pip does: a company's proxy may have its own certificate authority.
export UV_SYSTEM_CERTS ?= 1
ISSUE ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-sqlite test-postgres test-all explore chaos bench lint lock messages sbom release-check clean

help:
	@echo "make demo [ISSUE=path/to/issue.md]   rehearse a send to invented subscribers; no email goes out"
	@echo "make test                            run the tests on SQLite and on PostgreSQL"
	@echo "make test-all                        run the slow tests that \`make test\` leaves out: real servers, many kills, long runs"
	@echo "make explore                         try new examples in the tests of properties"
	@echo "make chaos RUNS=200                  kill, stall and starve real processes; nobody may be emailed twice"
	@echo "make bench                           measure what has a goal, against other ways, on a machine that does nothing else"
	@echo "make lint                            check style, types, import layers, dependencies, migrations"
	@echo "make sbom                            write an SBOM of requirements.lock: build/sbom.cdx.json"
	@echo "make release-check [TAG=v0.2.0]      build, check, install and try what would be published"
	@echo "make lock                            update the pinned dependencies"
	@echo "make messages                        compile the translations"

# A stamp is newer than the lock file that it installed, so a changed lock file is installed again.
$(BIN)/python:
ifdef UV
	uv venv -q --python $(PYTHON) $(VENV)
else
	$(PYTHON) -m venv $(VENV)
endif

$(VENV)/run.stamp: requirements.lock pyproject.toml | $(BIN)/python
ifdef UV
	uv pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	uv pip install -q --python $(BIN)/python --no-deps -e .
else
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
endif
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(VENV)/run.stamp
ifdef UV
	uv pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-dev.lock
else
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
endif
	@touch $@

demo: $(VENV)/run.stamp
	@$(BIN)/mailer demo $(if $(ISSUE),"$(ISSUE)")

# All tests run on SQLite; those that touch the database also run on a real PostgreSQL.
ON_POSTGRES := tests/mailer/sending tests/mailer/worker/test_sweeping.py tests/mailer/worker/test_welcoming.py tests/mailer/store/test_schema.py tests/mailer/store/test_clock.py \
	tests/mailer/events/test_processing.py tests/mailer/events/test_suppressing.py tests/mailer/worker/test_notifying.py tests/mailer/web/test_metrics.py tests/mailer/store/test_counting.py tests/mailer/store/test_presence.py \
	tests/mailer/publishing/test_reachability.py tests/mailer/web/test_views.py tests/subscribers

# Thousands of requests, and files of any shape: the database hardly matters to these.
NOT_TWICE := tests/subscribers/test_signed_links_attacked.py $(patsubst %,tests/subscribers/files/test_%.py,exporting importing_from_services unread_columns words archives)

test: test-sqlite test-postgres

test-sqlite: $(VENV)/dev.stamp
	@$(BIN)/python -m pytest -n 4 --dist worksteal -m "not slow"

test-postgres: $(VENV)/dev.stamp
	@MAILER_TEST_DATABASE=postgres $(BIN)/python -m pytest -n 4 --dist worksteal -m "not slow" $(ON_POSTGRES) $(patsubst %,--ignore=%,$(NOT_TWICE))

# The tests marked slow. They need servers that wheels cannot provide: see .ci/run. Commands hardly depend on the
# database, so they run on PostgreSQL here; who waits for whom depends on it alone.
test-all: $(VENV)/dev.stamp
	@$(BIN)/python -m pytest -n 3 --dist worksteal -m slow --maxfail 10
	@MAILER_TEST_DATABASE=postgres $(BIN)/python -m pytest -n 4 --dist worksteal -m "not slow" tests/mailer/cli
	@MAILER_TEST_DATABASE=postgres $(BIN)/python -m pytest -n 4 --dist worksteal -m slow $(wildcard tests/mailer/sending/test_send_lock*.py)

# Tests of properties try the same examples in each run; here they try others.
explore: $(VENV)/dev.stamp
	@$(BIN)/python -m pytest -n 4 --dist worksteal -m "not slow" --hypothesis-profile=other $$(grep -rlE "^from hypothesis import" tests --include='test_*.py')

RUNS ?= 21
SEED ?= 1
JOBS ?= 2
chaos: $(VENV)/dev.stamp
	@$(BIN)/python -W ignore -m tests.chaos --runs $(RUNS) --seed $(SEED) --jobs $(JOBS) $(if $(BEFORE),--before $(BEFORE))

# On a machine that does nothing else, about 25 minutes. BENCH="--save FILE" keeps the result, "--against FILE" compares.
bench: $(VENV)/dev.stamp
	@$(BIN)/python -W ignore -m benchmarks $(BENCH)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	home=$$(mktemp -d); trap 'rm -rf "$$home"' EXIT; MAILER_HOME=$$home $(BIN)/mailer manage makemigrations --check --dry-run

lock:
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header -q -U pyproject.toml -o requirements.lock
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header -q -U pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

messages: $(VENV)/dev.stamp
	$(BIN)/python -m tests.messages

sbom: $(VENV)/dev.stamp
	@$(BIN)/python -c "from tests import releasing; print(releasing.sbom(releasing.BUILD))"

# Passed through the environment, so that a tag's name never reaches a shell.
export TAG ?=
release-check: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.releasing

clean:
	rm -rf .venv .venv-* var build dist
