"""What a browser sends → what was asked for, or an error that says what is wrong."""

from urllib.parse import parse_qsl

import pytest

from c2i_lib.app.asked import MAX_CONCEPTS, Asked, asked, asked_in, concepts_of, whole
from c2i_lib.errors import C2IError


def test_fields_become_wishes():
    wanted = asked("  a  red bicycle ", 2.0, 5, "base", "tree, full moon", "night;", "pixel art")
    assert wanted == Asked("a red bicycle", 2, 5, "base", "tree, full moon", "night;", "pixel art")
    assert (wanted.wishes.keep, wanted.wishes.ban, wanted.wishes.style) == (
        ("tree", "full moon"),
        ("night",),
        "pixel art",
    )


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (["", 1, 0], "concept is empty"),
        ([None, 1, 0], "concept is empty"),
        (["x" * 1_000_000, 1, 0], "at most 1,000 characters"),
        (["cat", 99, 0], "1 to 4"),
        (["cat", "many", 0], "'many'"),
        (["cat", 1, -1], "the seed"),
        (["cat", 1, 1e300], "the seed"),
        (["cat", 1, None], "the seed"),
        (["cat", 1, 0, "", "y" * 1_000_000], "1,000 characters"),
    ],
    ids=range(9),
)
def test_what_cannot_be_asked_for_is_told(fields, says):
    with pytest.raises(C2IError, match=says) as told:
        asked(*fields)
    assert len(str(told.value)) < 400


def test_a_link_asks_for_the_same_again():
    """The text of a link may hold anything that a concept may."""
    wanted = asked("a cat & a <dog>?", 1, 7, "base", "tree", "", "flat")
    assert asked_in(dict(parse_qsl(wanted.link.removeprefix("?")))) == wanted
    assert asked_in({"seed": "3"}) is None
    assert asked_in({"concept": "London"}) == Asked("London")
    with pytest.raises(C2IError, match="the seed"):
        asked_in({"concept": "London", "seed": "<script>"})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "0x", 1.5, [], "1e999"])
def test_only_whole_numbers_are_whole(value):
    with pytest.raises(C2IError, match="whole number"):
        whole(value, "the seed", 0, 10)


def test_a_list_is_lines_or_a_column(tmp_path):
    assert concepts_of("cat\n\n red  bicycle\ncat\n") == ["cat", "red bicycle"]
    (tmp_path / "list.csv").write_text('id,Concept\n1,"a cat, asleep"\n2,dog\n3\n', encoding="utf-8-sig")
    assert concepts_of("", tmp_path / "list.csv") == ["a cat, asleep", "dog"]
    (tmp_path / "plain.txt").write_text("cat\ndog\n", encoding="utf-8")
    assert concepts_of("", tmp_path / "plain.txt") == ["cat", "dog"]


def test_a_list_that_is_none_is_told(tmp_path):
    with pytest.raises(C2IError, match="found none"):
        concepts_of(" \n ")
    with pytest.raises(C2IError, match="found more"):
        concepts_of("\n".join(f"cat {number}" for number in range(MAX_CONCEPTS + 1)))
    with pytest.raises(C2IError, match="line 2"):
        concepts_of(f"cat\n{'x' * 2000}")
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(C2IError, match="UTF-8"):
        concepts_of("", tmp_path / "picture.csv")
    (tmp_path / "big.csv").write_bytes(b"a" * 1_000_001)
    with pytest.raises(C2IError, match="1,000,000 bytes"):
        concepts_of("", tmp_path / "big.csv")
