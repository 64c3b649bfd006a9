.PHONY: demo test check bench model hostile sim chaos mutants lock clean
.DEFAULT_GOAL := test

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Matinee wants Python 3.11 or newer; try make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)

demo: $(READY)
	$(BIN)/matinee demo $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov=bot.jobs --cov=bot.providers --cov=storage --cov-branch --cov-fail-under=95 $(ARGS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_rooms.py --no-cov -q
	$(MAKE) test

bench: $(READY)
	$(BIN)/python -m bench $(ARGS)

# ARGS=R7 for the shortest way to harm without that rule.
model: $(READY)
	$(BIN)/python -m tests.proof.model $(ARGS)

# ARGS='--seed 7 --case 12' for one file of another seed, which is kept.
hostile: $(READY)
	$(BIN)/python -m tests.proof.hostile_run $(ARGS)

# ARGS='--seed 7 --seeds 1 --hours 48' for one longer day.
sim: $(READY)
	$(BIN)/python -m tests.proof.simulation $(ARGS)

chaos: $(READY)
	$(BIN)/python -m tests.proof.chaos $(ARGS)

# All of it takes an hour or so; ARGS='bot.jobs.recovery storage.claims' for some modules, ARGS='--share 0.1' for a sample.
mutants: $(READY)
	$(BIN)/python -m tests.proof.mutants $(ARGS)

# Needs uv on the PATH; the lock holds hashes and no host names.
lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --quiet --upgrade --output-file requirements.lock

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
