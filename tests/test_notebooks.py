"""Rules for notebooks, and the tool's notebook executed for real. Notebooks 01 to 08: see test_pipeline.py; 09:
tests/real_ratings."""

import ast
import re
from pathlib import Path

import nbformat
import papermill
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
OF_THE_STUDY = NOTEBOOKS[1:-1]  # 01 to 08, which c2i run executes
by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path, kind: str | None = None) -> list:
    return [cell for cell in nbformat.read(path, as_version=4).cells if kind in (None, cell.cell_type)]


def parameters_cell(path: Path) -> str:
    tagged = [cell for cell in cells(path, "code") if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    return tagged[0].source


def test_the_notebooks_are_numbered_from_00_to_09():
    assert [path.name[:3] for path in NOTEBOOKS] == [f"{number:02d}_" for number in range(10)]


@by_name
def test_notebooks_are_valid_and_hold_no_outputs(path):
    nbformat.validate(nbformat.read(path, as_version=4))
    for cell in cells(path, "code"):
        assert cell.outputs == [] and cell.execution_count is None
        assert set(cell.metadata) <= {"tags"}


@by_name
def test_the_first_code_cell_holds_documented_literals(path):
    source = parameters_cell(path)
    assert source == cells(path, "code")[0].source
    for line, node in zip(source.splitlines(), ast.parse(source).body, strict=True):
        assert isinstance(node, ast.AnnAssign)
        ast.literal_eval(node.value)  # raises when it is more than a literal
        assert re.search(r"  # \w.+", line), f"no help: {line}"


def test_notebooks_of_the_study_have_the_same_parameters():
    keys = {tuple(node.target.id for node in ast.parse(parameters_cell(path)).body) for path in OF_THE_STUDY}
    assert keys == {("profile", "run_dir", "overrides")}


@by_name
def test_the_opening_cell_says_what_is_read_written_and_needed(path):
    opening = cells(path)[0]
    assert opening.cell_type == "markdown"
    assert opening.source.startswith(f"# {path.name[:2]} · ")
    for word in (r"\*Reads\*: \S", r"\*Writes\*: \S", r"\*Time on 2 cores .*\*: \d+ (s|min)", r"\*GPU\*: \S"):
        assert re.search(word, opening.source), word


@by_name
def test_a_sentence_stands_before_every_code_cell(path):
    kinds = [cell.cell_type for cell in cells(path)]
    assert len(kinds) <= 30
    assert all(before == "markdown" for before, kind in zip(kinds, kinds[1:], strict=False) if kind == "code")
    assert all(cell.source.strip() for cell in cells(path))


@by_name
def test_nothing_is_said_twice(path):
    sources = [cell.source for cell in cells(path)]
    assert sorted(sources) == sorted(set(sources))


@by_name
def test_code_cells_are_short_and_define_nothing(path):
    for cell in cells(path, "code"):
        lines = [line for line in cell.source.splitlines() if line.strip() and not line.strip().startswith("#")]
        assert len(lines) <= 15
        kinds = {type(node) for node in ast.walk(ast.parse(cell.source))}
        assert not kinds & {ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.While}
        assert not re.search(r"\.backward\(|optimizer|\.step\(|!pip|%pip|/content/", cell.source)


@by_name
def test_loops_only_show_things(path):
    """Work belongs into the library; a loop in a notebook may display."""
    for cell in cells(path, "code"):
        for loop in (node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.For)):
            called = {
                call.func.id for call in ast.walk(loop) if isinstance(call, ast.Call) and hasattr(call.func, "id")
            }
            assert called <= {"print", "display", "Markdown"}


def test_every_figure_and_table_of_ratings_carries_the_label_that_says_simulated():
    """A PDF cannot be searched for it here, so that the calls are."""
    code = [cell.source for cell in cells(NOTEBOOKS[7], "code")]
    assert sum("simulated raters" in source and "label = " in source for source in code) == 1
    saving = [source for source in code if re.search(r"save_(table|figure|document)\(", source)]
    assert len(saving) == 10
    for source in saving:
        if '"07_power"' in source:  # always of simulated raters
            assert "({simulated})" in source and 'simulated = f"{run.profile.label}; simulated raters"' in source
        else:
            assert "({label})" in source or re.search(r"save_figure\(.*, label\)", source)


def test_the_plan_is_shown_above_the_results():
    code = [cell.source for cell in cells(NOTEBOOKS[7], "code")]
    shown, computed = (
        next(place for place, source in enumerate(code) if words in source)
        for words in ("describe_plan(", "analyse_ratings(")
    )
    assert shown < computed
    (frozen,) = [source for source in (cell.source for cell in cells(NOTEBOOKS[6], "code")) if "freeze_plan(" in source]
    assert "build_surveys(" in frozen, "before any answer is read"


@by_name
def test_figures_have_one_producer(path):
    """A notebook writes only files that begin with its own number; the pipeline's records rely on it."""
    code = "\n".join(cell.source for cell in cells(path, "code"))
    saved = re.findall(r'save_(figure|table)\(\w+, (?:run|study)\.figures, "(\w+)"', code)
    assert len(saved) == len(re.findall(r"save_(?:figure|table)\(", code))
    assert len(set(saved)) == len(saved)
    assert all(name.startswith(path.name[:3]) for _, name in saved)


@pytest.mark.notebooks
def test_the_tools_notebook_shows_pictures(smoke_run, tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")  # as in JupyterLab
    parameters = {"concept": "a green cat", "n": 2, "best_of": 3, "profile": "smoke", "run_dir": str(smoke_run)}
    executed = papermill.execute_notebook(
        str(NOTEBOOKS[0]),
        str(tmp_path / "executed.ipynb"),
        parameters,
        cwd=str(NOTEBOOKS[0].parents[1]),
        kernel_name="python3",
        progress_bar=False,
    )
    outputs = executed.cells[-1].outputs
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not list((smoke_run / "figures").rglob("00_*")), "the tool writes nothing into the run"


@pytest.mark.notebooks
@pytest.mark.parametrize("path", OF_THE_STUDY, ids=lambda path: path.stem)
def test_progress_bars_do_not_fill_an_executed_notebook(path, smoke_run):
    """Each of their moves was an output of its own: 227 in notebook 02, between which its results were lost."""
    executed = nbformat.read(smoke_run / "notebooks" / path.name, as_version=4)
    for cell in (cell for cell in executed.cells if cell.cell_type == "code"):
        errors = [output.text for output in cell.outputs if output.get("name") == "stderr"]
        assert len(errors) <= 1 and not any("\r" in text for text in errors), cell.source


@pytest.mark.notebooks
@pytest.mark.parametrize("path", OF_THE_STUDY, ids=lambda path: path.stem)
def test_every_figure_is_shown_and_not_only_saved(path, smoke_run):
    """Who steps through a notebook should see them all: once only the first one of each notebook was shown."""
    executed = nbformat.read(smoke_run / "notebooks" / path.name, as_version=4)
    for cell in executed.cells:
        if cell.cell_type == "code" and "save_figure(" in cell.source:
            assert any("image/png" in output.get("data", {}) for output in cell.outputs), cell.source
