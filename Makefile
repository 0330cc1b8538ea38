# Carloan: `make demo` shows it, `make test` proves it, `make help` lists the rest.
PY := .venv/bin/python
SERVE ?= 1
ARGS ?=
.DEFAULT_GOAL := help
.PHONY: help setup demo run codes test test-long lint types boundaries bench lock messages

help:  ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup:  ## virtual environment, libraries, system packages, translations
	@scripts/setup.sh dev

demo:  ## the main job, end to end, on real processes (SERVE=0 ends after the story)
	@scripts/setup.sh runtime
	@SERVE=$(SERVE) $(PY) -m tests.journeys.demo

run:  ## the whole system with demonstration data, until Ctrl-C
	@scripts/setup.sh runtime
	@$(PY) -m tests.journeys.demo --no-story

codes:  ## new one-time codes of the demo log-ins
	@$(PY) -m tests.journeys.demo --codes

test:  ## all tests but the long ones (ARGS go to pytest)
	@scripts/setup.sh dev
	@$(PY) scripts/run_tests.py -m "not long" $(ARGS)

test-long:  ## the tests that take long
	@scripts/setup.sh dev
	@CARLOAN_TEST_LONG=1 $(PY) scripts/run_tests.py $(ARGS)

lint:  ## style, types, boundaries
	@scripts/setup.sh dev
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@$(MAKE) --no-print-directory types boundaries

types:
	@.venv/bin/mypy apps carloan

boundaries:
	@.venv/bin/lint-imports

bench:  ## measure; JSON lines on standard output (ONLY=name[,name])
	@scripts/setup.sh dev >&2
	@$(PY) -m bench

lock:  ## pin all libraries anew, with hashes
	@.venv/bin/uv pip compile -q --upgrade --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements.in -o requirements.txt
	@.venv/bin/uv pip compile -q --upgrade --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements-dev.in -o requirements-dev.txt

messages:  ## gather texts to translate into locale/
	@$(PY) manage.py makemessages -l zh_Hans --no-wrap --no-location --ignore=.venv --ignore=.local --ignore=tests --ignore="*/tests/*"
