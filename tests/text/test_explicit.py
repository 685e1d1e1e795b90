import numpy as np
import pytest

from c2i_lib.errors import CaptionError
from c2i_lib.text.explicit import is_disguised, is_explicit, read_words


@pytest.mark.parametrize(
    "text", ["porn gif", "PORN gif", "a gif: porn.", "(nude) drawing", "s.h.i.t. happens", "éporn? porn"]
)
def test_a_blacklisted_word_is_explicit_in_any_case(text):
    assert is_explicit([text]).tolist() == [True]


def test_a_word_that_only_contains_a_blacklisted_one_is_not_explicit():
    fine = ["Scunthorpe", "Essex", "cocktail", "a classic assembly", "an analytic cockpit", "bass guitar", "pornö", ""]
    assert is_explicit(fine).tolist() == [False] * len(fine)


@pytest.mark.parametrize("text", ["a p0rn gif", "p o r n", "P.O.R.N.", "p-o-r-n star", "a b1tch"])
def test_a_disguised_word_is_found_by_the_second_pass_only(text):
    assert is_disguised([text]).tolist() == [True]


def test_numbers_and_plain_text_are_not_disguised_words():
    fine = ["model 7175", "8008 pieces", "a cat on a mat", "part 4ss", "", "2 x 4 board"]
    assert is_disguised(fine).tolist() == [False] * len(fine)


def test_a_list_of_ones_own_with_phrases_and_endings(tmp_path):
    (tmp_path / "words.txt").write_text("zebra crossing\nhors*\n\n", encoding="utf-8")
    words = read_words(tmp_path / "words.txt")
    assert words == ("zebra crossing", "hors*")
    assert is_explicit(["a Zebra crossing", "zebra", "horses", "seahorse"], words).tolist() == [
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("content", [None, b"\n \n", b"\xff\xfe\xfa"])
def test_a_useless_list_is_an_error_that_names_it(tmp_path, content):
    if content is not None:
        (tmp_path / "words.txt").write_bytes(content)
    with pytest.raises(CaptionError, match=r"captions\.explicit_words: .*words\.txt"):
        read_words(tmp_path / "words.txt")


def test_the_result_is_one_bool_a_text():
    result = is_explicit(["a cat", "porn"])
    assert result.dtype == bool and result.shape == (2,) and isinstance(result, np.ndarray)
