"""Rows, batches and the training loop: what is trained, and that an interruption changes nothing."""

import math

import pandas as pd
import pytest
import torch
from conftest import CAPTIONS

from c2i_lib import finetuning
from c2i_lib.errors import C2IError, ModelError
from c2i_lib.finetuning import evaluate, finetune, make_batches, make_rows, train
from c2i_lib.language_model import freeze_lower_layers, load_language_model, load_tokenizer


@pytest.fixture
def settings(tiny_profile):
    update = {"batch_size": 2, "block_length": 16, "checkpoint_every": 3, "learning_rate": 1e-2, "epochs": 3}
    return tiny_profile.finetuning.model_copy(update=update)


@pytest.fixture
def rows(tiny_tokenizer):
    return make_rows("ft_tags", CAPTIONS, tiny_tokenizer, 16)


@pytest.fixture
def new_model(tiny_language_model):
    """A function that loads the model afresh, its first two layers frozen."""

    def load():
        model = load_language_model(str(tiny_language_model))
        freeze_lower_layers(model, 2)
        return model

    return load


def test_ft_keeps_every_token_once_and_in_order(tiny_tokenizer):
    rows = make_rows("ft", CAPTIONS, tiny_tokenizer, 16)
    stream = tiny_tokenizer(" ".join(CAPTIONS), add_special_tokens=False).input_ids
    assert sum(rows, []) == stream
    assert all(len(row) == 16 for row in rows[:-1])
    assert 0 < len(rows[-1]) <= 16


def test_ft_has_no_tags(tiny_tokenizer):
    ids = set(sum(make_rows("ft", CAPTIONS, tiny_tokenizer, 16), []))
    assert not ids & {tiny_tokenizer.bos_token_id, tiny_tokenizer.eos_token_id}


def test_ft_tags_puts_each_caption_between_bos_and_eos(tiny_tokenizer):
    rows = make_rows("ft_tags", CAPTIONS, tiny_tokenizer, 64)
    assert len(rows) == len(CAPTIONS)
    for row, caption in zip(rows, CAPTIONS, strict=True):
        assert (row[0], row[-1]) == (tiny_tokenizer.bos_token_id, tiny_tokenizer.eos_token_id)
        assert tiny_tokenizer.decode(row[1:-1]) == caption


def test_ft_tags_cuts_a_long_caption_but_not_its_tags(tiny_tokenizer):
    (row,) = make_rows("ft_tags", ["zebra " * 50], tiny_tokenizer, 16)
    assert len(row) == 16
    assert (row[0], row[-1]) == (tiny_tokenizer.bos_token_id, tiny_tokenizer.eos_token_id)


def test_arms_without_finetuning_are_refused(tiny_tokenizer):
    with pytest.raises(C2IError, match="'base' cannot be finetuned"):
        make_rows("base", CAPTIONS, tiny_tokenizer, 16)


@pytest.mark.parametrize("seed", range(5))
def test_batches_hold_every_row_once_within_the_token_budget(seed):
    generator = torch.Generator().manual_seed(seed)
    rows = [[0] * length for length in torch.randint(1, 33, (101,), generator=generator).tolist()]
    batches = make_batches(rows, 64, seed)
    assert sorted(sum(batches, [])) == list(range(101))
    assert all(len(batch) * max(len(rows[index]) for index in batch) <= 64 for batch in batches)
    assert len(batches) < 101, "short rows should share a batch"


def test_batches_depend_on_the_seed_alone():
    rows = [[0] * (1 + index % 7) for index in range(40)]
    assert make_batches(rows, 20, 1) == make_batches(rows, 20, 1)
    assert make_batches(rows, 20, 1) != make_batches(rows, 20, 2)


def test_evaluation_does_not_depend_on_the_batch_size(new_model, rows, settings):
    """Every predicted token weighs alike, and padding does not count."""
    model = new_model()
    one, many = (evaluate(model, rows, 1, settings.model_copy(update={"batch_size": n})) for n in (1, 6))
    assert one == pytest.approx(many, rel=1e-5)


def test_only_the_layers_that_are_not_frozen_change(new_model, rows, settings, tmp_path):
    model = new_model()
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    train(model, rows, rows, 1, settings, 0, tmp_path / "checkpoint.pt")
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert changed == {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert 0 < len(changed) < len(before)


def test_training_lowers_the_loss_of_captions_that_it_repeats(new_model, rows, settings, tmp_path):
    log = train(new_model(), rows * 10, rows, 1, settings, 0, tmp_path / "checkpoint.pt")
    before, after = log["eval_loss"].dropna()
    assert after < before - 1
    assert log["step"].tolist() == list(range(len(log)))
    assert log["tokens"].iloc[-1] == settings.epochs * 10 * sum(len(row) - 1 for row in rows)


def test_the_learning_rate_warms_up_and_falls(new_model, rows, settings, tmp_path):
    warm = settings.model_copy(update={"warmup_share": 0.5})
    rates = train(new_model(), rows, rows, 1, warm, 0, tmp_path / "checkpoint.pt")["learning_rate"].iloc[1:]
    top = rates.idxmax()
    assert rates.max() == settings.learning_rate
    assert rates.loc[:top].is_monotonic_increasing and rates.loc[top:].is_monotonic_decreasing
    assert rates.iloc[0] < rates.max() and rates.iloc[-1] < rates.max()


@pytest.mark.parametrize("stop_at", [3, 5, 7])
def test_an_interrupted_training_ends_with_the_same_weights_and_log(
    stop_at, new_model, rows, settings, tmp_path, monkeypatch
):
    """GPT-2 has dropout, so this also protects the random state of each step."""
    whole = new_model()
    whole_log = train(whole, rows, rows, 1, settings, 0, tmp_path / "whole.pt")
    assert len(whole_log) > 8

    real_loss, n_steps = finetuning._loss, 0

    def interrupted(model, *arguments):
        nonlocal n_steps
        n_steps += model.training
        if n_steps == stop_at + 1:
            raise KeyboardInterrupt
        return real_loss(model, *arguments)

    checkpoint = tmp_path / "checkpoint.pt"
    with monkeypatch.context() as patch:
        patch.setattr(finetuning, "_loss", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(new_model(), rows, rows, 1, settings, 0, checkpoint)
    assert torch.load(checkpoint)["step"] == stop_at - stop_at % settings.checkpoint_every

    resumed = new_model()
    resumed_log = train(resumed, rows, rows, 1, settings, 0, checkpoint)
    pd.testing.assert_frame_equal(resumed_log, whole_log, check_exact=True)
    for (name, parameter), expected in zip(resumed.named_parameters(), whole.parameters(), strict=True):
        assert torch.equal(parameter, expected), name


def test_a_loss_that_is_not_a_number_names_the_setting(new_model, rows, settings, tmp_path):
    model = new_model()
    with torch.no_grad():
        next(parameter for parameter in model.parameters() if parameter.requires_grad).fill_(math.nan)
    with pytest.raises(C2IError, match="the loss is nan at step 0: lower finetuning.learning_rate"):
        train(model, rows, rows, 1, settings, 0, tmp_path / "checkpoint.pt")


@pytest.fixture
def splits(write_stage, tmp_path):
    table = pd.DataFrame({"caption_id": [f"caption-{n}" for n in range(6)], "text": CAPTIONS})
    folder = write_stage(tmp_path / "01_captions", finetune_train=table, finetune_eval=table)
    return folder / "finetune_train.parquet", folder / "finetune_eval.parquet"


def test_a_finetuned_arm_is_a_plain_checkpoint_with_a_card_and_a_log(splits, tiny_profile, tmp_path):
    folder = finetune("ft_tags", *splits, tmp_path / "02_models", tiny_profile)
    assert folder == tmp_path / "02_models" / "ft_tags"
    assert load_tokenizer(str(folder)).eos_token == "<eos>"
    assert load_language_model(str(folder)).config.num_hidden_layers == 4
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "Captions: 6 from `embedded`" in card and "first 2 layers" in card and "| epochs | 1 |" in card
    log = pd.read_parquet(folder / "training_log.parquet")
    assert log.columns.tolist() == ["step", "tokens", "loss", "learning_rate", "eval_loss"]
    assert not list(folder.glob("*.pt")), "the checkpoint of a finished training only takes space"


def test_a_finished_arm_is_not_trained_again(splits, tiny_profile, tmp_path, monkeypatch):
    folder = finetune("ft", *splits, tmp_path / "02_models", tiny_profile)
    written = (folder / "model.safetensors").stat().st_mtime_ns
    monkeypatch.setattr(finetuning, "train", None)  # training again would raise
    assert finetune("ft", *splits, tmp_path / "02_models", tiny_profile) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written


def test_too_many_frozen_layers_are_refused(splits, tiny_profile, tmp_path):
    language_model = tiny_profile.language_model.model_copy(update={"frozen_layers": 42})
    profile = tiny_profile.model_copy(update={"language_model": language_model})
    with pytest.raises(ModelError, match="frozen_layers is 42"):
        finetune("ft", *splits, tmp_path / "02_models", profile)
