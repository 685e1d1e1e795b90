"""The hypothesis: what was put into simulated scores comes out of the tables and their words, and no more."""

import numpy as np
import pandas as pd
import pytest

from c2i_lib.config import load_profile
from c2i_lib.stages.evaluation.closeness import CAPTIONS
from c2i_lib.stages.evaluation.hypothesis import (
    EVERYTHING,
    answers,
    effects_by_group,
    effects_by_seed,
    settle,
    without_copies,
)

NUMBERS = (300, 0.95, 0)
ARMS = ("concept_only", "base", "ft", "ft_tags")
GROUPS = {f"c{k}": "seen" if k < 20 else "unseen" for k in range(40)}


def make(closer=1.0, through=0.5, direct=0.0, unseen=1.0, seed=0):
    """Scores and closeness of 40 concepts: finetuned prompts are ``closer``, and closeness makes ``through`` quality.

    ``ft_tags`` comes in three models. What an arm gains among the last 20 concepts is ``unseen`` times as much.
    """
    random, rows = np.random.default_rng(seed), []
    for concept, group in GROUPS.items():
        level = random.normal()
        for arm in ARMS:
            for replicate in (1, 2, 3) if arm == "ft_tags" else (1,):
                for sample in range(4):
                    gain = closer * arm.startswith("ft") * (unseen if group == "unseen" else 1)
                    close = level + gain + 0.7 * random.normal()
                    quality = through * (close - level) + direct * arm.startswith("ft") + level + 0.2 * random.normal()
                    name = f"{arm}-{replicate}-{concept}-{sample}"
                    rows.append((name, arm, replicate, concept, sample, quality, random.normal(), close))
    names = "image_id arm replicate concept sample quality faithfulness log_likelihood".split()
    table = pd.DataFrame(rows, columns=names)
    wording = 0.5 + 0.4 * (np.arange(len(table)) % 4 == 0)
    return table.assign(meaning=table["log_likelihood"], wording=wording, copied=np.arange(len(table)) % 48 == 8)


@pytest.fixture
def run(write_stage, tmp_path):
    """A function from simulated data to all tables."""

    def run(data, groups=GROUPS):
        profile = load_profile("smoke", {"prompts.arms": list(ARMS), "survey.arms": list(ARMS)})
        scores = data.drop(columns=["log_likelihood", "meaning", "wording", "copied"], errors="ignore")
        measures = data.rename(columns={"image_id": "prompt_id"}).drop(columns=["quality", "faithfulness"])
        captions = measures.head(30).assign(arm=CAPTIONS, concept=[f"k{n}" for n in range(30)])
        captions["prompt_id"] = captions["concept"]
        clouds = pd.DataFrame({"arm": [*ARMS, CAPTIONS], "distance": 0.1, "low": 0.0, "high": 0.2})
        place = write_stage(tmp_path / "08_judges" / "scores", scores=scores) / "scores.parquet"
        tables = {"closeness": pd.concat([measures, captions]), "clouds": clouds}
        write_stage(tmp_path / "08_judges" / "closeness", **tables)
        out = tmp_path / "08_judges" / "hypothesis"
        return settle(place, tmp_path / "08_judges" / "closeness", groups, out, profile)

    return run


def test_an_effect_that_goes_through_closeness_is_found_and_said(run):
    results = run(make())
    paths = results["mediation"].query("arm == 'ft' and measure == 'log_likelihood' and outcome == 'quality'")
    paths = paths.set_index("path")
    assert paths.loc["indirect", "low"] > 0.3 and paths.loc["direct", "value"] == pytest.approx(0, abs=0.1)
    words = "\n".join(answers(results, 0.95))
    assert "ft: its prompts are closer to the captions than those of base" in words
    assert "ft: quality is higher than with base" in words
    assert "is higher by what goes through closeness" in words
    assert "ft: no other faithfulness is shown than with base" in words


def test_a_false_hypothesis_is_answered_with_no(run):
    """Prompts come closer and pictures do not get better: closeness is worth nothing here."""
    results = run(make(through=0.0))
    words = "\n".join(answers(results, 0.95))
    assert "closer to the captions than those of base" in words
    assert "quality is higher" not in words and "not shown to go through closeness" in words
    assert "quality is not shown to go with closeness" in words


def test_an_arm_that_is_better_for_other_reasons_owes_nothing_to_closeness(run):
    results = run(make(closer=0.0, through=0.5, direct=1.0))
    words = "\n".join(answers(results, 0.95))
    assert "not shown to be closer than" in words and "ft: quality is higher than with base" in words
    assert "not shown to go through closeness" in words


def test_groups_are_compared_apart():
    found = effects_by_group(make(unseen=0.0), GROUPS, NUMBERS)
    rows = found.query("question == 'quality' and arm == 'ft' and baseline == 'base'").set_index("group")
    assert rows["n_concepts"].to_dict() == {EVERYTHING: 40, "seen": 20, "unseen": 20}
    assert rows.loc["seen", "low"] > 0.3 and rows.loc["unseen", "low"] < 0 < rows.loc["unseen", "high"]
    assert set(found["baseline"]) == {"concept_only", "base"}


def test_without_groups_there_is_one():
    assert set(effects_by_group(make(), {}, NUMBERS)["group"]) == {EVERYTHING}


def test_every_model_of_an_arm_is_compared_with_the_same_baselines():
    found = effects_by_seed(make(), NUMBERS).query("question == 'quality' and baseline == 'base'")
    assert found.groupby("arm")["replicate"].apply(list).to_dict() == {"ft": [1], "ft_tags": [1, 2, 3]}
    assert found.query("arm == 'ft_tags'")["difference"].nunique() == 3


def test_copies_are_left_out_and_counted():
    found = without_copies(make(), NUMBERS).query("question == 'quality' and arm == 'ft'").set_index("prompts")
    assert found["n_images"].to_dict() == {"all": 160, "no copies": 140, "no near copies": 120}
    data = make()
    liked = data.assign(quality=data["quality"] + 5 * (data["copied"] & (data["arm"] == "ft")))
    gain = without_copies(liked, NUMBERS).query("question == 'quality' and arm == 'ft'").set_index("prompts")
    assert gain.loc["all", "difference"] > found.loc["all", "difference"] + 0.3
    assert gain.loc["no copies", "difference"] == pytest.approx(found.loc["no copies", "difference"])


def test_without_a_held_out_model_the_words_speak_of_the_next_measure(run):
    """And say which one it is: a lesser measure under the same name would mislead."""
    results = run(make().drop(columns="log_likelihood"))
    assert set(results["slopes"]["measure"]) == {"meaning", "wording"}
    assert "(meaning +" in answers(results, 0.95)[0]


def test_without_a_finetuned_arm_there_is_no_answer_and_no_error(run):
    """A study of arms of one's own still has its other tables."""
    results = run(make().query("arm in ('concept_only', 'base')"))
    assert results["mediation"].empty and results["copying"].empty and results["seeds"].empty
    assert len(results["effects"]) == 6  # two questions, three groups
    assert "this profile has no such pair" in answers(results, 0.95)[0]
