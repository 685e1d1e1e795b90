"""The chain of notebooks: what a whole run leaves behind, what is skipped, and what runs again."""

import json
import shutil

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
from c2i_lib.run.places import open_run
from c2i_lib.stages import FOLDERS

LOG = "step epoch tokens loss eval_loss eval_perplexity learning_rate tokens_per_second peak_memory_mb"
COMPARISON = "arm baseline difference low high delta delta_low delta_high p p_holm"
WRITTEN = "arm replicate concept sample seed text n_tokens ended redrawn explicit n_tti_tokens cut"
TABLES = {
    **{f"01_captions/{name}": "caption_id text" for name in ("finetune_train", "finetune_eval", "mining", "length")},
    **{f"02_models/{name}/training_log": LOG for name in ("ft", "ft_tags", "ft_topic", "held_out")},
    "01_captions/length/lengths": "n_tokens captions",
    "02_models/perplexity/perplexity": "arm perplexity",
    "02_models/samples/samples": f"prompt_id {WRITTEN}",
    "03_concepts/phrases/phrases": "phrase head frequency document_frequency rows",
    "03_concepts/candidates": (
        "phrase head frequency document_frequency length senses senses_of category physical region frequency_score "
        "ambiguity_score length_score score rank proposal reason decision decided_by chosen examples"
    ),
    "04_prompts/prompts": (f"prompt_id {WRITTEN} perplexity nearest_caption similarity copied"),
    "05_images/images": "image_id prompt_id arm replicate concept sample prompt seed path sha256 flagged",
    "06_survey/items": (
        "survey item_id kind image_id prompt_id arm concept sample expected_quality expected_faithfulness"
    ),
    "06_survey/orders": "rater survey position item_id",
    "06_survey/ratings/ratings": (
        "survey rater item_id kind image_id prompt_id arm concept sample question rating answered_at simulated"
    ),
    "07_analysis/table1": "question arm n mean low high sd simulated",
    "07_analysis/comparison": f"question {COMPARISON} simulated",
    "07_analysis/differences": "question concept difference arm baseline simulated",
    "07_analysis/agreement": "question n_items n_raters coefficient weights value low high reason simulated",
    "07_analysis/raters": (
        "rater question n cannot_judge mean sd share_1 share_2 share_3 share_4 kappa same checks_passed simulated"
    ),
    "07_analysis/variance": "question component variance share sd simulated",
    "07_analysis/power": "question n_concepts effect power simulated",
    "08_judges/scores/scores": "image_id arm replicate concept sample quality faithfulness",
    "08_judges/validity/validity": "judge test measure value low high n",
    "08_judges/analysis/means": "arm mean low high question",
    "08_judges/analysis/comparison": f"question {COMPARISON}",
    "08_judges/selecting/selecting": "image_id selecting_quality selecting_faithfulness",
    "08_judges/frontier/frontier": (
        "arm n gate quality quality_low quality_high faithfulness faithfulness_low faithfulness_high passed"
    ),
    "08_judges/closeness/closeness": "prompt_id arm replicate concept sample log_likelihood meaning wording copied",
    "08_judges/closeness/clouds": "arm distance low high",
    "08_judges/hypothesis/effects": f"group n_concepts question {COMPARISON}",
    "08_judges/hypothesis/seeds": f"replicate question {COMPARISON}",
    "08_judges/hypothesis/closeness": "measure arm mean low high",
    "08_judges/hypothesis/slopes": "outcome measure within slope low high correlation",
    "08_judges/hypothesis/mediation": "outcome arm measure path value low high",
    "08_judges/hypothesis/copying": "prompts question arm n_concepts n_images difference low high p",
}
FIGURES = "01_funnel 01_length 02_training 03_concepts 04_prompts 05_first_concept 07_likert".split()
FIGURES += "07_differences 07_agreement 07_scale_use 07_variance 07_power".split()
FIGURES += "08_quality_faithfulness 08_image_grid 08_overview 08_frontier 08_closeness 08_effects 08_mechanism".split()
PAPER_TABLES = "01_captions 02_arms 03_concepts 04_prompts 07_table1 07_agreement 07_comparison 08_means".split()
PAPER_TABLES += "07_raters 07_variance 07_power 08_comparison 08_validity".split()
WITH_NUMBERS = "08_frontier 08_closeness 08_effects 08_seeds 08_slopes 08_mediation 08_copying".split()
PAPER_TABLES += WITH_NUMBERS
WITH_NUMBERS += "08_means 08_comparison 08_validity".split()
RUN = ["run", "--profile", "smoke", "--run-dir"]


@pytest.mark.notebooks
@pytest.mark.parametrize("name", TABLES)
def test_a_run_leaves_every_documented_table(name, smoke_run):
    table = pd.read_parquet(smoke_run / f"{name}.parquet")
    assert sorted(table.columns) == sorted(TABLES[name].split())
    assert len(table) > 0


@pytest.mark.notebooks
def test_a_run_leaves_every_other_documented_file(smoke_run):
    profile = yaml.safe_load((smoke_run / "profile.yaml").read_text(encoding="utf-8"))
    assert profile["name"] == "smoke"
    report = json.loads((smoke_run / "01_captions" / "report.json").read_text(encoding="utf-8"))
    assert report["read"] == report["kept"] + sum(report["dropped"].values())
    concepts = yaml.safe_load((smoke_run / "03_concepts" / "concepts.yaml").read_text(encoding="utf-8"))["concepts"]
    assert len(concepts) == len(set(concepts)) == 3
    for name in ("ft", "ft_tags", "ft_topic", "held_out"):
        assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= {
            path.name for path in (smoke_run / "02_models" / name).iterdir()
        }
    images = pd.read_parquet(smoke_run / "05_images" / "images.parquet")
    assert {path.name for path in (smoke_run / "05_images").glob("*.png")} == set(images["path"])
    assert len(images) == 6 * 3 * 2
    items = pd.read_parquet(smoke_run / "06_survey" / "items.parquet")
    pictures = {path.stem for path in (smoke_run / "06_survey" / "pictures").iterdir()}
    assert pictures == set(items["item_id"])
    assert items.groupby("survey")["kind"].value_counts().unstack().loc["survey_1"].tolist() == [1, 15, 3]


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
    found = {path.name for path in (smoke_run / "figures" / "smoke").iterdir()}
    assert found - {"07_mixed_model.md", "07_mixed_model.tex"} == expected  # these are there where R is


@pytest.mark.notebooks
def test_tables_of_simulated_ratings_say_so_and_all_carry_the_label(smoke_run):
    for name in PAPER_TABLES:
        for suffix in ("md", "tex"):
            text = (smoke_run / "figures" / "smoke" / f"{name}.{suffix}").read_text(encoding="utf-8")
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
    figure = run_copy / "figures" / "smoke" / "07_likert.pdf"
    before = figure.read_bytes()
    figure.unlink()
    assert main([*RUN, str(run_copy)]) == 0
    assert [line[1] for line in capfd.readouterr().out.splitlines() if "done in" in line] == ["7"]
    assert figure.read_bytes() == before


@pytest.mark.notebooks
def test_survey_settings_change_the_survey_and_nothing_before_it(run_copy):
    def records():
        return {path.relative_to(run_copy): path.read_bytes() for path in sorted(run_copy.rglob("stage.json"))}

    before = records()
    assert main([*RUN, str(run_copy), "--to", "7", "-p", "survey.raters_per_survey=2"]) == 0
    after = records()
    changed = {str(path.parent) for path in before if before[path] != after[path]}
    expected = {"06_survey", "06_survey/ratings", "07_analysis", "07_analysis/mixed_model"}
    assert changed <= expected and {"06_survey", "07_analysis"} <= changed  # the mixed model runs where R is
    ratings = pd.read_parquet(run_copy / "06_survey" / "ratings" / "ratings.parquet")
    assert ratings.groupby("survey")["rater"].nunique().tolist() == [2, 2]


@pytest.mark.notebooks
@pytest.mark.parametrize(
    ("number", "name"),
    [
        (2, "02_models/ft/model.safetensors"),
        (5, "05_images/images.parquet"),
        (6, "06_survey/orders.parquet"),
        (7, "figures/smoke/07_table1.tex"),
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


def test_an_unknown_parameter_is_an_error():
    """Papermill itself only warns, and the run would go on with the default."""
    with pytest.raises(C2IError, match=r"notebook 01 has no parameter \['epoch'\]: it has profile, run_dir"):
        check_parameters(1, {"profile": "smoke", "epoch": 3})
    check_parameters(1, {"profile": "smoke", "run_dir": "", "figures_dir": "", "overrides": {}})


def test_a_notebook_that_does_not_exist_is_an_error():
    with pytest.raises(C2IError, match="no notebook 42"):
        notebook_path(42)


@pytest.mark.notebooks
def test_an_unfinished_notebook_never_has_its_final_name(tmp_path):
    overrides = {"captions.source": str(tmp_path / "nowhere.txt")}
    run = open_run("smoke", tmp_path / "run", overrides=overrides)
    with pytest.raises(papermill.PapermillExecutionError, match="nowhere.txt does not exist"):
        run_notebooks(run, "smoke", overrides, 1, 2)
    names = {path.name for path in (run.directory / "notebooks").iterdir()}
    assert names == {"01_prepare_captions.unfinished.ipynb"}
    assert not is_done(run, 1)
