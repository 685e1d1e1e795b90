import pandas as pd
import pytest

from c2i_lib.config import load_profile
from c2i_lib.stages.concepts.scoring import COMPONENTS, leave_one_out, score
from c2i_lib.text.noun_phrases.wordnet import load_nouns


def counted(*rows):
    """Rows of (phrase, captions)."""
    table = pd.DataFrame(rows, columns=["phrase", "document_frequency"])
    head = table["phrase"].str.split().str[-1]
    return table.assign(head=head, frequency=table["document_frequency"], rows=[[0]] * len(table))


def settings(**changes):
    return load_profile("smoke", {f"concepts.{key}": value for key, value in changes.items()}).concepts


def test_a_more_frequent_phrase_scores_higher():
    scored = score(counted(("zebra", 9), ("giraffe", 90)), settings())
    assert scored["phrase"].tolist() == ["giraffe", "zebra"] and scored["score"].is_monotonic_decreasing


def test_captions_count_and_not_mentions():
    table = counted(("zebra", 9), ("giraffe", 10)).assign(frequency=[500, 10])
    assert score(table, settings(ambiguity_weight=0.0))["phrase"].tolist() == ["giraffe", "zebra"]


def test_a_more_ambiguous_phrase_scores_lower():
    scored = score(counted(("head", 9), ("giraffe", 9)), settings())
    assert scored["phrase"].tolist() == ["giraffe", "head"]
    assert scored["senses"].tolist() == load_nouns()["n_senses"].reindex(["giraffe", "head"]).tolist()
    assert scored["score"].is_unique


def test_senses_are_those_of_the_phrase_or_else_of_its_head():
    scored = score(counted(("teddy bear", 9), ("brown bear", 8), ("green bear", 7), ("qwertyx", 6)), settings())
    found = scored.set_index("phrase")[["senses", "senses_of"]].T.to_dict("list")
    bear = int(load_nouns().loc["bear", "n_senses"])
    assert found["teddy bear"] == [1, "phrase"] and found["green bear"] == [bear, "head"]
    assert found["qwertyx"] == [0, "none"]


def test_a_longer_phrase_scores_lower():
    scored = score(counted(("small pink giraffe", 9), ("giraffe", 9)), settings())
    assert scored["length"].tolist() == [1, 3] and scored.loc[0, "score"] > scored.loc[1, "score"]


def test_the_score_is_the_weighted_sum_of_its_columns():
    weights = {"frequency_weight": 2.0, "ambiguity_weight": 0.7, "length_weight": 0.3}
    scored = score(counted(("head", 90), ("red giraffe", 9), ("old dog", 30)), settings(**weights))
    expected = 2.0 * scored["frequency_score"] - 0.7 * scored["ambiguity_score"] - 0.3 * scored["length_score"]
    assert scored["score"].tolist() == pytest.approx(expected.tolist(), abs=1e-6)
    assert scored[[f"{name}_score" for name in COMPONENTS]].stack().between(0, 1).all()


def test_a_weight_of_zero_takes_a_property_out():
    rows = counted(("head", 9), ("small giraffe", 9))
    assert score(rows, settings(ambiguity_weight=0.0, length_weight=0.0))["score"].nunique() == 1


def test_rare_and_long_phrases_are_left_out():
    rows = counted(("cat", 4), ("dog", 5), ("very small old dog", 9))
    assert score(rows, settings(min_frequency=5, max_words=3))["phrase"].tolist() == ["dog"]


def test_ranks_count_from_one_and_ties_are_in_alphabetic_order():
    scored = score(counted(("zebra", 9), ("giraffe", 9)), settings(ambiguity_weight=0.0))
    assert list(zip(scored["rank"], scored["phrase"], strict=True)) == [(1, "giraffe"), (2, "zebra")]


def test_no_phrases_give_no_candidates():
    assert score(counted(), settings()).empty


def test_leaving_a_component_out_shows_what_it_does():
    scored = score(counted(("head", 90), ("giraffe", 30), ("zebra", 20), ("pink zebra", 29)), settings())
    ranks = leave_one_out(scored, settings(), n_top=1).set_index("phrase")
    assert ranks["all"].idxmin() == "giraffe" and ranks["without ambiguity"].idxmin() == "head"
    assert set(ranks.index) == {"giraffe", "head"}, "only what is in the top of one of them"
    assert ranks.columns.tolist() == ["all", "without frequency", "without ambiguity", "without length"]
