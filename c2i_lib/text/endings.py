"""Texts that end as captions do: with a complete phrase, and not in the middle of a word or before a noun.

In: a text that was cut at a number of tokens. Out: its beginning, up to the last complete phrase. By spaCy's tagger,
each text alone, so that the result depends on nothing else. Ignored: texts that their writer has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from c2i_lib.text.noun_phrases.parser import parse

if TYPE_CHECKING:  # importing spaCy takes seconds
    from spacy.tokens import Token

# Penn Treebank tags of words that a caption can end in.
_ENDS = frozenset("NN NNS NNP NNPS PRP VBG VBN RP FW . '' -RRB-".split())
_CLOSING = "!?.)\"'’”"


def last_complete_phrase(text: str) -> str:
    """``text`` up to the last word that a phrase can end in: "a dog on the beach, glossy 3D" → "a dog on the beach".

    Words that need another after them (the, of, and, red) go, and so do commas and dashes at the end. Where nothing
    would be left, all stays.
    """
    (document,) = parse([text])
    ends = [token.idx + len(token) for token in document if _can_end(token, text)]
    return text[: ends[-1]] if ends else text


def _can_end(token: Token, text: str) -> bool:
    after = text[token.idx + len(token) :][:1]
    closes = token.is_alpha or token.text[-1] in _CLOSING
    return token.tag_ in _ENDS and closes and (not after or after.isspace() or after in _CLOSING + ",;:")
