"""Tiny real models, small profiles, and one run of the smoke profile that several test files share."""

import os
import subprocess

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "Agg"

import shutil
from pathlib import Path

import pytest
import torch

from c2i_lib.cli import main
from c2i_lib.config import load_profile
from c2i_lib.files import write_table
from c2i_lib.stage import Stage

CAPTIONS = (
    "a red bicycle, flat vector icon",
    "illustration of a cat on a white background",
    "blurry photo of a house",
    "a dog next to a tree, crisp lines",
    "grainy picture of an old guitar",
    "cute penguin cartoon, vector art",
)
N_LAYERS = 4


def make_tokenizer():
    """A byte-level BPE with its own bos and eos, learned from six captions."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<bos>", "<eos>"], initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(CAPTIONS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<bos>", eos_token="<eos>", pad_token="<eos>", model_max_length=16
    )


@pytest.fixture(scope="session")
def tiny_tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="session")
def tiny_language_model(tmp_path_factory, tiny_tokenizer) -> Path:
    """Folder of a random GPT-2 (4 layers, 32 wide) and its tokenizer."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tiny_tokenizer), n_embd=32, n_layer=N_LAYERS, n_head=4, n_positions=128, initializer_range=0.2
    )
    folder = tmp_path_factory.mktemp("language_model")
    GPT2LMHeadModel(config).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


def make_tti(folder: Path, tokenizer) -> Path:
    """Save a random ``StableDiffusionPipeline`` for 16 x 16 pixels in ``folder``."""
    from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    small = dict(hidden_size=32, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4)
    ids = dict(vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=4,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        sample_size=16,
    )
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(CLIPTextConfig(max_position_embeddings=16, **small, **ids)),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DPMSolverMultistepScheduler(prediction_type="v_prediction", steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_tti(tmp_path_factory, tiny_tokenizer) -> Path:
    return make_tti(tmp_path_factory.mktemp("tti"), tiny_tokenizer)


@pytest.fixture(scope="session")
def tiny_profile(tiny_language_model, tiny_tti):
    """The smoke profile with the tiny models."""
    overrides = {
        "language_model.model": str(tiny_language_model),
        "language_model.frozen_layers": 2,
        "images.model": str(tiny_tti),
        "images.size": 16,
        "images.steps": 3,
        "images.batch_size": 4,
    }
    return load_profile("smoke", overrides)


@pytest.fixture
def write_stage():
    """A function that writes tables as a finished stage, whose files pass the check of inputs."""

    def write(folder: Path, **tables) -> Path:
        with Stage(folder, {}) as stage:
            assert not stage.done
            for name, table in tables.items():
                write_table(folder / f"{name}.parquet", table)
        return folder

    return write


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory) -> Path:
    """Folder of one whole run of the smoke profile, through the command line. Do not change it: use ``run_copy``."""
    folder = tmp_path_factory.mktemp("smoke") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")  # as in JupyterLab
        assert main(["run", "--profile", "smoke", "--run-dir", str(folder)]) == 0
    return folder


@pytest.fixture
def run_copy(smoke_run, tmp_path) -> Path:
    """A copy of the smoke run. Files are hard links: delete a file before you write another in its place."""
    return Path(shutil.copytree(smoke_run, tmp_path / "run", copy_function=os.link))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 56 MB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=56m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this test needs the right to mount a small file system: {error}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks for groups
def pytest_collection_modifyitems(items):
    """Tests of the whole run share it, so that one of several workers makes it and runs them all."""
    for item in items:
        if {"smoke_run", "run_copy"} & set(item.fixturenames):
            item.add_marker(pytest.mark.xdist_group("run"))
