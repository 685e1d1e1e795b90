"""Rules of the house: who may import whom, sizes, documentation, pins."""

import ast
import importlib.util
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from c2i_lib.stages import STUDY

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "c2i_lib"
_SPEC = importlib.util.spec_from_file_location("draw_rooms", ROOT / "tools" / "draw_rooms.py")
draw_rooms = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(draw_rooms)
MODULES = sorted(LIBRARY.rglob("*.py"))
NAMES = [str(path.relative_to(LIBRARY).with_suffix("")).replace("/", ".") for path in MODULES]


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


def test_no_arrow_between_rooms_goes_up():
    """Whoever changes a room need not look at the rooms above it."""
    assert draw_rooms.problems(draw_rooms.arrows()) == []


@pytest.mark.parametrize("arrow", [("records", "stages"), ("models", "models "), ("stages", "reporting")])
def test_an_arrow_up_or_sideways_is_a_problem(arrow):
    start, end = (room.strip() for room in arrow)
    found = draw_rooms.arrows() + Counter({(start, end): 1})
    assert draw_rooms.problems(found) != [] or start == end


def test_the_picture_of_the_rooms_is_as_they_are():
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert draw_rooms.diagram(draw_rooms.arrows()) in page


def test_every_stage_of_the_study_has_a_room_and_every_room_is_one():
    rooms = {path.name for path in (LIBRARY / "stages").iterdir() if (path / "__init__.py").is_file()}
    assert rooms == {stage.name for stage in STUDY}
    assert [stage.number for stage in STUDY] == list(range(1, len(STUDY) + 1))


@pytest.mark.parametrize("path", [path for path in MODULES if "stages" in path.parts], ids=str)
def test_stages_import_no_other_stage(path):
    """Stages pass files. A stage that imports another cannot be understood, tested or replaced alone."""
    own = path.relative_to(LIBRARY / "stages").parts[0]
    others = {name.split(".")[2] for name in draw_rooms.imported_modules(path) if name.startswith("c2i_lib.stages.")}
    assert others <= {own}


@pytest.mark.parametrize("path", sorted((LIBRARY / "statistics").rglob("*.py")), ids=lambda path: path.stem)
def test_statistics_know_no_files_no_profile_and_no_arms(path):
    """Arrays and tables in, tables out: what is computed here holds for any study."""
    assert {draw_rooms.room_of(name) for name in draw_rooms.imported_modules(path)} <= {"statistics", "errors"}


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_the_library_imports_no_scripts_and_no_tests(path):
    assert not {name.split(".")[0] for name in imported(path)} & {"tools", "benchmarks", "tests", "conftest", "pytest"}


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_modules_are_short_and_say_what_they_are(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350
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
        bare += [f"{function.name}({a.arg})" for a in arguments if not a.annotation and a.arg not in ("self", "cls")]
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


def files_that_test(room: str) -> list[Path]:
    """The test files of a room; of a module that is a room of its own, all test files."""
    folder = ROOT / "tests" / room
    return sorted((folder if folder.is_dir() else ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_every_module_has_tests_in_the_folder_of_its_room(path):
    """A module that defines something public is imported by a test of its room, or its package is. What stands before
    all rooms, the library's face and its entry point, has tests of its own."""
    defines = any(isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in tree_of(path).body)
    name = draw_rooms.module_name(path)
    if not defines or (path.parent == LIBRARY and path.stem.startswith("__")):
        return
    own, room = {name, name.rpartition(".")[0]} - {"c2i_lib"}, draw_rooms.room_of(name)
    assert any(own & imported(test) for test in files_that_test(room)), f"no test in tests/{room} imports {name}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements*.txt")), ids=lambda path: path.name)
def test_requirements_are_pinned_exactly(path):
    lines = [line.split("#")[0].strip(" \\") for line in path.read_text(encoding="utf-8").splitlines()]
    marker = "(; (sys_platform|python_version) .*)?"
    pinned = re.compile(rf"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*{marker}|--hash=sha256:[0-9a-f]{{64}}")
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
