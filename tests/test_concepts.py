import pandas as pd
import pytest

from c2i_lib.concepts import MEDIUM_WORDS, curate, load_nouns, mine_concepts, noun_phrases, read_concepts, score
from c2i_lib.config import load_profile
from c2i_lib.errors import CaptionError
from c2i_lib.files import write_table
from c2i_lib.stage import Stage

CAPTIONS = [
    "Three red apples on a wooden table",
    "The red apple, flat vector icon",
    "A dog and two dogs",
    "a wooden table",
    "illustration of polar bears",
]


@pytest.fixture(scope="module")
def phrases():
    return noun_phrases(CAPTIONS).set_index("phrase")


def candidates(*rows):
    return pd.DataFrame(rows, columns=["phrase", "head", "frequency", "length"])


def settings(**changes):
    return load_profile("smoke", {f"concepts.{key}": value for key, value in changes.items()}).concepts


def test_determiners_and_numbers_go_and_the_head_becomes_singular(phrases):
    assert {"red apple", "wooden table", "dog", "polar bear"} <= set(phrases.index)
    assert not {"apples", "red apples", "three red apples", "a dog", "two dogs", "dogs"} & set(phrases.index)


def test_frequency_counts_captions_not_mentions(phrases):
    assert phrases.loc[["red apple", "wooden table", "dog"], "frequency"].tolist() == [2, 2, 1]


def test_a_phrase_has_its_head_and_length(phrases):
    assert phrases.loc["polar bear", ["head", "length"]].tolist() == ["bear", 2]


def test_phrases_come_the_most_frequent_first(phrases):
    assert phrases["frequency"].is_monotonic_decreasing


def test_a_more_frequent_phrase_scores_higher():
    scored = score(candidates(("cat", "cat", 9, 1), ("cat", "cat", 90, 1)), settings())
    assert scored["frequency"].tolist() == [90, 9]
    assert scored["score"].is_monotonic_decreasing and scored["score"].is_unique


def test_a_more_ambiguous_phrase_scores_lower():
    scored = score(candidates(("head", "head", 9, 1), ("giraffe", "giraffe", 9, 1)), settings())
    assert scored["phrase"].tolist() == ["giraffe", "head"]
    assert scored["senses"].tolist() == load_nouns()["n_senses"].reindex(["giraffe", "head"]).tolist()
    assert scored.loc[0, "score"] > scored.loc[1, "score"]


def test_a_longer_phrase_scores_lower():
    scored = score(candidates(("small pink giraffe", "giraffe", 9, 3), ("giraffe", "giraffe", 9, 1)), settings())
    assert scored["length"].tolist() == [1, 3]
    assert scored.loc[0, "score"] > scored.loc[1, "score"]


def test_a_weight_of_zero_takes_a_property_out():
    rows = candidates(("head", "head", 9, 1), ("small giraffe", "giraffe", 9, 2))
    scored = score(rows, settings(ambiguity_weight=0.0, length_weight=0.0))
    assert scored["score"].nunique() == 1


def test_rare_and_long_phrases_are_left_out():
    rows = candidates(("cat", "cat", 4, 1), ("dog", "dog", 5, 1), ("very small old dog", "dog", 9, 4))
    assert score(rows, settings(min_frequency=5, max_words=3))["phrase"].tolist() == ["dog"]


def test_ranks_count_from_one_and_ties_are_in_alphabetic_order():
    scored = score(candidates(("zebra", "zebra", 9, 1), ("giraffe", "giraffe", 9, 1)), settings(ambiguity_weight=0.0))
    assert list(zip(scored["rank"], scored["phrase"], strict=True)) == [(1, "giraffe"), (2, "zebra")]


def test_curate_takes_drawable_things_once_per_head():
    rows = candidates(
        ("vector icon", "icon", 90, 2),  # names the medium
        ("freedom", "freedom", 80, 1),  # abstract
        ("cat", "cat", 70, 1),
        ("black cat", "cat", 60, 2),  # the same head again
        ("qwertyx", "qwertyx", 50, 1),  # no noun of WordNet
        ("apple", "apple", 40, 1),
        ("giraffe", "giraffe", 30, 1),  # one more than asked for
    )
    scored = score(rows, settings(ambiguity_weight=0.0, length_weight=0.0))
    assert scored.loc[curate(scored, 2), "phrase"].tolist() == ["cat", "apple"]


def captions_table(folder, texts):
    with Stage(folder, {}):
        table = pd.DataFrame({"caption_id": [f"c{index}" for index in range(len(texts))], "text": texts})
        write_table(folder / "mining.parquet", table)
    return folder / "mining.parquet"


def test_mined_concepts_are_the_chosen_candidates_in_order(tmp_path):
    texts = [f"a {noun} in the garden" for noun in ("giraffe", "zebra", "bicycle") for _ in range(3)]
    texts += ["an icon of freedom"] * 9
    captions, out = captions_table(tmp_path / "01_captions", texts), tmp_path / "03_concepts"
    concepts = mine_concepts(captions, out, load_profile("smoke"))
    table = pd.read_parquet(out / "candidates.parquet")
    assert concepts == table.loc[table["chosen"], "phrase"].tolist() == read_concepts(out / "concepts.yaml")
    assert len(concepts) == 3 and not MEDIUM_WORDS & set(concepts)
    assert "freedom" in table["phrase"].tolist()


@pytest.mark.parametrize("texts", [["a giraffe", "a giraffe"], ["404", "12 x 12"]])
def test_too_few_concepts_are_told_with_the_keys_to_change(tmp_path, texts):
    captions = captions_table(tmp_path / "01_captions", texts)
    with pytest.raises(CaptionError, match=r"concepts\.n_concepts is 3.*min_frequency.*captions\.n_mining"):
        mine_concepts(captions, tmp_path / "03_concepts", load_profile("smoke"))
