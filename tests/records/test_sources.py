"""A result depends on the sources that it is made by, and on no others."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from c2i_lib.records import sources
from c2i_lib.records.stage import Stage

LIBRARY = Path(sources.__file__).parents[1]


class Library:
    """A copy of this library's sources, to be edited."""

    def __init__(self, folder):
        shutil.copytree(LIBRARY, folder, ignore=shutil.ignore_patterns("weights", "__pycache__"))
        self.folder = folder

    def edit(self, name, more="\n# changed\n"):
        path = self.folder / name
        path.write_bytes(path.read_bytes() + more.encode("utf-8"))
        forget()

    def hashes(self, *modules):
        return {module: sources.code_hash(module and f"c2i_lib.stages.{module}") for module in modules}


def forget():
    """A process reads each source once; another one would read it again."""
    sources.code_hash.cache_clear()
    sources._imports.cache_clear()


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_LIBRARY", tmp_path / "c2i_lib")
    forget()
    yield Library(tmp_path / "c2i_lib")
    forget()


@pytest.mark.parametrize(
    ("edited", "changed"),
    [
        ("reporting/figures.py", {None}),
        ("stages/finetuning/rows.py", {"finetuning", None}),
        ("stages/prompts/sampling.py", {"prompts", None}),  # of its package's module writer.py
        ("text/noun_phrases/topics.py", {"finetuning", "prompts", None}),
        ("records/files.py", {"captions", "finetuning", "prompts", None}),
        ("new.py", {None}),
    ],
)
def test_an_edit_changes_what_imports_the_module_directly_or_not_and_nothing_else(edited, changed, library):
    modules = ("captions", "finetuning", "prompts", None)
    before = library.hashes(*modules)
    if not (library.folder / edited).exists():
        (library.folder / edited).touch()
    library.edit(edited)
    after = library.hashes(*modules)
    assert {module for module in modules if before[module] != after[module]} == changed


@pytest.mark.parametrize(
    "line",
    [
        "import c2i_lib.used",
        "import c2i_lib.used as other",
        "from c2i_lib import used",
        "from c2i_lib.used import thing",
        "def later():\n    from c2i_lib.used import thing",
        "class Later:\n    def method(self):\n        import os, c2i_lib.used",
    ],
)
def test_every_way_to_import_counts_also_inside_functions(line, library):
    (library.folder / "used.py").write_text("thing = 1\n", encoding="utf-8")
    (library.folder / "between.py").write_text(f"{line}\n", encoding="utf-8")
    library.edit("stages/captions/length.py", "\ndef later():\n    from c2i_lib import between\n")
    before = library.hashes("captions", "captions.length", "finetuning")
    library.edit("used.py", "thing = 2\n")
    after = library.hashes("captions", "captions.length", "finetuning")
    assert before["captions.length"] != after["captions.length"]
    assert before["finetuning"] == after["finetuning"]


def test_modules_that_import_each_other_are_read_once_each(library):
    (library.folder / "one.py").write_text("from c2i_lib import two\n", encoding="utf-8")
    (library.folder / "two.py").write_text("from c2i_lib import one\n", encoding="utf-8")
    names = [path.name for path in sources.sources_of("c2i_lib.one")]
    assert names == ["__init__.py", "one.py", "two.py"]


def test_tables_and_weights_count_for_every_stage(library):
    before = library.hashes("captions", "evaluation.scores")
    library.edit("text/noun_phrases/wordnet_nouns.parquet")
    after = library.hashes("captions", "evaluation.scores")
    assert all(before[module] != after[module] for module in before)


@pytest.mark.parametrize("name", ["json", "c2i_lib.nothing", "c2i_lib.records.files.hash_of"])
def test_what_is_no_module_of_the_library_has_no_sources(name):
    with pytest.raises(ValueError, match=f"{name} is no module of c2i_lib"):
        sources.sources_of(name)


@pytest.mark.parametrize("module", ["c2i_lib.stages.prompts", "c2i_lib.stages.analysis"])
def test_whatever_python_loads_for_a_module_is_among_its_sources(module):
    """But for packages that a module is merely in: a package's own module is a stage, which others only pass by."""
    script = (
        f"import sys, {module}; print(*(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'c2i_lib'))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=LIBRARY.parent
    )
    files = {Path(name) for name in loaded.stdout.split()}
    own = set(sources.sources_of(module))
    packages = {parent / "__init__.py" for path in own for parent in path.parents}
    assert len(files) > 10 and files <= own | packages


def calls_of_stages(path):
    """The name of the function, and the source of its argument ``code``, of each stage that a module opens."""
    places = {"Stage": 3, "stage_of_all": 4}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        name = getattr(getattr(node, "func", None), "id", None)
        if isinstance(node, ast.Call) and name in places:
            given = [*node.args[places[name] :], *(word.value for word in node.keywords if word.arg == "code")]
            yield name, ast.unparse(given[0]) if given else None


def test_every_stage_names_its_own_module():
    """Without it, a stage would depend on the sources of ``stage.py`` alone, and outlive changes of its method."""
    modules = [path for path in LIBRARY.rglob("*.py") if path.name != "distributed.py"]  # it hands on what it is given
    opened = [call for path in modules for call in calls_of_stages(path)]
    assert len(opened) >= 15 and {"Stage", "stage_of_all"} == {name for name, _ in opened}
    assert {code for _, code in opened} == {"__name__"}


def test_relative_imports_which_the_hash_does_not_follow_are_not_used():
    nodes = [node for path in LIBRARY.rglob("*.py") for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    assert imports and not any(node.level for node in imports)


def test_a_stage_is_made_again_after_an_edit_of_its_sources_and_not_of_others(library, tmp_path):
    def is_done():
        with Stage(tmp_path / "04_prompts", {"n": 1}, [], "c2i_lib.stages.prompts") as stage:
            return stage.done

    assert [is_done(), is_done()] == [False, True]
    library.edit("reporting/figures.py")
    assert is_done()
    library.edit("stages/prompts/window.py")
    assert [is_done(), is_done()] == [False, True]
