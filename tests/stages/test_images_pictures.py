"""PNG files: they say how they were made, notice damage, and give the command that makes them again."""

import math
import shlex

import numpy as np
import pytest
from PIL import Image

from c2i_lib.cli import main
from c2i_lib.errors import C2IError
from c2i_lib.stages.images import describe, picture_metadata, read_images, read_metadata, save_png


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
    command = f"python -m c2i_lib run --from 5 --to 5 --profile {run}/profile.yaml --run-dir {run}"
    assert describe(folder / "a.png").splitlines()[-1] == command


def test_a_foreign_picture_is_refused(tmp_path, capfd):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(C2IError, match="not a picture that c2i made"):
        describe(tmp_path / "a.png")
    assert main(["status", "--image", str(tmp_path / "a.png")]) == 1
    assert "not a picture that c2i made" in capfd.readouterr().err


@pytest.mark.notebooks
def test_the_command_of_a_picture_makes_it_again(smoke_run, tmp_path, capfd):
    run = ["--profile", "smoke", "--run-dir", str(smoke_run)]
    imagine = ["imagine", "red bicycle", *run, "--arm", "base", "-n", "3", "--seed", "5"]
    assert main([*imagine, "--out", str(tmp_path / "first")]) == 0
    wanted = tmp_path / "first" / "red_bicycle-base-5-1.png"
    capfd.readouterr()
    assert main(["status", "--image", str(wanted)]) == 0, "it knows its run"
    command = shlex.split(capfd.readouterr().out.strip().splitlines()[-1])
    assert command[:3] == ["python", "-m", "c2i_lib"]
    assert main([*command[3:], "--out", str(tmp_path / "again")]) == 0
    again = tmp_path / "again" / wanted.name
    assert np.array_equal(*(read_images([path]) for path in (wanted, again)))
    assert read_metadata(again) == read_metadata(wanted)


@pytest.mark.notebooks
def test_the_command_of_a_runs_picture_makes_it_again(run_copy, capfd):
    wanted = sorted((run_copy / "05_images").glob("*.png"))[3]
    content = wanted.read_bytes()
    assert main(["status", "--image", str(wanted)]) == 0
    command = shlex.split(capfd.readouterr().out.strip().splitlines()[-1])
    wanted.unlink()
    assert main(command[3:]) == 0
    assert wanted.read_bytes() == content
