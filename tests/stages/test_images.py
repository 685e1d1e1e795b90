"""Stage 05: resumable, shared by processes, and honest about pictures that went wrong."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch
import yaml
from closeness_of_pictures import assert_same_pictures
from launching import launch_two
from tiny_models import make_tti

from c2i_lib.run.places import open_run
from c2i_lib.stages.evaluation.scores import sound_images
from c2i_lib.stages.images import IMAGE_COLUMNS, generate_images, image_seed, read_images, read_metadata, save_png

PROMPTS = ["a red bicycle", "a cat", "blurry photo of an old house", "a dog next to a tree, flat vector icon", "x"]
SEEDS = [1, 2, 3, 4, 5]


def prompts_table(seeds, texts):
    """Prompts of one arm for one concept, none of them explicit."""
    rows = [(f"base-{n}", n, seed, text) for n, (seed, text) in enumerate(zip(seeds, texts, strict=True))]
    table = pd.DataFrame(rows, columns=["prompt_id", "sample", "seed", "text"])
    return table.assign(arm="base", replicate=1, concept="cat", explicit=False)


@pytest.fixture
def prompts_file(write_stage, tmp_path):
    return write_stage(tmp_path / "04_prompts", prompts=prompts_table(SEEDS, PROMPTS)) / "prompts.parquet"


def render_all(prompts_file, folder, profile):
    return generate_images(prompts_file, folder, profile.images, profile.seed, profile.name)


def written_at(folder) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.png")}


def test_every_prompt_gets_its_picture_and_its_metadata(prompts_file, tmp_path, tiny_profile):
    table = render_all(prompts_file, tmp_path / "05_images", tiny_profile)
    assert table.columns.tolist() == list(IMAGE_COLUMNS)
    assert table["prompt"].tolist() == PROMPTS
    assert table["seed"].is_unique
    metadata = read_metadata(tmp_path / "05_images" / table["path"][2])
    expected = {
        "prompt": PROMPTS[2],
        "seed": table["seed"][2],
        "prompt_seed": SEEDS[2],
        "arm": "base",
        "replicate": 1,
        "concept": "cat",
    }
    expected |= {"steps": 3, "guidance": 3.0, "size": 16, "negative_prompt": "", "precision": "fp32", "flagged": ""}
    expected |= {"scheduler": "dpm++", "scheduler_class": "DPMSolverMultistepScheduler", "revision": None}
    assert expected.items() <= metadata.items()
    assert metadata["model"] == tiny_profile.images.model and metadata["profile"] == "smoke"
    assert metadata["versions"]["torch"] == torch.__version__


def test_pictures_of_explicit_prompts_are_flagged_and_no_judge_sees_them(write_stage, tmp_path, tiny_profile):
    table = prompts_table(SEEDS, PROMPTS).assign(explicit=[False, True, False, True, False])
    file = write_stage(tmp_path / "04_prompts", prompts=table) / "prompts.parquet"
    folder = tmp_path / "05_images"
    for _ in range(2):  # the second time from the pictures' own metadata
        found = render_all(file, folder, tiny_profile)
        assert found["flagged"].tolist() == ["", "explicit", "", "explicit", ""]
        assert read_metadata(folder / "base-1.png")["flagged"] == "explicit"
        (folder / "images.parquet").unlink()
        (folder / "stage.json").unlink()
    render_all(file, folder, tiny_profile)
    assert sound_images(folder / "images.parquet")["image_id"].tolist() == ["base-0", "base-2", "base-4"]


def test_models_of_an_arm_share_noise_and_have_pictures_of_their_own(write_stage, tmp_path, tiny_profile):
    table = pd.concat([prompts_table([1, 2], PROMPTS[:2]), prompts_table([1, 2], PROMPTS[2:4])], ignore_index=True)
    table = table.assign(replicate=[1, 1, 2, 2], prompt_id=["ft-0", "ft-1", "ft_2-0", "ft_2-1"], arm="ft")
    file = write_stage(tmp_path / "04_prompts", prompts=table) / "prompts.parquet"
    found = render_all(file, tmp_path / "05_images", tiny_profile)
    assert found["replicate"].tolist() == [1, 1, 2, 2] and found["image_id"].is_unique
    assert found["seed"].tolist()[:2] == found["seed"].tolist()[2:]
    assert found["sha256"].nunique() == 4
    assert read_metadata(tmp_path / "05_images" / "ft_2-1.png")["replicate"] == 2


def test_arms_are_compared_under_equal_noise(write_stage, tmp_path, tiny_profile):
    table = pd.concat([prompts_table([1, 2], PROMPTS[:2]), prompts_table([3, 4], PROMPTS[2:4])], ignore_index=True)
    table = table.assign(arm=["ft", "ft", "base", "base"], prompt_id=["ft-0", "ft-1", "base-0", "base-1"])
    file = write_stage(tmp_path / "04_prompts", prompts=table) / "prompts.parquet"
    seeds = render_all(file, tmp_path / "05_images", tiny_profile)["seed"].tolist()
    assert seeds[:2] == seeds[2:] == [image_seed(tiny_profile.seed, "cat", sample) for sample in (0, 1)]
    others = {image_seed(7, "cat", 0), image_seed(7, "cat", 1), image_seed(7, "dog", 0), image_seed(8, "cat", 0)}
    assert len(others) == 4


def test_only_missing_and_changed_pictures_are_rendered_again(prompts_file, tmp_path, tiny_profile):
    """One picture is gone, one no longer matches the record; the other three must not be touched.

    The two are rendered in a batch of two, not of four.
    """
    folder = tmp_path / "05_images"
    before = render_all(prompts_file, folder, tiny_profile)
    times, pixels = written_at(folder), read_images(folder / name for name in before["path"])
    (folder / "base-1.png").unlink()
    record = json.loads((folder / "stage.json").read_text(encoding="utf-8"))
    record["outputs"]["base-3.png"] = "0" * 64
    (folder / "stage.json").write_text(json.dumps(record), encoding="utf-8")

    after = render_all(prompts_file, folder, tiny_profile)
    changed = {name for name, time in written_at(folder).items() if times[name] != time}
    assert changed == {"base-1.png", "base-3.png"}
    assert_same_pictures(read_images(folder / name for name in after["path"]), pixels)
    assert before.drop(columns="sha256").equals(after.drop(columns="sha256"))


def test_a_killed_run_goes_on_where_it_was_and_renders_truncated_pictures_again(prompts_file, tmp_path, tiny_profile):
    folder = tmp_path / "05_images"
    render_all(prompts_file, folder, tiny_profile)
    times = written_at(folder)
    (folder / "stage.json").unlink()
    truncated = folder / "base-0.png"
    truncated.write_bytes(truncated.read_bytes()[:100])

    render_all(prompts_file, folder, tiny_profile)
    assert {name for name, time in written_at(folder).items() if times[name] != time} == {"base-0.png"}
    assert read_metadata(truncated) is not None


def test_the_same_batches_give_the_same_bytes(prompts_file, tmp_path, tiny_profile):
    """Made again from nothing, on the same machine, by the same versions."""
    first, second = (render_all(prompts_file, tmp_path / name / "05_images", tiny_profile) for name in "ab")
    pd.testing.assert_frame_equal(first, second)
    assert first["sha256"].is_unique


def test_other_settings_render_everything_again(prompts_file, tmp_path, tiny_profile):
    folder = tmp_path / "05_images"
    render_all(prompts_file, folder, tiny_profile)
    times = written_at(folder)
    images = tiny_profile.images.model_copy(update={"steps": 2})
    render_all(prompts_file, folder, tiny_profile.model_copy(update={"images": images}))
    assert all(time != times[name] for name, time in written_at(folder).items())
    assert read_metadata(folder / "base-0.png")["steps"] == 2


def test_another_batch_size_renders_nothing_again(prompts_file, tmp_path, tiny_profile):
    folder = tmp_path / "05_images"
    render_all(prompts_file, folder, tiny_profile)
    times = written_at(folder)
    images = tiny_profile.images.model_copy(update={"batch_size": 1})
    render_all(prompts_file, folder, tiny_profile.model_copy(update={"images": images}))
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
    table = render_all(prompts_file, folder, tiny_profile.model_copy(update={"images": images}))
    assert table["flagged"].eq("nan").all()
    assert read_metadata(folder / "base-0.png")["flagged"] == "nan"
    assert read_images([folder / "base-0.png"]).max() == 0


def test_damaged_and_mistaken_pictures_are_rendered_again(prompts_file, tmp_path, tiny_profile):
    """They open, so only their hash, or what they say about themselves, tells."""
    folder = tmp_path / "05_images"
    before = render_all(prompts_file, folder, tiny_profile)
    times, pixels = written_at(folder), read_images(folder / name for name in before["path"])
    (folder / "stage.json").unlink()  # as after a kill: no hashes of files are known
    metadata = read_metadata(folder / "base-1.png")
    other = read_images([folder / "base-1.png"])[0] / 255
    other[0, 0, 0] = 1 - other[0, 0, 0]
    save_png(other, folder / "changed.png", metadata)
    (folder / "base-1.png").write_bytes(with_text_of(folder / "base-1.png", folder / "changed.png"))
    (folder / "changed.png").unlink()
    assert read_images([folder / "base-1.png"])[0].shape == (16, 16, 3)
    shutil.copy(folder / "base-2.png", folder / "base-3.png")

    after = render_all(prompts_file, folder, tiny_profile)
    assert {name for name, time in written_at(folder).items() if times[name] != time} == {"base-1.png", "base-3.png"}
    assert_same_pictures(read_images(folder / name for name in after["path"]), pixels)


def with_text_of(text_from, pixels_from) -> bytes:
    """The bytes of a PNG with the pixels of one picture and the text of another."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("c2i", Image.open(text_from).info["c2i"])
    mixed = pixels_from.with_name("mixed.png")
    Image.open(pixels_from).save(mixed, pnginfo=info)
    content = mixed.read_bytes()
    mixed.unlink()
    return content


def make_run(folder, profile, write_stage, n=12):
    """A run of ``profile`` whose prompts are done, and the arguments that the command line wants."""
    folder.mkdir()
    source = folder.parent / "profile.yaml"
    source.write_text(yaml.safe_dump(profile.model_dump(mode="json")), encoding="utf-8")
    run = open_run(source, folder)
    table = prompts_table(range(n), [f"{PROMPTS[k % 5]} {k}" for k in range(n)])
    write_stage(run.folder(4), prompts=table)
    return run, ["-m", "c2i_lib", "images", "--profile", str(source), "--run-dir", str(folder)]


def assert_same_outputs(run, other) -> None:
    """The same files, whose pictures say the same about themselves and are the same; and the same table of them."""
    first, second = run.folder(5), other.folder(5)
    names = sorted(path.name for path in first.glob("*.png"))
    assert len(names) == 12 and names == sorted(path.name for path in second.glob("*.png"))
    assert_same_pictures((first / name for name in names), (second / name for name in names))
    for name in names:
        assert read_metadata(first / name) == read_metadata(second / name)
    tables = [pd.read_parquet(folder / "images.parquet").drop(columns="sha256") for folder in (first, second)]
    pd.testing.assert_frame_equal(*tables)


@pytest.fixture
def whole_run(tmp_path, tiny_profile, write_stage):
    """A run whose images were rendered by one process."""
    run, _ = make_run(tmp_path / "one", tiny_profile, write_stage)
    render_all(run.folder(4) / "prompts.parquet", run.folder(5), run.profile)
    return run


def test_two_processes_write_the_pictures_of_one(whole_run, tmp_path, tiny_profile, write_stage, monkeypatch):
    run, arguments = make_run(tmp_path / "two", tiny_profile, write_stage)
    done = subprocess.run([*launch_two(), *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert_same_outputs(run, whole_run)

    def load(settings):
        raise AssertionError("nothing was left to render")

    monkeypatch.setattr("c2i_lib.stages.images.load_pipeline", load)  # as notebook 05 afterwards
    assert len(render_all(run.folder(4) / "prompts.parquet", run.folder(5), run.profile)) == 12


def test_killed_it_goes_on_without_rendering_anything_twice(whole_run, tmp_path, tiny_profile, write_stage):
    slow = tiny_profile.images.model_copy(update={"batch_size": 1})
    run, arguments = make_run(tmp_path / "killed", tiny_profile.model_copy(update={"images": slow}), write_stage)
    folder = run.folder(5)
    process = subprocess.Popen([sys.executable, *arguments], stderr=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and len(list(folder.glob("base-*.png"))) < 3:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = {name: written for name, written in written_at(folder).items() if not name.startswith(".")}
    assert len(kept) >= 3
    render_all(run.folder(4) / "prompts.parquet", folder, run.profile)
    assert {name: written_at(folder)[name] for name in kept} == kept
    assert_same_outputs(run, whole_run)  # which were rendered in batches of four
