# The same few words for people and for CI.
PYTHON ?= python

.PHONY: test lint format types notebooks screenshot benchmark benchmark-gpu neighbours campaign

test:
	$(PYTHON) -m pytest

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

format:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

types:
	$(PYTHON) -m mypy

notebooks:
	$(PYTHON) tests/execute_notebooks.py

screenshot:
	$(PYTHON) tests/browser/screenshot.py

# More than an hour on two cores that do nothing else; THEN=PYTHON is an interpreter with another build.
RESULTS = tests/benchmarks/results
benchmark:
	PYTHONPATH=tests $(PYTHON) tests/benchmarks/compare.py $(THEN:%=--then %) --json $(RESULTS)/compare.json
	PYTHONPATH=tests $(PYTHON) tests/benchmarks/prune.py --steps 3 --json $(RESULTS)/prune.json
	PYTHONPATH=tests $(PYTHON) tests/benchmarks/banks.py $(THEN:%=--then %) --json $(RESULTS)/banks.json
	PYTHONPATH=tests $(PYTHON) tests/benchmarks/preparing.py $(THEN:%=--then %) --json $(RESULTS)/preparing.json
	$(PYTHON) tests/benchmarks/report.py

# Eight minutes on a machine with a GPU, of which a copied tree is all that must be there.
benchmark-gpu:
	$(PYTHON) tests/benchmarks/gpu.py --json $(RESULTS)/gpu.json
	$(PYTHON) tests/benchmarks/report.py

# Outside CI: timm's families (pip install timm); 2,000 random networks, 1,000 of them on random
# kinds of data, damaged files, kills, interrupts, and ten minutes of clicking.
neighbours:
	PYTHONPATH=tests $(PYTHON) tests/neighbours.py

campaign:
	PYTHONPATH=tests $(PYTHON) tests/random_networks.py --networks 2000
	PYTHONPATH=tests $(PYTHON) tests/campaign/networks_and_data.py --networks 1000
	PYTHONPATH=tests $(PYTHON) tests/campaign/files.py --mutations 10000
	PYTHONPATH=tests $(PYTHON) tests/campaign/kills.py --kills 200
	PYTHONPATH=tests $(PYTHON) tests/campaign/interrupts.py --interrupts 1000
	PYTHONPATH=tests $(PYTHON) tests/campaign/clicking.py --minutes 10
