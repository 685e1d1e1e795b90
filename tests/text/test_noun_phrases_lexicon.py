"""The fast extractor: its array code against a plain loop, and its likeness to the parser."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from c2i_lib.embedded.pairs import make_pairs
from c2i_lib.text.noun_phrases import parser
from c2i_lib.text.noun_phrases.lexicon import (
    BREAK,
    MODIFIER,
    NOUN,
    SKIP,
    Lexicon,
    count_all,
    count_batch,
    learn_lexicon,
    noun_phrases,
    tokenize,
)
from c2i_lib.text.noun_phrases.wordnet import singular

WORDS = {"on": BREAK, "the": BREAK, "very": SKIP, "red": MODIFIER, "old": MODIFIER, "dogs": NOUN, "boat": NOUN}
LEXICON = Lexicon(WORDS)


def count(texts):
    return parser.merge_counts([count_batch(texts, 0, LEXICON)]).set_index("phrase")


def test_runs_of_words_that_end_in_a_noun_are_phrases():
    table = count(["the very old dogs on the red boat", "old red"])
    assert table["frequency"].to_dict() == {"old dog": 1, "red boat": 1}


def test_punctuation_possessives_and_caption_ends_break_phrases():
    table = count(["red boat, old dogs", "the dogs' boat", "the dogs's red boat", "old", "boat"])
    assert table["frequency"].to_dict() == {"red boat": 2, "old dog": 1, "boat": 2}


def test_junk_is_skipped_inside_a_phrase():
    assert count(["red XL 27-inch boat"]).index.tolist() == ["red boat"]


def test_a_word_that_was_never_seen_may_be_a_name():
    assert count(["the zzyzx"]).index.tolist() == ["zzyzx"]


def test_words_are_in_lower_case_with_bars_for_punctuation():
    words, rows = tokenize(pa.array(["It’s a T-shirt - red!", "", "(Café)"]))
    assert words.to_pylist() == ["it's", "a", "t-shirt", "|", "red", "|", "", "|", "café", "|"]
    assert rows.tolist() == [0] * 6 + [1] + [2] * 3


def count_by_hand(texts):
    """The same rule as a loop over words."""
    mentions = []
    for row, text in enumerate(texts):
        run = []
        for word in [*tokenize(pa.array([text]))[0].to_pylist(), "|"]:
            role = LEXICON.role(word)
            if role >= MODIFIER:
                run.append((word, role))
            elif role == BREAK:
                while run and run[-1][1] != NOUN:
                    run.pop()
                if 0 < len(run) <= 6:
                    head = singular(run[-1][0])
                    mentions.append((row, " ".join([*(word for word, _ in run[:-1]), head]), head))
                run = []
    return parser.merge_counts([parser.count_mentions(mentions)])


def test_the_arrays_count_as_a_plain_loop_does():
    generator = np.random.default_rng(0)
    words = [*WORDS, "|", "xl", "boats", "dog"]
    texts = [" ".join(generator.choice(words, generator.integers(0, 14))) for _ in range(3000)]
    expected = count_by_hand(texts)
    found = parser.merge_counts([count_batch(texts[:1234], 0, LEXICON), count_batch(texts[1234:], 1234, LEXICON)])
    pd.testing.assert_frame_equal(found.drop(columns="rows"), expected.drop(columns="rows"))
    assert all(map(np.array_equal, found["rows"], expected["rows"]))


def test_processes_change_nothing(monkeypatch):
    monkeypatch.setattr("c2i_lib.text.noun_phrases.lexicon.BATCH_SIZE", 2)
    texts = ["old dogs", "red boat", "boat", "dogs", "old boat"]
    one, two = count_all(texts, LEXICON, n_workers=1), count_all(texts, LEXICON, n_workers=2)
    pd.testing.assert_frame_equal(one.drop(columns="rows"), two.drop(columns="rows"))


def test_a_learned_lexicon_finds_most_of_what_the_parser_finds():
    texts = [pair.caption for pair in make_pairs() if pair.caption][:3000]
    parsed = parser.noun_phrases(texts[1::2]).set_index("phrase")["frequency"]
    fast = count_all(texts[1::2], learn_lexicon(texts[::2])).set_index("phrase")["frequency"]
    both = pd.concat([parsed, fast], axis=1, keys=["parser", "lexicon"]).fillna(0)
    shared = both.min(axis=1).sum()
    assert shared / both["lexicon"].sum() > 0.8 and shared / both["parser"].sum() > 0.8


@pytest.mark.parametrize("texts", [[], ["", "…"]])
def test_captions_without_phrases_give_an_empty_table(texts):
    assert noun_phrases(texts).empty
