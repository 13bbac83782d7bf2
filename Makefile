# The same few words for people and for CI. `make help` prints what stands behind "##": the minutes
# on two cores that do nothing else (rounded up; some are estimates), and what the target does.
PYTHON ?= python
FRONT = carviz/screen/front

.PHONY: help install fast check test lint format types browser hosts front names picture \
	notebooks screenshot benchmark benchmark-gpu neighbours campaign

help: ## 0 min: these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## 5 min: what every other target but benchmark-gpu needs, most of it downloading
	$(PYTHON) -m pip install -e ".[dev,browser,benchmark]"

fast: ## 1 min: the tests of what you have changed, the nearest first
	$(PYTHON) tests/changed.py

check: lint types test ## 9 min: before you push: lint, types, test

test: ## 8 min: every test but the slow ones and those in a browser, as `pytest` alone
	$(PYTHON) -m pytest

lint: ## 0.1 min: ruff, its rules and its format
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

format: ## 0.1 min: let ruff mend what it can
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

types: ## 1 min: mypy, strict
	$(PYTHON) -m mypy

browser: ## 12 min: what CI does second: the explorer in a real JupyterLab, and the slow tests
	$(PYTHON) -m pytest -m "browser or slow" tests

front: ## 0.3 min: bundle the screen's scripts anew, which needs Node; users need none
	$(PYTHON) -m carviz.screen.phrases
	cd $(FRONT) && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build

hosts: ## 4 min: the explorer in JupyterLab, Notebook, Voila, marimo, nbconvert (needs the extra `hosts`)
	$(PYTHON) -m pytest -m hosts -s tests/browser/test_hosts.py

names: ## 0.2 min: write the README's list of public names anew, from the docstrings
	$(PYTHON) tests/public_names.py

picture: ## 0.1 min: draw the README's head, bank and tail anew
	$(PYTHON) tests/draw_cut.py

notebooks: ## 3 min: execute the notebooks anew
	$(PYTHON) tests/execute_notebooks.py

screenshot: ## 3 min: take the README's pictures of the explorer
	PYTHONPATH=tests $(PYTHON) tests/browser/screenshot.py

# THEN=PYTHON is an interpreter with another build.
RESULTS = tests/benchmarks/results
benchmark: ## 90 min: take the figures of BENCHMARKS.md, on a machine that does nothing else
	PYTHONPATH=tests $(PYTHON) tests/benchmarks/compare.py $(THEN:%=--then %) --json $(RESULTS)/compare.json
	PYTHONPATH=tests $(PYTHON) tests/benchmarks/prune.py small fitted shapes --steps 3 --json $(RESULTS)/prune.json
	PYTHONPATH=tests $(PYTHON) tests/benchmarks/prune.py deep --threads 1 --steps 3 --json $(RESULTS)/prune-deep.json
	PYTHONPATH=tests $(PYTHON) tests/benchmarks/banks.py $(THEN:%=--then %) --json $(RESULTS)/banks.json
	PYTHONPATH=tests $(PYTHON) tests/benchmarks/joint.py --json $(RESULTS)/joint.json
	PYTHONPATH=tests $(PYTHON) tests/benchmarks/preparing.py $(THEN:%=--then %) --json $(RESULTS)/preparing.json
	PYTHONPATH=tests $(PYTHON) tests/benchmarks/screen.py $(THEN:%=--then %) --json $(RESULTS)/screen.json
	PYTHONPATH=tests $(PYTHON) tests/benchmarks/in_browser.py $(THEN:%=--then %) \
		--json $(RESULTS)/in_browser.json
	PYTHONPATH=tests $(PYTHON) tests/benchmarks/busy.py $(THEN:%=--then %) --json $(RESULTS)/busy.json
	$(PYTHON) tests/benchmarks/report.py

# A copied tree is all that must be there.
benchmark-gpu: ## 8 min: the same, on a machine with a GPU
	$(PYTHON) tests/benchmarks/gpu.py --json $(RESULTS)/gpu.json
	$(PYTHON) tests/benchmarks/report.py

neighbours: ## 30 min: outside CI: timm's families (pip install timm)
	PYTHONPATH=tests $(PYTHON) tests/neighbours.py

# 2,000 random networks, 1,000 of them on random kinds of data, damaged files, kills, interrupts,
# and ten minutes of clicking.
campaign: ## 90 min: outside CI: random networks and data, damaged files, kills, clicking
	PYTHONPATH=tests $(PYTHON) tests/campaign/networks.py --networks 2000
	PYTHONPATH=tests $(PYTHON) tests/campaign/networks_and_data.py --networks 1000
	PYTHONPATH=tests $(PYTHON) tests/campaign/files.py --mutations 10000
	PYTHONPATH=tests $(PYTHON) tests/campaign/kills.py --kills 200
	PYTHONPATH=tests $(PYTHON) tests/campaign/interrupts.py --interrupts 1000
	PYTHONPATH=tests $(PYTHON) tests/campaign/clicking.py --minutes 10
