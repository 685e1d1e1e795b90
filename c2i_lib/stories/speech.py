"""Who says a quotation, and to whom.

In: a parsed story. Out: a ``Speech`` for each quotation. Rules: the verb of saying in the same sentence, outside its
marks; its subject, before or after it; else who spoke last, when the quotation follows at once. Ignored: what is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from c2i_lib.stories.parsing import Parsed
from c2i_lib.stories.words import SPEECH

if TYPE_CHECKING:
    from spacy.tokens import Token


@dataclass(frozen=True)
class Speech:
    """Quotation number ``quote``: head tokens of those who speak and of those who are spoken to."""

    quote: int
    speakers: tuple[int, ...]
    hearers: tuple[int, ...]


def find_speeches(parsed: Parsed) -> list[Speech]:
    """The quotations of a story in their order."""
    doc, speeches = parsed.doc, []
    for sentence in doc.sents:
        quotes = dict.fromkeys(parsed.quotes[token.i] for token in sentence if parsed.quotes[token.i] >= 0)
        verbs = [token for token in sentence if token.lemma_ in SPEECH and parsed.quotes[token.i] < 0]
        for quote in quotes:
            inside = [token.i for token in sentence if parsed.quotes[token.i] == quote]
            verb = min(verbs, key=lambda one: min(abs(one.i - inside[0]), abs(one.i - inside[-1])), default=None)
            speakers, hearers = speakers_of(verb, parsed), _hearers(verb, parsed)
            if not speakers and verb is None and speeches:
                speakers, hearers = speeches[-1].speakers, speeches[-1].hearers
            speeches.append(Speech(quote, speakers, hearers))
    return speeches


def speakers_of(verb: Token | None, parsed: Parsed) -> tuple[int, ...]:
    """Head tokens of the subject of a verb of saying; after a quotation it may follow the verb: said the fox."""
    while verb is not None:
        subjects = [child for child in verb.children if child.dep_ == "nsubj" and parsed.quotes[child.i] < 0]
        subjects = subjects or [one for one in _after(verb, parsed) if verb.lemma_ in SPEECH]
        if subjects:
            return tuple(part.i for part in (subjects[0], *subjects[0].conjuncts) if parsed.quotes[part.i] < 0)
        verb = verb.head if verb.dep_ in ("conj", "xcomp", "advcl") and verb.head is not verb else None
    return ()


def _after(verb: Token, parsed: Parsed) -> list[Token]:
    """What follows a verb that stands right after a quotation, where the parser took it for an object."""
    if verb.i == 0 or parsed.quotes[verb.i - 1] < 0:
        return []
    return [child for child in verb.children if child.dep_ in ("dobj", "attr", "npadvmod") and child.i > verb.i]


def _hearers(verb: Token | None, parsed: Parsed) -> tuple[int, ...]:
    if verb is None:
        return ()
    speakers = speakers_of(verb, parsed)
    objects = [child for child in verb.children if child.dep_ in ("dobj", "dative") and child.pos_ != "ADP"]
    to = [child for child in verb.children if child.lower_ == "to" and child.dep_ in ("prep", "dative")]
    objects += [one for preposition in to for one in preposition.children if one.dep_ == "pobj"]
    return tuple(one.i for one in objects if one.i not in speakers and parsed.quotes[one.i] < 0)
