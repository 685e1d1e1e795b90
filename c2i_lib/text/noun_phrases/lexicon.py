"""Captions → counted noun phrases without a parser: a lexicon learned from the parser, applied by array kernels.

In: caption texts. Out: the same counts as ``parser.py``, about right instead of exactly, and some hundred times
faster: see ``benchmarks/mining.py`` for precision and recall. ``learn_lexicon`` lets the parser read a sample and notes
what each word is in noun phrases; ``count_batch`` then takes maximal runs of such words. Ignored: context.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from c2i_lib.text.noun_phrases.parser import (
    COLUMNS,
    first_rows,
    is_junk,
    merge_counts,
    normalise_chunk,
    parse,
    run_batches,
)
from c2i_lib.text.noun_phrases.wordnet import singular

BREAK, SKIP, MODIFIER, NOUN = range(4)  # ends a phrase; is left out of it; may stand in it; may be its head
N_SAMPLE = 20_000  # captions that the parser reads
BATCH_SIZE = 65_536  # captions a task; the result does not depend on it
_MAX_WORDS = 6  # of a phrase that is counted
_HEAD_SHARE = 0.1  # of a word's mentions inside phrases, from which on it may be a head


@dataclass(frozen=True)
class Lexicon:
    """Word in lower case → ``BREAK``, ``SKIP``, ``MODIFIER`` or ``NOUN``; words it lacks are judged by WordNet."""

    roles: dict[str, int]

    def role(self, word: str) -> int:
        """What ``word`` is in a noun phrase."""
        if word == "|" or word.endswith("'s"):
            return BREAK
        if is_junk(word):
            return SKIP
        return self.roles.get(word, NOUN)


def tokenize(texts: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Words of all texts in lower case, ``|`` for punctuation, and the row of each (``(n_words,)`` int)."""
    texts = pc.replace_substring(pc.utf8_lower(texts), "\N{RIGHT SINGLE QUOTATION MARK}", "'")
    texts = pc.replace_substring_regex(texts, r"[^\pL\pM\pN\s'-]+", " | ")
    texts = pc.replace_substring_regex(texts, r"s'(\s|$)", r"s's\1")  # the possessive of a plural
    texts = pc.replace_substring_regex(texts, r"(^|\s)['-]+", r"\1| ")
    texts = pc.replace_substring_regex(texts, r"['-]+(\s|$)", r" |\1")
    words = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(texts))
    return words.flatten(), pc.list_parent_indices(words).to_numpy()


def _roles_in(document) -> dict[int, int]:
    """Start of a word in the text → its role, for the words in noun phrases."""
    roles: dict[int, int] = {}
    for chunk in document.noun_chunks:
        if normalised := normalise_chunk(chunk):
            *modifiers, head = normalised[2]
            roles |= {token.idx: SKIP for token in chunk if modifiers and token.idx > modifiers[0]}
            roles |= {start: MODIFIER for start in modifiers} | {head: NOUN}
    return roles


def learn_lexicon(texts: Sequence[str]) -> Lexicon:
    """Let the parser read ``texts`` and note for every word what it mostly is."""
    counts: Counter[tuple[str, int]] = Counter()
    words, rows = tokenize(pa.array(texts, pa.string()))
    ends = np.searchsorted(rows, np.arange(len(texts)), side="right")
    all_words, start = words.to_pylist(), 0
    for document, text, end in zip(parse(texts), texts, ends, strict=True):
        roles, place, lowered = _roles_in(document), 0, text.lower()
        for word in all_words[start:end]:
            if word != "|" and (found := lowered.find(word, place)) >= 0:
                counts[word, roles.get(found, BREAK)] += 1
                place = found + len(word)
        start = end
    return Lexicon({word: _main_role(counts, word) for word in {word for word, _ in counts}})


def _main_role(counts: Counter, word: str) -> int:
    inside = counts[word, MODIFIER] + counts[word, NOUN]
    outside = max((BREAK, SKIP), key=lambda role: counts[word, role])
    if inside < counts[word, outside]:
        return outside
    return NOUN if counts[word, NOUN] >= _HEAD_SHARE * inside else MODIFIER


def _runs(roles: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First word and head of each phrase: the longest runs without a break that end in a noun."""
    inside = roles >= MODIFIER
    new = np.ones(len(roles), bool)
    new[1:] = ~inside[:-1] | (rows[1:] != rows[:-1])
    run = np.cumsum(inside & new) - 1
    nouns = np.flatnonzero(roles == NOUN)
    last = np.flatnonzero(np.diff(run[nouns], append=-1))  # the last noun of each run
    return np.flatnonzero(inside & new)[run[nouns[last]]], nouns[last]


def count_batch(texts: Sequence[str] | pa.Array, first_row: int, lexicon: Lexicon) -> pd.DataFrame:
    """Noun phrases of a batch, counted (``COLUMNS``)."""
    words, rows = tokenize(texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string()))
    encoded = words.dictionary_encode()
    vocabulary = encoded.dictionary.to_pylist()
    ids, role_of = encoded.indices.to_numpy(), np.array([lexicon.role(word) for word in vocabulary], np.int8)
    kept = role_of[ids] != SKIP if len(ids) else np.zeros(0, bool)
    ids, rows = ids[kept], rows[kept]
    firsts, heads = _runs(role_of[ids] if len(ids) else ids, rows)
    short = heads - firsts < _MAX_WORDS
    return _count(ids, rows + first_row, firsts[short], heads[short], vocabulary)


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """A bijection of 64-bit numbers that scatters neighbours (the finalizer of SplitMix64, Steele et al. 2014)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _count(
    ids: np.ndarray, rows: np.ndarray, firsts: np.ndarray, heads: np.ndarray, vocabulary: list[str]
) -> pd.DataFrame:
    """Group equal phrases by a hash of their words. ``firsts``, ``heads``: places in ``ids`` and ``rows``."""
    head_names = {index: singular(vocabulary[index]) for index in np.unique(ids[heads]).tolist()}
    numbers = {name: len(vocabulary) + place for place, name in enumerate(dict.fromkeys(head_names.values()))}
    head_id = np.zeros(len(vocabulary), np.uint64)
    head_id[list(head_names)] = [numbers[name] for name in head_names.values()]
    hashes = _mixed(head_id[ids[heads]])
    for offset in range(1, _MAX_WORDS):
        word = ids[np.maximum(heads - offset, 0)].astype(np.uint64) + np.uint64(1)
        hashes = np.where(heads - offset >= firsts, _mixed(hashes + word), hashes)
    order = np.argsort(hashes, kind="stable")  # mentions of a phrase stay in the order of their captions
    hashes, rows, firsts, heads = hashes[order], rows[heads[order]], firsts[order], heads[order]
    new_phrase = np.diff(hashes, prepend=~hashes[:1]) != 0
    new_row = new_phrase | (np.diff(rows, prepend=-1) != 0)
    starts, phrase = np.flatnonzero(new_phrase), np.cumsum(new_phrase) - 1
    names = [
        [*(vocabulary[index] for index in ids[first:head]), head_names[ids[head]]]
        for first, head in zip(firsts[starts].tolist(), heads[starts].tolist(), strict=True)
    ]
    columns = {
        "phrase": list(map(" ".join, names)),
        "head": [words[-1] for words in names],
        "frequency": np.bincount(phrase, minlength=len(starts)),
        "document_frequency": np.bincount(phrase[new_row], minlength=len(starts)),
        "rows": first_rows(phrase[new_row], rows[new_row], len(starts)),
    }
    return pd.DataFrame(columns, columns=COLUMNS)


def count_all(texts: Sequence[str], lexicon: Lexicon, n_workers: int | None = None) -> pd.DataFrame:
    """All noun phrases of ``texts`` by a known lexicon (``COLUMNS``), the most frequent first."""
    count = partial(count_batch, lexicon=lexicon)
    return merge_counts(run_batches(count, texts, BATCH_SIZE, n_workers, "noun phrases (lexicon)"))


def noun_phrases(texts: Sequence[str], n_sample: int = N_SAMPLE, n_workers: int | None = None) -> pd.DataFrame:
    """All noun phrases of ``texts`` (``COLUMNS``), by a lexicon learned from ``n_sample`` of them."""
    step = max(1, len(texts) // n_sample)
    return count_all(texts, learn_lexicon(texts[::step][:n_sample]), n_workers)
