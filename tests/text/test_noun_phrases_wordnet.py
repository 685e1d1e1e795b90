import pytest

from c2i_lib.text.noun_phrases.wordnet import load_nouns, singular


@pytest.mark.parametrize(
    ("plural", "expected"),
    [
        ("dogs", "dog"),
        ("dresses", "dress"),
        ("puppies", "puppy"),
        ("wolves", "wolf"),
        ("women", "woman"),
        ("mice", "mouse"),  # irregular
        ("children", "child"),
        ("shoes", "shoe"),  # WordNet has "shoes" too, with one rare sense
        ("t-shirts", "t-shirt"),
        ("polar-bears", "polar-bear"),  # an unknown compound: its last part decides
    ],
)
def test_plurals_become_singular(plural, expected):
    assert singular(plural) == expected


@pytest.mark.parametrize("word", ["dress", "glass", "bus", "news", "scissors", "pants", "series", "zzyzx", "cat", ""])
def test_singulars_and_unknown_words_stay(word):
    assert singular(word) == word


def test_the_table_knows_senses_and_kinds():
    nouns = load_nouns()
    assert nouns.loc["giraffe", ["n_senses", "category", "physical", "region"]].tolist() == [1, "animal", True, False]
    assert nouns.loc["head", "n_senses"] == 33  # wn head -synsn, WordNet 3.0
    assert not nouns.loc["freedom", "physical"]
    assert nouns.loc[["germany", "texas", "europe"], "region"].all() and not nouns.loc["beach", "region"]
