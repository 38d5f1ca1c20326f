# The two commands are `make demo` and `make test`; each sets up what it needs, on Python >= 3.10.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
export PIP_NO_INPUT = 1

.PHONY: help demo test lint format docs matrix frameworks others interop install bench soak audit serve browser screenshots clean

help:            ## show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

demo: $(VENV)/demo.done    ## run a small agent against a provider that ships with the project, offline
	@$(BIN)/agentops-otel demo

test: $(VENV)/test.done    ## run all tests
	@$(BIN)/python -m pytest -q -n auto $(ARGS)

serve: $(VENV)/server.done ## take traces in on port 4318 and answer for their sessions
	@$(BIN)/agentops-otel serve $(ARGS)

lint: $(VENV)/lint.done    ## style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@rm -rf build && $(PIP) install --no-deps --upgrade --target build/installed .
	@cd build && MYPYPATH=installed ../$(BIN)/mypy --config-file ../pyproject.toml -p agentops_otel -p agentops_otel_instrumentors
	@cd build && MYPYPATH=installed ../$(BIN)/mypy --config-file ../pyproject.toml ../tests/typing/program.py
	@$(BIN)/basedpyright --pythonpath $(BIN)/python --project tests/typing

format: $(VENV)/lint.done  ## bring the code into shape
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

matrix:          ## tests on every Python here, with the oldest and newest libraries
	@scripts/matrix

frameworks:      ## tests of the agent frameworks, each in an environment of its own
	@scripts/frameworks $(ARGS)

others:          ## tests beside other tools of observability, with web frameworks, workers and notebooks
	@scripts/others $(ARGS)

interop: $(VENV)/test.done ## genuine receivers: a collector, Jaeger, VictoriaTraces, Phoenix, MLflow
	@$(BIN)/python scripts/interop $(ARGS)

docs: $(VENV)/docs.done    ## the documentation, in build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "build/site/index.html"

install:         ## the package installed as its users do: how small it is, and what it moves
	@scripts/install

bench: $(VENV)/test.done   ## what a call costs beside the bare client, measured here
	@$(BIN)/python benchmarks/calls.py

audit: $(VENV)/audit.done  ## known vulnerabilities of what is depended upon
	@mkdir -p build && $(PIP) freeze --exclude-editable >build/depended-upon.txt
	@$(BIN)/pip-audit --strict --progress-spinner off --disable-pip --no-deps --requirement build/depended-upon.txt

soak: $(VENV)/test.done    ## load with kills, ten minutes for each fault, memory, and every fault there is
	@$(BIN)/python scripts/soak $(ARGS)
	@FAULTS_ALL=1 $(BIN)/python -m pytest -q -n auto tests/faults
	@FAULTS_ALL=1 $(BIN)/python -m pytest -q -n auto tests/server/test_openapi.py tests/server/test_intake.py tests/cli/test_serve.py

TESTS ?= tests/page
NO_CHROMIUM := echo "The page is not looked at without Chromium: apt-get install chromium"; test -z "$$CI"
browser: $(VENV)/browser.done    ## test the page in Chromium; without one it is said so, and in CI an error
	@if command -v chromium >/dev/null; then \
		if test "$(TESTS)" = tests/page && ! test -e build/axe/node_modules/axe-core && command -v npm >/dev/null; \
			then npm install --silent --prefix build/axe axe-core; fi; \
		$(BIN)/python -m pytest -q $(TESTS) $(ARGS); else $(NO_CHROMIUM); fi

screenshots: $(VENV)/browser.done ## pictures of every view of the page, in build/screenshots
	@if command -v chromium >/dev/null; then $(BIN)/python scripts/screenshots; else $(NO_CHROMIUM); fi

clean:           ## remove what was made
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python >= 3.10 is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 10) else 0)'
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/%.done: $(VENV)/bin/python pyproject.toml
	@$(PIP) install -e '.[$*]'
	@touch $@
