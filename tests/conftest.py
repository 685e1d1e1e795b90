"""Tiny real models, small profiles, and one run of the smoke profile that several test files share."""

import os
import subprocess

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "Agg"

import shutil
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from chromium import ARGUMENTS, CHROMIUM
from tiny_models import N_LAYERS, make_tokenizer, make_tti

from c2i_lib.config import load_profile
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage

ROOT = Path(__file__).parents[1]


def without_python_path() -> dict[str, str]:
    """The environment without what may lead Python, or pip, to this source tree."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@dataclass(frozen=True)
class Installed:
    """The installed command ``c2i``, called from an empty folder."""

    command: Path
    folder: Path

    def __call__(self, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
        """Run it with ``arguments``. ``PYTHONPATH`` is taken away, so that it cannot find this source tree."""
        command = [str(self.command), *map(str, arguments)]
        options = {"cwd": self.folder, "env": without_python_path() | environment, "capture_output": True, "text": True}
        return subprocess.run(command, **options)


@pytest.fixture(scope="session")
def tiny_tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="session")
def tiny_language_model(tmp_path_factory, tiny_tokenizer) -> Path:
    """Folder of a random GPT-2 (4 layers, 32 wide) and its tokenizer."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tiny_tokenizer), n_embd=32, n_layer=N_LAYERS, n_head=4, n_positions=128, initializer_range=0.2
    )
    folder = tmp_path_factory.mktemp("language_model")
    GPT2LMHeadModel(config).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_tti(tmp_path_factory, tiny_tokenizer) -> Path:
    return make_tti(tmp_path_factory.mktemp("tti"), tiny_tokenizer)


@pytest.fixture(scope="session")
def tiny_profile(tiny_language_model, tiny_tti):
    """The smoke profile with the tiny models."""
    overrides = {
        "language_model.model": str(tiny_language_model),
        "language_model.frozen_layers": 2,
        "images.model": str(tiny_tti),
        "images.size": 16,
        "images.steps": 3,
        "images.batch_size": 4,
    }
    return load_profile("smoke", overrides)


@pytest.fixture
def write_stage():
    """A function that writes tables as a finished stage, whose files pass the check of inputs."""

    def write(folder: Path, **tables) -> Path:
        with Stage(folder, {}) as stage:
            assert not stage.done
            for name, table in tables.items():
                write_table(folder / f"{name}.parquet", table)
        return folder

    return write


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The wheel of this source tree, built from a copy: a build leaves folders behind, and reads old ones."""
    source = tmp_path_factory.mktemp("wheel source")
    for folder in ("c2i_lib", "notebooks"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = "-m pip wheel . --no-deps --no-build-isolation --no-index --quiet --wheel-dir dist".split()
    subprocess.run([sys.executable, *command], cwd=source, check=True)
    return next((source / "dist").glob("*.whl"))


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory) -> Installed:
    """The wheel in an environment of its own, which sees the packages of this one but not this source tree."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "environment", with_pip=False)
    python = folder / "environment" / "bin" / "python"
    command = ["-m", "pip", f"--python={python}", "install", "--no-deps", "--no-index", "--quiet", str(wheel)]
    subprocess.run([sys.executable, *command], env=without_python_path(), check=True)
    packages = next((folder / "environment").glob("lib/python*/site-packages"))
    others = [path for path in sys.path if path.endswith("site-packages")]  # not this source tree, nor its tests
    (packages / "packages.pth").write_text("\n".join(others) + "\n", encoding="utf-8")
    (folder / "empty").mkdir()
    return Installed(python.parent / "c2i", folder / "empty")


@pytest.fixture(scope="session")
def smoke_run(installed, tmp_path_factory) -> Path:
    """Folder of one whole run of the smoke profile, by the installed command. Do not change it: use ``run_copy``."""
    folder = tmp_path_factory.mktemp("smoke") / "run"
    backend = "module://matplotlib_inline.backend_inline"  # as in JupyterLab
    done = installed("run", "--profile", "smoke", "--run-dir", folder, MPLBACKEND=backend)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def run_copy(smoke_run, tmp_path) -> Path:
    """A copy of the smoke run. Files are hard links: delete a file before you write another in its place."""
    return Path(shutil.copytree(smoke_run, tmp_path / "run", copy_function=os.link))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 56 MB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=56m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this test needs the right to mount a small file system: {error}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # a file may be open yet


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks for groups
def pytest_collection_modifyitems(items):
    """Tests of the whole run share it, so that one of several workers makes it and runs them all."""
    for item in items:
        if {"installed", "smoke_run", "run_copy"} & set(item.fixturenames):
            item.add_marker(pytest.mark.xdist_group("run"))


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium; tests that ask for it are marked ``chromium.needs_chromium``."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield chromium
        chromium.close()
