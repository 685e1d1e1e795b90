"""A parsed story → its mentions: every noun phrase and pronoun that may name someone or something.

In: a ``Parsed`` story. Out: ``Mention``s in the order of the text, each known by its head word. Ignored: whom they name
(``coreference.py``); times of day and "nobody".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from c2i_lib.stories.parsing import Parsed
from c2i_lib.stories.words import NOBODY, PRONOUNS, gender_of, is_time, kind_of
from c2i_lib.text.noun_phrases.wordnet import singular

if TYPE_CHECKING:
    from spacy.tokens import Token

_DEFINITE = frozenset("the this that these those".split())
_NUMBERS = frozenset("two three four five six seven eight nine ten many several some few".split())


@dataclass(frozen=True)
class Mention:
    """A phrase that names someone: ``head``, its head token, from ``start`` to before ``end``; ``noun``: the head in
    the singular, empty for a pronoun. ``person`` is 1, 2 or 3; ``gender`` m, f, n or empty; ``number`` one, many or
    empty; ``kind``: WordNet's category; ``modifiers``: adjectives and nouns before the head; ``quote``: as in
    ``Parsed``."""

    head: int
    start: int
    end: int
    text: str
    noun: str
    person: int
    gender: str
    number: str
    kind: str
    sentence: int
    quote: int
    is_subject: bool
    is_name: bool
    is_definite: bool
    modifiers: tuple[str, ...]

    @property
    def is_pronoun(self) -> bool:
        """Whether it names nothing by itself."""
        return not self.noun


def find_mentions(parsed: Parsed) -> list[Mention]:
    """All mentions of a story, in the order of their heads."""
    doc = parsed.doc
    sentences = {token.i: number for number, sentence in enumerate(doc.sents) for token in sentence}
    chunks = {chunk.root.i: chunk for chunk in doc.noun_chunks}
    found = []
    for token in doc:
        if token.lower_ in PRONOUNS and token.tag_ in ("PRP", "PRP$"):
            if not _says_nothing(token):
                found.append(_pronoun(token, sentences[token.i], parsed.quotes[token.i]))
        elif token.pos_ in ("NOUN", "PROPN") and (token.i in chunks or token.dep_ in ("poss", "appos", "conj", "attr")):
            if token.lower_ in NOBODY or (is_time(token.lemma_.lower()) and token.dep_ in ("npadvmod", "pobj")):
                continue
            if any(child.dep_ == "det" and child.lower_ == "no" for child in token.children):
                continue
            start = chunks[token.i].start if token.i in chunks else token.left_edge.i
            found.append(_noun(token, start, sentences[token.i], parsed.quotes[token.i]))
    return found


def _says_nothing(token: Token) -> bool:
    """Whether "it" stands for nothing: it rained, so it went on, it was dark."""
    if token.lower_ != "it" or token.dep_ not in ("nsubj", "expl"):
        return False
    verb = token.head.lemma_
    kinds = {child.dep_ for child in token.head.children}
    so = verb == "go" and any(child.lower_ == "on" for child in token.head.children)
    return verb in ("rain", "snow", "seem", "happen") or so or (verb == "be" and bool(kinds & {"ccomp", "npadvmod"}))


def is_subject(token: Token) -> bool:
    """Whether a noun phrase is what a clause is about, alone or with others."""
    while token.dep_ == "conj" and token.head.pos_ in ("NOUN", "PROPN", "PRON"):
        token = token.head
    return token.dep_ in ("nsubj", "nsubjpass")


def _pronoun(token: Token, sentence: int, quote: int) -> Mention:
    person, gender, number = PRONOUNS[token.lower_]
    return Mention(
        token.i, token.i, token.i + 1, token.text, "", person, gender, number, "", sentence, quote,
        is_subject(token), False, True, (),
    )  # fmt: skip


def _noun(token: Token, start: int, sentence: int, quote: int) -> Mention:
    is_name = token.pos_ == "PROPN" and token.text[0].isupper() and not _is_common(token)
    noun = token.text if is_name else singular(token.lower_)
    before = [token.doc[index] for index in range(start, token.i)]
    kind = kind_of(noun.lower())
    if is_name and (token.ent_type_ == "PERSON" or not kind):
        kind = "" if token.ent_type_ in ("GPE", "LOC", "FAC", "DATE", "TIME") else "person"
    number = "many" if token.tag_ in ("NNS", "NNPS") or noun in ("people", "folk", "crowd") else "one"
    if noun != token.lower_ and not is_name and token.tag_ == "NN" and token.lower_.endswith("s"):
        number = "many"
    definite = any(word.lower_ in _DEFINITE or word.dep_ == "poss" for word in before)
    modifiers = tuple(word.lower_ for word in before if word.dep_ in ("amod", "compound", "nummod"))
    return Mention(
        token.i, start, token.i + 1, token.doc[start : token.i + 1].text, noun, 3, gender_of(noun.lower()), number,
        kind, sentence, quote, is_subject(token), is_name, definite, modifiers,
    )  # fmt: skip


def _is_common(token: Token) -> bool:
    """Whether a capital is only that of a title or of a tagger's guess: the Fox, "Wolf!"."""
    has_article = any(child.dep_ == "det" for child in token.children)
    return has_article or (bool(kind_of(token.lower_)) and token.ent_type_ != "PERSON")


def counts_several(mention: Mention) -> bool:
    """Whether a phrase says that it names several: "the two animals"."""
    return mention.number == "many" and bool(_NUMBERS & set(mention.modifiers))
