import pytest

from c2i_lib.text.noun_phrases.unlikely_subjects import unlikely_subject


@pytest.mark.parametrize(
    ("phrase", "reason"),
    [("stock photo", "medium"), ("front view", "medium"), ("left side", "a part"), ("dozen", "a measure")],
)
def test_what_names_no_subject_is_told_with_a_reason(phrase, reason):
    assert reason in unlikely_subject(phrase, phrase.split()[-1])


def test_things_are_likely_subjects():
    assert [unlikely_subject(phrase, "cat") for phrase in ("cat", "black cat")] == ["", ""]
