"""PNG files: they say how they were made, notice damage, and give the command that makes them again."""

import math
import shlex

import numpy as np
import pytest
from closeness_of_pictures import assert_same_pictures
from PIL import Image

from c2i_lib.cli import main
from c2i_lib.errors import C2IError
from c2i_lib.run import pipeline
from c2i_lib.stages.images import (
    describe,
    generate_images,
    generation_parameters,
    picture_metadata,
    read_images,
    read_metadata,
    save_png,
)


@pytest.fixture
def metadata(tiny_profile):
    own = {"prompt": "a cat, flat", "concept": "a cat", "arm": "ft", "sample": 1, "prompt_seed": 3, "seed": 4}
    command = ["imagine", "a cat", "--arm", "ft", "-n", "2", "--seed", "7"]
    return picture_metadata(tiny_profile.images, "smoke", command, **own, flagged="")


def picture(size=8):
    return np.random.default_rng(0).random((size, size, 3))


def test_metadata_and_pixels_survive_the_png(tmp_path):
    metadata = {"prompt": 'a "café" ☕, 50 %\nflat', "seed": 2**31 - 1, "flagged": "", "revision": None}
    save_png(picture(), tmp_path / "image.png", metadata)
    assert read_metadata(tmp_path / "image.png") == metadata
    assert np.abs(read_images([tmp_path / "image.png"])[0] / 255 - picture()).max() <= 0.5 / 255 + 1e-9


def test_other_tools_read_how_a_picture_was_made(tmp_path, metadata):
    """The chunk ``parameters``, as Automatic1111's web UI writes it: its last line is parsed by commas."""
    settings = {"steps": 8, "scheduler": "euler_a", "guidance": 7.5, "size": 512, "model": "somebody/sd, turbo"}
    save_png(
        picture(), tmp_path / "a.png", metadata | settings | {"prompt": "café ☕", "negative_prompt": "blurry, dark"}
    )
    lines = Image.open(tmp_path / "a.png").info["parameters"].splitlines()
    last = 'Steps: 8, Sampler: Euler a, CFG scale: 7.5, Seed: 4, Size: 512x512, Model: "sd, turbo"'
    assert lines == ["café ☕", "Negative prompt: blurry, dark", last]
    plain = generation_parameters(metadata | settings | {"scheduler": "dpm++", "model": "embedded:scenes"})
    assert plain.splitlines()[1:] == [last.replace("Euler a", "DPM++ 2M").replace('"sd, turbo"', "embedded-scenes")]


def test_a_picture_of_which_little_is_known_has_no_parameters(tmp_path):
    save_png(picture(), tmp_path / "a.png", {"prompt": "a cat", "seed": 1})
    assert "parameters" not in Image.open(tmp_path / "a.png").info


def test_lists_and_tables_are_described_in_words(tmp_path, metadata):
    save_png(
        picture(), tmp_path / "a.png", metadata | {"notes": ["cut off: tree", "b"], "added": {"flat": "your style"}}
    )
    lines = describe(tmp_path / "a.png").splitlines()
    assert f"{'notes':<16} cut off: tree; b" in lines and f"{'added':<16} flat: your style" in lines


def test_nan_pixels_are_saved_as_black(tmp_path):
    image = np.full((4, 4, 3), 0.5)
    image[0, 0] = math.nan
    save_png(image, tmp_path / "image.png", {})
    assert read_images([tmp_path / "image.png"])[0, 0, 0].tolist() == [0, 0, 0]


def test_only_whole_pictures_of_ours_have_metadata(tmp_path):
    path = tmp_path / "image.png"
    assert read_metadata(path) is None
    Image.new("RGB", (8, 8)).save(path)
    assert read_metadata(path) is None
    save_png(picture(64), path, {"seed": 1})
    whole = path.read_bytes()
    for n_bytes in (0, 5, 60, len(whole) // 2, len(whole) - 200):
        path.write_bytes(whole[:n_bytes])
        assert read_metadata(path) is None, n_bytes


def test_no_changed_byte_goes_unnoticed(tmp_path):
    """Either the file no longer opens, or its hash differs, or pixels and text are what they were."""
    path = tmp_path / "image.png"
    save_png(picture(), path, {"seed": 1})
    whole, pixels = path.read_bytes(), read_images([path])
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        found = read_metadata(path)
        assert found is None or (found == {"seed": 1} and np.array_equal(read_images([path]), pixels)), place


def test_a_description_names_everything_and_the_command(tmp_path, metadata, tiny_profile):
    save_png(picture(), tmp_path / "a.png", metadata | {"negative_prompt": "blurry"})
    text = describe(tmp_path / "a.png", tmp_path / "my run")
    parts = ("prompt", "negative prompt  blurry", "concept", "arm", "prompt seed", "seed", tiny_profile.images.model)
    assert all(part in text for part in (*parts, "scheduler", "steps", "guidance", "precision", "profile", "torch"))
    place = ["--profile", f"{tmp_path}/my run/profile.yaml", "--run-dir", f"{tmp_path}/my run"]
    assert shlex.split(text.splitlines()[-1]) == ["python", "-m", "c2i_lib", *metadata["command"], *place]
    assert describe(tmp_path / "a.png").splitlines()[-1].endswith("--seed 7 --profile smoke")


def test_a_picture_of_a_run_finds_its_run(tmp_path, metadata):
    folder = tmp_path / "run" / "05_images"
    save_png(picture(), folder / "a.png", metadata | {"command": ["run", "--from", "5", "--to", "5"]})
    (folder.parent / "profile.yaml").write_text("name: smoke", encoding="utf-8")
    run = folder.parent
    arguments = ["run", "--from", "5", "--to", "5", "--profile", f"{run}/profile.yaml", "--run-dir", str(run)]
    command = shlex.split(describe(folder / "a.png").splitlines()[-1])
    assert command == ["python", "-m", "c2i_lib", *arguments]


def test_a_foreign_picture_is_refused(tmp_path, capfd):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(C2IError, match="not a picture that c2i made"):
        describe(tmp_path / "a.png")
    assert main(["status", "--image", str(tmp_path / "a.png")]) == 1
    assert "not a picture that c2i made" in capfd.readouterr().err


@pytest.mark.notebooks
def test_the_command_of_a_picture_makes_it_again(smoke_run, tmp_path, capfd):
    run = ["--profile", "smoke", "--run-dir", str(smoke_run)]
    imagine = ["imagine", "red bicycle", *run, "--arm", "concept_only", "-n", "3", "--seed", "5"]
    assert main([*imagine, "--out", str(tmp_path / "first")]) == 0
    wanted = next((tmp_path / "first").glob("red_bicycle-concept_only-1-*.png"))
    capfd.readouterr()
    assert main(["status", "--image", str(wanted)]) == 0, "it knows its run"
    command = shlex.split(capfd.readouterr().out.strip().splitlines()[-1])
    assert command[:3] == ["python", "-m", "c2i_lib"]
    assert main([*command[3:], "--out", str(tmp_path / "again")]) == 0
    again = tmp_path / "again" / wanted.name
    assert_same_pictures([wanted], [again])  # of a batch of two, and before of three
    assert read_metadata(again) == read_metadata(wanted)


@pytest.mark.notebooks
def test_the_command_of_a_runs_picture_makes_it_again(run_copy, capfd, monkeypatch):
    """The notebook that it executes is stood in for by what the notebook asks of its stage."""
    executed = []

    def execute(run, number, profile, overrides):
        executed.append(number)
        settings = run.profile
        place = (run.folder(4) / "prompts.parquet", run.folder(5))
        generate_images(*place, settings.images, settings.seed, settings.name)

    monkeypatch.setattr(pipeline, "execute", execute)
    wanted = sorted((run_copy / "05_images").glob("*.png"))[3]
    pixels, metadata = read_images([wanted]), read_metadata(wanted)
    assert main(["status", "--image", str(wanted)]) == 0
    command = shlex.split(capfd.readouterr().out.strip().splitlines()[-1])
    wanted.unlink()
    assert main(command[3:]) == 0 and executed == [5]
    assert_same_pictures([wanted], pixels)  # alone in its batch
    assert read_metadata(wanted) == metadata
