"""Rules of the house: who may import whom, sizes, documentation, pins."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "c2i_lib"
MODULES = sorted(LIBRARY.rglob("*.py"))
NAMES = [str(path.relative_to(LIBRARY).with_suffix("")).replace("/", ".") for path in MODULES]
STAGES = "captions finetuning concepts prompts images judges survey analysis closeness selection".split()
SHARED = "config files stage errors runtime processes language_model effects simulation".split()
SHARED += "power variance validity mixed_model explicit prompt_settings sections judge_settings".split()
SHARED += "code_hash finetuning_settings text_measures".split()
SHARED_PACKAGES = ("agreement", "embedded.", "noun_phrases.")
# Modules whose tests are in the file of another module, or that hold nothing to test.
TESTED_ELSEWHERE = {
    "__init__": None,
    "__main__": "test_cli.py",
    "errors": "test_cli.py",
    "files": "test_stage.py",
    "runtime": "test_language_model.py",
    "captions.__init__": "test_captions.py",
    "captions.splits": "test_captions.py",
    "concepts.__init__": "test_concepts.py",
    "finetuning.__init__": "test_finetuning.py",
    "finetuning.checkpoints": "test_finetuning_training.py",
    "finetuning_settings": "test_config.py",
    "noun_phrases.__init__": None,
    "prompt_settings": "test_config.py",
    "prompts.__init__": "test_prompts.py",
    "text_measures": "test_prompts.py",
    "embedded.__init__": None,
    "images.__init__": "test_images.py",
    "embedded.captions": "test_embedded_world.py",
    "embedded.glyphs": "test_embedded_world.py",
    "embedded.rendering": "test_embedded_world.py",
    "embedded.judge": "test_judges_glyphs.py",
    "judges.__init__": "test_judges.py",
    "judges.aesthetic": "test_judges_clip.py",
    "judges.preference": "test_judges_clip.py",
    "judge_settings": "test_judges.py",
    "sections": "test_config.py",
    "embedded.packages": "test_embedded_models.py",
    "survey.__init__": None,
    "survey.build": "test_survey.py",
    "survey.guard": "test_survey_server.py",
    **{f"survey.formats.{name}": "test_survey_formats.py" for name in "__init__ answers csv_files own mapping".split()},
    **{f"survey.formats.{name}": "test_survey_formats.py" for name in ("wide", "label_studio")},
    **{f"agreement.{name}": "test_agreement.py" for name in ("__init__", "coefficients")},
    "survey.ratings": "test_survey.py",
}


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    """All modules that a file imports, also inside functions; names of modules imported from a package too."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_stages_import_only_what_is_shared(stage):
    """Stages pass files. A stage that imports another cannot be understood, tested or replaced alone."""
    place = LIBRARY / stage.replace(".", "/")
    parts = sorted(place.glob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    own = {name.removeprefix("c2i_lib.") for part in parts for name in imported(part)}
    own &= set(NAMES)
    assert {name for name in own if name not in SHARED and not name.startswith((*SHARED_PACKAGES, stage))} == set()


@pytest.mark.parametrize("module", [*SHARED, *(name for name in NAMES if name.startswith(SHARED_PACKAGES))])
def test_shared_modules_import_no_stage(module):
    own = {name.removeprefix("c2i_lib.") for name in imported(LIBRARY / f"{module.replace('.', '/')}.py")}
    assert not own & {*STAGES, "generator", "pipeline", "cli", "figures", "tables"}


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_the_library_imports_no_scripts_and_no_tests(path):
    assert not {name.split(".")[0] for name in imported(path)} & {"tools", "benchmarks", "tests", "conftest", "pytest"}


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_modules_are_short_and_say_what_they_are(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
    assert ast.get_docstring(tree_of(path))


def public_functions(path: Path) -> list[ast.FunctionDef]:
    """Public functions of a module and public methods of its public classes."""
    tree = tree_of(path)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    bodies = [tree.body, *(node.body for node in classes)]
    functions = [node for body in bodies for node in body if isinstance(node, ast.FunctionDef)]
    return [node for node in functions if not node.name.startswith("_")]


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_public_functions_are_annotated(path):
    bare = []
    for function in public_functions(path):
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        bare += [f"{function.name}({a.arg})" for a in arguments if a.annotation is None and a.arg != "self"]
        bare += [f"{function.name} -> ?"] if function.returns is None else []
    assert bare == []


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_public_functions_have_docstrings(path):
    """Methods of a Protocol and ``forward`` are explained by their class; commands by their help text."""
    if path.name == "cli.py":
        return
    functions = {node.name for node in tree_of(path).body if isinstance(node, ast.FunctionDef)}
    assert [
        function.name
        for function in public_functions(path)
        if function.name in functions and not ast.get_docstring(function)
    ] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_module_has_tests(name):
    file = TESTED_ELSEWHERE.get(name, f"test_{name.replace('.', '_')}.py")
    assert file is None or (ROOT / "tests" / file).is_file()


def test_the_map_of_tests_names_modules_that_exist():
    assert set(TESTED_ELSEWHERE) <= set(NAMES)


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements*.txt")), ids=lambda path: path.name)
def test_requirements_are_pinned_exactly(path):
    lines = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    pinned = re.compile(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*(; python_version (<|>=) \"3\.\d+\")?")
    assert [line for line in lines if line and not pinned.fullmatch(line)] == []
    assert any(lines)


def project_files() -> list[Path]:
    """Files under version control, and new ones that are not ignored."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_folder_of_one_machine():
    # Put together here, so that this file does not name one either.
    folder = re.compile(rf"(?<![\w.])/(?:{'|'.join(('root', 'home', 'Users', 'tmp', 'work'))})/\w")
    found = []
    for path in project_files():
        content = path.read_bytes()
        if b"\0" not in content[:4096]:
            found += [f"{path.relative_to(ROOT)}: {hit.group()}" for hit in folder.finditer(content.decode("utf-8"))]
    assert found == []


def test_ruff_finds_nothing():
    ruff = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "."], cwd=ROOT, capture_output=True, text=True
    )
    assert ruff.returncode == 0, ruff.stdout + ruff.stderr
