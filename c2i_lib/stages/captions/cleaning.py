"""The kernel of stage 01: a batch of captions as they come → the same captions, clean, and why each is dropped.

In: one batch of a caption source (``text`` and what else it has). Out: clean texts and one reason per row. A batch
knows nothing of other batches, so batches can be cleaned in any order, by threads here or on a cluster.
Ignored: duplicates, which need all batches (``splits.py``).
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from c2i_lib.config import Captions
from c2i_lib.errors import CaptionError, MissingPackageError
from c2i_lib.text.explicit import is_disguised, is_explicit

# Why a row is dropped, in the order of the checks: the first that holds is counted.
REASONS = (
    "kept",
    "null",
    "undecodable",
    "too_long",
    "empty",
    "no_letter",
    "nsfw",
    "similarity",
    "language",
    "explicit",
    "disguised",
    "duplicate",
    "in_other_split",
)
CODES = {reason: code for code, reason in enumerate(REASONS)}

_TAG = r"</?[a-zA-Z][^<>]*>|<!--[^<>]*-->"
# Controls, soft hyphens, zero-width spaces, marks of writing direction, byte order marks, private use.
_INVISIBLE = r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\x{AD}\x{61C}\x{180E}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}"
_INVISIBLE += r"\x{2060}-\x{206F}\x{FEFF}\x{FFF9}-\x{FFFB}\x{E000}-\x{F8FF}]"
# Joiners build emoji and words of Persian and Hindi; beside an ASCII character they only hide something.
_JOINERS = (r"([\x00-\x7f]|^)[\x{200C}\x{200D}]+", r"[\x{200C}\x{200D}]+([\x00-\x7f]|$)")
# White space that is not one plain blank: another character first, or a blank and more.
_OTHER_SPACE = r"[\t-\r\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]"
_SPACES = rf"(?:{_OTHER_SPACE}| [\s\x0b\x{{85}}\pZ])[\s\x0b\x{{85}}\pZ]*"
# Rows without any of these are clean already: most are, and one look is cheaper than five.
_UNCLEAN = r"[^\x20-\x7e]|&[#a-zA-Z]|<[/!a-zA-Z]|  |^ | $"
_NUMBER = r"^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


@dataclass(frozen=True)
class Cleaned:
    """A batch after cleaning, all of ``n`` rows.

    ``texts``: clean captions (string); ``urls``: where the source has them (string), else None; ``reasons``: codes
    of ``REASONS`` (int8); ``text_keys``, ``duplicate_keys``: 64-bit hashes of kept rows (uint64; 0 elsewhere);
    ``qualities``: of the captions' pictures (float64), null where the source does not say.
    """

    texts: pa.Array
    urls: pa.Array | None
    qualities: pa.Array
    reasons: np.ndarray
    text_keys: np.ndarray
    duplicate_keys: np.ndarray


def _where(texts: pa.Array, pattern: str, mend: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """``texts`` with ``mend`` applied to the rows that match ``pattern``."""
    mask = pc.match_substring_regex(texts, pattern)
    part = texts.filter(mask)
    return pc.replace_with_mask(texts, mask, mend(part)) if len(part) else texts


def _unescape(texts: pa.Array) -> pa.Array:
    """Entities as characters; twice, because real captions hold ``&amp;#34;``."""
    return pa.array([html.unescape(html.unescape(text)) for text in texts.to_pylist()], pa.string())


def _remove_invisible(texts: pa.Array) -> pa.Array:
    texts = pc.replace_substring_regex(texts, _INVISIBLE, "")
    texts = pc.replace_substring_regex(texts, _JOINERS[0], r"\1")
    return pc.replace_substring_regex(texts, _JOINERS[1], r"\1")


def _mend(texts: pa.Array) -> pa.Array:
    texts = _where(texts, r"&[#a-zA-Z]", _unescape)
    texts = _where(texts, _TAG, lambda part: pc.replace_substring_regex(part, _TAG, " "))
    texts = _where(texts, rf"{_INVISIBLE}|[\x{{200C}}\x{{200D}}]", _remove_invisible)
    # Below U+0300 every text is in NFC (UAX 15, quick check).
    texts = _where(texts, r"[^\x00-\x{2FF}]", lambda part: pc.utf8_normalize(part, "NFC"))
    texts = _where(texts, _SPACES, lambda part: pc.replace_substring_regex(part, _SPACES, " "))
    return _where(texts, "^ | $", lambda part: pc.utf8_trim(part, characters=" "))


def normalise_texts(texts: pa.Array) -> pa.Array:
    """Captions without entities, tags, controls and invisible characters, in Unicode NFC, with single spaces.

    ``texts``: string array without nulls. Real captions hold ``caldosa,&#34;`` and ``<span class=meta>``.
    """
    return _where(texts, _UNCLEAN, _mend)


def decode(array: pa.Array) -> pa.Array:
    """A string array of ``array`` (string, binary or dictionary of them); bytes that are no UTF-8 become U+FFFD."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    binary = array.cast(pa.large_binary()) if pa.types.is_large_string(array.type) else array.cast(pa.binary())
    try:
        return binary.cast(pa.string())
    except pa.ArrowInvalid:
        rows = [None if row is None else row.decode("utf-8", errors="replace") for row in binary.to_pylist()]
        return pa.array(rows, pa.string())


def as_numbers(array: pa.Array) -> pa.Array:
    """float64 of numbers, or of texts that hold them; null where there is no finite number.

    Raises ``CaptionError`` for a column of anything else, such as lists.
    """
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    is_text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    if any(test(array.type) for test in is_text):
        texts = pc.utf8_trim_whitespace(decode(array))
        array = pc.if_else(pc.match_substring_regex(texts, _NUMBER), texts, None)
    try:
        numbers = array.cast(pa.float64())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        raise CaptionError(f"captions.quality_column should hold numbers, but holds {array.type}") from error
    return pc.if_else(pc.is_finite(numbers), numbers, None)


def hash_texts(texts: pa.Array) -> np.ndarray:
    """64-bit hashes (xxHash, uint64) of a string array without nulls; the same on every machine."""
    rows = texts.cast(pa.binary()).to_pylist()
    return np.fromiter(map(xxhash.xxh3_64_intdigest, rows), np.uint64, len(rows))


def near_form(texts: pa.Array) -> pa.Array:
    """What near duplicates share: letters and digits in lower case, without accents, punctuation and spaces."""
    plain = pc.utf8_lower(pc.utf8_normalize(texts, "NFKD"))
    return pc.replace_substring_regex(plain, r"[^\pL\pN]+", "")


def _languages(texts: pa.Array) -> list[str]:
    try:
        import pycld2
    except ImportError as error:
        raise MissingPackageError(
            "captions.languages needs the package pycld2, which is the extra 'languages' of c2i. "
            "Run: python -m pip install pycld2==0.42 (on Linux with an arm64 processor it needs a C++ compiler)"
        ) from error
    return [pycld2.detect(text, bestEffort=True)[2][0][1] for text in texts.to_pylist()]


def _drop(reasons: np.ndarray, reason: str, mask: pa.Array | np.ndarray) -> None:
    """Give ``reason`` to the rows of ``mask`` that are still kept."""
    mask = mask if isinstance(mask, np.ndarray) else pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
    reasons[mask & (reasons == 0)] = CODES[reason]


def _drop_kept(reasons: np.ndarray, reason: str, texts: pa.Array, test: Callable[[pa.Array], np.ndarray]) -> None:
    """As ``_drop``, for a costly ``test`` that only sees rows that are still kept."""
    rows = np.flatnonzero(reasons == 0)
    if len(rows):
        reasons[rows[test(texts.take(pa.array(rows)))]] = CODES[reason]


def clean_batch(batch: pa.RecordBatch, settings: Captions, words: tuple[str, ...]) -> Cleaned:
    """Clean one batch with column ``text`` and, where the source has them, ``url``, ``nsfw``, ``similarity`` and
    ``quality``. Raises ``CaptionError`` for a quality that is no number.
    """
    columns = set(batch.schema.names)
    texts = decode(batch["text"])
    reasons = np.zeros(len(texts), np.int8)
    _drop(reasons, "null", pc.is_null(texts))
    texts = pc.fill_null(texts, "")
    _drop(reasons, "too_long", _is_longer(texts, settings.max_characters))
    # What is too long is not worth the work: ten million characters would hold up the batch.
    texts = normalise_texts(pc.if_else(pa.array(reasons == 0), texts, ""))
    _drop(reasons, "undecodable", _is_undecodable(texts))
    _drop(reasons, "empty", pc.equal(texts, ""))
    _drop(reasons, "no_letter", _is_without_letter(texts))
    if settings.drop_nsfw and "nsfw" in columns:
        _drop(reasons, "nsfw", pc.is_in(batch["nsfw"].cast(pa.string()), pa.array(settings.drop_nsfw)))
    if settings.min_similarity is not None and "similarity" in columns:
        _drop(reasons, "similarity", pc.less(batch["similarity"].cast(pa.float64()), settings.min_similarity))
    if settings.languages:
        languages = np.array(settings.languages)
        _drop_kept(reasons, "language", texts, lambda part: ~np.isin(_languages(part), languages))
    _drop(reasons, "explicit", is_explicit(texts, words))
    if settings.disguised_words:
        _drop_kept(reasons, "disguised", texts, lambda part: is_disguised(part, words))
    urls = pc.fill_null(decode(batch["url"]), "") if "url" in columns else None
    qualities = as_numbers(batch["quality"]) if "quality" in columns else pa.nulls(len(texts), pa.float64())
    return Cleaned(texts, urls, qualities, reasons, *_keys(texts, urls, reasons, settings.duplicates))


def _some(mask: pa.Array, texts: pa.Array, test: Callable[[pa.Array], pa.Array]) -> np.ndarray:
    """Bool per row: ``mask``, a cheap test that lets too many rows through, and then ``test``, a costly one."""
    result = mask.to_numpy(zero_copy_only=False).copy()
    if result.any():
        result[result] = test(texts.filter(mask)).to_numpy(zero_copy_only=False)
    return result


def _is_longer(texts: pa.Array, n_characters: int) -> np.ndarray:
    more_bytes = pc.greater(pc.binary_length(texts), n_characters)
    return _some(more_bytes, texts, lambda part: pc.greater(pc.utf8_length(part), n_characters))


def _is_undecodable(texts: pa.Array) -> np.ndarray:
    not_ascii = pc.invert(pc.string_is_ascii(texts))
    return _some(not_ascii, texts, lambda part: pc.match_substring(part, "\N{REPLACEMENT CHARACTER}"))


def _is_without_letter(texts: pa.Array) -> np.ndarray:
    no_ascii_letter = pc.equal(pc.ascii_lower(texts), pc.ascii_upper(texts))
    return _some(no_ascii_letter, texts, lambda part: pc.invert(pc.match_substring_regex(part, r"\pL")))


def _keys(texts: pa.Array, urls: pa.Array | None, reasons: np.ndarray, duplicates: str) -> tuple[np.ndarray, ...]:
    rows = np.flatnonzero(reasons == 0)
    texts = texts.take(pa.array(rows))
    text_keys, duplicate_keys = np.zeros(len(reasons), np.uint64), np.zeros(len(reasons), np.uint64)
    text_keys[rows] = hash_texts(texts)
    if duplicates == "near":
        duplicate_keys[rows] = hash_texts(near_form(texts))
    elif duplicates == "url_text" and urls is not None:
        pairs = pc.binary_join_element_wise(urls.take(pa.array(rows)), texts, "\n")
        duplicate_keys[rows] = hash_texts(pairs)
    else:
        duplicate_keys[rows] = text_keys[rows]
    return text_keys, duplicate_keys
