"""Closeness: captions are close to captions, other texts are not, and the distance of clouds is MMD²."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from c2i_lib.embedded.pairs import make_pairs
from c2i_lib.stages.evaluation.closeness import CAPTIONS, measure_closeness
from c2i_lib.stages.finetuning import Recipe, finetune
from c2i_lib.statistics.bootstrap import Resampling
from c2i_lib.statistics.clouds import cloud_distance, neighbours_in_meaning

RESAMPLING = Resampling(200)
# Of one dialect, good and poor: the same style words again and again, so that a tiny model learns some in a moment.
TEXTS = list(dict.fromkeys(pair.caption for pair in make_pairs(1500, dialects=("A",)) if pair.styled))


def vectors(n, centre, seed, d=16):
    """Unit vectors around ``centre``."""
    drawn = torch.as_tensor(np.random.default_rng(seed).normal(size=(n, d)), dtype=torch.float32) + centre
    return torch.nn.functional.normalize(drawn, dim=1)


def plain_distance(a, b):
    """The unbiased estimate of MMD² (Gretton et al. 2012, equation 3), pair by pair."""
    kernel = [[((1 + float(x @ y)) / 2) ** 3 for y in torch.cat([a, b])] for x in torch.cat([a, b])]
    table, n, m = np.array(kernel), len(a), len(b)
    own = (table[:n, :n].sum() - np.trace(table[:n, :n])) / (n * (n - 1))
    other = (table[n:, n:].sum() - np.trace(table[n:, n:])) / (m * (m - 1))
    return own + other - 2 * table[:n, n:].mean()


def test_the_distance_of_clouds_is_the_unbiased_mmd_of_a_second_implementation():
    a, b = vectors(12, 0.5, 1), vectors(15, 0.0, 2)
    distance, low, high = cloud_distance(a, [f"c{k}" for k in range(12)], b, Resampling(500))
    assert distance == pytest.approx(plain_distance(a, b), abs=1e-6)
    assert low < distance < high


def test_clouds_of_one_kind_have_no_distance_and_a_shifted_one_has():
    captions = vectors(300, 0.0, 3)
    same, other = (
        cloud_distance(vectors(100, c, 4), [str(k) for k in range(100)], captions, Resampling(400)) for c in (0, 1)
    )
    assert same[1] < 0 < same[2] and other[1] > 10 * same[2]


def test_prompts_that_repeat_one_text_are_not_taken_for_a_wide_cloud():
    """Pairs within a concept are left out: five equal prompts a concept say no more than one."""
    captions, once = vectors(200, 0.0, 5), vectors(40, 0.3, 6)
    names = [f"c{k}" for k in range(40)]
    single = cloud_distance(once, names, captions, Resampling(100))[0]
    assert cloud_distance(once.repeat(5, 1), names * 5, captions, Resampling(100))[0] == pytest.approx(single, abs=1e-6)


def test_the_nearest_captions_are_averaged():
    captions = torch.eye(12)
    assert neighbours_in_meaning(captions[:1], captions).tolist() == pytest.approx([0.1])  # ten of them: 1, and nine 0


@pytest.fixture
def measured(write_stage, tmp_path, tiny_profile):
    """Captions as one arm's prompts, and words in disorder as another's, measured by a tiny caption model."""
    train, held_out, prompts = TEXTS[:160], TEXTS[160:180], TEXTS[180:200]
    tables = {name: pd.DataFrame({"caption_id": [f"{name}-{n}" for n in range(len(texts))], "text": texts})
              for name, texts in (("finetune_train", train), ("finetune_eval", held_out))}  # fmt: skip
    captions = write_stage(tmp_path / "01_captions", **tables)
    texts = prompts + [" ".join(reversed(text.split())) + " or whatever" for text in prompts] + [train[0].upper()]
    table = pd.DataFrame({"text": texts, "arm": ["ft"] * 20 + ["base"] * 21, "replicate": 1, "sample": 0})
    table["concept"] = [f"c{n % 20}" for n in range(41)]
    table["prompt_id"] = [f"p{n}" for n in range(41)]
    folder = write_stage(tmp_path / "04_prompts", prompts=table)
    splits = (captions / "finetune_train.parquet", captions / "finetune_eval.parquet")
    settings = tiny_profile.finetuning.model_copy(update={"learning_rate": 1e-2, "epochs": 4})  # so that it learns some
    recipe = replace(Recipe.of(tiny_profile), settings=settings)
    model = finetune("ft_tags", *splits, tmp_path / "02_models", recipe)
    places = (folder / "prompts.parquet", captions)
    return places, model, tmp_path / "08_judges" / "closeness"


def test_captions_are_closer_to_captions_than_words_in_disorder(measured):
    places, model, out = measured
    table, clouds = measure_closeness(*places, model, out, RESAMPLING)
    means = table.groupby("arm")[["log_likelihood", "wording"]].mean()
    assert (means.loc["ft"] > means.loc["base"]).all()
    assert (table["log_likelihood"] < 0).all() and table["wording"].between(-0.01, 1.01).all()
    assert table.loc[table["prompt_id"] == "p40", "copied"].item(), "case does not make another caption"
    assert table.loc[table["arm"] == "ft", "copied"].sum() == 0
    assert clouds["arm"].tolist() == ["ft", "base", CAPTIONS]
    distance = clouds.set_index("arm")["distance"]
    assert distance["base"] > distance["ft"]


def test_held_out_captions_are_measured_as_an_arm_of_their_own(measured):
    places, model, out = measured
    table, _ = measure_closeness(*places, model, out, RESAMPLING)
    reference = table[table["arm"] == CAPTIONS]
    assert len(reference) == 20 and reference["concept"].is_unique and table["prompt_id"].is_unique


def test_without_a_held_out_model_there_is_no_likelihood_and_nothing_in_its_place(measured):
    places, _, out = measured
    table, _ = measure_closeness(*places, None, out, RESAMPLING)
    assert "log_likelihood" not in table and {"meaning", "wording", "copied"} <= set(table)
