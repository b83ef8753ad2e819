# Each target is a few lines over the command `vss`; `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
SUPERSET := .venv-superset
CLIENTS := .venv-clients
BIN := $(VENV)/bin
VSS := $(BIN)/vss
READY := $(VENV)/ready
HOME_OF_RUNS := $(or $(VSS_HOME),var)
DEMO := $(HOME_OF_RUNS)/demo_inbox
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test test-long lint lint-python lint-sql lint-dbt docs bench up down clean lock \
    clients-venv superset superset-venv superset-up superset-stop superset-lock

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: $(READY) ## install everything into .venv

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	echo "$(CURDIR)" > $$($(BIN)/python -c "import site; print(site.getsitepackages()[0])")/vss_warehouse.pth
	printf '#!%s\nfrom cli.main import main\nmain()\n' "$(CURDIR)/$(BIN)/python" > $(VSS)
	chmod +x $(VSS)
	touch $@

demo: $(READY) ## land the demo submissions, run the night in Airflow, publish, write the report
	$(VSS) migrate
	test -e $(DEMO)/complete || { $(VSS) synth --demo --out $(DEMO) && touch $(DEMO)/complete; }
	$(VSS) nightly --inbox $(DEMO) || test $$? -eq 3
	$(VSS) headline

test: $(READY) lint ## lint, unit, integration (real PostgreSQL), dbt, DAG and end-to-end tests
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder --durations 20

test-long: $(READY) $(SUPERSET)/ready $(CLIENTS)/ready ## what takes minutes: properties and fuzzing with many inputs (marker long)
	$(BIN)/python -m pytest -m long

lint: lint-python lint-dbt lint-sql ## ruff, mypy, dbt-bouncer, dbt-score, sqlfluff

lint-python: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy

# no database: a manifest of its own, read by both, and nothing left behind; dbt-bouncer looks in $$DBT_PROJECT_DIR/target and
# keeps a cache in $$HOME
lint-dbt: $(READY)
	at=$$(mktemp -d) && trap 'rm -rf "$$at"' EXIT && \
	$(BIN)/dbt --quiet parse --no-partial-parse --project-dir dbt_project --profiles-dir dbt_project \
	    --target-path "$$at/target" --log-path "$$at/logs" && \
	HOME="$$at" DBT_PROJECT_DIR="$$at" COLUMNS=160 $(BIN)/dbt-bouncer run --show-all-failures && \
	$(BIN)/dbt-score lint --manifest "$$at/target/manifest.json"

lint-sql: $(READY)
	$(BIN)/sqlfluff lint dbt_project/models --processes 2 --disable-progress-bar

docs: $(READY) ## write the generated pages anew: guide, templates, relations of bi, faults, traps; dbt's pages to VSS_HOME
	$(BIN)/python -m ingestion.guide
	$(BIN)/python -m reporting.relations_page
	$(BIN)/python tests/faults/proofs.py
	PYTHONPATH=tests/faults $(BIN)/python tests/stars/trap_proofs.py
	if test -e $(HOME_OF_RUNS)/server.json -o -n "$$VSS_DATABASE_URL"; then eval "$$($(VSS) env)"; fi; \
	    $(BIN)/python -m reporting.project_pages

bench: $(READY) ## measure every target beside its floor, one table (docs/performance.md); let nothing else run
	$(VSS) bench all --profile

up: $(READY) ## run everything until make down: Airflow with the schedule on, its UI, report and gate results as pages
	$(VSS) up

down: ## stop what runs: Airflow, the pages, the embedded server
	$(VSS) down

superset: $(SUPERSET)/ready $(READY) ## Superset in .venv-superset: metadata, admin and the five dashboards; safe to repeat
	$(VSS) dashboards prepare

superset-venv: $(SUPERSET)/ready ## install Superset into .venv-superset, apart from everything else

$(SUPERSET)/ready: reporting/superset/requirements.lock
	$(PYTHON) -m venv $(SUPERSET)
	$(SUPERSET)/bin/python -m pip install --quiet --no-deps --require-hashes -r reporting/superset/requirements.lock
	touch $@

superset-up: $(READY) ## run Superset until make superset-stop, on 127.0.0.1
	$(VSS) dashboards up

superset-stop: ## stop Superset
	$(VSS) dashboards stop

superset-lock: ## resolve reporting/superset/requirements.in anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	    --custom-compile-command "make superset-lock" reporting/superset/requirements.in -o reporting/superset/requirements.lock

clients-venv: $(CLIENTS)/ready ## programs that read bi (DuckDB, ODBC, JDBC …) into .venv-clients, for the long tests of them

$(CLIENTS)/ready: tests/acceptance/clients/requirements.txt
	$(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/python -m pip install --quiet -r tests/acceptance/clients/requirements.txt
	touch $@

clean: ## stop the server and remove everything a run leaves behind
	-$(VSS) dashboards stop
	-$(VSS) down
	rm -rf "$$(readlink -f $(HOME_OF_RUNS)/postgres)" $(HOME_OF_RUNS)

lock: ## resolve requirements.in anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	    --custom-compile-command "make lock" requirements.in -o requirements.lock
