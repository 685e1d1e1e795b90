"""The stage of prompts: every arm, every concept, kept as soon as written, and measured."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_models import CAPTIONS

import c2i_lib.stages.prompts
from c2i_lib.config.prompts import PromptModel
from c2i_lib.errors import C2IError
from c2i_lib.models.language_model import load_language_model, load_tokenizer
from c2i_lib.records.files import seed_of, sha256_of, write_json
from c2i_lib.records.stage import Stage
from c2i_lib.stages.prompts import PROMPT_COLUMNS, Recipe, generate_prompts, write_samples
from c2i_lib.study import FINETUNED_ARMS, TOPIC_ARMS
from c2i_lib.text.noun_phrases.topics import topic_tag


def test_seeds_depend_on_every_part_and_fit_in_31_bits():
    parts = [(7, "ft", "cat", 0), (8, "ft", "cat", 0), (7, "base", "cat", 0), (7, "ft", "dog", 0), (7, "ft", "cat", 1)]
    seeds = [seed_of(*part) for part in parts]
    assert len(set(seeds)) == len(parts)
    assert seeds == [seed_of(*part) for part in parts]
    assert all(0 <= seed < 2**31 for seed in seeds)


@pytest.fixture
def stages(write_stage, tmp_path, tiny_profile):
    """Captions, and the tiny model as the checkpoint of both arms, written as stages 01 and 02."""
    from c2i_lib.stages import finetuning

    table = pd.DataFrame({"caption_id": [f"caption-{n}" for n in range(6)], "text": CAPTIONS})
    table["quality"] = [0.0, 1.0, 0.0, 1.0, np.nan, 1.0]
    captions = write_stage(tmp_path / "01_captions", finetune_train=table, finetune_eval=table)
    with Stage(captions / "length", {}):
        write_json(captions / "length" / "length.json", {"tokens": 12})
    splits = (captions / "finetune_train.parquet", captions / "finetune_eval.parquet")
    training = finetuning.Recipe.of(tiny_profile)
    checkpoints = {arm: finetuning.finetune(arm, *splits, tmp_path / "02_models", training) for arm in FINETUNED_ARMS}
    return checkpoints, captions / "length" / "length.json", captions / "finetune_train.parquet"


def test_every_arm_writes_every_prompt(stages, tmp_path, tiny_profile):
    checkpoints, length_file, train_file = stages
    concepts = ["red bicycle", "cat"]
    table = generate_prompts(
        checkpoints, concepts, length_file, train_file, tmp_path / "04_prompts", Recipe.of(tiny_profile)
    )
    assert table.groupby(["arm", "concept"]).size().eq(2).all() and len(table) == 7 * 2 * 2
    assert table["prompt_id"].is_unique and table["seed"].is_unique
    assert (table.loc[table["arm"] == "concept_only", "text"].isin(concepts)).all()
    # Where the topic tag names the concept, and in a caption that is looked up, it may be anywhere.
    leading = table[~table["arm"].isin([*TOPIC_ARMS, "retrieved"])]
    assert leading.apply(lambda row: row["text"].startswith(row["concept"]), axis=1).all()
    assert (table["text"] != "").all()
    tags = table["concept"].map(topic_tag).str.strip()
    assert not any(tag in text for tag, text in zip(tags, table["text"], strict=True))
    assert np.isfinite(table["perplexity"]).all()
    assert table.columns.tolist() == list(PROMPT_COLUMNS)
    assert (table["n_tti_tokens"] <= 16).all(), "the tiny TTI model sees 16 tokens"
    assert table["replicate"].eq(1).all()
    copied = table[table["arm"] == "retrieved"]
    assert copied["copied"].all() and not copied.duplicated(["concept", "text"]).any()


def test_the_batch_size_changes_no_prompt(stages, tmp_path, tiny_profile):
    checkpoints, length_file, train_file = stages
    texts = []
    for batch_size in (1, 7):
        settings = tiny_profile.prompts.model_copy(update={"batch_size": batch_size, "n_per_concept": 3})
        profile = tiny_profile.model_copy(update={"prompts": settings})
        folder = tmp_path / str(batch_size) / "04_prompts"
        texts.append(
            generate_prompts(checkpoints, ["cat"], length_file, train_file, folder, Recipe.of(profile))["text"].tolist()
        )
    assert texts[0] == texts[1]


def test_the_record_holds_the_checkpoint_of_every_arm(stages, tmp_path, tiny_profile):
    """All checkpoints have the same file name. If one hid the others, a retrained arm would keep its old prompts."""
    checkpoints, length_file, train_file = stages
    generate_prompts(checkpoints, ["cat"], length_file, train_file, tmp_path / "04_prompts", Recipe.of(tiny_profile))
    record = json.loads((tmp_path / "04_prompts" / "stage.json").read_text(encoding="utf-8"))
    hashes = {sha256_of(folder / "model.safetensors") for folder in checkpoints.values()}
    assert len(hashes) == len(FINETUNED_ARMS)
    assert all(digest in json.dumps(record["inputs"]) for digest in hashes)


def test_an_arm_without_its_checkpoint_is_no_other_arm(stages, tmp_path, tiny_profile):
    checkpoints, length_file, train_file = stages
    some = {"ft": checkpoints["ft"]}
    with pytest.raises(C2IError, match=r"\['ft_tags', 'ft_topic', 'ft_good'\], but no checkpoint"):
        generate_prompts(some, ["cat"], length_file, train_file, tmp_path / "04_prompts", Recipe.of(tiny_profile))


@pytest.fixture
def other_model(tmp_path, tiny_language_model):
    """Folder of a model whose weights are not the tiny one's: a few steps of training hardly change a prompt."""
    model = load_language_model(str(tiny_language_model))
    torch.manual_seed(1)
    model.apply(model._init_weights)
    with Stage(tmp_path / "other", {}):
        model.save_pretrained(tmp_path / "other")
        load_tokenizer(str(tiny_language_model)).save_pretrained(tmp_path / "other")
    return tmp_path / "other"


@pytest.fixture
def two_models(tiny_profile):
    """The profile with two models of the arm ft."""
    finetuning = tiny_profile.finetuning.model_copy(update={"n_seeds": 2})
    prompts = tiny_profile.prompts.model_copy(update={"arms": ("concept_only", "ft")})
    return tiny_profile.model_copy(update={"finetuning": finetuning, "prompts": prompts})


def test_two_models_of_an_arm_write_under_the_same_seeds_and_are_told_apart(stages, tmp_path, two_models, other_model):
    """So they differ by their training alone. An arm without training has one model."""
    checkpoints, length_file, train_file = stages
    checkpoints = {"ft": checkpoints["ft"], "ft_2": other_model, "held_out": tmp_path / "not needed"}
    folder = tmp_path / "04_prompts"
    table = generate_prompts(checkpoints, ["cat", "dog"], length_file, train_file, folder, Recipe.of(two_models))
    sizes = table.groupby(["arm", "replicate"]).size()
    assert sizes.to_dict() == {("concept_only", 1): 4, ("ft", 1): 4, ("ft", 2): 4}
    assert table["prompt_id"].is_unique and not list(folder.glob("part_*"))
    first, second = (table[(table["arm"] == "ft") & (table["replicate"] == number)] for number in (1, 2))
    same = ["arm", "concept", "sample", "seed"]
    assert first[same].to_numpy().tolist() == second[same].to_numpy().tolist()
    assert first["text"].tolist() != second["text"].tolist()
    assert second["prompt_id"].str.startswith("ft_2-").all() and first["prompt_id"].str.startswith("ft-").all()


def test_more_models_of_an_arm_leave_the_prompts_of_the_first_as_they_are(stages, tmp_path, two_models, other_model):
    checkpoints, length_file, train_file = stages
    checkpoints = {"ft": checkpoints["ft"], "ft_2": other_model}
    tables = []
    for n_seeds in (1, 2):
        finetuning = two_models.finetuning.model_copy(update={"n_seeds": n_seeds})
        profile = two_models.model_copy(update={"finetuning": finetuning})
        folder = tmp_path / str(n_seeds) / "04_prompts"
        tables.append(generate_prompts(checkpoints, ["cat"], length_file, train_file, folder, Recipe.of(profile)))
    assert len(tables[1]) == len(tables[0]) + 2
    first = tables[1][tables[1]["replicate"] == 1]
    assert first[["prompt_id", "text"]].equals(tables[0][["prompt_id", "text"]])


def test_a_model_of_an_arm_that_has_no_checkpoint_is_named(stages, tmp_path, two_models):
    checkpoints, length_file, train_file = stages
    with pytest.raises(C2IError, match=r"\['ft_2'\], but no checkpoint"):
        generate_prompts(checkpoints, ["cat"], length_file, train_file, tmp_path / "04_prompts", Recipe.of(two_models))


def test_samples_have_one_prompt_per_arm_and_concept_and_are_written_once(stages, tmp_path, tiny_profile, monkeypatch):
    checkpoints, length_file, _ = stages
    samples = write_samples(checkpoints, ["cat", "dog"], length_file, tmp_path / "samples", Recipe.of(tiny_profile))
    assert samples.groupby("arm", sort=False).size().to_dict() == dict.fromkeys(["base", *FINETUNED_ARMS], 2)
    monkeypatch.setattr(c2i_lib.stages.prompts, "write_arm", None)  # writing again would raise
    again = write_samples(checkpoints, ["cat", "dog"], length_file, tmp_path / "samples", Recipe.of(tiny_profile))
    pd.testing.assert_frame_equal(samples, again)


def test_an_arm_of_ones_own_is_an_arm_like_any_other(stages, tmp_path, tiny_profile, tiny_language_model):
    """Written, resumed and recorded; a changed local checkpoint, but not one that is no arm, is another stage."""
    checkpoints, length_file, train_file = stages
    own = {"model": str(tiny_language_model), "template": "{concept} Rephrase:", "num_beams": 3, "max_new_tokens": 8}
    models = {"mine": PromptModel(**own)}
    models["other"] = models["mine"].model_copy(update={"model": "not/there"})
    settings = tiny_profile.prompts.model_copy(update={"models": models, "arms": ("concept_only", "mine")})
    profile = tiny_profile.model_copy(update={"prompts": settings})
    table = generate_prompts({}, ["cat", "dog"], length_file, train_file, tmp_path / "04_prompts", Recipe.of(profile))
    assert table.groupby("arm").size().to_dict() == {"concept_only": 4, "mine": 4}
    assert not table["text"].str.contains("Rephrase").any()
    record = json.loads((tmp_path / "04_prompts" / "stage.json").read_text(encoding="utf-8"))
    assert sha256_of(tiny_language_model / "model.safetensors") in json.dumps(record["inputs"])
    assert list(record["settings"]["models"]) == ["mine"]


def test_an_interrupted_stage_goes_on_with_the_next_arm(stages, tmp_path, tiny_profile, monkeypatch):
    checkpoints, length_file, train_file = stages
    places = (checkpoints, ["cat"], length_file, train_file, tmp_path / "04_prompts", Recipe.of(tiny_profile))
    written, write_arm = [], c2i_lib.stages.prompts.write_arm

    def killed_at_ft(writer, *rest):
        arm = writer.arm
        if arm == "ft" and "ft" not in written:
            written.append(arm)
            raise KeyboardInterrupt
        written.append(arm)
        return write_arm(writer, *rest)

    monkeypatch.setattr(c2i_lib.stages.prompts, "write_arm", killed_at_ft)
    with pytest.raises(KeyboardInterrupt):
        generate_prompts(*places)
    table = generate_prompts(*places)
    assert written == ["concept_only", "retrieved", "base", "ft", "ft", "ft_tags", "ft_topic", "ft_good"]
    assert table["arm"].unique().tolist() == list(tiny_profile.prompts.arms)


def test_more_samples_and_concepts_leave_the_first_prompts_as_they_are(stages, tmp_path, tiny_profile):
    checkpoints, length_file, train_file = stages
    texts = []
    for n, concepts in ((2, ["cat"]), (4, ["old house", "cat", "dog"])):
        settings = tiny_profile.prompts.model_copy(update={"n_per_concept": n})
        profile = tiny_profile.model_copy(update={"prompts": settings})
        folder = tmp_path / str(n) / "04_prompts"
        table = generate_prompts(checkpoints, concepts, length_file, train_file, folder, Recipe.of(profile))
        texts.append(table.set_index("prompt_id")["text"])
    assert (texts[1].loc[texts[0].index] == texts[0]).all() and len(texts[0]) == 14


def test_a_given_length_takes_the_place_of_the_mean(stages, tmp_path, tiny_profile):
    checkpoints, length_file, train_file = stages
    settings = tiny_profile.prompts.model_copy(update={"length": 5, "arms": ("base", "ft_topic")})
    profile = tiny_profile.model_copy(update={"prompts": settings})
    table = generate_prompts(checkpoints, ["cat"], length_file, train_file, tmp_path / "04_prompts", Recipe.of(profile))
    assert table["n_tokens"].max() == 5
