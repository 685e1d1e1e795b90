"""The vectorised kernel against a plain Python one, and what it must survive."""

import html
import random
import re
import sys
import unicodedata

import pyarrow as pa
import pytest

from c2i_lib.config import load_profile
from c2i_lib.errors import CaptionError, MissingPackageError
from c2i_lib.stages.captions.cleaning import REASONS, as_numbers, clean_batch, near_form, normalise_texts
from c2i_lib.text.explicit import read_words

WORDS = read_words(None)


def clean(*texts, url=None, changes=None, **columns):
    overrides = {f"captions.{key}": value for key, value in (changes or {}).items()}
    arrays = {"text": pa.array(texts), **{name: pa.array(values) for name, values in columns.items()}}
    return clean_batch(pa.RecordBatch.from_pydict(arrays), load_profile("smoke", overrides).captions, WORDS)


def reasons(*texts, **options):
    return [REASONS[code] for code in clean(*texts, **options).reasons]


def in_plain_python(text):
    """A second implementation, one caption at a time."""
    text = html.unescape(html.unescape(text)) if re.search("&[#a-zA-Z]", text) else text
    text = re.sub(r"</?[a-zA-Z][^<>]*>|<!--[^<>]*-->", " ", text)
    invisible = {0xAD, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F, 0xFEFF, *range(0xFFF9, 0xFFFC), *range(0xE000, 0xF900)}
    invisible |= {*range(0x202A, 0x202F), *range(0x2060, 0x2070), *range(9), *range(0xE, 0x20), *range(0x7F, 0x85)}
    invisible |= set(range(0x86, 0xA0))
    text = "".join(character for character in text if ord(character) not in invisible)
    text = re.sub("([\0-\x7f]|^)[\u200c\u200d]+", r"\1", text)
    text = re.sub("[\u200c\u200d]+([\0-\x7f]|$)", r"\1", text)
    text = unicodedata.normalize("NFC", text)
    return re.sub("[ \t-\r\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+", " ", text).strip(" ")


def test_the_kernel_agrees_with_plain_python_on_random_text():
    pieces = [
        "a cat",
        "&#34;",
        "&amp;#34;",
        "<span class=meta>",
        "</b>",
        "<3",
        " < ",
        "\u200b",
        "\u200d",
        "é",
        "e\u0301",
    ]
    pieces += [
        "\t",
        "  ",
        "\x00",
        "\x85",
        "\u3000",
        "شعر",
        "👩\u200d🚀",
        "\ufeff",
        "\u202e",
        "&",
        "&nbsp;",
        "&copy",
        "-->",
        "<!--",
    ]
    generator = random.Random(5)
    texts = ["".join(generator.choices(pieces, k=generator.randint(0, 8))) for _ in range(5000)]
    assert normalise_texts(pa.array(texts)).to_pylist() == list(map(in_plain_python, texts))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a traditional &#34;caldosa,&#34; a pot", 'a traditional "caldosa," a pot'),
        ("<span class=meta>a cat</span>", "a cat"),
        ("I <3 cats & dogs", "I <3 cats & dogs"),
        ("  a\tcat \n", "a cat"),
        ("e\u0301te\u0301", "été"),
        ("zero\u200bwidth", "zerowidth"),
        ("👩\u200d🚀 in space", "👩\u200d🚀 in space"),
        ("خانه‌های قدیمی", "خانه‌های قدیمی"),
    ],
)
def test_what_real_captions_hold_is_mended(text, expected):
    assert normalise_texts(pa.array([text])).to_pylist() == [expected]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a cat", "kept"),
        (None, "null"),
        (" \t", "empty"),
        ("<br/>", "empty"),
        ("404 - 12 x 12"[:9], "no_letter"),
        ("!!! 12", "no_letter"),
        ("broken \ufffd text", "undecodable"),
        ("a" * 10_000_000, "too_long"),
        ("nu\u200bde cat", "explicit"),
        ("صورة قطة", "kept"),
        ("🐈 cat", "kept"),
        ("🐈", "no_letter"),
    ],
)
def test_each_caption_has_one_reason(text, reason):
    assert reasons(text, "a dog") == [reason, "kept"]


def test_bytes_that_are_no_utf8_are_counted_and_the_rest_stays():
    batch = clean(b"a cat", b"caf\xe9", None)
    assert [REASONS[code] for code in batch.reasons] == ["kept", "undecodable", "null"]
    assert batch.texts[0].as_py() == "a cat"


def test_columns_of_laion_filter_where_the_profile_says_so():
    columns = {"nsfw": ["UNLIKELY", "NSFW", None], "similarity": [0.4, 0.4, 0.2]}
    texts = ("a cat", "a dog", "a cow")
    assert reasons(*texts, **columns) == ["kept"] * 3
    changes = {"drop_nsfw": ("NSFW",), "min_similarity": 0.3}
    assert reasons(*texts, changes=changes, **columns) == ["kept", "nsfw", "similarity"]


def test_languages_filter_where_the_profile_says_so():
    pytest.importorskip("pycld2")  # an extra; there is no wheel of it for every machine
    texts = ("a photograph of an old house by the river", "ein altes Haus an einem Fluss im Schwarzwald")
    assert reasons(*texts, changes={"languages": ("en",)}) == ["kept", "language"]


def test_languages_without_their_package_are_told_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycld2", None)
    with pytest.raises(MissingPackageError, match=r"extra 'languages' of c2i. Run: python -m pip install pycld2==\d"):
        reasons("a cat", changes={"languages": ("en",)})


def test_disguised_words_are_dropped_only_when_asked_for():
    assert reasons("a p.o.r.n gif") == ["kept"]
    assert reasons("a p.o.r.n gif", changes={"disguised_words": True}) == ["disguised"]


def test_near_forms_ignore_case_signs_and_accents():
    assert near_form(pa.array(["A café, red!", "a  CAFE-red"])).to_pylist() == ["acafered"] * 2


def test_qualities_are_numbers_or_texts_that_hold_them_and_null_where_they_hold_none():
    """A CSV file has texts; a score that is missing, not finite or a word is none, and never a crash of the batch."""
    texts = ["5.25", " 6 ", "-1e-1", ".5", "", "nan", "inf", "1e999", "good", None, "1,5"]
    assert as_numbers(pa.array(texts)).to_pylist() == [5.25, 6.0, -0.1, 0.5] + [None] * 7
    assert as_numbers(pa.array(texts).dictionary_encode()).null_count == 7
    numbers = pa.array([1.5, float("nan"), float("inf"), None])
    assert as_numbers(numbers).to_pylist() == [1.5, None, None, None]
    assert as_numbers(pa.array([1, 2])).to_pylist() == [1.0, 2.0]
    with pytest.raises(CaptionError, match="should hold numbers, but holds list"):
        as_numbers(pa.array([[1.0]]))
