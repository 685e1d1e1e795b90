"""A file → the plan of its story: plain text, JSON, spaCy's DocBin, CoNLL-U.

In: a path; its ending says what it is (``.json``, ``.spacy``, ``.conllu``; all else is text in UTF-8). Out: a ``Plan``.
Of DocBin and CoNLL-U words and sentences are kept as they are. Ignored: their parts of speech, trees and chains,
because the rules are written for those of the parser that comes along.
"""

from __future__ import annotations

import json
from pathlib import Path

from c2i_lib.errors import C2IError
from c2i_lib.stories.parsing import Parsed, parse_tokens
from c2i_lib.stories.plan import Plan
from c2i_lib.stories.planning import N_PANELS, plan_story
from c2i_lib.stories.structured import plan_findings

MAX_BYTES = 10_000_000


def plan_file(path: Path, n_panels: int | None = None) -> Plan:
    """The plan of the story in a file; ``n_panels``: None for 6, or as many as JSON has events.

    Raises ``C2IError`` for what is no such file.
    """
    if not path.is_file():
        raise C2IError(f"expected a file with a story, found none at {path}: give its path")
    if path.stat().st_size > MAX_BYTES:
        raise C2IError(
            f"{path} should be at most {MAX_BYTES:,} bytes, found {path.stat().st_size:,}: give a part of it"
        )
    kind = path.suffix.lower()
    if kind == ".spacy":
        return plan_story(_docbin(path), path.stem, n_panels or N_PANELS)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise C2IError(f"{path} should be text in UTF-8: {error}") from error
    if kind == ".json":
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise C2IError(f"{path} should be JSON, found none: {error}") from error
        return plan_findings(found, path.stem, n_panels)
    return plan_story(_conllu(text, path) if kind == ".conllu" else text, path.stem, n_panels or N_PANELS)


def _docbin(path: Path) -> Parsed:
    from spacy.tokens import DocBin

    from c2i_lib.stories.parsing import load_pipeline

    try:
        docs = list(DocBin().from_disk(path).get_docs(load_pipeline().vocab))
    except Exception as error:  # zlib's, msgpack's and spaCy's own
        raise C2IError(f"{path} should be spaCy's DocBin, as to_disk writes it, and cannot be read: {error}") from error
    tokens = [token for doc in docs for token in doc if not token.is_space]
    marked = all(doc.has_annotation("SENT_START") for doc in docs)
    starts = [bool(token.is_sent_start) or token.i == 0 for token in tokens]
    if not marked:
        raise C2IError(f"{path} should have sentences, found none marked: run a parser or a sentencizer first")
    return parse_tokens([token.text for token in tokens], [bool(token.whitespace_) for token in tokens], starts)


def _conllu(text: str, path: Path) -> Parsed:
    """Words and sentences of CoNLL-U; a token of several words, such as "don't", is its words."""
    words, spaces, starts, is_start = [], [], [], True
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            is_start = True
        elif not line.startswith("#"):
            columns = line.split("\t")
            if len(columns) != 10:
                raise C2IError(f"{path}, line {number}: CoNLL-U has 10 columns with tabs between, found {len(columns)}")
            if not columns[0].isdecimal():  # 1-2 of several words; 1.1 of an empty one
                continue
            words.append(columns[1])
            spaces.append("SpaceAfter=No" not in columns[9].split("|"))
            starts.append(is_start)
            is_start = False
    return parse_tokens(words, spaces, starts)
