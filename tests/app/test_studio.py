"""The tool at work for the page, on tiny random models."""

import csv
import io
import shlex
import zipfile
from dataclasses import replace

import pytest
from steered_run import make_run

from c2i_lib.app.asked import asked
from c2i_lib.app.showing import caption_of, command_of
from c2i_lib.app.studio import COLUMNS, Studio, zip_batch
from c2i_lib.cli import main
from c2i_lib.errors import C2IError
from c2i_lib.stages.images import read_metadata


@pytest.fixture(scope="module")
def studio(tmp_path_factory, tiny_language_model, tiny_tti):
    folder = tmp_path_factory.mktemp("studio")
    return Studio(make_run(folder / "run", tiny_language_model, tiny_tti), folder / "pictures")


def test_only_arms_that_are_there_are_offered(studio):
    assert studio.arms[0] == "ft_good" or "ft_good" not in studio.run.profile.finetuning.arms
    assert {"base", "concept_only", "retrieved"} <= set(studio.arms)


def test_each_prompt_stands_beside_the_bare_concept_with_the_same_noise(studio):
    prompts = studio.write(asked("a red bicycle", 2, arm="base"))
    pictures = list(studio.compare(prompts))
    assert [one.source.arm for one in pictures] == ["concept_only", "base"] * 2
    assert [one.seed for one in pictures] == [prompts[0].seed] * 2 + [prompts[1].seed] * 2
    assert caption_of(pictures[0]).startswith("the bare concept: a red bicycle")
    assert all(one.path.parent == studio.folder for one in pictures)


def test_the_command_of_a_picture_makes_it_again(studio, tmp_path):
    """What the page shows below an edited prompt can be pasted into a shell."""
    (one,) = studio.write(asked("cat", 1, arm="base"))
    picture = list(studio.compare([replace(one, prompt="a cat, edited; $HOME")]))[-1]
    command = shlex.split(command_of(picture))
    assert command[0] == "c2i" and main([*command[1:], "--out", str(tmp_path)]) == 0
    (again,) = tmp_path.glob("*.png")
    assert again.name == picture.path.name, "a hash of what the pixels come from"
    assert read_metadata(again)["prompt"] == "a cat, edited; $HOME"


def test_the_command_of_prompts_writes_them_again(studio, capsys):
    wanted = asked("cat", 1, 3, "base", "tree", "white", "-- flat")
    (one,) = studio.write(wanted)
    assert main(shlex.split(studio.command(wanted))[1:]) == 0
    assert one.prompt in capsys.readouterr().out


def test_nothing_explicit_is_drawn(studio):
    with pytest.raises(C2IError, match="the concept has a word of the blacklist"):
        studio.write(asked("porn", arm="base"))
    (one,) = studio.write(asked("cat", 1, arm="concept_only"))
    with pytest.raises(C2IError, match="prompt 1 has a word of the blacklist"):
        next(studio.compare([replace(one, prompt="a cat, porn")]))


def test_a_batch_says_which_concept_cannot_be_drawn_and_draws_the_others(studio):
    rows = list(studio.batch(["cat", "porn", "red tree"], asked("cat", 1, arm="concept_only")))
    assert [bool(row.file) for row in rows] == [True, False, True]
    assert "blacklist" in rows[1].note and rows[2].command.startswith("c2i render")
    with zipfile.ZipFile(zip_batch(studio.folder, rows)) as archive:
        assert set(archive.namelist()) == {"pictures.csv", rows[0].file, rows[2].file}
        assert archive.read(rows[0].file) == (studio.folder / rows[0].file).read_bytes()  # with its metadata
        table = list(csv.DictReader(io.StringIO(archive.read("pictures.csv").decode())))
    assert list(table[0]) == COLUMNS and [row["concept"] for row in table] == ["cat", "porn", "red tree"]


def test_an_arm_that_is_not_there_is_told(studio):
    with pytest.raises(C2IError, match="unknown arm"):
        studio.write(asked("cat", arm="<b>"))
    assert studio.write(asked("cat", 1, arm="concept_only"))[0].prompt == "cat", "and the next one works"
