"""Who is who: chains of mentions, and the doubts about them; how chains are scored."""

import importlib.util
from pathlib import Path

import pytest

from c2i_lib.stories.characters import attributes_of, is_character, name_of
from c2i_lib.stories.coreference import resolve
from c2i_lib.stories.events import find_events
from c2i_lib.stories.mentions import find_mentions
from c2i_lib.stories.parsing import parse_story


def benchmark(name: str):
    path = Path(__file__).parents[2] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def chains(text: str) -> list[list[str]]:
    """The words of each chain of two mentions or more."""
    found = [[one.text for one in chain.mentions] for chain in resolve(parse_story(text)).chains]
    return [words for words in found if len(words) > 1]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("A fox ran. He saw the fox in a pool.", [["A fox", "He", "the fox"]]),
        ("A queen met a king. She greeted him.", [["A queen", "She"], ["a king", "him"]]),
        ("A dog met another dog. The boy ran.", []),
        ("The girl saw herself in the water.", [["The girl", "herself"]]),
        ("A crow sat in a tree. The bird slept.", [["A crow", "The bird"]]),
        ("An old woman came. She was a witch. The witch laughed.", [["An old woman", "She", "a witch", "The witch"]]),
        ("Two elves came in. They sewed with their fingers.", [["Two elves", "They", "their"]]),
        ("The mouse heard him.", []),
    ],
)
def test_mentions_of_one_are_one_chain(text, expected):
    assert chains(text) == expected


def test_i_is_who_speaks_and_you_who_is_spoken_to():
    text = '"I will help you," said the mouse to the lion.'
    assert chains(text) == [["I", "the mouse"], ["you", "the lion"]]


def test_they_are_those_who_were_named_together():
    cast = resolve(parse_story("The wind and the sun quarrelled. Then they saw a man."))
    group = next(chain for chain in cast.chains if chain.members)
    assert [one.text for one in group.mentions] == ["they"]
    assert [member.nouns for member in group.members] == [["wind"], ["sun"]]


def test_a_link_that_may_be_another_is_told():
    """A person looks at these first."""
    cast = resolve(parse_story("A lion slept when a mouse ran across his paw."))
    assert [(doubt.mention.text, doubt.taken.nouns, doubt.other.nouns) for doubt in cast.doubts] == [
        ("his", ["mouse"], ["lion"])
    ]


def test_it_that_stands_for_nothing_and_nobody_are_no_mentions():
    parsed = parse_story("It rained. Nobody came in the morning. No wolf was there.")
    assert find_mentions(parsed) == []


def test_characters_are_who_lives_or_speaks_or_acts():
    text = "A small hungry crow found a pitcher. She drank. The oak spoke. 'Well,' it said. \"Hello,\" said the oak."
    parsed = parse_story(text)
    cast, events = resolve(parsed), find_events(parsed)
    found = [chain for chain in cast.chains if is_character(chain, events, cast)]
    assert [name_of(chain) for chain in found] == ["crow", "oak"]
    assert attributes_of(found[0]) == ["small"]  # hungry passes


def test_scores_are_those_of_the_reference_implementation():
    """The worked example of Pradhan et al. 2014, "Scoring Coreference Partitions of Predicted Mentions"."""
    gold = [frozenset("abc"), frozenset("defg")]
    found = [frozenset("ab"), frozenset("cd"), frozenset("fghi")]
    scores = benchmark("coreference_scores").coreference_scores([(gold, found)])
    b_cubed = 2 * (35 / 84) * 0.5 / (35 / 84 + 0.5)
    ceaf = 2 * 0.65 * (1.3 / 3) / (0.65 + 1.3 / 3)
    assert scores == pytest.approx(
        {"muc": 0.4, "b_cubed": b_cubed, "ceaf_e": ceaf, "conll": (0.4 + b_cubed + ceaf) / 3}
    )
    perfect = benchmark("coreference_scores").coreference_scores([(gold, gold)])
    assert set(perfect.values()) == {1.0}
