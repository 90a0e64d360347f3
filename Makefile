# Every target works on a fresh machine: `make setup` installs what it needs from our own files.
.DEFAULT_GOAL := help
.PHONY: sim mutants help setup lock serve check format lint types test test-fast test-slow test-docker test-regions image bench bench-regions scaling surface clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 5432
DATA ?= ./data
DOCKER ?= docker
IMAGE ?= opendsql
PYTEST := $(BIN)/python -m pytest
COMPILE = $(BIN)/python -m compileall -q adjudicator journal opendsql server storage
# Processes start twice as fast, also where the environment keeps Python from writing bytecode itself.

help:  ## This list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

setup: $(VENV)/.installed  ## Create .venv with everything the other targets need

$(VENV)/.installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=...)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { .ci/packages python3-venv && $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(COMPILE)
	@touch $@

lock:  ## Resolve the dependencies of pyproject.toml anew: all into requirements.lock, the image's into docker/
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet pyproject.toml --extra backup --extra regions --group dev --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --output-file requirements.lock
	echo 'setuptools>=77' | $(BIN)/uv pip compile --quiet pyproject.toml - --extra backup --extra regions \
	  --constraint requirements.lock --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --output-file docker/requirements.lock

serve: setup  ## Run the server on 127.0.0.1:$(PORT) with data in $(DATA)
	@exec $(BIN)/opendsql serve --port $(PORT) --data $(DATA)

format: setup  ## Reformat the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lint: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: setup
	$(BIN)/mypy

test-fast: setup
	$(PYTEST) -q -n 2 -m "not slow"

check: lint types test-fast  ## Format, lint, types and the fast tests

test: setup  ## The whole suite, as CI runs it
	@.ci/packages postgresql postgresql-contrib gcc || true
	@.ci/packages etcd-server || true
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(COMPILE)
	$(PYTEST) -q -n 2 --dist worksteal --durations 15

image:  ## Build the container images $(IMAGE) and $(IMAGE)-etcd with $(DOCKER)
	$(DOCKER) build --file docker/Dockerfile --tag $(IMAGE) .
	$(DOCKER) build --file docker/etcd.Dockerfile --tag $(IMAGE)-etcd .

test-docker: setup  ## The image and compose file in a real engine; skipped where there is none
	@.ci/packages debootstrap postgresql-client || true
	OPENDSQL_DOCKER=1 $(PYTEST) -q tests/docker

test-regions: setup  ## Two real regions and a witness: every loss under load, for minutes
	@.ci/packages etcd-server || true
	OPENDSQL_REGIONS=1 $(PYTEST) -q --durations 15 tests/regions

bench: setup  ## Throughput and latency against a private PostgreSQL, as ratios
	@.ci/packages postgresql postgresql-contrib || true
	$(BIN)/python -m tests.bench

bench-regions: setup  ## COMMIT and read latency of two regions against their distance, and recovery, as tables
	@.ci/packages etcd-server || true
	@$(BIN)/python -m tests.bench.regions

scaling: setup  ## What each part of a region costs per commit, and what more of each gives: measured, computed, simulated
	@$(BIN)/python -m tests.bench.scaling

sim: setup  ## Simulated clusters: SEED= replays one, SEEDS= explores so many (FIRST= the first, PROFILE= of one kind)
	@$(BIN)/python -m tests.sim $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),100) --first $(or $(FIRST),0)) \
	  $(if $(PROFILE),--profile $(PROFILE))

mutants: setup  ## Each protocol rule switched off: its schedule, and the seeds a search needs (SEEDS= at most, RULES= these)
	@$(BIN)/python -m tests.sim --mutants $(or $(SEEDS),1000) $(if $(RULES),--rules $(RULES))

surface: setup  ## What is refused and which settings there are: SQLSTATE, text, since when, how it is known (DATE=: as of that day)
	@$(BIN)/python -m server.surface $(if $(DATE),--date $(DATE))

clean:  ## Remove .venv and caches; data stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build dist
