"""Sentences → who does what to whom; what does not happen is not drawn."""

import pytest

from c2i_lib.errors import C2IError
from c2i_lib.stories.events import find_events
from c2i_lib.stories.parsing import MAX_CHARACTERS, parse_story, parse_tokens
from c2i_lib.stories.speech import find_speeches
from c2i_lib.stories.words import gender_of, ing_form, is_place, is_time, kind_of, lives


def events(text: str) -> list[str]:
    parsed = parse_story(text)
    word = [token.text for token in parsed.doc]
    return [
        " ".join([*(word[i] for i in one.who), one.verb, *(word[i] for i in one.whom)]) for one in find_events(parsed)
    ]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The mouse was caught by a cat.", ["cat catch mouse"]),
        ("The fox stepped back, ran and jumped.", ["fox step", "fox run", "fox jump"]),
        ("He saw grapes that hung from a vine.", ["He see grapes", "grapes hang"]),
        ("The wind and the sun saw a man.", ["wind sun see man"]),
        ("The lion lifted his paw and let her go.", ["lion lift paw", "her go"]),
        ("The girl began to weep.", ["girl weep"]),
        ("The mouse heard him roaring.", ["mouse hear him", "him roar"]),
        ('"I will eat you," said the wolf.', ["wolf say"]),
    ],
)
def test_who_does_what_to_whom(text, expected):
    """Passives are turned round, verbs joined by "and" share their subject, quotations tell nothing that happens."""
    assert events(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "The fox could not reach the grapes.",
        "Nobody answered.",
        "The crow never sang.",
        "If she sold the eggs, she would buy a gown.",
        "She wanted to dance.",
        "The crow tried to push the pitcher.",
        "The fox was happy and had a tail.",
        "They should go home.",
    ],
)
def test_what_is_denied_supposed_or_wished_does_not_happen(text):
    """A picture of it would tell another story."""
    assert events(text) == []


def test_what_is_only_said_does_not_happen():
    assert events("The boy said that a wolf had eaten the sheep.") == ["boy say"]


def test_places_and_times_of_an_event_are_found():
    parsed = parse_story("A hungry fox was walking through a garden one summer morning.")
    (event,) = find_events(parsed)
    assert [parsed.doc[first : last + 1].text for first, _, last in event.where] == ["through a garden"]
    assert [parsed.doc[first : last + 1].text for first, _, last in event.when] == ["one summer morning"]


def test_a_time_right_after_a_place_leaves_the_place():
    """The parser takes "a forest one evening" for one noun phrase."""
    parsed = parse_story("A hungry fox was walking through a forest one evening.")
    event = find_events(parsed)[0]
    assert [parsed.doc[first : last + 1].text for first, _, last in event.where] == ["through a forest"]
    assert [parsed.doc[first : last + 1].text for first, _, last in event.when] == ["one evening"]


def test_a_quotation_is_one_sentence_and_has_its_speaker_and_hearer():
    parsed = parse_story('"Give me bread. I am hungry!" the man said to the girl. "Here," she said.')
    assert len(list(parsed.doc.sents)) == 2
    speeches = [[[parsed.doc[i].text for i in part] for part in (s.speakers, s.hearers)] for s in find_speeches(parsed)]
    assert speeches == [[["man"], ["girl"]], [["she"], []]]


def test_spans_are_those_of_the_text_as_given():
    """Lines are broken, quotation marks are curly: what is told is where it stands in the file."""
    text = "A fox\n ran.\n\n\u201cStop,\u201d  said the dog."
    parsed = parse_story(text)
    spans = [text[slice(*parsed.span(one.start, one.end))] for one in parsed.doc.sents]
    assert spans == ["A fox\n ran.", "\u201cStop,\u201d  said the dog."]


def test_words_and_sentences_of_another_system_stay():
    words = ["A", "fox", "ran", ".", "``", "Stop", "''", "said", "he", "."]
    starts = [True, False, False, False, True, *[False] * 5]
    parsed = parse_tokens(words, [True] * 10, starts)
    assert [one.text for one in parsed.doc.sents] == ["A fox ran .", '" Stop " said he .']


@pytest.mark.parametrize("text", ["", " \n ", "a " * MAX_CHARACTERS])
def test_no_story_and_a_whole_library_are_refused(text):
    with pytest.raises(C2IError, match="story"):
        parse_story(text)


def test_words_tell_gender_life_place_and_time():
    assert [gender_of(word) for word in ("hen", "king", "milkmaid", "fisherman", "fox", "human")] == [
        "f", "m", "f", "m", "", "",
    ]  # fmt: skip
    assert [kind_of(word) for word in ("fox", "miller", "oak", "paw")] == ["animal", "person", "plant", "body"]
    assert lives("hare") and not lives("pitcher")
    assert is_place("forest") and not is_place("fox")
    assert is_time("midnight") and not is_time("last")


@pytest.mark.parametrize(
    "verb, form", [("run", "running"), ("lie", "lying"), ("take", "taking"), ("see", "seeing"), ("eat", "eating"),
                   ("jump", "jumping"), ("open", "opening"), ("blow", "blowing"), ("sit", "sitting")]
)  # fmt: skip
def test_the_form_in_ing_follows_the_rules_of_spelling(verb, form):
    assert ing_form(verb) == form
