"""What happens in a story: verbs with who, whom, where and when, but for what does not really happen.

In: a ``Parsed`` story. Out: ``Event``s in the order of the text. Passives are turned round; verbs joined by "and" share
their subject; "that hung from a vine" is an event of the grapes. Left out: what is denied, supposed, asked for, wished,
tried or only said, and "be" and "have". Ignored: whom a pronoun names (``coreference.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from c2i_lib.stories.parsing import Parsed
from c2i_lib.stories.speech import speakers_of
from c2i_lib.stories.words import (
    BEGINNING,
    MIND,
    NEGATING,
    NOBODY,
    PERCEIVING,
    SPEECH,
    SUPPOSING,
    WHERE,
    WISHING,
    is_direction,
    is_place,
    is_time,
)

if TYPE_CHECKING:
    from spacy.tokens import Token

_SUBJECTS = ("nsubj", "nsubjpass")
_RELATIVE = frozenset("who that which whom".split())


@dataclass(frozen=True)
class Event:
    """``verb`` is its lemma, ``particle`` or direction stands beside it (give up, go home); ``token``: where it is.

    ``who``, ``whom``: head tokens; ``where``, ``when``: phrases as (first token, head token, last token); ``is_main``:
    of the main clause.
    """

    token: int
    verb: str
    particle: str
    who: tuple[int, ...]
    whom: tuple[int, ...]
    where: tuple[tuple[int, int, int], ...]
    when: tuple[tuple[int, int, int], ...]
    sentence: int
    is_main: bool


def find_events(parsed: Parsed) -> list[Event]:
    """The events of a story that really happen."""
    found = []
    for number, sentence in enumerate(parsed.doc.sents):
        found += [
            _event(token, number, parsed)
            for token in sentence
            if parsed.quotes[token.i] < 0 and _is_event(token) and _happens(token, parsed)
        ]
    return [event for event in found if event.who or event.whom]


def _is_event(token: Token) -> bool:
    if not token.tag_.startswith("VB") or token.dep_ in ("aux", "auxpass", "amod", "compound", "prep"):
        return False
    if token.pos_ == "AUX" or token.lemma_ in ("be", "have"):
        return False
    # "began to run" is run, "let her go" is go: the verb that only leads to another one is no event itself.
    leads = [child for child in token.children if child.dep_ in ("xcomp", "ccomp") and child.tag_ in ("VB", "VBG")]
    return not (leads and token.lemma_ in BEGINNING - PERCEIVING)


def _happens(token: Token, parsed: Parsed) -> bool:
    """Whether it is told as a fact, all the way up to the main clause."""
    if _is_denied(token) or token.lemma_ in WISHING and _has_infinitive(token):
        return False
    child = token
    while True:
        if any(one.tag_ == "MD" for one in child.children if one.dep_ == "aux") or _is_supposed(child):
            return False
        head, kind = child.head, child.dep_
        if kind == "ROOT" or head is child:
            return True
        if kind in ("xcomp", "ccomp", "pcomp") and not _is_real_complement(child, head):
            return False
        if kind == "advcl" and child.tag_ == "VB":  # to sing: a purpose
            return False
        if kind == "relcl" and _is_denied(child):
            return False
        if kind == "conj" and _shares_mood(child):
            return _happens(head, parsed)
        if kind == "acl" and child.tag_ == "VB":
            return False
        child = head
        if parsed.quotes[child.i] >= 0:
            return kind != "conj"


def _is_denied(token: Token) -> bool:
    near = [child for child in token.children if child.dep_ in ("neg", "advmod", *_SUBJECTS, "dobj", "preconj")]
    denied = any(child.lower_ in NEGATING or child.lower_ in NOBODY for child in near)
    return denied or any(
        part.lower_ in ("no", "none", "nobody") for child in near for part in child.children if part.dep_ == "det"
    ) or (token.dep_ == "pcomp" and token.head.lower_ in ("without", "instead", "before"))  # fmt: skip


def _is_supposed(token: Token) -> bool:
    return any(child.lower_ in SUPPOSING and child.dep_ in ("mark", "advmod") for child in token.children)


def _has_infinitive(token: Token) -> bool:
    return any(child.dep_ in ("xcomp", "ccomp") and child.tag_ == "VB" for child in token.children)


def _shares_mood(token: Token) -> bool:
    """Whether a verb after "and" hangs on the auxiliary before it: would buy a gown and go."""
    return token.tag_ == "VB" and not any(child.dep_ in ("aux", *_SUBJECTS) for child in token.children)


def _is_real_complement(token: Token, head: Token) -> bool:
    """Whether the verb that ``token`` completes makes it a fact: began to run, saw him run; not: wished to run."""
    if token.dep_ == "pcomp":
        return token.tag_ == "VBG" and head.lower_ not in ("without", "of", "from", "for", "before", "about")
    if head.lemma_ in BEGINNING:
        return token.tag_ in ("VB", "VBG", "VBN") and (head.lemma_ != "come" or token.tag_ == "VBG")
    return token.tag_ == "VBG" and head.lemma_ not in MIND | SPEECH | WISHING


def subjects_of(verb: Token, parsed: Parsed) -> tuple[list[Token], bool]:
    """The subjects of a verb and whether it is passive."""
    own = [child for child in verb.children if child.dep_ in _SUBJECTS]
    if len(own) > 1:  # one evening a wolf sprang
        own = [child for child in own if not is_time(child.lemma_.lower())] or own
    passive = any(child.dep_ == "nsubjpass" for child in own) or any(one.dep_ == "auxpass" for one in verb.children)
    if own and own[0].lower_ in _RELATIVE and verb.dep_ == "relcl":
        return _with_others(verb.head), passive
    if own:
        return _with_others(own[0]), passive
    if verb.lemma_ in SPEECH and (spoken := speakers_of(verb, parsed)):
        return [verb.doc[index] for index in spoken], False
    if verb.dep_ in ("acl", "relcl"):
        return _with_others(verb.head), passive or verb.tag_ == "VBN"
    if verb.dep_ in ("conj", "xcomp", "advcl", "ccomp", "dep") and verb.head is not verb:
        subjects, shared = subjects_of(verb.head, parsed)
        joined = verb.dep_ == "conj" and shared and verb.tag_ == "VBN"
        return subjects, passive or joined or (verb.dep_ == "advcl" and verb.tag_ == "VBN")
    return [], passive


def _with_others(noun: Token) -> list[Token]:
    """A noun and those joined to it by "and"."""
    return [noun, *(part for part in noun.conjuncts if part.pos_ in ("NOUN", "PROPN", "PRON"))]


def _objects_of(verb: Token) -> list[Token]:
    own = [child for child in verb.children if child.dep_ == "dobj"]
    relative = [one for one in verb.children if one.lower_ in _RELATIVE and one.dep_ in ("dobj", "dative", "pobj")]
    if verb.dep_ == "relcl" and relative:  # bread, which he gave her
        own = [verb.head]
    if verb.lemma_ in PERCEIVING:  # heard him roar
        felt = [child for child in verb.children if child.dep_ == "ccomp" and child.tag_ in ("VB", "VBG")]
        own += [one for child in felt for one in child.children if one.dep_ == "nsubj"]
    return [part for one in own for part in _with_others(one)]


def _event(verb: Token, sentence: int, parsed: Parsed) -> Event:
    subjects, passive = subjects_of(verb, parsed)
    objects = [one for one in _objects_of(verb) if one not in subjects]
    if passive:
        agents = [one for child in verb.children if child.dep_ == "agent" for one in child.children]
        subjects, objects = [part for one in agents if one.dep_ == "pobj" for part in _with_others(one)], subjects
    places, times = _circumstances(verb)
    after = [child for child in verb.children if child.i > verb.i]
    particles = [
        one.lower_ for one in after if one.dep_ == "prt" or (one.dep_ == "advmod" and is_direction(one.lower_))
    ]
    particle = next(iter(particles), "")
    who, whom = (tuple(one.i for one in part if one.lower_ not in NOBODY) for part in (subjects, objects))
    return Event(verb.i, verb.lemma_.lower(), particle, who, whom, places, times, sentence, _is_main(verb))


def _is_main(verb: Token) -> bool:
    while verb.dep_ == "conj":
        verb = verb.head
    return verb.dep_ == "ROOT"


def _circumstances(verb: Token) -> tuple[tuple[tuple[int, int, int], ...], tuple[tuple[int, int, int], ...]]:
    """Phrases that say where and when: "in the garden", "one morning"."""
    where, when = [], []
    for child in verb.children:
        if child.dep_ == "npadvmod" and is_time(child.lemma_.lower()):
            when.append((child.left_edge.i, child.i, child.i))
        elif child.dep_ == "prep":
            phrase = [one for one in child.subtree if one.dep_ == "pobj"]
            if not phrase:
                continue
            head = next((one for one in child.children if one.dep_ == "pobj"), phrase[0])
            last = next((one.i for one in head.children if one.dep_ == "prep" and one.lower_ == "of"), None)
            end = max((one.i for one in head.doc[last].subtree), default=head.i) if last else head.i
            beside = [one for one in head.children if one.dep_ in ("nmod", "compound") and is_place(one.lemma_.lower())]
            if is_time(head.lemma_.lower()) and beside and child.lower_ in WHERE:
                # "through a forest one evening", which the parser takes for one phrase
                where.append((child.i, beside[0].i, beside[0].i))
                when.append((beside[0].i + 1, head.i, head.i))
            elif is_time(head.lemma_.lower()):
                when.append((child.i, head.i, head.i))
            elif child.lower_ in WHERE:
                where.append((child.i, head.i, end))
    return tuple(where), tuple(when)
