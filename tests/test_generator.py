"""The tool, on the checkpoints of a finished run."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from c2i_lib.config.prompts import PromptModel
from c2i_lib.errors import C2IError
from c2i_lib.generator import ConceptToImage, Wishes, choosing, rendering, writing
from c2i_lib.models.judges import load_judge
from c2i_lib.run.places import open_run
from c2i_lib.stages.images import read_metadata, render_and_flag, to_pixels
from c2i_lib.statistics.selection import ranked

pytestmark = pytest.mark.notebooks


@pytest.fixture(scope="module")
def run(smoke_run):
    return open_run("smoke", smoke_run)


@pytest.fixture(scope="module")
def tool(run):
    return ConceptToImage(run, "ft_tags")


def test_imagine_saves_n_pictures_that_know_how_they_were_made(tool, tmp_path):
    pictures = tool.imagine("a red bicycle", 3, seed=1, out_dir=tmp_path)
    for number, picture in enumerate(pictures):
        assert re.fullmatch(rf"a_red_bicycle-ft_tags-{number}-[0-9a-f]{{8}}\.png", picture.path.name)
    assert len({picture.seed for picture in pictures}) == 3
    for picture in pictures:
        assert picture.prompt.startswith("a red bicycle")
        assert picture.image.shape == (128, 128, 3) and picture.image.dtype == np.uint8
        assert np.array_equal(np.asarray(Image.open(picture.path)), picture.image)
        expected = {"prompt": picture.prompt, "concept": "a red bicycle", "arm": "ft_tags", "seed": picture.seed}
        expected |= {"model": "embedded:scenes", "profile": "smoke", "flagged": picture.flagged}
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
    with pytest.raises(C2IError, match="unknown arm 'other': use one of concept_only, .*, ft_tags"):
        ConceptToImage(run, "other")


def test_a_missing_arm_names_the_command_that_trains_it(run_copy):
    (run_copy / "02_models" / "ft" / "stage.json").unlink()
    run = open_run("smoke", run_copy)
    command = f"run --profile {run.directory}/profile.yaml --run-dir {run.directory} --to 4"
    with pytest.raises(C2IError, match=f"no finished arm 'ft'.*{command}"):
        ConceptToImage(run, "ft")


BEST_OF, SEED = 4, 3


@pytest.fixture(scope="module")
def plain(tool):
    """The candidates, as the tool gives them without a choice."""
    return tool.imagine("cat", BEST_OF, SEED)


def places(pictures, plain) -> list[int]:
    """Which of the candidates the pictures are."""
    return [[picture.seed for picture in plain].index(picture.seed) for picture in pictures]


def test_the_best_are_among_the_candidates_pixel_by_pixel_and_always_the_same(tool, plain):
    one, same = (tool.imagine("cat", 2, SEED, best_of=BEST_OF) for _ in range(2))
    assert len(one) == 2
    for picture, again, place in zip(one, same, places(one, plain), strict=True):
        assert picture.prompt == again.prompt == plain[place].prompt
        assert np.array_equal(picture.image, again.image) and np.array_equal(picture.image, plain[place].image)
        assert (picture.quality, picture.faithfulness) == (again.quality, again.faithfulness)
    assert all(picture.quality is None and picture.faithfulness is None for picture in plain)


def test_the_choice_is_that_of_the_selecting_judges(tool, plain):
    settings, selection = tool.run.profile.images, tool.run.profile.judges.selection
    rendered = render_and_flag(tool.pipeline, ["cat"] * BEST_OF, [picture.seed for picture in plain], settings)
    images, bare = [picture.image for picture in plain], [to_pixels(image) for image, _ in rendered]
    quality, faithfulness = load_judge(selection.quality), load_judge(selection.faithfulness)
    concepts = ["cat"] * BEST_OF
    expected = quality.score(images, concepts).round(5), faithfulness.score(images, concepts).astype(float).round(5)
    threshold = np.quantile(faithfulness.score(bare, concepts).astype(float).round(5), selection.gate)
    choice = tool.choose(" cat\n", BEST_OF, BEST_OF, None, SEED)
    order = ranked(*expected, threshold)
    assert places(choice.pictures, plain) == order.tolist()
    one = 1.5e-5  # of the last digit: the tool judges candidates and bare pictures in one batch
    assert choice.threshold == pytest.approx(threshold, abs=one)
    assert [picture.quality for picture in choice.pictures] == pytest.approx(expected[0][order], abs=one)
    assert [picture.faithfulness for picture in choice.pictures] == pytest.approx(expected[1][order], abs=one)


def test_the_bare_concept_passes_its_own_gate(run):
    """Its candidates are the pictures that the gate is made of."""
    choice = ConceptToImage(run, "concept_only").choose("cat", 1, 2, 1, SEED)
    assert choice.n_passed >= 1 and choice.pictures[0].faithfulness == pytest.approx(choice.threshold, abs=1.5e-5)


def test_chosen_pictures_know_the_command_that_chooses_them_again(tool, plain, tmp_path):
    names = [picture.path.name for picture in tool.imagine("cat", BEST_OF, SEED, tmp_path / "plain")]
    pictures = tool.imagine("cat", 2, SEED, tmp_path / "best", best_of=BEST_OF, gate=0.25)
    assert sorted(tmp_path.glob("best/*")) == sorted(picture.path for picture in pictures)
    for picture, place in zip(pictures, places(pictures, plain), strict=True):
        assert picture.path.name == names[place]
        found, before = read_metadata(picture.path), read_metadata(tmp_path / "plain" / picture.path.name)
        command = ["imagine", "cat", "--arm", "ft_tags", "-n", "2", "--best-of", "4", "--gate", "0.25", "--seed", "3"]
        assert found == {**before, "best_of": BEST_OF, "gate": 0.25, "command": command}
        assert not {"best_of", "gate"} & set(before)


QUALITY, FAITHFULNESS, BARE = [0.9, 0.5, 0.7, 0.8], [0.1, 0.8, 0.6, 0.3], [0.4, 0.2, 0.5, 0.9]


@pytest.fixture
def scripted(monkeypatch):
    """A function that gives the next pictures, of ``BEST_OF`` candidates and of the bare concept, these flags; they are
    noise, and the judges' scores are those above. It returns what was rendered."""

    def script(*flags) -> list:
        rendered, scores = [], {}

        def render(pipeline, prompts, seeds, settings):
            rendered.append((list(prompts), list(seeds)))
            faithfulness = FAITHFULNESS if len(rendered) == 1 else BARE
            for place, seed in enumerate(seeds):
                image = np.random.default_rng([seed, len(rendered)]).random((8, 8, 3))
                scores[to_pixels(image).tobytes()] = (QUALITY[place], faithfulness[place])
                yield image, dict(enumerate(flags)).get(place + BEST_OF * (len(rendered) - 1), "")

        def judge(settings):
            column = 0 if settings.kind == "scene_quality" else 1

            def score(pictures, concepts):
                assert list(concepts) == ["cat"] * len(pictures)
                return np.array([scores[picture.tobytes()][column] for picture in pictures])

            return SimpleNamespace(score=score)

        monkeypatch.setattr(rendering, "render_and_flag", render)
        monkeypatch.setattr(choosing, "load_judge", judge)
        return rendered

    return script


@pytest.mark.parametrize(
    ("gate", "threshold", "order", "n_passed"),
    [
        (0, 0.2, [3, 2, 1, 0], 3),  # as faithful as the worst bare picture
        (None, 0.45, [2, 1, 3, 0], 2),  # as the median: the profile's gate
        (1, 0.9, [1, 2, 3, 0], 0),  # as the best: none is, so that the most faithful one is taken
    ],
)
def test_the_best_in_quality_of_those_that_pass_the_gate_come_first(
    gate, threshold, order, n_passed, tool, plain, scripted
):
    for n in (BEST_OF, 1):
        rendered = scripted()
        choice = tool.choose("cat", n, BEST_OF, gate, SEED)
        assert places(choice.pictures, plain) == order[:n]
        assert [picture.quality for picture in choice.pictures] == [QUALITY[place] for place in order[:n]]
        assert [picture.faithfulness for picture in choice.pictures] == [FAITHFULNESS[place] for place in order[:n]]
        assert (round(choice.threshold, 9), choice.n_passed) == (threshold, n_passed)
        given = f"faithfulness {threshold:.3f}, quantile {choice.gate:g} of the bare concept's own pictures"
        assert choice.note == f"{n_passed} of 4 candidates passed the gate ({given})"
    seeds = [picture.seed for picture in plain]
    assert rendered == [([picture.prompt for picture in plain], seeds), (["cat"] * BEST_OF, seeds)]


def test_the_best_is_chosen_of_candidates_as_they_are_wished_for(tool, scripted, tmp_path):
    rendered, wishes = scripted(), Wishes(keep="tree", style="art")
    choice = tool.choose("cat", 1, BEST_OF, 0, SEED, tmp_path, wishes, "dog")
    assert all("tree" in prompt and prompt.endswith(", art") for prompt in rendered[0][0])
    assert rendered[1][0] == ["cat"] * BEST_OF, "the gate is that of the bare concept"
    metadata = read_metadata(choice.pictures[0].path)
    assert metadata["negative_prompt"] == "dog" and metadata["added"]["art"] == "your style"
    assert metadata["command"][-3:] == ["--keep=tree", "--style=art", "--negative=dog"]


def test_flagged_candidates_are_not_chosen(tool, plain, scripted):
    scripted("", "nan", "blank", "", "", "", "unsafe")
    choice = tool.choose("cat", 3, BEST_OF, 0, SEED)
    assert places(choice.pictures, plain) == [3, 0]
    assert (choice.n_candidates, choice.n_usable, choice.n_passed, choice.threshold) == (4, 2, 1, 0.2)
    assert choice.note.endswith("; 2 flagged or with an explicit prompt")


def test_where_all_are_flagged_the_first_are_given_as_they_are(tool, plain, scripted):
    rendered = scripted(*["nan"] * BEST_OF)
    choice = tool.choose("cat", 2, BEST_OF, 0.5, SEED)
    assert places(choice.pictures, plain) == [0, 1] and len(rendered) == 1
    found = {(picture.flagged, picture.quality, picture.faithfulness) for picture in choice.pictures}
    assert found == {("nan", None, None)}
    assert choice.note == "all 4 candidates are flagged, so that none could be judged"


def test_without_pictures_of_the_bare_concept_the_gate_is_open(tool, plain, scripted):
    scripted(*[""] * BEST_OF, *["unsafe"] * BEST_OF)
    choice = tool.choose("cat", 1, BEST_OF, 1, SEED)
    assert places(choice.pictures, plain) == [0] and choice.n_passed == BEST_OF
    assert "open, because no picture of the bare concept could be judged" in choice.note


def test_explicit_prompts_are_chosen_only_where_there_are_no_others(tool, plain, scripted, monkeypatch):
    monkeypatch.setattr(writing, "is_explicit", lambda texts, words: np.arange(len(texts)) > 0)
    scripted()
    (picture,) = tool.imagine("cat", 3, SEED, best_of=BEST_OF)
    assert places([picture], plain) == [0] and picture.flagged == ""
    scripted("blank", "", "nan")
    pictures = tool.imagine("cat", 3, SEED, best_of=BEST_OF)
    assert places(pictures, plain) == [1, 3] and {picture.flagged for picture in pictures} == {"explicit"}


@pytest.mark.parametrize(("n", "best_of"), [(3, 2), (0, 2), (1, 0)])
def test_the_best_of_too_few_are_refused(tool, n, best_of):
    with pytest.raises(C2IError, match=f"1 to {best_of} pictures, found {n}: ask for fewer .*, or draw more"):
        tool.imagine("cat", n, best_of=best_of)


@pytest.mark.parametrize("gate", [-0.1, 1.5, float("nan")])
def test_a_gate_that_is_no_quantile_is_refused(tool, gate):
    with pytest.raises(C2IError, match=f"should be 0 to 1, found {gate:g}"):
        tool.imagine("cat", 1, best_of=2, gate=gate)


def test_a_gate_needs_candidates(tool):
    with pytest.raises(C2IError, match="give best_of too"):
        tool.imagine("cat", 1, gate=0.5)


def test_judges_that_select_are_needed(run):
    judges = run.profile.judges.model_copy(update={"selection": None})
    changed = replace(run, profile=run.profile.model_copy(update={"judges": judges}))
    with pytest.raises(C2IError, match="the profile names no judges to select by: add judges.selection"):
        ConceptToImage(changed, "concept_only").imagine("cat", 1, best_of=2)
