"""Rendering: reproducible, resumable, and honest about pictures that went wrong."""

import json
import math
from collections import namedtuple

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import make_tti

from c2i_lib.errors import ModelError
from c2i_lib.images import (
    flag,
    generate_images,
    image_seed,
    load_pipeline,
    read_images,
    read_metadata,
    render,
    save_png,
)

PROMPTS = ["a red bicycle", "a cat", "blurry photo of an old house", "a dog next to a tree, flat vector icon", "x"]
SEEDS = [1, 2, 3, 4, 5]


@pytest.fixture(scope="module")
def settings(tiny_profile):
    return tiny_profile.images


@pytest.fixture(scope="module")
def pipeline(settings):
    return load_pipeline(settings)


def test_an_image_does_not_depend_on_its_batch(pipeline, settings):
    images = [
        render(pipeline, PROMPTS, SEEDS, settings.model_copy(update={"batch_size": batch_size}))
        for batch_size in (1, 2, 5)
    ]
    for other in images[1:]:
        np.testing.assert_allclose(images[0], other, atol=1e-4)
    assert np.abs(images[0][0] - images[0][1]).max() > 0.1


def test_an_image_depends_on_its_seed(pipeline, settings):
    one, same, other = render(pipeline, ["a cat"] * 3, [1, 1, 2], settings)
    np.testing.assert_allclose(one, same, atol=1e-4)
    assert np.abs(one - other).max() > 0.1
    assert one.shape == (16, 16, 3) and one.min() >= 0 and one.max() <= 1


def test_the_scheduler_keeps_the_models_prediction_type(pipeline):
    assert type(pipeline.scheduler).__name__ == "DPMSolverMultistepScheduler"
    assert pipeline.scheduler.config.prediction_type == "v_prediction"


def test_a_model_that_is_not_there_is_a_model_error(settings, tmp_path):
    with pytest.raises(ModelError, match="nowhere"):
        load_pipeline(settings.model_copy(update={"model": str(tmp_path / "nowhere")}))


@pytest.mark.parametrize(
    ("pixels", "expected"), [(math.nan, "nan"), (math.inf, "nan"), (0.5, "blank"), (0.0, "blank"), (None, "")]
)
def test_flag_names_what_is_wrong(pixels, expected):
    image = np.random.default_rng(0).random((8, 8, 3)).astype(np.float32)
    if pixels is not None and math.isfinite(pixels):
        image[:] = pixels
    elif pixels is not None:
        image[3, 4, 1] = pixels
    assert flag(image) == expected


def test_metadata_and_pixels_survive_the_png(tmp_path):
    image = np.random.default_rng(0).random((8, 8, 3))
    metadata = {"prompt": 'a "café" ☕, 50 %\nflat', "seed": 2**31 - 1, "flagged": "", "revision": None}
    save_png(image, tmp_path / "image.png", metadata)
    assert read_metadata(tmp_path / "image.png") == metadata
    assert np.abs(read_images([tmp_path / "image.png"])[0] / 255 - image).max() <= 0.5 / 255 + 1e-9


def test_nan_pixels_are_saved_as_black(tmp_path):
    image = np.full((4, 4, 3), 0.5)
    image[0, 0] = math.nan
    save_png(image, tmp_path / "image.png", {})
    assert read_images([tmp_path / "image.png"])[0, 0, 0].tolist() == [0, 0, 0]


def test_only_whole_pictures_of_ours_have_metadata(tmp_path):
    from PIL import Image

    path = tmp_path / "image.png"
    assert read_metadata(path) is None
    Image.new("RGB", (8, 8)).save(path)
    assert read_metadata(path) is None
    save_png(np.random.default_rng(0).random((64, 64, 3)), path, {"seed": 1})
    whole = path.read_bytes()
    for n_bytes in (0, 5, 60, len(whole) // 2, len(whole) - 200):
        path.write_bytes(whole[:n_bytes])
        assert read_metadata(path) is None, n_bytes


@pytest.fixture
def prompts_file(write_stage, tmp_path):
    rows = [
        (f"base-{n}", "base", "cat", n, seed, text) for n, (seed, text) in enumerate(zip(SEEDS, PROMPTS, strict=True))
    ]
    table = pd.DataFrame(rows, columns=["prompt_id", "arm", "concept", "sample", "seed", "text"])
    return write_stage(tmp_path / "04_prompts", prompts=table) / "prompts.parquet"


def written_at(folder) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.png")}


def test_every_prompt_gets_its_picture_and_its_metadata(prompts_file, tmp_path, tiny_profile):
    table = generate_images(prompts_file, tmp_path / "05_images", tiny_profile)
    assert table.columns.tolist() == ("image_id prompt_id arm concept sample prompt seed path sha256 flagged".split())
    assert table["prompt"].tolist() == PROMPTS
    assert table["seed"].is_unique
    metadata = read_metadata(tmp_path / "05_images" / table["path"][2])
    expected = {"prompt": PROMPTS[2], "seed": table["seed"][2], "steps": 3, "guidance": 4.0, "size": 16, "flagged": ""}
    assert expected.items() <= metadata.items()
    assert metadata["model"] == tiny_profile.images.model and metadata["profile"] == "smoke"


def test_arms_are_compared_under_equal_noise(tiny_profile):
    row = namedtuple("Row", "arm concept sample seed")
    assert image_seed(row("ft", "cat", 0, 1), tiny_profile) == image_seed(row("base", "cat", 0, 2), tiny_profile)
    assert image_seed(row("ft", "cat", 0, 1), tiny_profile) != image_seed(row("ft", "cat", 1, 1), tiny_profile)


def test_only_missing_and_changed_pictures_are_rendered_again(prompts_file, tmp_path, tiny_profile):
    """One picture is gone, one no longer matches the record; the other three must not be touched."""
    folder = tmp_path / "05_images"
    before = generate_images(prompts_file, folder, tiny_profile)
    times = written_at(folder)
    (folder / "base-1.png").unlink()
    record = json.loads((folder / "stage.json").read_text(encoding="utf-8"))
    record["outputs"]["base-3.png"] = "0" * 64
    (folder / "stage.json").write_text(json.dumps(record), encoding="utf-8")

    after = generate_images(prompts_file, folder, tiny_profile)
    changed = {name for name, time in written_at(folder).items() if times[name] != time}
    assert changed == {"base-1.png", "base-3.png"}
    pixels = [read_images(folder / name for name in table["path"]) for table in (before, after)]
    assert np.abs(pixels[0].astype(int) - pixels[1].astype(int)).max() <= 1


def test_a_killed_run_goes_on_where_it_was_and_renders_truncated_pictures_again(prompts_file, tmp_path, tiny_profile):
    folder = tmp_path / "05_images"
    generate_images(prompts_file, folder, tiny_profile)
    times = written_at(folder)
    (folder / "stage.json").unlink()
    truncated = folder / "base-0.png"
    truncated.write_bytes(truncated.read_bytes()[:100])

    generate_images(prompts_file, folder, tiny_profile)
    assert {name for name, time in written_at(folder).items() if times[name] != time} == {"base-0.png"}
    assert read_metadata(truncated) is not None


def test_other_settings_render_everything_again(prompts_file, tmp_path, tiny_profile):
    folder = tmp_path / "05_images"
    generate_images(prompts_file, folder, tiny_profile)
    times = written_at(folder)
    images = tiny_profile.images.model_copy(update={"steps": 2})
    generate_images(prompts_file, folder, tiny_profile.model_copy(update={"images": images}))
    assert all(time != times[name] for name, time in written_at(folder).items())
    assert read_metadata(folder / "base-0.png")["steps"] == 2


def test_another_batch_size_renders_nothing_again(prompts_file, tmp_path, tiny_profile):
    folder = tmp_path / "05_images"
    generate_images(prompts_file, folder, tiny_profile)
    times = written_at(folder)
    images = tiny_profile.images.model_copy(update={"batch_size": 1})
    generate_images(prompts_file, folder, tiny_profile.model_copy(update={"images": images}))
    assert written_at(folder) == times


def test_pictures_of_a_broken_model_are_kept_and_flagged(prompts_file, tmp_path, tiny_profile, tiny_tokenizer):
    """As half precision does on some GPUs: the whole picture is NaN."""
    from diffusers import UNet2DConditionModel

    broken = make_tti(tmp_path / "broken", tiny_tokenizer)
    unet = UNet2DConditionModel.from_pretrained(broken / "unet")
    with torch.no_grad():
        unet.conv_out.weight.fill_(math.nan)
    unet.save_pretrained(broken / "unet")
    images = tiny_profile.images.model_copy(update={"model": str(broken)})
    folder = tmp_path / "05_images"
    table = generate_images(prompts_file, folder, tiny_profile.model_copy(update={"images": images}))
    assert table["flagged"].eq("nan").all()
    assert read_metadata(folder / "base-0.png")["flagged"] == "nan"
    assert read_images([folder / "base-0.png"]).max() == 0
