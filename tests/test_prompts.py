"""Prompts: sampled from the model, reproducible, and independent of the batch."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import CAPTIONS
from scipy.stats import chisquare

from c2i_lib.config import FINETUNED_ARMS
from c2i_lib.errors import C2IError
from c2i_lib.files import sha256_of, write_json
from c2i_lib.language_model import load_language_model, load_tokenizer
from c2i_lib.prompts import (
    _SeededSampling,
    diversity,
    generate_prompts,
    nearest_captions,
    seed_of,
    write_batch,
    write_samples,
)
from c2i_lib.stage import Stage

SEEDS = [11, 22, 33, 44, 55]


@pytest.fixture(scope="module")
def model(tiny_language_model):
    return load_language_model(str(tiny_language_model))


@pytest.fixture(scope="module")
def tokenizer(tiny_language_model):
    return load_tokenizer(str(tiny_language_model))


@pytest.fixture(scope="module")
def settings(tiny_profile):
    return tiny_profile.prompts.model_copy(update={"temperature": 1.0, "top_p": 1.0})


def write(model, tokenizer, settings, seeds, concept="a red bicycle", n_tokens=24, arm="ft_tags"):
    return write_batch(model, tokenizer, concept, seeds, n_tokens, settings, arm)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_a_prompt_does_not_depend_on_its_batch(batch_size, model, tokenizer, settings):
    alone = [write(model, tokenizer, settings, [seed])[0] for seed in SEEDS]
    assert len({prompt.text for prompt in alone}) == len(SEEDS), "seeds should give different prompts"
    batches = [SEEDS[start : start + batch_size] for start in range(0, len(SEEDS), batch_size)]
    assert [prompt for batch in batches for prompt in write(model, tokenizer, settings, batch)] == alone


def test_a_prompt_does_not_depend_on_the_order_of_the_batch(model, tokenizer, settings):
    forward, backward = write(model, tokenizer, settings, SEEDS), write(model, tokenizer, settings, SEEDS[::-1])
    assert forward == backward[::-1]


@pytest.mark.parametrize("arm", ["base", "ft", "ft_tags"])
def test_a_prompt_starts_with_its_concept(arm, model, tokenizer, settings):
    for prompt in write(model, tokenizer, settings, SEEDS, arm=arm):
        assert prompt.text.startswith("a red bicycle")
        assert prompt.n_tokens <= 24


def test_a_concept_longer_than_the_length_still_gets_two_tokens(model, tokenizer, settings):
    concept = "a red bicycle next to an old house and a tree"
    n_concept = len(tokenizer(concept).input_ids)
    prompts = write(model, tokenizer, settings, SEEDS, concept, n_tokens=3)
    assert all(prompt.n_tokens <= n_concept + 2 for prompt in prompts)
    assert any(prompt.n_tokens == n_concept + 2 for prompt in prompts)


def test_the_end_token_ends_a_prompt_and_is_not_in_its_text(model, tokenizer, settings):
    """With 100 tokens, a random model of some 300 tokens ends some prompts and not others."""
    prompts = write(model, tokenizer, settings, range(60), n_tokens=100)
    ended = [prompt for prompt in prompts if prompt.ended]
    assert 0 < len(ended) < 60
    assert all(prompt.n_tokens < 100 for prompt in ended)
    assert all(prompt.n_tokens == 100 for prompt in prompts if not prompt.ended)
    assert not any("<eos>" in prompt.text or "<bos>" in prompt.text for prompt in prompts)


def test_sampling_follows_the_distribution():
    """Chi-square over 4,000 seeds, whose draws are fixed, so that this never fails by chance."""
    shares = np.array([0.5, 0.25, 0.15, 0.08, 0.02])
    sampling = _SeededSampling([seed_of("draw", number) for number in range(4000)])
    scores = torch.tensor(shares).log().float().repeat(4000, 1)
    drawn = sampling(torch.zeros(4000, 1, dtype=torch.long), scores).argmax(1)
    counts = np.bincount(drawn.numpy(), minlength=5)
    assert chisquare(counts, shares * 4000).pvalue > 0.01


def test_successive_draws_of_a_row_differ():
    """A row that drew with the same noise at every step would repeat itself."""
    sampling, scores = _SeededSampling([1]), torch.zeros(1, 1000)
    drawn = [sampling(torch.zeros(1, 1, dtype=torch.long), scores).argmax().item() for _ in range(20)]
    assert len(set(drawn)) > 15


def test_a_token_that_top_p_removed_is_never_drawn():
    sampling = _SeededSampling(range(500))
    scores = torch.tensor([0.0, -torch.inf]).repeat(500, 1)
    assert sampling(torch.zeros(500, 1, dtype=torch.long), scores).argmax(1).eq(0).all()


def test_prompts_follow_the_models_own_distribution(model, tokenizer, settings):
    """The first token after the concept, over 3,000 prompts, against the model's probabilities."""
    ids = torch.tensor([tokenizer("a cat").input_ids])
    with torch.inference_mode():
        shares = model(ids).logits[0, -1].softmax(-1).numpy().astype(float)
    prompts = [
        model.generate(
            ids.repeat(1000, 1),
            attention_mask=torch.ones(1000, ids.shape[1], dtype=torch.long),
            max_new_tokens=1,
            do_sample=False,
            logits_processor=[_SeededSampling(range(start, start + 1000))],
            pad_token_id=tokenizer.eos_token_id,
        )[:, -1]
        for start in (0, 1000, 2000)
    ]
    counts = np.bincount(torch.cat(prompts).numpy(), minlength=len(shares))
    often = shares * 3000 >= 10  # chi-square needs some counts in every cell; the rest forms one cell
    observed = [*counts[often], counts[~often].sum()]
    expected = np.array([*shares[often], shares[~often].sum()])
    assert len(observed) > 10
    assert chisquare(observed, expected / expected.sum() * 3000).pvalue > 0.01


def test_seeds_depend_on_every_part_and_fit_in_31_bits():
    parts = [(7, "ft", "cat", 0), (8, "ft", "cat", 0), (7, "base", "cat", 0), (7, "ft", "dog", 0), (7, "ft", "cat", 1)]
    seeds = [seed_of(*part) for part in parts]
    assert len(set(seeds)) == len(parts)
    assert seeds == [seed_of(*part) for part in parts]
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_the_nearest_caption_is_the_most_similar_one():
    table = nearest_captions(["a red bicycle", "Blurry  PHOTO of a house", "qqqq"], list(CAPTIONS))
    assert table["nearest_caption"].tolist()[:2] == [CAPTIONS[0], CAPTIONS[2]]
    assert table["similarity"][1] == pytest.approx(1, abs=1e-3)
    assert 0 < table["similarity"][0] < 1
    assert table["similarity"][2] == 0


def test_copied_means_a_caption_word_for_word():
    texts = [CAPTIONS[0], CAPTIONS[0].upper().replace(" ", "  "), CAPTIONS[0] + "s", "a red bicycle"]
    assert nearest_captions(texts, list(CAPTIONS))["copied"].tolist() == [True, True, False, False]


@pytest.fixture
def stages(write_stage, tmp_path, tiny_profile):
    """Captions, and the tiny model as the checkpoint of both arms, written as stages 01 and 02."""
    from c2i_lib.finetuning import finetune

    table = pd.DataFrame({"caption_id": [f"caption-{n}" for n in range(6)], "text": CAPTIONS})
    captions = write_stage(tmp_path / "01_captions", finetune_train=table, finetune_eval=table)
    with Stage(captions / "length", {}):
        write_json(captions / "length" / "length.json", {"tokens": 12})
    splits = (captions / "finetune_train.parquet", captions / "finetune_eval.parquet")
    checkpoints = {arm: finetune(arm, *splits, tmp_path / "02_models", tiny_profile) for arm in FINETUNED_ARMS}
    return checkpoints, captions / "length" / "length.json", captions / "finetune_train.parquet"


def test_every_arm_writes_every_prompt(stages, tmp_path, tiny_profile):
    checkpoints, length_file, train_file = stages
    concepts = ["red bicycle", "cat"]
    table = generate_prompts(checkpoints, concepts, length_file, train_file, tmp_path / "04_prompts", tiny_profile)
    assert table.groupby(["arm", "concept"]).size().eq(2).all() and len(table) == 5 * 2 * 2
    assert table["prompt_id"].is_unique and table["seed"].is_unique
    assert (table.loc[table["arm"] == "concept_only", "text"].isin(concepts)).all()
    leading = table[table["arm"] != "ft_topic"]  # where the topic tag names it, the concept may be anywhere
    assert leading.apply(lambda row: row["text"].startswith(row["concept"]), axis=1).all()
    assert (table["text"] != "").all() and not table["text"].str.contains("[", regex=False).all()
    assert np.isfinite(table["perplexity"]).all()
    assert set(table.columns) == set(
        "prompt_id arm concept sample seed text n_tokens ended perplexity nearest_caption similarity copied".split()
    )


def test_the_batch_size_changes_no_prompt(stages, tmp_path, tiny_profile):
    checkpoints, length_file, train_file = stages
    texts = []
    for batch_size in (1, 7):
        settings = tiny_profile.prompts.model_copy(update={"batch_size": batch_size, "n_per_concept": 3})
        profile = tiny_profile.model_copy(update={"prompts": settings})
        folder = tmp_path / str(batch_size) / "04_prompts"
        texts.append(generate_prompts(checkpoints, ["cat"], length_file, train_file, folder, profile)["text"].tolist())
    assert texts[0] == texts[1]


def test_the_record_holds_the_checkpoint_of_every_arm(stages, tmp_path, tiny_profile):
    """All checkpoints have the same file name. If one hid the others, a retrained arm would keep its old prompts."""
    checkpoints, length_file, train_file = stages
    generate_prompts(checkpoints, ["cat"], length_file, train_file, tmp_path / "04_prompts", tiny_profile)
    record = json.loads((tmp_path / "04_prompts" / "stage.json").read_text(encoding="utf-8"))
    hashes = {sha256_of(folder / "model.safetensors") for folder in checkpoints.values()}
    assert len(hashes) == 3
    assert all(digest in json.dumps(record["inputs"]) for digest in hashes)


def test_an_arm_without_its_checkpoint_is_no_other_arm(stages, tmp_path, tiny_profile):
    checkpoints, length_file, train_file = stages
    some = {"ft": checkpoints["ft"]}
    with pytest.raises(C2IError, match=r"\['ft_tags', 'ft_topic'\], but no checkpoint"):
        generate_prompts(some, ["cat"], length_file, train_file, tmp_path / "04_prompts", tiny_profile)


def test_a_topic_arm_reads_the_concept_in_its_tag(model, tokenizer, settings, monkeypatch):
    started = []
    generate = model.generate

    def watched(ids, **options):
        started.append(tokenizer.decode(ids[0]))
        return generate(ids, **options)

    monkeypatch.setattr(model, "generate", watched)
    prompts = write_batch(model, tokenizer, "red bicycle", SEEDS, 6, settings, "ft_topic")
    assert started == ["<bos>[red bicycle]"]
    assert all(2 <= prompt.n_tokens <= 6 for prompt in prompts)


def test_samples_have_one_prompt_per_arm_and_concept(stages, tiny_profile):
    samples = write_samples(stages[0], ["cat", "dog"], 8, tiny_profile)
    assert samples.groupby("arm", sort=False).size().to_dict() == dict.fromkeys(["base", *FINETUNED_ARMS], 2)


def test_diversity_counts_distinct_words_and_pairs():
    found = diversity(["a cat and a dog", "a cat"])
    assert found == {"type_token_ratio": 4 / 7, "distinct_2": 4 / 5, "distinct_3": 3 / 3}
    assert diversity([""]) == {"type_token_ratio": 0.0, "distinct_2": 0.0, "distinct_3": 0.0}
