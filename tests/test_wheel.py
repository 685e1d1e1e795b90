"""What ``pip install`` brings: the wheel, installed outside the repository, is the whole tool.

The run that most tests read (``smoke_run``) is made by this installed command, too.
"""

import re
import subprocess
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from PIL import Image

from c2i_lib.run.pipeline import is_done, notebook_path
from c2i_lib.run.places import plan_run
from c2i_lib.stages import FOLDERS

ROOT = Path(__file__).parents[1]


def requirements(name: str) -> list[str]:
    """The packages that a file of requirements pins."""
    return re.findall(r"^[\w.-]+==[\w.]+", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_file_of_the_library_and_every_notebook_is_in_the_wheel(wheel):
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "c2i_lib", "notebooks"]
    listed = subprocess.run(command, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    expected = {re.sub("^notebooks/", "c2i_lib/notebooks/", name) for name in names}
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith("c2i-")}
    assert expected == names


def test_the_wheel_declares_what_it_needs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = message_from_bytes(archive.read(next(n for n in archive.namelist() if n.endswith("/METADATA"))))
    declared = metadata.get_all("Requires-Dist")
    assert [line for line in declared if "extra ==" not in line] == requirements("requirements.txt")
    assert {line.split("==")[0] for line in declared if "extra ==" in line} == {"pycld2", "aiohttp"}


def test_every_command_that_installs_a_package_names_the_pinned_version():
    """Somebody who installed the wheel has no file of requirements."""
    files = ("requirements.txt", "requirements-models.txt", "requirements-app.txt", "pyproject.toml")
    projects = [ROOT / name for name in files]
    pins = set(re.findall(r"[\w.-]+==[\w.]+", "\n".join(path.read_text(encoding="utf-8") for path in projects)))
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "c2i_lib").rglob("*.py")))
    commands = re.findall(r"python -m pip install (.*)", code)
    named = [re.findall(r"[\w.-]+==[\w.]*\w", command) for command in commands]
    assert len(named) >= 5 and all(named), commands
    assert {package for packages in named for package in packages} <= pins


def test_the_lock_holds_every_pin():
    """torch is not in the lock: its index decides which build people get. ``make lock`` writes it."""
    lock = set(requirements("requirements.lock"))
    pins = {line.lower().replace("_", "-") for line in requirements("requirements.txt")}
    assert pins - lock == {pin for pin in pins if pin.startswith("torch==")}


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-models.txt"])
def test_what_is_installed_has_its_hashes(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    hashed = re.findall(r"^[\w.-]+==.*\\\n +--hash=sha256:[0-9a-f]{64}\b", text, re.MULTILINE)
    assert len(hashed) == len(requirements(name)) >= 2


def test_the_installed_command_finds_no_source_tree(installed):
    done = subprocess.run(
        [installed.command.with_name("python"), "-c", "import c2i_lib; print(c2i_lib.__file__)"],
        cwd=installed.folder,
        env={},
        capture_output=True,
        text=True,
    )
    assert Path(done.stdout.strip()).is_relative_to(installed.command.parents[1])


def test_the_installed_command_looks_for_runs_in_the_current_folder(installed):
    done = installed("status", "--profile", "smoke")
    assert done.returncode == 1
    assert f"no run in {installed.folder / 'runs' / 'smoke'}" in done.stderr


@pytest.mark.notebooks
def test_a_run_of_the_installed_command_is_done_for_this_source_tree(smoke_run):
    run = plan_run("smoke", smoke_run)
    assert [number for number in FOLDERS if not is_done(run, number)] == []


@pytest.mark.notebooks
def test_the_installed_command_makes_pictures(installed, smoke_run, tmp_path):
    run = ("--profile", "smoke", "--run-dir", smoke_run)
    done = installed("imagine", "a red bicycle", "-n", 1, *run, "--out", tmp_path / "pictures")
    assert done.returncode == 0, done.stderr
    (picture,) = (tmp_path / "pictures").glob("*.png")
    assert Image.open(picture).size == (128, 128)


def test_a_checkout_keeps_its_runs_and_notebooks(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert notebook_path(1).parent == ROOT / "notebooks"
    assert plan_run("smoke").directory == ROOT / "runs" / "smoke"
