"""The tool, on the checkpoints of a finished run."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from c2i_lib.errors import C2IError
from c2i_lib.generator import ConceptToImage
from c2i_lib.images import read_metadata
from c2i_lib.prompt_settings import PromptModel
from c2i_lib.stage import open_run

pytestmark = pytest.mark.notebooks


@pytest.fixture(scope="module")
def run(smoke_run):
    return open_run("smoke", smoke_run)


@pytest.fixture(scope="module")
def tool(run):
    return ConceptToImage(run, "ft_tags")


def test_imagine_saves_n_pictures_that_know_how_they_were_made(tool, tmp_path):
    pictures = tool.imagine("a red bicycle", 3, seed=1, out_dir=tmp_path)
    assert [picture.path.name for picture in pictures] == [
        f"a_red_bicycle-ft_tags-1-{number}.png" for number in range(3)
    ]
    assert len({picture.seed for picture in pictures}) == 3
    for picture in pictures:
        assert picture.prompt.startswith("a red bicycle")
        assert picture.image.shape == (64, 64, 3) and picture.image.dtype == np.uint8
        assert np.array_equal(np.asarray(Image.open(picture.path)), picture.image)
        expected = {"prompt": picture.prompt, "concept": "a red bicycle", "arm": "ft_tags", "seed": picture.seed}
        expected |= {"model": "embedded:glyphs", "profile": "smoke", "flagged": picture.flagged}
        assert expected.items() <= read_metadata(picture.path).items()
    command = ["imagine", "a red bicycle", "--arm", "ft_tags", "-n", "3", "--seed", "1"]
    assert read_metadata(pictures[2].path)["command"] == command


def test_the_same_seed_gives_the_same_pictures_and_another_seed_others(tool):
    one, same, other = (tool.imagine("cat", 2, seed) for seed in (5, 5, 6))
    assert [picture.prompt for picture in one] == [picture.prompt for picture in same]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(one, same, strict=True))
    assert not {picture.seed for picture in one} & {picture.seed for picture in other}
    assert all(not np.array_equal(a.image, b.image) for a, b in zip(one, other, strict=True))


def test_more_pictures_do_not_change_the_first_ones(tool):
    assert tool.write_prompts("cat", 5)[0][:2] == tool.write_prompts("cat", 2)[0]


def test_nothing_is_saved_without_a_folder(tool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [picture.path for picture in tool.imagine("cat", 1)] == [None]
    assert not list(tmp_path.iterdir())


def test_spaces_around_and_within_a_concept_do_not_matter(tool):
    assert tool.write_prompts("  red \n bicycle ", 2) == tool.write_prompts("red bicycle", 2)


def test_concept_only_uses_the_bare_concept(run):
    prompts, seeds = ConceptToImage(run, "concept_only").write_prompts("red bicycle", 3)
    assert prompts == ["red bicycle"] * 3
    assert len(set(seeds)) == 3


def test_an_arm_of_ones_own_writes_for_the_tool(run, tiny_language_model):
    """No stage has to know it."""
    mine = PromptModel(model=str(tiny_language_model), template="{concept} Rephrase:", max_new_tokens=6)
    prompts = run.profile.prompts.model_copy(update={"models": {"mine": mine}})
    changed = replace(run, profile=run.profile.model_copy(update={"prompts": prompts}))
    texts, seeds = ConceptToImage(changed, "mine").write_prompts("red bicycle", 3)
    assert len(set(texts)) == len(set(seeds)) == 3 and not any("Rephrase" in text for text in texts)
    with pytest.raises(C2IError, match="unknown arm 'other': use one of concept_only, .*, mine"):
        ConceptToImage(changed, "other")


def test_an_empty_concept_is_refused(tool):
    with pytest.raises(C2IError, match="concept is empty"):
        tool.imagine(" \n ")


@pytest.mark.parametrize("n", [0, -1])
def test_no_pictures_are_refused(tool, n):
    with pytest.raises(C2IError, match="at least 1"):
        tool.imagine("cat", n)


def test_an_unknown_arm_names_the_known_ones(run):
    with pytest.raises(C2IError, match="unknown arm 'other': use one of concept_only, base, ft, ft_tags"):
        ConceptToImage(run, "other")


def test_a_missing_arm_names_the_command_that_trains_it(run_copy):
    (run_copy / "02_models" / "ft" / "stage.json").unlink()
    run = open_run("smoke", run_copy)
    command = f"run --profile {run.directory}/profile.yaml --run-dir {run.directory} --to 4"
    with pytest.raises(C2IError, match=f"no finished arm 'ft'.*{command}"):
        ConceptToImage(run, "ft")
