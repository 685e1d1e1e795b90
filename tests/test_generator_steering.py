"""The person at the wheel: write, look and edit, render; and what the tool says that it did. On tiny random models."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from closeness_of_pictures import assert_same_pictures
from PIL import Image
from steered_run import make_run

from c2i_lib.errors import C2IError
from c2i_lib.generator import (
    ConceptToImage,
    PromptWriter,
    Renderer,
    Sheet,
    Wishes,
    Written,
    edit,
    read_sheet,
    rendering,
    sheet_of,
)
from c2i_lib.stages.images import read_images, read_metadata
from c2i_lib.stages.prompts.wishes import has_word


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_language_model, tiny_tti):
    return make_run(tmp_path_factory.mktemp("steered") / "run", tiny_language_model, tiny_tti)


@pytest.fixture(scope="module")
def writer(run):
    return PromptWriter(run, "base")


@pytest.fixture(scope="module")
def renderer(run):
    return Renderer(run)


@pytest.fixture(scope="module")
def tool(run):
    return ConceptToImage(run, "base")


def test_prompts_are_written_without_the_tti_model(run, monkeypatch):
    def load(settings):
        raise AssertionError("the TTI model was loaded")

    monkeypatch.setattr(rendering, "load_pipeline", load)
    written = ConceptToImage(run, "base").write("a red bicycle", 2)
    assert [one.sample for one in written] == [0, 1] and all(one.prompt.startswith("a red") for one in written)


def test_writing_and_rendering_give_what_imagine_gives(tool, tmp_path):
    """Words and pixels; and the second way keeps as much of it."""
    wishes = Wishes(style="vector art")
    one = tool.imagine("cat", 2, 3, tmp_path / "one", wishes=wishes, negative="blurry")
    two = tool.render(tool.write("cat", 2, 3, wishes), tmp_path / "two", "blurry")
    for first, second in zip(one, two, strict=True):
        assert first.source == second.source and np.array_equal(first.image, second.image)
        assert first.path.name == second.path.name
        metadata, other = read_metadata(first.path), read_metadata(second.path)
        assert metadata | {"command": 0} == other | {"command": 0}
        assert metadata["negative_prompt"] == "blurry" and metadata["added"]["art"] == "your style"
        assert "--style=vector art" in metadata["command"] and "--negative=blurry" in metadata["command"]
        parameters = Image.open(first.path).info["parameters"].splitlines()
        assert parameters[:2] == [first.prompt, "Negative prompt: blurry"]
        assert f"Steps: 2, Sampler: DPM++ 2M, CFG scale: 3.0, Seed: {first.seed}, Size: 16x16" in parameters[2]


def test_an_edited_prompt_is_rendered_with_its_seed_and_says_that_it_was_edited(tool, tmp_path):
    written = tool.write("cat", 2)
    plain, same = tool.render(written), tool.render(edit(written, {1: "a  cat on a house "}), tmp_path)
    assert np.array_equal(plain[0].image, same[0].image) and not np.array_equal(plain[1].image, same[1].image)
    metadata = read_metadata(same[1].path)
    assert (metadata["prompt"], metadata["written"]) == ("a cat on a house", written[1].prompt)
    assert metadata["notes"] == ["edited by hand"] and metadata["seed"] == written[1].seed
    assert not {"added", "nearest"} & set(metadata), "they were those of another text"
    assert "written" not in read_metadata(same[0].path)
    assert edit(written, {"1": "a dog"}) == edit(written, {1: "a dog"}), "papermill makes texts of numbers"
    with pytest.raises(C2IError, match="numbers 0 to 1, found 2: give one of these"):
        edit(written, {2: "a cat"})


def test_wishes_hold_in_every_prompt(writer):
    wishes = Wishes(keep="tree", ban=["cartoon", "guitar"], style="art")
    for one in writer.write("cat", 12, 1, wishes):
        assert has_word(one.prompt, "tree") and one.prompt.endswith(", art")
        assert not has_word(one.prompt, "cartoon") and not has_word(one.prompt, "guitar")
        was_put = any(note.startswith("put at the end") and note.endswith(": tree") for note in one.notes)
        assert was_put == (one.added["tree"] == "put at the end, to be kept")
        assert writer.writer.window.count(one.prompt) <= writer.writer.window.size


def test_a_length_is_kept_and_one_that_is_too_short_is_told(writer):
    short, long = (writer.write("cat", 6, wishes=Wishes(length=length)) for length in (5, 13))
    assert np.mean([len(one.prompt) for one in short]) < np.mean([len(one.prompt) for one in long])
    (one,) = writer.write("cat", 1, wishes=Wishes(length=1))
    assert any(note.startswith("the length is") and "not 1: the concept alone takes" in note for note in one.notes)


@pytest.mark.parametrize("arm", ["concept_only", "retrieved"])
def test_a_length_means_nothing_to_an_arm_that_writes_nothing(arm, run):
    with pytest.raises(C2IError, match=f"the arm '{arm}' writes nothing itself: leave it out"):
        PromptWriter(run, arm).write("cat", 1, wishes=Wishes(length=9))


def test_a_concept_with_a_banned_word_is_refused(writer):
    with pytest.raises(C2IError, match="the concept is 'a red cat', and it has the banned 'red'"):
        writer.write("a red cat", wishes=Wishes(ban="red"))


def test_added_words_have_their_source(run):
    (one,) = PromptWriter(run, "retrieved").write("cat", 1, wishes=Wishes(keep="penguin", style="neon light"))
    assert one.added["penguin"].startswith("as in the caption: cute penguin")
    assert one.added["neon"] == one.added["light"] == "your style"
    assert not {"cat", "a", "on"} & set(one.added), "words of the concept and small words are not added words"
    assert list(one.nearest.values()) == sorted(one.nearest.values(), reverse=True) and len(one.nearest) == 3
    (bare,) = PromptWriter(run, "concept_only").write("cat", 1, wishes=Wishes(keep="tree"))
    assert (bare.prompt, bare.added) == ("cat, tree", {"tree": "put at the end, to be kept"})


def test_what_the_window_cuts_is_told(writer, renderer):
    concept = "a cat and a dog and a penguin and a house and a tree and an old guitar next to a bicycle"
    (one,) = writer.write(concept, 1)
    assert concept.startswith(one.prompt) and one.cut and one.cut.split()[0] == concept[len(one.prompt) :].split()[0]
    assert one.notes[-1] == f"the TTI model sees 16 tokens, so this was cut off: {one.cut}"
    by_hand = renderer.render([Written(concept, 1)])[0].source
    assert concept.startswith(by_hand.prompt) and concept.endswith(by_hand.cut) and by_hand.notes


@pytest.mark.parametrize(
    ("concept", "part"),
    [
        ("ein rotes Fahrrad", "looks like German"),
        ("a cat without a hat", "says what is not there ('without')"),
        ("a zyxgob", "no training caption has 'zyxgob'"),
        ("qqqq zzzz", "unlike anything in the training captions"),
    ],
)
def test_a_concept_that_pictures_will_not_show_is_remarked_on(concept, part, run):
    (one,) = PromptWriter(run, "concept_only").write(concept, 1)
    assert any(part in note for note in one.notes)


def test_a_concept_as_in_captions_is_not_remarked_on(run):
    assert PromptWriter(run, "concept_only").write("a red bicycle", 1)[0].notes == []


def test_a_book_is_refused_at_once(writer):
    with pytest.raises(C2IError, match="9,000 words"):
        writer.write(" ".join(["word"] * 9000))


def test_an_explicit_prompt_is_flagged_as_in_stage_05(run, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("guitar", encoding="utf-8")
    captions = run.profile.captions.model_copy(update={"explicit_words": str(words)})
    strict = replace(run, profile=run.profile.model_copy(update={"captions": captions}))
    written = PromptWriter(strict, "concept_only").write("old guitar", 1)
    assert written[0].explicit
    pictures = Renderer(strict).render([*written, Written("a cat", 1)], tmp_path / "out")
    assert [picture.flagged for picture in pictures] == ["explicit", ""]
    assert [read_metadata(picture.path)["flagged"] for picture in pictures] == ["explicit", ""]


def test_files_do_not_take_each_others_place(run, renderer, tmp_path, tiny_language_model, tiny_tti):
    """Concepts of the same letters, of no letters, and other runs, seeds and negative prompts."""
    other = make_run(tmp_path / "other", tiny_language_model, tiny_tti, **{"images.steps": 3})
    out, texts = tmp_path / "out", ["red bicycle", "Red, bicycle!", "🚲", "🐱", "猫" * 90]
    prompts = [Written("a cat", 1, concept=text) for text in texts]
    prompts += [Written("a cat", 2, concept="🚲"), Written("a dog", 1, concept="🚲")]
    pictures = renderer.render(prompts, out)
    pictures += renderer.render(prompts[:1], out, negative="dog") + Renderer(other).render(prompts[:1], out)
    paths = [picture.path for picture in pictures]
    assert len(set(paths)) == len(paths) == len(list(out.iterdir())) == 9
    assert all(len(path.name.encode()) < 200 for path in paths)
    assert [path.name for path in paths] == [picture.path.name for picture in renderer.render(prompts, out)] + [
        path.name for path in paths[7:]
    ], "the very same pictures have the same names"
    assert len(list(out.iterdir())) == 9


def test_a_file_that_is_there_is_not_overwritten(renderer, tmp_path):
    (first,) = renderer.render([Written("a cat", 1, concept="cat")], tmp_path)
    Image.new("RGB", (8, 8)).save(first.path)
    foreign = first.path.read_bytes()
    (second,) = renderer.render([Written("a cat", 1, concept="cat")], tmp_path)
    assert second.path.name == f"{first.path.stem}-2.png" and first.path.read_bytes() == foreign
    assert renderer.render([Written("a cat", 1, concept="cat")], tmp_path)[0].path == second.path


@pytest.mark.parametrize(
    ("guidance", "negative", "message"), [(1.0, "dog", "above 1, found 1"), (3.0, "dog " * 40, "16")]
)
def test_a_negative_prompt_that_does_nothing_is_refused(guidance, negative, message, run):
    images = run.profile.images.model_copy(update={"guidance": guidance})
    changed = replace(run, profile=run.profile.model_copy(update={"images": images}))
    with pytest.raises(C2IError, match=message):
        Renderer(changed).render([Written("a cat", 1)], negative=negative)


def test_a_sheet_survives_the_paper(writer, tmp_path):
    sheet = Sheet(writer.write("café ☕", 2, 1, Wishes(style="art")), "runs/mine", "blurry")
    (tmp_path / "a.json").write_text(sheet_of(sheet), encoding="utf-8")
    assert read_sheet(tmp_path / "a.json") == sheet
    assert "café ☕" in (tmp_path / "a.json").read_text(encoding="utf-8"), "to be read by people"


def test_a_text_and_a_seed_are_enough(tmp_path):
    (tmp_path / "a.json").write_text('{"prompts": [{"prompt": " a  cat", "seed": 7}]}', encoding="utf-8")
    assert read_sheet(tmp_path / "a.json") == Sheet([Written("a cat", 7)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "found no JSON"),
        ("[" * 5000, "found no JSON"),
        ("[]", "with prompts such as"),
        ('{"prompts": []}', "with prompts such as"),
        ({"prompts": ["a cat"]}, "prompt 1 should have a prompt and a seed, such as .*, found a cat"),
        ({"prompts": [{"prompt": "a cat"}]}, "prompt 1 should have a prompt and a seed"),
        ({"prompts": [{"prompt": "a", "seed": 1}, {"prompt": " ", "seed": 1}]}, "prompt 2: the prompt is empty"),
        ({"prompts": [{"prompt": "a", "seed": "1"}]}, "seed should be of the kind int, found '1'"),
        ({"prompts": [{"prompt": "a", "seed": True}]}, "seed should be of the kind int"),
        ({"prompts": [{"prompt": "a", "seed": -1}]}, "a seed should be 0 to 4294967295, found -1"),
        ({"prompts": [{"prompt": "a", "seed": 1, "sed": 2}]}, r"unknown keys \['sed'\]: use prompt, seed"),
        ({"prompts": [{"prompt": "\ud800", "seed": 1}]}, "expected characters of UTF-8"),
        ({"prompts": [{"prompt": "a", "seed": 1}], "negative": 3}, "run and negative should be texts"),
    ],
)
def test_a_sheet_that_is_none_names_the_prompt_and_what_is_wrong(content, message, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    with pytest.raises(C2IError, match=message):
        read_sheet(path)


def test_without_the_captions_prompts_are_written_and_nothing_is_said_of_them(tmp_path, tiny_language_model, tiny_tti):
    run = make_run(tmp_path / "run", tiny_language_model, tiny_tti)
    (run.folder(1) / "finetune_train.parquet").unlink()
    (one,) = PromptWriter(run, "concept_only").write("zyxgob", 1)
    assert (one.nearest, one.notes) == ({}, [])


def test_what_was_written_is_written_again(writer):
    one, again = (writer.write("cat", 3, 5, Wishes(keep="tree", ban="dog", style="art")) for _ in range(2))
    assert [asdict(each) for each in one] == [asdict(each) for each in again]
    more = writer.write("cat", 5, 5, Wishes(keep="tree", ban="dog", style="art"))
    assert more[:3] == one, "more prompts do not change the first ones"


def test_pictures_of_an_edited_file_are_those_of_its_texts(renderer, tmp_path):
    """Alone, or among others: to within one level, as all pictures of c2i."""
    prompts = [Written(text, seed) for seed, text in enumerate(("a cat", "a dog", "a house"))]
    together = renderer.render(prompts, tmp_path / "together")
    for one, picture in zip(prompts, together, strict=True):
        assert_same_pictures([renderer.render([one], tmp_path / "alone")[0].path], read_images([picture.path]))
