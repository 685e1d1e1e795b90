"""Captions → counted noun phrases, by spaCy's parser.

In: caption texts. Out: one row a phrase with ``frequency`` (mentions), ``document_frequency`` (captions) and the first
captions that hold it. ``count_batch`` is a function from a batch to counts that add up (``merge_counts``), so that
batches can be counted anywhere in any order. A phrase is normalised: lower case, without determiners, possessives,
numbers and shop junk, its head in the singular. Ignored: pronouns, and what hangs on a phrase ("of the house").
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tqdm import tqdm

from c2i_lib.text.noun_phrases.wordnet import load_spacy, singular

if TYPE_CHECKING:  # importing spaCy takes seconds
    from spacy.language import Language
    from spacy.tokens import Doc, Span

N_EXAMPLES = 3  # captions kept a phrase
BATCH_SIZE = 2_000  # captions a task; the result does not depend on it
_WORTH_PROCESSES = 10  # tasks; a process takes seconds to start
COLUMNS = ["phrase", "head", "frequency", "document_frequency", "rows"]

# Words that say nothing about the picture: quantities, sizes, and what shops put before everything.
JUNK_WORDS = frozenset(
    "best bestselling brand brand-new cheap cm customized different discount few first free ft genuine hd high-quality "
    "hot inch inches kg last lb lbs many mm more most mp multiple new newest next official original other oz own pack "
    "pair pc pcs premium px same second several size sizes such third top uhd various wholesale xl xs xxl xxxl".split()
)
# Penn Treebank tags of words inside a noun phrase that do not belong to its name.
_NOT_PART = frozenset("DT PDT WDT WP$ PRP PRP$ CD LS RB RBR RBS UH SYM".split())
_BREAKS = frozenset(". , : -LRB- -RRB- `` '' \"\" NFP POS".split())


@lru_cache(maxsize=1)
def load_parser() -> Language:
    """spaCy's tokenizer, tagger and parser: all that noun phrases need, and a seventh of the whole pipeline's time."""
    return load_spacy(("ner", "lemmatizer", "attribute_ruler", "senter"))


def _mark_nouns(document: Doc) -> None:
    """Set the coarse part of speech where ``noun_chunks`` looks at it, as the slow attribute ruler would."""
    from spacy.symbols import NOUN, PRON, PROPN

    kinds = {"NN": NOUN, "NNS": NOUN, "NNP": PROPN, "NNPS": PROPN, "PRP": PRON, "PRP$": PRON, "EX": PRON, "WP": PRON}
    for token in document:
        tag = token.tag_
        if tag in kinds:
            token.pos = kinds[tag]
        elif tag in ("DT", "WDT") and token.dep_ not in ("det", "quantmod", ""):
            token.pos = PRON


def parse(texts: Iterable[str], batch_size: int = 128) -> Iterator[Doc]:
    """spaCy documents of ``texts`` whose ``noun_chunks`` are those of the whole pipeline."""
    for document in load_parser().pipe(texts, batch_size=batch_size):
        _mark_nouns(document)
        yield document


def is_junk(word: str) -> bool:
    """Whether a word says nothing about the picture: sizes, numbers, model numbers, single letters, signs."""
    letters = word.replace("-", "").replace("'", "")
    return word in JUNK_WORDS or len(letters) < 2 or not letters.isalpha()


def _units(chunk: Span) -> list[tuple[str, str, int]]:
    """Words of a noun chunk as ``(word, tag of its last part, start)``: parts joined by hyphens are one word."""
    units: list[tuple[str, str, int]] = []
    glued = False
    for token in chunk:
        is_hyphen = token.tag_ == "HYPH" or token.text == "-"
        if is_hyphen and units and not chunk.doc[token.i - 1].whitespace_:
            glued = not token.whitespace_
        elif glued:
            word, _, start = units.pop()
            units.append((f"{word}-{token.lower_}", token.tag_, start))
            glued = False
        else:
            units.append((token.lower_, token.tag_, token.idx))
    return units


def words_of(chunk: Span) -> list[tuple[str, str, int]]:
    """The words that name a noun chunk, as ``(word in lower case, tag, where it starts in the text)``."""
    words: list[tuple[str, str, int]] = []
    for word, tag, start in _units(chunk):
        if tag in _BREAKS or tag == "HYPH":  # what stands before a comma or a possessive is another thing's name
            words = []
        elif tag not in _NOT_PART and not is_junk(word):
            words.append((word, tag, start))
    return words


def name_of(words: Sequence[tuple[str, str, int]]) -> tuple[str, str]:
    """Phrase and head of ``words_of`` a chunk, the head in the singular."""
    head = singular(words[-1][0])
    return " ".join([*(word for word, _, _ in words[:-1]), head]), head


def normalise_chunk(chunk: Span) -> tuple[str, str, list[int]] | None:
    """A noun chunk as ``(phrase, head, where its words start in the text)``; None where nothing is left to name."""
    words = words_of(chunk)
    if not words or not words[-1][1].startswith("NN") or words[-1][2] != _units(chunk)[-1][2]:
        return None
    return *name_of(words), [start for _, _, start in words]


def count_mentions(mentions: Iterable[tuple[int, str, str]]) -> pd.DataFrame:
    """``(row, phrase, head)`` in the order of rows → counts (``COLUMNS``)."""
    found: dict[str, list] = {}
    for row, phrase, head in mentions:
        entry = found.setdefault(phrase, [phrase, head, 0, 0, []])
        entry[2] += 1
        if not entry[4] or entry[5] != row:
            entry[3] += 1
            entry[4] += [row] if len(entry[4]) < N_EXAMPLES else []
        entry[5:] = [row]
    return pd.DataFrame([entry[:5] for entry in found.values()], columns=COLUMNS)


def count_batch(texts: Sequence[str], first_row: int = 0) -> pd.DataFrame:
    """Noun phrases of a batch: ``phrase, head, frequency, document_frequency, rows`` (the first caption rows)."""
    mentions = (
        (row, *normalised[:2])
        for row, document in enumerate(parse(texts), first_row)
        for normalised in map(normalise_chunk, document.noun_chunks)
        if normalised
    )
    return count_mentions(mentions)


def first_rows(groups: np.ndarray, rows: np.ndarray, n_groups: int) -> list[np.ndarray]:
    """Per group its ``N_EXAMPLES`` lowest rows. ``groups``: the group of each row, from 0 to ``n_groups - 1``."""
    if not n_groups:
        return []
    order = np.lexsort((rows, groups))
    groups, rows = groups[order], rows[order]
    starts = np.searchsorted(groups, np.arange(n_groups))
    kept = np.arange(len(groups)) - starts[groups] < N_EXAMPLES
    return np.split(rows[kept], np.searchsorted(groups[kept], np.arange(1, n_groups)))


def merge_counts(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Counts of several batches as one table (``COLUMNS``), the most frequent first, ties in alphabetic order."""
    table = pd.concat([pd.DataFrame(columns=COLUMNS), *(part for part in parts if len(part))], ignore_index=True)
    if table.empty:
        return table
    groups, phrases = pd.factorize(table["phrase"])
    merged = pd.DataFrame(
        {"phrase": phrases, "head": table["head"].to_numpy()[np.unique(groups, return_index=True)[1]]}
    )
    for column in ("frequency", "document_frequency"):
        merged[column] = np.bincount(groups, table[column].to_numpy(float)).astype(np.int64)
    sizes = table["rows"].map(len)
    merged["rows"] = first_rows(np.repeat(groups, sizes), np.concatenate(table["rows"].tolist()), len(phrases))
    return merged.sort_values(["document_frequency", "phrase"], ascending=[False, True], ignore_index=True)


def run_batches(
    count: Callable, texts: Sequence[str], batch_size: int, n_workers: int | None, what: str
) -> Iterator[pd.DataFrame]:
    """``count(batch, first row)`` over batches of ``texts``, in order; in several processes where that is worth it."""
    starts = range(0, len(texts), batch_size)
    batches = ([texts[start : start + batch_size] for start in starts], starts)
    n_workers = n_workers or (os.cpu_count() or 1 if len(starts) >= _WORTH_PROCESSES else 1)
    progress = {"total": len(starts), "desc": what, "unit": " batches", "mininterval": 2}
    if n_workers == 1:
        yield from tqdm(map(count, *batches), **progress)
        return
    # Not fork: threads of other libraries may hold locks.
    with ProcessPoolExecutor(n_workers, multiprocessing.get_context("spawn")) as workers:
        yield from tqdm(workers.map(count, *batches), **progress)


def noun_phrases(texts: Sequence[str], n_workers: int | None = None) -> pd.DataFrame:
    """All noun phrases of ``texts`` (``COLUMNS``), the most frequent first.

    ``n_workers``: processes, one a processor by default for many captions; it changes nothing in the result.
    """
    return merge_counts(run_batches(count_batch, texts, BATCH_SIZE, n_workers, "noun phrases"))
