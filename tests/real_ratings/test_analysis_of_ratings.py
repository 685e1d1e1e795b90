"""A table of ratings from anywhere: the whole way to figures, its edges, and the published numbers of real ratings."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from c2i_lib.cli import main
from c2i_lib.errors import C2IError
from c2i_lib.real_ratings import analysis
from c2i_lib.real_ratings import command as analyse_command
from c2i_lib.statistics.bootstrap import Resampling

ROOT = Path(__file__).parents[2]
TIFA = Path(os.environ.get("C2I_TIFA160") or ROOT.parent / "shared" / "data" / "tifa160_likert.csv")
TIFA_MAP = {"item": "item_id", "concept": "item_id", "arm": "t2i_model", "rater": "worker_id", "rating": "answer"}
DRAWS = Resampling(200)
FEW = {"one item": 1, "two items": 2, "five concepts": 5}


def make_table(n_concepts=8, arms=("sd", "dalle"), raters=("a", "b", "c"), seed=0):
    random = np.random.default_rng(seed)
    keys = [(arm, f"prompt {n}", rater) for arm in arms for n in range(n_concepts) for rater in raters]
    table = pd.DataFrame(keys, columns=["arm", "item", "rater"])
    image = table.groupby(["arm", "item"]).ngroup()
    truth = random.normal(size=image.max() + 1)[image]
    table["concept"], table["clip"] = table["item"], truth.round(3)
    return table.assign(rating=np.clip(np.round(3 + truth + 0.5 * random.normal(size=len(table))), 1, 5).astype(int))


def analyse_table(tmp_path, table, mapping=None, scale="1-5", speak_for="population"):
    table.to_csv(tmp_path / "ratings.csv", index=False)
    study = analysis.open_table(tmp_path / "ratings.csv", mapping or {}, scale, tmp_path / "out", DRAWS, speak_for)
    return study, analysis.analyse(study)


def test_every_table_that_ratings_give_is_there_and_written(tmp_path):
    table = make_table().assign(noise=lambda rows: rows.groupby(["arm", "item"]).ngroup() * 7 % 5)
    study, results = analyse_table(tmp_path, table, {"judge:CLIP": "clip", "judge:noise": "noise"})
    names = {"table1", "comparison", "differences", "agreement", "variance", "raters", "validity"}
    assert set(results) == names == {path.stem for path in (tmp_path / "out" / "tables").iterdir()}
    assert results["table1"]["mean"].tolist() == pytest.approx(make_table().groupby("arm", sort=False)["rating"].mean())
    validity = results["validity"].set_index(["judge", "measure"])
    assert validity.loc[("CLIP", "Spearman"), "value"] > 0.8 > validity.loc[("noise", "Spearman"), "high"]
    assert (validity["low"] < validity["value"]).all() and (validity["value"] < validity["high"]).all()
    lines = analysis.describe(study)
    assert lines[0].startswith("48 ratings of 16 pictures of 8 concepts in 2 arms (sd, dalle), by 3 raters, 3 of them")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("few", FEW)
@pytest.mark.parametrize(("arms", "raters"), [(("sd", "dalle"), "abc"), (("sd",), "abc"), (("sd", "dalle"), "a")])
def test_small_tables_have_what_can_be_had_and_say_what_cannot(few, arms, raters, tmp_path):
    study, results = analyse_table(tmp_path, make_table(FEW[few], arms, tuple(raters)), speak_for="these")
    assert len(results["table1"]) == len(arms) and len(results["comparison"]) == len(arms) - 1
    assert results["table1"][["low", "high"]].isna().all(axis=None) == (few == "one item")
    undefined = results["agreement"]["value"].isna()
    assert (results["agreement"].loc[undefined, "reason"] != "").all()
    if len(raters) == 1:
        assert set(results["agreement"]["reason"]) == {"there is only one rater"}
    words = "\n".join(analysis.verdict(study))
    assert "nan" not in words
    if len(arms) > 1:
        assert {"one item": "of one concept", "two items": "below 0.5", "five concepts": "below 0.0625"}[few] in words


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("few", "raters"), [("one item", "abc"), ("five concepts", "a"), ("two items", "abc")])
def test_of_one_rater_or_one_concept_nothing_is_said_of_others(few, raters, tmp_path):
    study, results = analyse_table(tmp_path, make_table(FEW[few], raters=tuple(raters)))
    table, words = results["comparison"], "\n".join(analysis.verdict(study))
    defined = few == "two items"
    assert np.isfinite(table["difference"]).all() and np.isfinite(table[["low", "high", "p"]]).all(axis=None) == defined
    assert "nan" not in words
    assert {"one item": "of one concept", "five concepts": "one rater", "two items": "no difference"}[few] in words


def test_a_table_without_a_name_and_a_folder_that_is_none_are_told(tmp_path):
    with pytest.raises(C2IError, match="no table of ratings is named"):
        analysis.open_table("", {})
    (tmp_path / "file").touch()
    with pytest.raises(C2IError, match="--out should be a folder"):
        analysis.open_table(tmp_path / "ratings.csv", {}, out_dir=tmp_path / "file")


def command(tmp_path, table, *more):
    table.to_csv(tmp_path / "ratings.csv", index=False)
    return main(["analyse", str(tmp_path / "ratings.csv"), "--out", str(tmp_path / "out"), "--draws", "200", *more])


def test_a_mistake_in_the_table_is_one_message_and_leaves_nothing(tmp_path, capfd):
    assert command(tmp_path, make_table().assign(rating=6), "--scale", "1-5") == 1
    error = capfd.readouterr().err
    assert error.startswith("error: ") and "is no point of the scale" in error and not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [["--confidence", "95"], ["--confidence", "x"], ["--draws", "5"]])
def test_settings_that_make_no_interval_are_refused(arguments, tmp_path, capfd):
    with pytest.raises(SystemExit) as stop:
        command(tmp_path, make_table(), *arguments)
    assert stop.value.code == 2 and "expected a" in capfd.readouterr().err


def test_the_help_says_what_the_roles_are(capfd):
    with pytest.raises(SystemExit) as stop:
        main(["analyse", "--help"])
    assert stop.value.code == 0 and analyse_command.NOTEBOOK == 9
    text = " ".join(capfd.readouterr().out.split())
    assert "rating:NAME for each of several questions" in text and "--scale LOW-HIGH" in text


@pytest.mark.notebooks
@pytest.mark.parametrize("kind", ["usual", "one arm, one rater, one concept"])
def test_the_command_writes_figures_tables_and_a_document(kind, tmp_path, capfd):
    table = make_table() if kind == "usual" else make_table(1, ("sd",), ("a",))
    table = table.assign(fit=table["rating"])
    more = ["--map", "rating=rating", "rating=fit", *(["judge:CLIP=clip"] if kind == "usual" else [])]
    assert command(tmp_path, table, *more, "--scale", "1-5") == 0
    written = {path.name for path in (tmp_path / "out").glob("09_*")}
    expected = {
        f"09_{name}" for name in ("table1.tex", "table1.md", "likert.pdf", "agreement.png", "real_ratings.ipynb")
    }
    comparison = {f"09_{name}" for name in ("comparison.tex", "differences.png", "validity.md")}
    assert expected <= written and (comparison <= written) == (kind == "usual")
    executed = json.loads((tmp_path / "out" / "09_real_ratings.ipynb").read_text(encoding="utf-8"))
    assert not list((tmp_path / "out").glob("*unfinished*"))
    assert all(cell["execution_count"] for cell in executed["cells"] if cell["cell_type"] == "code")
    out = capfd.readouterr().out
    assert ("no difference between dalle and sd is shown" in out or "dalle is" in out) == (kind == "usual")


@pytest.mark.skipif(not TIFA.is_file(), reason=f"{TIFA} is not there: 3,995 real ratings, or name them by C2I_TIFA160")
def test_real_ratings_of_stable_diffusion_give_the_published_agreement(tmp_path):
    """Computed before, by other code, of the ratings released with Davidsonian Scene Graph (Cho et al. 2024)."""
    study = analysis.open_table(TIFA, TIFA_MAP, "1-5", tmp_path, Resampling(1000))
    results = analysis.analyse(study)
    values = results["agreement"].set_index(["coefficient", "weights"])["value"]
    assert values["Cohen's kappa (mean over pairs)", "quadratic"] == pytest.approx(0.683, abs=5e-4)
    assert values["Krippendorff's alpha", "ordinal"] == pytest.approx(0.685, abs=5e-4)
    assert values["ICC(2,k)", "interval"] == pytest.approx(0.916, abs=5e-4)
    alike = results["comparison"].query("p_holm >= 0.05")
    assert set(zip(alike["arm"], alike["baseline"], strict=True)) == {
        ("sd1dot5", "mini-dalle"),
        ("sd1dot1", "mini-dalle"),
        ("sd1dot1", "vq-diffusion"),
    }
    assert len(study.table.ratings) == 3995 and len(results["comparison"]) == 10
