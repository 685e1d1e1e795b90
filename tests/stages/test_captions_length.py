import numpy as np
import pandas as pd
import pytest

from c2i_lib.models.language_model import load_tokenizer
from c2i_lib.stages.captions.length import count_tokens, measure_length

TEXTS = ["a red bicycle", "a dog next to a tree", "a", "café"]


@pytest.fixture
def tokenizer(tiny_profile):
    return load_tokenizer(tiny_profile.language_model.model)


def test_tokens_are_counted_without_tags(tokenizer):
    assert count_tokens(TEXTS, tokenizer).tolist() == [len(tokenizer.tokenize(text)) for text in TEXTS]


def test_the_distribution_adds_up_to_the_mean(tokenizer, tiny_profile, write_stage, tmp_path):
    captions = write_stage(tmp_path / "01_captions", length=pd.DataFrame({"caption_id": range(4), "text": TEXTS}))
    measured = measure_length(captions / "length.parquet", captions / "length", tiny_profile.language_model)
    counts = [len(tokenizer.tokenize(text)) for text in TEXTS]
    assert measured["mean_tokens"] == pytest.approx(np.mean(counts), abs=1e-3)
    assert measured["tokens"] == round(np.mean(counts)) and measured["captions"] == 4
    assert measured["median_tokens"] == np.median(counts)
    table = pd.read_parquet(captions / "length" / "lengths.parquet")
    assert np.repeat(table["n_tokens"], table["captions"]).tolist() == sorted(counts)


def test_another_tokenizer_measures_again(tiny_profile, write_stage, tmp_path):
    captions = write_stage(tmp_path / "01_captions", length=pd.DataFrame({"caption_id": range(4), "text": TEXTS}))
    folder, settings = captions / "length", tiny_profile.language_model
    first = measure_length(captions / "length.parquet", folder, settings)
    other = settings.model_copy(update={"model": "embedded:smollm2-135m"})
    assert measure_length(captions / "length.parquet", folder, other)["mean_tokens"] < first["mean_tokens"]
