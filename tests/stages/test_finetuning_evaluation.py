"""Perplexities of arms are comparable: the same caption tokens count under each, after its own beginning."""

import math
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from c2i_lib.models.language_model import load_language_model, load_tokenizer, perplexity
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage
from c2i_lib.stages.finetuning import Recipe, evaluation
from c2i_lib.stages.finetuning.evaluation import caption_perplexity, caption_rows, perplexities
from c2i_lib.stages.finetuning.qualities import save_terciles
from c2i_lib.text.quality_tags import Terciles

TEXTS = ["a red bicycle", "a cat on a table", "illustration of a dog"]


@pytest.fixture
def model(tiny_language_model):
    return load_language_model(str(tiny_language_model))


@pytest.fixture
def tokenizer(tiny_language_model):
    return load_tokenizer(str(tiny_language_model))


@pytest.mark.parametrize("arm", ["base", "ft", "ft_tags", "ft_topic", "ft_good"])
def test_only_the_captions_own_tokens_are_predicted(arm, tokenizer):
    rows = caption_rows(arm, TEXTS, tokenizer, ["poor", "good", ""])
    before = {"ft": [TEXTS[2], *TEXTS[:2]], "ft_topic": ["<bos>[red bicycle]", "<bos>[cat]", "<bos>[dog]"]}
    before["ft_good"] = ["<bos>[red bicycle] [poor]", "<bos>[cat] [good]", "<bos>[dog]"]
    for index, text in enumerate(TEXTS):
        ids, predicted = rows.batch([index])
        assert tokenizer.decode(ids[0][predicted[0]]).strip() == text
        assert tokenizer.decode(ids[0][~predicted[0]]).strip() == before.get(arm, ["<bos>"] * 3)[index]


def test_the_perplexity_is_that_of_the_mean_over_all_tokens(model, tokenizer):
    each = perplexity(model, tokenizer, TEXTS)
    sizes = np.array([len(tokenizer(text, add_special_tokens=False).input_ids) for text in TEXTS])
    expected = math.exp((np.log(each) * sizes).sum() / sizes.sum())
    assert caption_perplexity("base", model, tokenizer, TEXTS) == pytest.approx(expected, rel=1e-4)


def test_what_stands_before_a_caption_matters(model, tokenizer):
    with torch.no_grad():
        found = {arm: caption_perplexity(arm, model, tokenizer, TEXTS) for arm in ("ft", "ft_tags", "ft_topic")}
    assert len(set(found.values())) == 3


def test_captions_of_ft_good_are_tagged_by_the_borders_of_its_training(
    tiny_language_model, tiny_profile, write_stage, tmp_path, model, tokenizer
):
    """Not by those of the held-out captions, which the model has never seen."""
    with Stage(tmp_path / "02_models" / "ft_good", {}):
        shutil.copytree(tiny_language_model, tmp_path / "02_models" / "ft_good", dirs_exist_ok=True)
        save_terciles(tmp_path / "02_models" / "ft_good", Terciles(1.0, 2.0))
    held_out = pd.DataFrame({"text": TEXTS, "quality": [0.0, 9.0, np.nan]})
    captions = write_stage(tmp_path / "01_captions", finetune_eval=held_out)
    folders = {"ft_good": tmp_path / "02_models" / "ft_good"}
    recipe = Recipe.of(tiny_profile)
    found = perplexities(folders, captions / "finetune_eval.parquet", tmp_path / "02_models" / "perplexity", recipe)
    expected = caption_perplexity("ft_good", model, tokenizer, TEXTS, ["poor", "good", ""])
    assert found["ft_good"] == pytest.approx(expected, rel=1e-4)


def test_perplexities_of_base_and_every_checkpoint_are_computed_once(
    tiny_language_model, tiny_profile, tmp_path, monkeypatch
):
    folder = tmp_path / "02_models" / "ft"
    with Stage(folder, {}):
        shutil.copytree(tiny_language_model, folder, dirs_exist_ok=True)
    with Stage(tmp_path / "01_captions", {}):
        write_table(tmp_path / "01_captions" / "finetune_eval.parquet", pd.DataFrame({"text": TEXTS}))
    finetuning = tiny_profile.finetuning.model_copy(update={"n_seeds": 2})
    profile = tiny_profile.model_copy(update={"finetuning": finetuning})
    files = (
        {"ft": folder, "ft_2": folder, "held_out": folder},
        tmp_path / "01_captions" / "finetune_eval.parquet",
        tmp_path / "02_models" / "perplexity",
    )
    found = perplexities(*files, Recipe.of(profile))
    model, tokenizer = load_language_model(str(folder)), load_tokenizer(str(folder))
    assert found["ft"] == pytest.approx(caption_perplexity("ft", model, tokenizer, TEXTS), rel=1e-4)
    assert list(found.index) == ["base", "ft", "ft_2", "held_out"]
    assert found["ft_2"] == pytest.approx(found["ft"]), "a model is measured as its arm is"
    assert found["held_out"] == pytest.approx(caption_perplexity("ft_tags", model, tokenizer, TEXTS), rel=1e-4)
    assert found["base"] != found["ft"] != found["held_out"]  # each after what its arm saw
    monkeypatch.setattr(evaluation, "caption_perplexity", None)  # computing again would raise
    pd.testing.assert_series_equal(found, perplexities(*files, Recipe.of(profile)))
