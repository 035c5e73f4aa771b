# The two commands are `make run` and `make test`; everything else serves them.
# Needs Python 3.11 or newer, and the network only while something that is locked is not installed.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The first interpreter that is new enough and was compiled with profile-guided optimisation, as a distribution's own is: it
# does the same work in a fifth less time. Otherwise the first that is new enough; `make PYTHON=...` overrides.
ifndef PYTHON
judge := import ensurepip, sys, sysconfig; \
	optimised = sys.base_prefix == "/usr" or "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""); \
	sys.exit(2 if sys.version_info < (3, 11) else 0 if optimised else 3)
PYTHON := $(shell plain=; \
	for p in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do \
		found=0; $$p -c '$(judge)' 2>/dev/null || found=$$?; \
		if [ $$found = 0 ]; then plain=$$p; break; elif [ $$found = 3 ]; then plain=$${plain:-$$p}; fi; \
	done; [ -z "$$plain" ] || command -v $$plain)
endif
BIN := .venv/bin

# A stamp is named after the lock it was installed from: an unchanged lock costs nothing.
hash = $(shell $(PYTHON) -c 'import hashlib, sys; print(hashlib.sha256(b"".join(open(f, "rb").read() for f in sys.argv[1:])).hexdigest()[:16])' $(1) 2>/dev/null)
RUN_STAMP := .venv/.installed-run-$(call hash,requirements.txt)
DEV_STAMP := .venv/.installed-dev-$(call hash,requirements.txt requirements-dev.txt)

# What the tests reach, line by line.
coverage: $(DEV_STAMP) programs
	$(BIN)/python -m pytest -n 2 --dist loadgroup --cov --cov-report=term:skip-covered $(ARGS)

.PHONY: help run test coverage check format lock install programs test-services clean

help:
	@echo "make run            start Generations on http://127.0.0.1:8000 (PORT, DATA_DIR, DEMO=1)"
	@echo "make test           install what the tests need and run all of them (ARGS='-k ingest')"
	@echo "make check          lint, types, layers, templates (migrations: tests/test_house.py)"
	@echo "make test-services  the same tests on PostgreSQL 15 and Redis from Debian"
	@echo "make coverage       the tests, and what they do not reach"
	@echo "make format         let ruff and djade rewrite what they can"
	@echo "make lock           write requirements*.txt anew from pyproject.toml"

run: $(RUN_STAMP)
	@exec $(BIN)/python manage.py up $(if $(filter-out 0,$(DEMO)),--demo)

install: $(DEV_STAMP)

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Generations needs Python 3.11 or newer with its venv module, and none was found (on Debian: apt-get install python3-venv)." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "$(PYTHON) has no venv module; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv

$(RUN_STAMP): | .venv/bin/python
	@echo "Installing what is locked, once: it may take a minute or two."
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(DEV_STAMP): | .venv/bin/python
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@ $(RUN_STAMP)

# Tests of pages need a browser, those of several machines a broker, those of what is printed to be typed curl, those of
# what may not stand before the database a pooler, and those of clients in JavaScript Node. They are Debian's own; nothing
# is downloaded.
programs:
	@missing=; PATH="$$PATH:/usr/sbin"; for one in chromium redis-server curl pgbouncer; do command -v $$one >/dev/null || missing="$$missing $$one"; done; \
	command -v node >/dev/null && command -v npm >/dev/null || missing="$$missing nodejs npm"; \
	missing="$$(echo $$missing)"; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing from Debian for the tests: $$missing"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	elif [ "$${CI:-}" = true ]; then echo "CI needs for the tests: $$missing" >&2; exit 1; \
	else echo "!!! NOT INSTALLED, AND THEIR TESTS WILL BE SKIPPED: $$missing (apt-get install $$missing)" >&2; fi

# Without groups, `loadgroup` hands out few tests at a time, in their order, to whichever worker is free.
test: $(DEV_STAMP) programs
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

# PostgreSQL 15 and Redis in the place of what is embedded; otherwise the same.
test-services: $(DEV_STAMP) programs
	.ci/with-services $(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

check: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	DEBUG=true $(BIN)/mypy
	$(BIN)/lint-imports
	git ls-files -z 'templates/*.html' | xargs -0 -r $(BIN)/djade --check --target-version 5.2
	git ls-files -z 'templates/*.html' | xargs -0 -r $(BIN)/djlint --lint --quiet
	DEBUG=true $(BIN)/python manage.py check

format: $(DEV_STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	git ls-files -z 'templates/*.html' | xargs -0 -r $(BIN)/djade --target-version 5.2

# uv reads neither pip's settings nor its find-links, so nothing local to a machine gets into the lock.
LOCK := env -u UV_INDEX -u UV_DEFAULT_INDEX -u UV_FIND_LINKS $(BIN)/uv --no-config pip compile --quiet --generate-hashes \
	--universal --python-version 3.11 --no-strip-extras --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(UPGRADE)
lock: $(DEV_STAMP)
	$(LOCK) pyproject.toml -o requirements.txt
	$(LOCK) pyproject.toml --extra s3 -c requirements.txt -o requirements-s3.txt
	$(LOCK) pyproject.toml --extra dev --extra s3 -c requirements-s3.txt -o requirements-dev.txt

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis htmlcov .coverage .coverage.*
