"""The commands write, render and imagine, on tiny random models."""

import json
import shlex

import pytest
from closeness_of_pictures import assert_same_pictures
from steered_run import make_run

from c2i_lib import tool_commands
from c2i_lib.cli import main
from c2i_lib.stages.images import read_images, read_metadata


@pytest.fixture(scope="module")
def options(tmp_path_factory, tiny_language_model, tiny_tti):
    run = make_run(tmp_path_factory.mktemp("steered") / "my run", tiny_language_model, tiny_tti)
    return ["--run-dir", str(run.directory)]


@pytest.fixture
def tells(capfd):
    """A function that runs a command and returns what it prints."""

    def run(*arguments) -> str:
        capfd.readouterr()
        assert main([str(argument) for argument in arguments]) == 0
        return capfd.readouterr().out

    return run


def test_prompts_are_written_edited_and_rendered(options, tells, tmp_path):
    """As the README has it. The file knows its run, so that render needs no --run-dir."""
    path, out = tmp_path / "prompts.json", tmp_path / "out"
    write = ["write", "a red bicycle", "-n", 2, "--arm", "base", "--negative", "dog", *options]
    path.write_text(tells(*write, "--json"), encoding="utf-8")
    sheet = json.loads(path.read_text(encoding="utf-8"))
    assert len(sheet["prompts"]) == 2 and sheet["negative"] == "dog"
    sheet["prompts"][1]["prompt"] = "a blue bicycle"
    path.write_text(json.dumps(sheet), encoding="utf-8")

    told = tells("render", path, "--out", out)
    paths = sorted(out.iterdir())
    assert [read_metadata(each)["prompt"] for each in paths] == [sheet["prompts"][0]["prompt"], "a blue bicycle"]
    assert {read_metadata(each)["negative_prompt"] for each in paths} == {"dog"}
    assert all(str(each) in told for each in paths) and "    note: edited by hand" in told


def test_the_command_of_a_rendered_picture_makes_it_again(options, tells, tmp_path):
    tells("render", "--prompt", "a cat, flat", "--seed", 5, "--concept", "cat", "--out", tmp_path / "one", *options)
    (picture,) = (tmp_path / "one").iterdir()
    command = shlex.split(tells("status", "--image", picture).strip().splitlines()[-1])
    tells(*command[3:], "--out", tmp_path / "two")
    (again,) = (tmp_path / "two").iterdir()
    assert again.name == picture.name and read_metadata(again) == read_metadata(picture)
    assert_same_pictures([again], read_images([picture]))


def test_the_command_of_a_steered_picture_makes_it_again(options, tells, tmp_path):
    wishes = ["--keep", "tree", "--ban", "white", "--style", "-- art", "--length", 9, "--negative", "dog"]
    tells(
        "imagine",
        "cat",
        "-n",
        2,
        "--arm",
        "base",
        "--out",
        tmp_path / "one",
        *wishes[:4],
        "--style=-- art",
        *wishes[6:],
        *options,
    )
    picture = sorted((tmp_path / "one").iterdir())[1]
    command = shlex.split(tells("status", "--image", picture).strip().splitlines()[-1])
    tells(*command[3:], "--out", tmp_path / "two")
    again = tmp_path / "two" / picture.name
    assert read_metadata(again) == read_metadata(picture) and read_metadata(again)["prompt"].endswith(", -- art")


def test_a_file_of_concepts_is_written_and_rendered(options, tells, tmp_path):
    concepts = tmp_path / "concepts.txt"
    concepts.write_text("a red bicycle\n\n  old guitar \nold guitar\n", encoding="utf-8-sig")  # as Notepad saves it
    told = tells("write", "--concepts", concepts, "-n", 2, "--arm", "concept_only", *options)
    assert [line for line in told.splitlines() if not line.startswith(" ")] == ["a red bicycle"] * 2 + [
        "old guitar"
    ] * 2
    arguments = [
        "--concepts",
        concepts,
        "-n",
        1,
        "--arm",
        "concept_only",
        "--out",
        tmp_path / "out",
        "--json",
        *options,
    ]
    made = json.loads(tells("imagine", *arguments))["prompts"]
    assert [one["concept"] for one in made] == ["a red bicycle", "old guitar"]
    assert {one["path"] for one in made} == {str(path) for path in (tmp_path / "out").iterdir()}


def test_what_imagine_tells_as_json_can_be_edited_and_rendered(options, tells, tmp_path):
    told = tells("imagine", "cat", "-n", 1, "--arm", "concept_only", "--out", tmp_path / "one", "--json", *options)
    (tmp_path / "a.json").write_text(told, encoding="utf-8")
    again = json.loads(tells("render", tmp_path / "a.json", "--out", tmp_path / "two", "--json"))
    (one,), (two,) = json.loads(told)["prompts"], again["prompts"]
    assert two == one | {"path": str(tmp_path / "two" / one["path"].rpartition("/")[2])}


def test_a_line_that_is_no_concept_is_named(options, tmp_path, capfd):
    (tmp_path / "concepts.txt").write_text("cat\n" + "word " * 9000, encoding="utf-8")
    assert main(["write", "--concepts", str(tmp_path / "concepts.txt"), *options]) == 1
    assert "concepts.txt, line 2: a concept names what to show" in capfd.readouterr().err


def test_what_was_done_is_told_once_for_all_prompts_of_a_concept(options, tells):
    told = tells("write", "ein rotes Fahrrad", "-n", 3, "--arm", "concept_only", "--keep", "tree", *options)
    assert told.count("looks like German") == 1
    assert told.count("    added: tree (put at the end, to be kept)") == 3


def test_a_concept_of_a_book_is_refused_before_a_run_is_opened(capfd, monkeypatch):
    monkeypatch.setattr(tool_commands, "find_tool", None)
    assert main(["imagine", " ".join(["word"] * 9000)]) == 1
    assert "at most 1,000 characters, found 44,999 (9,000 words): shorten it" in capfd.readouterr().err
