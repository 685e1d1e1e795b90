"""Variance of ratings: simulated components come back; balanced designs give the analysis of variance."""

import numpy as np
import pandas as pd
import pytest

from c2i_lib.errors import C2IError
from c2i_lib.statistics.variance import decompose, seed_noise, variance_components


def crossed(n_concepts=200, n_prompts=4, n_seeds=3, n_raters=5, sds=(1.0, 0.8, 0.6, 0.5, 0.7), seed=0):
    """Ratings-like table: concept, prompt within concept, image seed within prompt, rater, rest."""
    random = np.random.default_rng(seed)
    shape = (n_concepts, n_prompts, n_seeds, n_raters)
    rater = np.linspace(-1, 1, n_raters)
    values = sds[0] * random.normal(size=(n_concepts, 1, 1, 1)) + sds[1] * random.normal(size=(*shape[:2], 1, 1))
    values = values + sds[2] * random.normal(size=(*shape[:3], 1)) + sds[3] * rater / rater.std(ddof=1)
    values = values + sds[4] * random.normal(size=shape)
    index = pd.MultiIndex.from_product(map(range, shape), names=["concept", "prompt", "seed", "rater"])
    table = pd.DataFrame({"rating": values.ravel()}, index=index).reset_index()
    table["prompt_id"] = table["concept"].astype(str) + "-" + table["prompt"].astype(str)
    table["image_id"] = table["prompt_id"] + "-" + table["seed"].astype(str)
    return table.assign(question="quality", arm="ft")


def test_what_was_simulated_comes_back():
    found = decompose(crossed()).set_index("component")["variance"]
    expected = {"concept": 1.0, "prompt": 0.64, "image seed": 0.36, "rater": 0.25, "rest": 0.49}
    assert list(found.index) == list(expected)
    for name, variance in expected.items():
        assert found[name] == pytest.approx(variance, rel=0.15), name


def test_missing_ratings_change_the_estimates_little():
    table = crossed(seed=1)
    whole = decompose(table).set_index("component")["variance"]
    thinned = decompose(table.sample(frac=0.6, random_state=0)).set_index("component")["variance"]
    assert thinned.to_numpy() == pytest.approx(whole.to_numpy(), rel=0.15)


def test_a_balanced_one_way_design_is_the_analysis_of_variance():
    random = np.random.default_rng(3)
    values = random.normal(size=(12, 1)) * 2 + random.normal(size=(12, 6))
    within = values.var(1, ddof=1).mean()
    between = values.mean(1).var(ddof=1) - within / 6
    found = variance_components(values.ravel(), {"group": np.repeat(np.arange(12), 6)})
    assert found["group"] == pytest.approx(between) and found["rest"] == pytest.approx(within)


def test_one_image_a_prompt_makes_prompt_and_seed_one_component():
    found = decompose(crossed(n_seeds=1))
    assert found["component"].tolist() == ["concept", "prompt and image seed", "rater", "rest"]
    assert found["share"].sum() == pytest.approx(1)


def test_one_image_a_concept_makes_concept_and_image_one_component():
    """It was three times NaN: a table of one picture a prompt and model had no variances at all."""
    table = crossed(n_seeds=1)
    table = table[table["prompt_id"] == table.groupby("concept")["prompt_id"].transform("min")]
    found = decompose(table)
    assert found["component"].tolist() == ["concept and image", "rater", "rest"]
    assert found["share"].sum() == pytest.approx(1) and (found["reason"] == "").all()
    assert np.isnan(seed_noise(found, 10, 1)["quality"]), "what other seeds would change cannot be told"


def test_factors_that_cannot_be_told_apart_are_not_a_number():
    values, labels = np.arange(6.0), np.array([0, 0, 1, 1, 2, 2])
    assert all(np.isnan(value) for value in variance_components(values, {"a": labels, "b": labels}).values())


def test_the_noise_of_seeds_is_the_standard_error_of_a_difference():
    table = pd.DataFrame(
        {"question": "quality", "component": ["concept", "prompt", "image seed"], "variance": [9, 3, 1]}
    )
    assert seed_noise(table, 10, 5)["quality"] == pytest.approx(np.sqrt(2 * 4 / 50))


@pytest.mark.parametrize("name", ["question", "arm", "concept", "prompt_id", "image_id", "rater", "rating"])
def test_a_missing_column_is_named_with_how_to_get_it(name):
    with pytest.raises(C2IError, match=rf"takes the columns .*: add {name}: .*06_survey/ratings"):
        decompose(crossed(n_concepts=4).drop(columns=name))


@pytest.mark.parametrize(
    "thin",
    [
        lambda table: table[table["rater"] == 0],  # of each image one rating
        lambda table: table[table["concept"] == 0],
        lambda table: table.assign(concept=table["prompt_id"]),
    ],
    ids=["one rater", "one concept", "a concept per prompt"],
)
def test_variances_that_cannot_be_told_apart_are_no_number_and_say_why(thin):
    """They were zero, and so was the standard error from prompts and seeds: a study of one rater looked exact."""
    table = decompose(thin(crossed(n_concepts=6)))
    assert table[["variance", "share", "sd"]].isna().all(axis=None)
    assert table["reason"].str.contains("cannot be told apart in these ratings").all()
    assert np.isnan(seed_noise(table, 10, 5)["quality"])


def test_an_arm_whose_variances_are_not_defined_is_left_out_and_named():
    whole, other = crossed(n_concepts=20), crossed(n_concepts=20, seed=1)
    table = decompose(pd.concat([whole, other[other["rater"] == 0].assign(arm="base")]))
    assert table["variance"].tolist() == pytest.approx(decompose(whole)["variance"].tolist())
    assert table["reason"].str.startswith("without base, where concept, ").all()
    assert (decompose(whole)["reason"] == "").all()


@pytest.mark.filterwarnings("error")
def test_equal_ratings_have_no_variance_and_no_shares_of_it():
    table = decompose(crossed(n_concepts=6).assign(rating=3.0))
    assert (table["variance"] == 0).all() and table["share"].isna().all()
    assert table["reason"].str.contains("all ratings of each arm are the same").all()
    assert seed_noise(table, 10, 5)["quality"] == 0
