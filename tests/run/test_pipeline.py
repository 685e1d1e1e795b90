"""The chain of notebooks: what a whole run leaves behind, what is skipped, and what runs again."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import papermill
import pytest
import yaml

from c2i_lib.cli import main
from c2i_lib.errors import C2IError
from c2i_lib.records.files import sha256_of
from c2i_lib.run import pipeline
from c2i_lib.run.pipeline import check_parameters, is_done, notebook_path, run_notebooks
from c2i_lib.run.places import find_run, open_run, plan_run
from c2i_lib.stages import FOLDERS, analysis, captions, concepts, finetuning, images, prompts
from c2i_lib.stages.survey import build
from c2i_lib.stages.survey import ratings as survey_ratings

FIGURES = "01_funnel 01_length 02_training 03_concepts 04_prompts 05_first_concept 07_likert".split()
FIGURES += "07_differences 07_agreement 07_scale_use 07_variance 07_power".split()
FIGURES += "08_quality_faithfulness 08_image_grid 08_overview 08_frontier 08_closeness 08_effects 08_mechanism".split()
PAPER_TABLES = "01_captions 02_arms 03_concepts 04_prompts 07_table1 07_agreement 07_comparison 08_means".split()
PAPER_TABLES += "07_raters 07_variance 07_power 08_comparison 08_validity".split()
WITH_NUMBERS = "08_frontier 08_closeness 08_effects 08_seeds 08_slopes 08_mediation 08_copying".split()
PAPER_TABLES += WITH_NUMBERS
WITH_NUMBERS += "08_means 08_comparison 08_validity".split()
ROOT = Path(__file__).parents[2]
RUN = ["run", "--profile", "smoke", "--run-dir"]


@pytest.mark.notebooks
def test_a_run_leaves_every_other_documented_file(smoke_run):
    profile = yaml.safe_load((smoke_run / "profile.yaml").read_text(encoding="utf-8"))
    assert profile["name"] == "smoke"
    report = json.loads((smoke_run / "01_captions" / "report.json").read_text(encoding="utf-8"))
    assert report["read"] == report["kept"] + sum(report["dropped"].values())
    concepts = yaml.safe_load((smoke_run / "03_concepts" / "concepts.yaml").read_text(encoding="utf-8"))["concepts"]
    assert len(concepts) == len(set(concepts)) == 3
    for name in ("ft", "ft_tags", "ft_topic", "ft_good", "held_out"):
        assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= {
            path.name for path in (smoke_run / "02_models" / name).iterdir()
        }
    images = pd.read_parquet(smoke_run / "05_images" / "images.parquet")
    assert {path.name for path in (smoke_run / "05_images").glob("*.png")} == set(images["path"])
    assert len(images) == 7 * 3 * 2
    items = pd.read_parquet(smoke_run / "06_survey" / "items.parquet")
    pictures = {path.stem for path in (smoke_run / "06_survey" / "pictures").iterdir()}
    assert pictures == set(items["item_id"])
    assert items.groupby("survey")["kind"].value_counts().unstack().loc["survey_1"].tolist() == [1, 18, 3]


@pytest.mark.notebooks
def test_the_whole_run_belongs_together(smoke_run):
    """Ids in a later table are those of the earlier one: nothing was lost or invented on the way."""
    names = "04_prompts/prompts 05_images/images 06_survey/items 08_judges/scores/scores".split()
    names += ["06_survey/ratings/ratings"]
    prompts, images, items, scores, ratings = (pd.read_parquet(smoke_run / f"{name}.parquet") for name in names)
    assert set(images["prompt_id"]) == set(prompts["prompt_id"])
    shown = set(images.loc[images["flagged"] == "", "image_id"])
    assert shown == set(scores["image_id"])
    rated = set(images.loc[images["arm"] != "retrieved", "image_id"]) & shown  # the survey has the other five arms
    assert rated == set(items.loc[items["kind"] == "image", "image_id"])
    assert set(items["item_id"]) == set(ratings["item_id"])
    assert len(ratings) == len(items) * 2 * 3  # questions, raters
    assert ratings["simulated"].all()
    assert all(sha256_of(smoke_run / "05_images" / row.path) == row.sha256 for row in images.itertuples())


@pytest.mark.notebooks
def test_a_run_leaves_every_figure_and_table_of_the_paper(smoke_run):
    expected = {f"{name}.{suffix}" for name in FIGURES for suffix in ("pdf", "png")}
    expected |= {f"{name}.{suffix}" for name in PAPER_TABLES for suffix in ("md", "tex")}
    expected |= {f"{name}.parquet" for name in WITH_NUMBERS}
    expected |= {"07_methods.md", "07_heds.md"}
    found = {path.name for path in (smoke_run / "figures").iterdir()}
    assert found - {"07_mixed_model.md", "07_mixed_model.tex"} == expected  # these are there where R is


@pytest.mark.notebooks
def test_tables_of_simulated_ratings_say_so_and_all_carry_the_label(smoke_run):
    for name in PAPER_TABLES:
        for suffix in ("md", "tex"):
            text = (smoke_run / "figures" / f"{name}.{suffix}").read_text(encoding="utf-8")
            assert "smoke profile: a test, not a result" in text
            assert ("simulated raters" in text) == name.startswith("07_")


@pytest.mark.notebooks
def test_every_stage_leaves_a_record(smoke_run):
    records = sorted(smoke_run.rglob("stage.json"))
    assert {path.relative_to(smoke_run).parts[0] for path in records} == set(FOLDERS.values())
    for path in records:
        record = json.loads(path.read_text(encoding="utf-8"))
        assert set(record) == {"settings", "inputs", "packages", "code", "outputs", "git_commit", "start", "end"}
        assert record["start"] <= record["end"]
        assert all(sha256_of(path.parent / name) == digest for name, digest in record["outputs"].items())


@pytest.mark.notebooks
def test_executed_notebooks_are_kept_and_the_sources_stay_clean(smoke_run):
    for number in FOLDERS:
        executed = nbformat.read(smoke_run / "notebooks" / notebook_path(number).name, as_version=4)
        assert all(cell.execution_count for cell in executed.cells if cell.cell_type == "code")
        source = nbformat.read(notebook_path(number), as_version=4)
        assert not any(cell.get("outputs") for cell in source.cells)
    assert not list((smoke_run / "notebooks").glob("*unfinished*"))


@pytest.mark.notebooks
def test_a_second_run_executes_nothing(smoke_run, monkeypatch):
    monkeypatch.setattr(pipeline, "execute", None)  # executing a notebook would raise
    summary = run_notebooks(open_run("smoke", smoke_run), "smoke", {})
    assert [row["stage"][:2] for row in summary] == [f"{number:02d}" for number in FOLDERS]
    assert all(row["skipped"] for row in summary)


@pytest.mark.notebooks
def test_a_deleted_figure_comes_back_from_its_notebook_alone(run_copy, capfd):
    figure = run_copy / "figures" / "07_likert.pdf"
    before = figure.read_bytes()
    figure.unlink()
    assert main([*RUN, str(run_copy)]) == 0
    assert [line[1] for line in capfd.readouterr().out.splitlines() if "done in" in line] == ["7"]
    assert figure.read_bytes() == before


def do_stage(run, number, profile, overrides):
    """What notebook ``number`` asks of its stage, here and now: no kernel, no figures, no tables for a paper."""
    settings = run.profile
    train_file, length_file = run.folder(1) / "finetune_train.parquet", run.folder(1) / "length" / "length.json"
    images_file, scores_file = run.folder(5) / "images.parquet", run.folder(8) / "scores" / "scores.parquet"
    if number == 1:
        captions.prepare_captions(run.folder(1), settings.captions)
    elif number == 2:
        finetuning.finetune_all(run.folder(1), run.folder(2), finetuning.Recipe.of(settings))
    elif number == 3:
        concepts.mine_concepts(run.folder(1) / "mining.parquet", run.folder(3), settings.concepts)
    elif number == 4:
        chosen = concepts.read_concepts(run.folder(3) / "concepts.yaml")
        checkpoints = {name: run.folder(2) / name for name in settings.finetuning.checkpoints}
        recipe = prompts.Recipe.of(settings)
        prompts.generate_prompts(checkpoints, chosen, length_file, train_file, run.folder(4), recipe)
    elif number == 5:
        place = (run.folder(4) / "prompts.parquet", run.folder(5))
        images.generate_images(*place, settings.images, settings.seed, settings.name)
    elif number == 6:
        build.build_surveys(images_file, run.folder(6), settings.survey, settings.seed)
        survey_ratings.collect_ratings(run.folder(6), settings.survey, settings.seed, scores_file)
    else:
        files = (run.folder(6) / "ratings" / "ratings.parquet", run.folder(6) / "items.parquet", run.folder(7))
        n_per_concept = settings.prompts.n_per_concept
        analysis.analyse_ratings(*files, settings.survey, n_per_concept, run.resampling, settings.analysis)


@pytest.mark.notebooks
def test_survey_settings_change_the_survey_and_nothing_before_it(run_copy, monkeypatch):
    def records():
        return {path.relative_to(run_copy): path.read_bytes() for path in sorted(run_copy.rglob("stage.json"))}

    before = records()
    monkeypatch.setattr(pipeline, "execute", do_stage)
    assert main([*RUN, str(run_copy), "--to", "7", "-p", "survey.raters_per_survey=2"]) == 0
    after = records()
    changed = {str(path.parent) for path in before if before[path] != after[path]}
    assert changed == {"06_survey", "06_survey/ratings", "07_analysis"}
    ratings = pd.read_parquet(run_copy / "06_survey" / "ratings" / "ratings.parquet")
    assert ratings.groupby("survey")["rater"].nunique().tolist() == [2, 2]


@pytest.mark.notebooks
@pytest.mark.parametrize(
    ("number", "name"),
    [
        (2, "02_models/ft/model.safetensors"),
        (5, "05_images/images.parquet"),
        (6, "06_survey/orders.parquet"),
        (7, "figures/07_table1.tex"),
        (8, "notebooks/08_evaluate_automatically.ipynb"),
        (8, "notebooks/08_evaluate_automatically.json"),
    ],
)
def test_a_lost_file_undoes_its_notebook_and_no_other(number, name, run_copy):
    run = open_run("smoke", run_copy)
    (run_copy / name).unlink()
    assert [other for other in FOLDERS if not is_done(run, other)] == [number]


@pytest.mark.notebooks
def test_a_changed_notebook_is_not_done(run_copy, tmp_path, monkeypatch):
    sources = shutil.copytree(pipeline.NOTEBOOKS_DIR, tmp_path / "notebooks")
    monkeypatch.setattr(pipeline, "NOTEBOOKS_DIR", sources)
    run = open_run("smoke", run_copy)
    assert is_done(run, 3)
    source = nbformat.read(notebook_path(3), as_version=4)
    source.cells[-1].source += "\n# changed"
    nbformat.write(source, notebook_path(3))
    assert [number for number in FOLDERS if not is_done(run, number)] == [3]


def test_a_run_writes_into_its_own_folder_also_where_none_is_named():
    """The repository holds what was published from a run, and a run of another machine must not change it."""
    run = plan_run("smoke")
    assert run.directory.name == "smoke" and run.directory.parent.name == "runs"
    assert run.figures == run.directory / "figures"


def test_figures_are_published_by_a_command_and_what_a_person_wrote_beside_them_stays(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    figures, published = tmp_path / "runs" / "mine" / "figures", tmp_path / "figures" / "mine"
    figures.mkdir(parents=True)
    published.mkdir(parents=True)
    (figures / "07_table1.md").write_text("new")
    (published / "03_old.md").write_text("of an earlier version")
    (published / "README.md").write_text("written by a person")
    command = ["make", "figures", "PROFILE=mine"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert {path.name: path.read_text() for path in published.iterdir()} == {
        "07_table1.md": "new",
        "README.md": "written by a person",
    }
    shutil.rmtree(figures)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0 and "make run PROFILE=mine" in done.stderr
    assert (published / "07_table1.md").is_file()


def test_make_help_names_every_command_that_a_person_types():
    done = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in done.stdout.splitlines()}
    assert {"run", "test", "lab", "figures", "dryrun-paper", "lock", "clean", "help"} <= set(lines)
    assert all(len(text) > 10 for text in lines.values())
    listed = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(listed.group(1).split()) == set(lines)


def test_an_unknown_parameter_is_an_error():
    """Papermill itself only warns, and the run would go on with the default."""
    with pytest.raises(C2IError, match=r"notebook 01 has no parameter \['epoch'\]: it has profile, run_dir"):
        check_parameters(1, {"profile": "smoke", "epoch": 3})
    check_parameters(1, {"profile": "smoke", "run_dir": "", "overrides": {}})


def test_a_notebook_that_does_not_exist_is_an_error():
    with pytest.raises(C2IError, match="no notebook 42"):
        notebook_path(42)


@pytest.mark.parametrize("refusal", ["another command", "--from"])
def test_a_refused_run_leaves_the_settings_of_the_run_as_they_are(refusal, tmp_path, capfd):
    run = open_run("smoke", tmp_path / "run")
    before = (run.directory / "profile.yaml").read_bytes()
    command = [*RUN, str(run.directory), "-p", "prompts.temperature=3.0"]
    if refusal == "--from":
        assert main([*command, "--from", "5"]) == 1
    else:
        with pipeline._only_one(run):
            assert main(command) == 1
    assert refusal in capfd.readouterr().err
    assert (run.directory / "profile.yaml").read_bytes() == before


def test_settings_are_stored_when_work_starts(tmp_path, monkeypatch):
    """A kill in the first notebook leaves a run that knows what it was made with."""

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "execute", killed)
    assert main([*RUN, str(tmp_path / "run"), "-p", "prompts.temperature=3.0"]) == 130
    assert find_run("smoke", tmp_path / "run").profile.prompts.temperature == 3.0


@pytest.mark.notebooks
def test_a_cut_executed_notebook_undoes_it_and_a_saved_one_does_not(run_copy):
    run = open_run("smoke", run_copy)
    executed = run_copy / "notebooks" / notebook_path(8).name
    content = executed.read_bytes()
    executed.unlink()  # the copy is a hard link
    executed.write_bytes(content[: len(content) // 2])
    assert not is_done(run, 8)
    executed.write_bytes(content.replace(b"\n", b"\n\n", 1))  # as an editor may save it
    assert is_done(run, 8)


def test_what_a_killed_notebook_left_is_removed_when_it_starts_again(tmp_path, monkeypatch):
    run = open_run("smoke", tmp_path / "run")
    run.figures.mkdir()
    names = (".08_overview-1x.png", "08_overview.png", ".07_likert-2x.pdf")
    for name in names:
        (run.figures / name).touch()
    monkeypatch.setattr(papermill, "execute_notebook", lambda source, target, *_, **__: shutil.copy(source, target))
    pipeline.execute(run, 8, "smoke", {})
    assert {path.name for path in run.figures.iterdir()} == set(names[1:])


def test_a_lock_is_free_again_after_a_kill(tmp_path):
    run = open_run("smoke", tmp_path / "run")
    hold = (
        f"import time; from c2i_lib.run import pipeline, places; run = places.open_run('smoke', r'{run.directory}')\n"
    )
    hold += "with pipeline._only_one(run): print('held', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", hold], cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(C2IError, match="another command is working"), pipeline._only_one(run):
            pass
        holder.kill()
    with pipeline._only_one(run):
        pass


@pytest.mark.notebooks
def test_an_unfinished_notebook_never_has_its_final_name(tmp_path):
    (tmp_path / "few.txt").write_text("a cat\na dog\n", encoding="utf-8")
    overrides = {"captions.source": str(tmp_path / "few.txt")}
    run = open_run("smoke", tmp_path / "run", overrides=overrides)
    with pytest.raises(papermill.PapermillExecutionError, match="2 captions are left of 2"):
        run_notebooks(run, "smoke", overrides, 1, 2)
    names = {path.name for path in (run.directory / "notebooks").iterdir()}
    assert names == {"01_prepare_captions.unfinished.ipynb"}
    assert not is_done(run, 1)
