"""Stage 02: plain checkpoints with cards and logs, made once; what cannot work is told before any work."""

import sys
import types

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tiny_models import CAPTIONS

from c2i_lib.errors import C2IError, ModelError
from c2i_lib.models.language_model import load_language_model, load_tokenizer
from c2i_lib.stages import finetuning
from c2i_lib.stages.finetuning import Recipe, finetune, finetune_all
from c2i_lib.stages.finetuning.qualities import read_terciles, terciles_of
from c2i_lib.text.quality_tags import Terciles


@pytest.fixture
def splits(write_stage, tmp_path):
    table = pd.DataFrame({"caption_id": [f"caption-{n}" for n in range(6)], "text": CAPTIONS})
    folder = write_stage(tmp_path / "01_captions", finetune_train=table, finetune_eval=table)
    return folder / "finetune_train.parquet", folder / "finetune_eval.parquet"


def test_a_finetuned_arm_is_a_plain_checkpoint_with_a_card_and_a_log(splits, tiny_profile, tmp_path):
    folder = finetune("ft_tags", *splits, tmp_path / "02_models", Recipe.of(tiny_profile))
    assert folder == tmp_path / "02_models" / "ft_tags"
    assert load_tokenizer(str(folder)).eos_token == "<eos>"
    assert load_language_model(str(folder)).config.num_hidden_layers == 4
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "Captions: 6 from `embedded`" in card and "first 2 layers" in card and "| epochs | 1 |" in card
    assert "| epoch | step | held-out loss | perplexity |" in card
    log = pd.read_parquet(folder / "training_log.parquet")
    names = "step epoch tokens loss eval_loss eval_perplexity learning_rate tokens_per_second peak_memory_mb"
    assert log.columns.tolist() == names.split()
    left = [*folder.glob("checkpoint-*"), *folder.glob("*.bin")]
    assert left == [], "what a finished training no longer needs only takes space"


def test_a_finished_arm_is_not_trained_again(splits, tiny_profile, tmp_path, monkeypatch):
    folder = finetune("ft", *splits, tmp_path / "02_models", Recipe.of(tiny_profile))
    written = (folder / "model.safetensors").stat().st_mtime_ns
    monkeypatch.setattr(finetuning, "Trainer", None)  # training again would raise
    assert finetune("ft", *splits, tmp_path / "02_models", Recipe.of(tiny_profile)) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written


def test_too_many_frozen_layers_are_refused(splits, tiny_profile, tmp_path):
    language_model = tiny_profile.language_model.model_copy(update={"frozen_layers": 42})
    profile = tiny_profile.model_copy(update={"language_model": language_model})
    with pytest.raises(ModelError, match="frozen_layers is 42"):
        finetune("ft", *splits, tmp_path / "02_models", Recipe.of(profile))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_frozen_weights_are_those_of_the_base_model(precision, splits, tiny_profile, tmp_path):
    """bf16 training rounds frozen weights while it runs; the checkpoint must not hold the rounding."""
    settings = tiny_profile.finetuning.model_copy(update={"precision": precision})
    profile = tiny_profile.model_copy(update={"finetuning": settings})
    folder = finetune("ft_tags", *splits, tmp_path / "02_models", Recipe.of(profile))
    base = load_language_model(tiny_profile.language_model.model).half().state_dict()
    tuned = load_language_model(str(folder)).half().state_dict()
    changed = {name for name in base if not torch.equal(base[name], tuned[name])}
    assert changed and all(name.split(".")[2] in ("2", "3") or "ln_f" in name for name in changed)


def test_every_step_is_told(splits, tiny_profile, tmp_path):
    steps = []
    finetune("ft", *splits, tmp_path / "02_models", Recipe.of(tiny_profile), on_step=steps.append)
    log = pd.read_parquet(tmp_path / "02_models" / "ft" / "training_log.parquet")
    assert [row["step"] for row in steps] == log["step"].tolist()[1:]


def test_an_unknown_arm_is_refused_before_any_work(splits, tiny_profile, tmp_path):
    with pytest.raises(C2IError, match="'base' cannot be finetuned: use ft, ft_tags, ft_topic, ft_good, held_out"):
        finetune("base", *splits, tmp_path / "02_models", Recipe.of(tiny_profile))


def test_tensorboard_gets_the_log_where_it_is_installed(splits, tiny_profile, tmp_path, monkeypatch):
    written = []

    class SummaryWriter:
        def __init__(self, folder):
            self.folder = folder

        def __enter__(self):
            return self

        def __exit__(self, *error):
            written.append("closed")

        def add_scalar(self, name, value, step):
            written.append((name, step))

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=SummaryWriter))
    finetune("ft", *splits, tmp_path / "02_models", Recipe.of(tiny_profile))
    assert {("loss", 1), ("learning_rate", 1)} < set(written) and written[-1] == "closed"


def test_without_tensorboard_training_goes_on(splits, tiny_profile, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # importing it raises ImportError
    folder = finetune("ft", *splits, tmp_path / "02_models", Recipe.of(tiny_profile))
    assert not (folder / "tensorboard").exists() and (folder / "model.safetensors").is_file()


def test_an_arm_that_keeps_its_states_is_the_same_arm_and_says_where_they_are(
    splits, tiny_profile, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("C2I_CACHE", str(tmp_path / "cache"))
    settings = tiny_profile.finetuning.model_copy(update={"keep_states": True})
    keeping = tiny_profile.model_copy(update={"finetuning": settings})
    kept = finetune("ft", *splits, tmp_path / "kept" / "02_models", Recipe.of(keeping))
    assert str(tmp_path / "cache") in capsys.readouterr().out
    assert list((tmp_path / "cache").rglob("prefix_cache.finished"))
    plain = finetune("ft", *splits, tmp_path / "plain" / "02_models", Recipe.of(tiny_profile))
    first, second = (load_file(folder / "model.safetensors") for folder in (kept, plain))
    assert all(torch.allclose(first[name], second[name], atol=1e-3) for name in first)  # kept in fp16


@pytest.fixture
def captions(write_stage, tmp_path):
    """The folder of stage 01; nine captions to mine, of which the first six are as many as there are to train on."""
    train = pd.DataFrame({"caption_id": [f"caption-{n}" for n in range(6)], "text": CAPTIONS})
    mining = [
        f"{kind} of {thing}" for kind in ("photo", "icon", "drawing") for thing in ("a lamp", "two boats", "sand")
    ]
    mining = pd.DataFrame({"caption_id": [f"mined-{n}" for n in range(9)], "text": mining})
    return write_stage(tmp_path / "01_captions", finetune_train=train, finetune_eval=train, mining=mining)


def with_settings(profile, **settings):
    return profile.model_copy(update={"finetuning": profile.finetuning.model_copy(update=settings)})


def same_weights(first, second):
    one, other = (load_file(folder / "model.safetensors") for folder in (first, second))
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def several(tiny_profile):
    """Two models of two arms, and the held-out one, that learn enough to differ."""
    return with_settings(tiny_profile, arms=("ft", "ft_tags"), n_seeds=2, learning_rate=1e-2, precision="fp32")


def test_every_model_of_every_arm_is_trained_and_differs_by_its_seed(captions, several, tmp_path):
    folders = finetune_all(captions, tmp_path / "02_models", Recipe.of(several))
    assert list(folders) == ["ft", "ft_tags", "ft_2", "ft_tags_2", "held_out"]
    assert {name: folder.name for name, folder in folders.items()} == {name: name for name in folders}
    for arm in ("ft", "ft_tags"):
        assert not same_weights(folders[arm], folders[f"{arm}_2"])
    assert (folders["ft_2"] / "README.md").read_text(encoding="utf-8").startswith("# ft_2: ")


def test_finished_models_are_not_trained_again_when_there_are_to_be_more(captions, several, tmp_path):
    trained = []

    def observe(name):
        return lambda row: trained.append(name)

    one = with_settings(several, n_seeds=1, held_out_model=False)
    first = finetune_all(captions, tmp_path / "02_models", Recipe.of(one), observe)
    assert list(dict.fromkeys(trained)) == list(first) == ["ft", "ft_tags"]
    trained.clear()
    more = with_settings(several, held_out_model=False)
    finetune_all(captions, tmp_path / "02_models", Recipe.of(more), observe)
    assert list(dict.fromkeys(trained)) == ["ft_2", "ft_tags_2"]
    trained.clear()
    finetune_all(captions, tmp_path / "02_models", Recipe.of(more), observe)
    assert trained == []


def test_the_held_out_model_trains_on_as_many_captions_as_the_arms_and_on_none_of_theirs(
    captions, several, tmp_path, write_stage
):
    profile = with_settings(several, arms=("ft_tags",), n_seeds=1)
    folders = finetune_all(captions, tmp_path / "02_models", Recipe.of(profile))
    assert "Captions: 6 from" in (folders["held_out"] / "README.md").read_text(encoding="utf-8")
    assert not same_weights(folders["held_out"], folders["ft_tags"])
    six = write_stage(tmp_path / "six" / "01_captions", six=pd.read_parquet(captions / "mining.parquet").head(6))
    places = (six / "six.parquet", captions / "finetune_eval.parquet", tmp_path / "six" / "02_models")
    assert same_weights(folders["held_out"], finetune("held_out", *places, Recipe.of(profile)))


def test_a_model_that_the_profile_does_not_ask_for_is_refused(splits, several, tmp_path):
    with pytest.raises(C2IError, match="'ft_3' cannot be finetuned: use ft, ft_tags, ft_2, ft_tags_2, held_out"):
        finetune("ft_3", *splits, tmp_path / "02_models", Recipe.of(several))


QUALITIES = [0.0, 1.0, 0.0, np.nan, 0.5, 1.0]


def test_ft_good_keeps_the_borders_of_its_tags_beside_its_weights(write_stage, tiny_profile, tmp_path):
    table = pd.DataFrame({"caption_id": [f"caption-{n}" for n in range(6)], "text": CAPTIONS, "quality": QUALITIES})
    folder = write_stage(tmp_path / "01_captions", finetune_train=table, finetune_eval=table)
    splits = folder / "finetune_train.parquet", folder / "finetune_eval.parquet"
    model = finetune("ft_good", *splits, tmp_path / "02_models", Recipe.of(tiny_profile))
    assert read_terciles(model) == terciles_of(table) == Terciles(0.0, 1.0)


@pytest.mark.parametrize(
    ("qualities", "found"), [(None, "missing in all"), ([np.nan] * 6, "missing in all"), ([2.0] * 6, "all the same")]
)
def test_ft_good_of_captions_without_quality_is_refused_before_any_arm_trains(
    qualities, found, write_stage, tiny_profile, tmp_path
):
    """With a way out: the column that is missing, or the lists to take the arm from."""
    table = pd.DataFrame({"caption_id": [f"caption-{n}" for n in range(6)], "text": CAPTIONS})
    table = table if qualities is None else table.assign(quality=qualities)
    folder = write_stage(tmp_path / "01_captions", finetune_train=table, finetune_eval=table, mining=table)
    profile = with_settings(tiny_profile, arms=("ft", "ft_good"))
    with pytest.raises(C2IError, match=rf"ft_good learns from .* {found} .*captions\.quality_column.*survey\.arms"):
        finetune_all(folder, tmp_path / "02_models", Recipe.of(profile))
    assert not (tmp_path / "02_models").exists()
