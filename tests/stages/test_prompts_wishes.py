"""Wishes: words that a person wants in a prompt, or never in it, and a style that fits the TTI model's window."""

from dataclasses import replace

import pytest
import torch
from tiny_models import CAPTIONS

from c2i_lib.config import load_profile
from c2i_lib.errors import C2IError
from c2i_lib.records.files import seed_of
from c2i_lib.stages.prompts import PromptRequest, Recipe, Window, Wishes, Writer, finish
from c2i_lib.stages.prompts.banning import BannedWords
from c2i_lib.stages.prompts.lookup import Lookup
from c2i_lib.stages.prompts.wishes import has_word


@pytest.fixture(scope="module")
def recipe(tiny_language_model, tiny_tti):
    beams = {"model": str(tiny_language_model), "template": "{concept} Rephrase:", "num_beams": 4}
    models = {"beams": beams | {"max_new_tokens": 9}}
    overrides = {"language_model.model": str(tiny_language_model), "images.model": str(tiny_tti)}
    return Recipe.of(load_profile("smoke", overrides | {"prompts.top_p": 0.95, "prompts.models": models}))


@pytest.fixture(scope="module")
def writer(recipe):
    return Writer("base", recipe)


@pytest.fixture(scope="module")
def window(tiny_tti):
    return Window(str(tiny_tti))  # 16 tokens


def requests(n=60, concept="cat"):
    return [PromptRequest(concept, sample, seed_of(1, concept, sample)) for sample in range(n)]


def texts_of(writer, asked, *arguments):
    return [prompt.text for prompt in writer.draw(asked, 20, *arguments)]


def commonest_words(texts):
    """What a random model writes most: words of letters alone, after the concept."""
    words = [word for text in texts for word in text.lower().split()[1:] if word.isalpha() and len(word) > 1]
    return sorted(set(words), key=lambda word: (-words.count(word), word))


@pytest.mark.parametrize("arm", ["base", "beams"])
def test_a_banned_word_is_never_generated(arm, recipe):
    """Not only taken out afterwards: none of the draws has it, as it stands and in capitals."""
    writer = Writer(arm, replace(recipe, settings=recipe.settings.model_copy(update={"max_redraws": 0})))
    asked = requests(4 if arm == "beams" else 60)
    banned = commonest_words(texts_of(writer, asked))[:5]
    assert banned
    found = texts_of(writer, asked, Wishes(ban=banned))
    assert not any(has_word(text, word) for text in found for word in banned)
    assert len(set(found)) > 0.8 * len(asked)


@pytest.mark.parametrize(
    ("written", "token", "is_banned"),
    [
        ("a", " white", True),
        ("a", " WhitE", True),
        ("a (", "white", True),
        ("a wh", "ite", True),
        ("a wh", "ite,", True),
        ("WH", "ITE", True),
        ("a", " whitewash", False),
        ("a wh", "itewash", False),
        ("a snow", "white", False),
        ("a swh", "ite", False),
        ("a", " black", False),
        ("a white", " background", False),
    ],
)
def test_no_token_completes_a_banned_word_however_it_is_put_together(written, token, is_banned):
    texts = [*"abcdefghijklmnopqrstuvwxyz (WH", token]
    ids = torch.tensor([[texts.index(character) for character in written]])
    ban = BannedWords(["White"], texts, lambda tokens: "".join(texts[one] for one in tokens))
    scores = ban(ids, torch.zeros(1, len(texts)))[0]
    assert torch.isinf(scores[-1]).item() == is_banned
    assert not torch.isinf(scores[: len(texts) - 1]).any()


def test_prompts_without_a_ban_are_those_of_the_study(writer):
    """Wishes that are not there change no token."""
    asked = requests(8)
    studied = writer.write(asked, 20)
    assert [writer.window.fit(text)["text"] for text in texts_of(writer, asked, Wishes())] == [
        prompt.text for prompt in studied
    ]


def test_a_word_to_keep_is_drawn_for(writer):
    asked = requests(60)
    plain = texts_of(writer, asked)
    word = commonest_words(plain)[0]
    prompts = writer.draw(asked, 20, Wishes(keep=[word]))
    before, after = (sum(has_word(text, word) for text in texts) for texts in (plain, [one.text for one in prompts]))
    assert after > before > 0
    for prompt, text in zip(prompts, plain, strict=True):
        assert (prompt.redrawn == 0) == has_word(text, word)
        assert prompt.redrawn or prompt.text == text


def test_what_is_looked_up_has_the_words_to_keep_and_none_that_are_banned():
    lookup = Lookup(CAPTIONS)
    assert "guitar" in lookup.nearest("cat", 0, Wishes(keep="guitar"))
    assert all("cat" not in lookup.nearest("cat", index, Wishes(ban="CAT")).split() for index in range(4))
    with pytest.raises(C2IError, match="4 captions are too few"):
        lookup.nearest("cat", 4, Wishes(ban=["cat", "photo"]))


def test_the_style_and_missing_words_are_put_after_the_prompt(window):
    wishes = Wishes(keep=["tree", "cat"], style=" flat  vector art, ")
    done = finish("a cat.", "a cat", wishes, window)
    assert done.text == "a cat, tree, flat vector art"
    assert (done.appended, done.lost, done.removed) == (("tree",), "", ())
    assert finish("a cat.", "a cat", Wishes(), window).text == "a cat."


def test_the_end_of_the_prompt_is_cut_to_make_room_for_the_style(window):
    text = "a cat on a white background, crisp lines, cartoon, cute penguin"
    done = finish(text, "a cat", Wishes(style="vector art"), window)
    assert done.text.startswith("a cat") and done.text.endswith(", vector art")
    assert window.count(done.text) <= window.size
    own = done.text.removesuffix(", vector art")
    assert text.startswith(own) and done.lost and text[len(own) :].strip(" ,") == done.lost


def test_a_word_to_keep_that_is_cut_off_comes_back(window):
    text = "a cat on a white background, crisp lines, zebra, quiz, cartoon, cute penguin"
    done = finish(text, "a cat", Wishes(keep=["penguin"]), window)
    assert done.text.endswith(", penguin") and done.appended == ("penguin",)
    assert window.count(done.text) <= window.size


def test_a_banned_word_that_was_written_all_the_same_is_taken_out_and_told(window):
    done = finish("a cat, wHiTe, art", "a cat", Wishes(ban="white"), window)
    assert (done.text, done.removed) == ("a cat, art", ("white",)) or done.text == "a cat,, art"


def test_a_style_that_is_longer_than_the_window_is_refused(window):
    with pytest.raises(C2IError, match=r"should fit into the TTI model's 16 tokens, found \d+: shorten them"):
        finish("a cat", "a cat", Wishes(style="vector art " * 10), window)


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"keep": ["red"], "ban": ["Red"]}, "'red' is wanted, and it has the banned 'Red'"),
        ({"style": "red lines", "ban": ["red"]}, "'red lines' is wanted"),
        ({"keep": [" "]}, "keep should be words"),
        ({"ban": [","]}, "ban should be words"),
        ({"length": 0}, "length should be 1 to 500 tokens, found 0"),
        ({"length": 100_000}, "found 100000"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(wishes, message):
    with pytest.raises(C2IError, match=message):
        Wishes(**wishes)
