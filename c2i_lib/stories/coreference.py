"""Mentions → who is who: chains of mentions that name the same one, by rules that a person can follow.

In: the mentions of a parsed story. Out: ``Chain``s, and the links that are uncertain, with the other that it may be. A
name is its name; "a fox" is new, "the fox" the last fox; "the bird" an animal known already; a pronoun the likeliest of
those that agree in number, gender and life, by recency, by being a subject, and by how often they are named; "I" and
"you" the speaker of a quotation and who is spoken to. Ignored: knowledge of the world.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from c2i_lib.stories.mentions import Mention, counts_several, find_mentions
from c2i_lib.stories.parsing import Parsed
from c2i_lib.stories.speech import Speech, find_speeches
from c2i_lib.stories.words import GENERIC

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token

WINDOW = 3  # sentences back in which a pronoun's name is sought
SURE = 1.0  # points by which the likeliest has to lead, or the link is uncertain
_OTHER = frozenset("another other second".split())


@dataclass
class Chain:
    """One who is named: the mentions, and what they say. ``members``: of a group such as "they", its chains."""

    mentions: list[Mention] = field(default_factory=list)
    gender: str = ""
    number: str = ""
    kind: str = ""
    members: tuple[Chain, ...] = ()
    speaks: bool = False

    def add(self, mention: Mention) -> None:
        """Take in a mention and what it says."""
        self.mentions.append(mention)
        self.gender = self.gender or mention.gender
        self.number = self.number or mention.number
        self.kind = self.kind or mention.kind

    @property
    def lives(self) -> bool:
        """Whether it is a person or an animal, or speaks, or is called he or she."""
        return self.kind in ("person", "animal") or self.speaks or self.gender in ("m", "f")

    @property
    def nouns(self) -> list[str]:
        """The nouns that it is called by, in their order."""
        return list(dict.fromkeys(one.noun for one in self.mentions if one.noun))


@dataclass(frozen=True)
class Doubt:
    """An uncertain link: ``mention`` is taken as ``taken``, and may be ``other``, or (None) someone unknown."""

    mention: Mention
    taken: Chain
    other: Chain | None


@dataclass
class Cast:
    """All chains of a story, in the order of their first mentions; ``chain_of``: of each head token its chain."""

    chains: list[Chain] = field(default_factory=list)
    chain_of: dict[int, Chain] = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)
    speeches: list[Speech] = field(default_factory=list)


def resolve(parsed: Parsed) -> Cast:
    """Who is who in a story."""
    return _Resolver(parsed).resolve()


class _Resolver:
    def __init__(self, parsed: Parsed):
        self.doc: Doc = parsed.doc
        self.mentions = find_mentions(parsed)
        self.cast = Cast(speeches=find_speeches(parsed))
        self.speech_of = {speech.quote: speech for speech in self.cast.speeches}
        self.speakers = {token for speech in self.cast.speeches for token in speech.speakers}

    def resolve(self) -> Cast:
        sentences = sorted({mention.sentence for mention in self.mentions})
        for sentence in sentences:  # who speaks is known before what they say is read
            own = [mention for mention in self.mentions if mention.sentence == sentence]
            for mention in sorted(own, key=lambda one: (one.quote >= 0, one.head)):
                self._place(mention)
        self.cast.chains.sort(key=lambda chain: min(one.head for one in chain.mentions))
        for chain in self.cast.chains:
            chain.mentions.sort(key=lambda one: one.head)
        return self.cast

    def _place(self, mention: Mention) -> None:
        chain = self._find(mention)
        if chain is None:
            if mention.is_pronoun:
                return
            chain = Chain()
        if chain not in self.cast.chains:
            self.cast.chains.append(chain)
        chain.add(mention)
        chain.speaks |= mention.head in self.speakers
        self.cast.chain_of[mention.head] = chain

    def _find(self, mention: Mention) -> Chain | None:
        if not mention.is_pronoun:
            return self._named(mention)
        if mention.person < 3:
            return self._in_speech(mention)
        if mention.number == "many":
            return self._they(mention)
        return self._likeliest(mention, self._agreeing(mention)) or self._called_otherwise(mention)

    def _called_otherwise(self, mention: Mention) -> Chain | None:
        """Of one that was "he" and is now "she", because no noun says what it is: an uncertain link."""
        fitting = [
            chain
            for chain in self._by_recency(mention, WINDOW)
            if chain.lives and chain.number == "one" and not chain.members and not any(
                one.gender for one in chain.mentions if one.noun
            ) and mention.gender != "n" and self._may_be(chain, mention)
        ]  # fmt: skip
        fitting.sort(key=lambda chain: sum(one.gender not in ("", mention.gender) for one in chain.mentions))
        if fitting:
            self.cast.doubts.append(Doubt(mention, fitting[0], None))
        return next(iter(fitting), None)

    # Nouns.

    def _named(self, mention: Mention) -> Chain | None:
        if told := self._told_to_be(mention):
            return told
        recent = [chain for chain in self._by_recency() if not chain.members]
        same = [chain for chain in recent if mention.noun in chain.nouns and chain.number in ("", mention.number)]
        if mention.is_name:
            return next(iter(same), None)
        if not mention.is_definite or _OTHER & set(mention.modifiers):
            return None if mention.number == "one" or counts_several(mention) else next(iter(same), None)
        if same:
            return self._best_described(mention, same)
        if group := self._group_of(mention):
            return group
        return self._called_in_general(mention, recent)

    def _told_to_be(self, mention: Mention) -> Chain | None:
        """The subject of "she was a witch"."""
        token = self.doc[mention.head]
        verb = token.head
        if token.dep_ != "attr" or verb.lemma_ not in ("be", "become") or _is_unreal(verb):
            return None
        subjects = [child for child in verb.children if child.dep_ == "nsubj"]
        return self.cast.chain_of.get(subjects[0].i) if subjects else None

    def _best_described(self, mention: Mention, same: list[Chain]) -> Chain | None:
        """Of those with the noun the one with most of the words before it; none that has another noun before it."""
        own = set(mention.modifiers)
        fitting = [(len(own & _described(chain)), chain) for chain in same]
        best = max(fitting, key=lambda pair: pair[0])
        compound = {child.lower_ for child in self.doc[mention.head].children if child.dep_ == "compound"}
        if own and not best[0] and compound and all(_described(chain) for chain in same):
            return None
        rivals = [chain for hits, chain in fitting if hits == best[0] and chain is not best[1]]
        if rivals:
            self.cast.doubts.append(Doubt(mention, best[1], rivals[0]))
        return best[1]

    def _group_of(self, mention: Mention) -> Chain | None:
        """Of "the two animals", "the children": the two last of that kind, where they are known."""
        if mention.number != "many" or mention.kind not in ("person", "animal"):
            return None
        single = [one for one in self._by_recency() if one.kind == mention.kind and one.number == "one"]
        if len(single) < 2 or not (counts_several(mention) or mention.noun in GENERIC):
            return None
        return self._group(single[:2])

    def _called_in_general(self, mention: Mention, recent: list[Chain]) -> Chain | None:
        """Whom "the bird", "the man", "the tree" names, where nobody was called so before."""
        kind = GENERIC.get(mention.noun)
        if kind is None:
            return None
        fitting = [
            chain
            for chain in recent
            if chain.kind == kind and chain.number == mention.number and _genders_agree(chain, mention.gender)
            and not self._owns(chain, mention) and not self._is_beside(chain, mention)
        ]  # fmt: skip
        if len(fitting) > 1:
            self.cast.doubts.append(Doubt(mention, fitting[0], fitting[1]))
        return next(iter(fitting), None)

    # Pronouns.

    def _agreeing(self, mention: Mention) -> list[Chain]:
        return [
            chain
            for chain in self._by_recency(mention, WINDOW)
            if chain.number in ("one", "") and not chain.members and _fits(chain, mention)
            and self._may_be(chain, mention)
        ]  # fmt: skip

    def _may_be(self, chain: Chain, mention: Mention) -> bool:
        """Whether the sentence allows it: himself is the subject, him is not; nor is who speaks or is spoken to."""
        speech = self.speech_of.get(mention.quote)
        if speech and chain in [self.cast.chain_of.get(index) for index in (*speech.speakers, *speech.hearers)]:
            return False
        token = self.doc[mention.head]
        if token.dep_ == "nsubj" and token.head.dep_ == "ccomp" and token.head.tag_ in ("VB", "VBG"):
            subjects = _subjects_of_clause(token.head)  # the mouse heard him roar
            return all(self.cast.chain_of.get(index) is not chain for index in subjects if index != mention.head)
        subjects = _subjects_of_clause(token)
        same_clause = any(self.cast.chain_of.get(index) is chain for index in subjects if index != mention.head)
        if mention.text.lower().endswith("self"):
            return same_clause or not subjects
        return token.dep_ in ("poss", "nsubj", "nsubjpass") or not same_clause

    def _they(self, mention: Mention) -> Chain | None:
        many = [
            chain
            for chain in self._by_recency(mention, WINDOW)
            if (chain.number == "many" or chain.members) and self._may_be(chain, mention)
        ]
        named = [chain for chain in self._by_recency(mention, 1) if chain.number == "one" and chain.lives]
        joined = self._joined(mention)
        if joined and (not many or _last(many[0], mention).sentence < joined[0].mentions[-1].sentence):
            return self._group(joined)
        if many:
            return self._likeliest(mention, many)
        if len(named) < 2:
            return None
        self.cast.doubts.append(Doubt(mention, self._group(named[:2]), named[0]))
        return self._group(named[:2])

    def _joined(self, mention: Mention) -> list[Chain]:
        """Those who were last named together: the wind and the sun."""
        for one in reversed([other for other in self.mentions if other.head < mention.head and other.is_subject]):
            if one.sentence < mention.sentence - WINDOW:
                break
            token = self.doc[one.head]
            heads = [token, *token.conjuncts]
            chains = list(dict.fromkeys(id(self.cast.chain_of.get(part.i)) for part in heads))
            if len(chains) > 1 and all(part.i in self.cast.chain_of for part in heads):
                return [self.cast.chain_of[part.i] for part in heads]
        return []

    def _group(self, members: list[Chain]) -> Chain:
        """The chain of these together."""
        key = {id(member) for member in members}
        known = [chain for chain in self.cast.chains if {id(member) for member in chain.members} == key]
        ordered = sorted(members, key=lambda one: one.mentions[0].head)
        return known[0] if known else Chain(number="many", kind=members[0].kind, members=tuple(ordered))

    def _in_speech(self, mention: Mention) -> Chain | None:
        speech = self.speech_of.get(mention.quote)
        if speech is None:
            return None
        speakers, hearers = (self._chains(tokens) for tokens in (speech.speakers, speech.hearers))
        others = [chain for chain in self._by_recency(mention, WINDOW) if chain.lives and chain not in speakers]
        if mention.person == 1:
            if not speakers or mention.number == "one" or speakers[0].number == "many":
                return next(iter(speakers), None)
            return self._group([speakers[0], others[0]]) if others else speakers[0]
        if hearers or not others:
            return next(iter(hearers), None)
        alone = [chain for chain in others if not chain.members and speakers not in ([], [chain])]
        return self._likeliest(mention, alone or others)

    def _chains(self, tokens: tuple[int, ...]) -> list[Chain]:
        return [self.cast.chain_of[index] for index in tokens if index in self.cast.chain_of]

    def _likeliest(self, mention: Mention, chains: list[Chain]) -> Chain | None:
        """The chain with most points; where the next has almost as many, the link is uncertain."""
        if not chains:
            return None
        ranked = sorted(chains, key=lambda chain: -self._points(chain, mention))  # stable: the more recent first
        if len(ranked) > 1 and self._points(ranked[0], mention) - self._points(ranked[1], mention) < SURE:
            self.cast.doubts.append(Doubt(mention, ranked[0], ranked[1]))
        return ranked[0]

    def _points(self, chain: Chain, mention: Mention) -> float:
        last = _last(chain, mention)
        here = [one for one in chain.mentions if one.sentence == last.sentence and one.head < mention.head]
        points = -2.0 * (mention.sentence - last.sentence) + 0.25 * min(len(chain.mentions), 6)
        points += 1.5 * any(one.is_subject for one in here) + 0.5 * (last.is_subject == mention.is_subject)
        return points + 1.5 * (bool(mention.gender) and chain.gender == mention.gender)

    # What all rules ask.

    def _by_recency(self, mention: Mention | None = None, window: int | None = None) -> list[Chain]:
        """Chains, the last one named first; of a mention, those named in the ``window`` of sentences before it."""
        known = [chain for chain in self.cast.chains if chain.mentions]
        if mention is not None:
            known = [chain for chain in known if mention.sentence - chain.mentions[-1].sentence <= (window or 0)]
        return sorted(known, key=lambda chain: -max(one.head for one in chain.mentions))

    def _owns(self, chain: Chain, mention: Mention) -> bool:
        """Whether ``chain`` has it: "his wife" is not him."""
        owners = [child for child in self.doc[mention.head].children if child.dep_ == "poss"]
        return any(self.cast.chain_of.get(owner.i) is chain for owner in owners)

    def _is_beside(self, chain: Chain, mention: Mention) -> bool:
        """Whether both stand in one clause, as two."""
        subjects = _subjects_of_clause(self.doc[mention.head])
        return any(self.cast.chain_of.get(index) is chain for index in subjects if index != mention.head)


def _described(chain: Chain) -> set[str]:
    return {word for one in chain.mentions for word in one.modifiers}


def _last(chain: Chain, mention: Mention) -> Mention:
    before = [one for one in chain.mentions if one.head < mention.head]
    return before[-1] if before else chain.mentions[-1]


def _genders_agree(chain: Chain, gender: str) -> bool:
    return not gender or chain.gender in ("", gender)


def _fits(chain: Chain, mention: Mention) -> bool:
    """Whether he, she or it may be said of it. What is no person and was no he or she is it."""
    if mention.gender == "n":
        return chain.kind != "person" and chain.gender in ("", "n")
    return chain.lives and chain.gender in ("", mention.gender)


def _is_unreal(verb: Token) -> bool:
    return any(child.dep_ == "neg" or child.tag_ == "MD" for child in verb.children)


def _subjects_of_clause(token: Token) -> list[int]:
    """Subjects of the verb that a noun phrase hangs on, those before "and" with them."""
    verb = token.head
    while verb.pos_ not in ("VERB", "AUX") and verb.head is not verb:
        if verb.dep_ == "poss":
            return []
        verb = verb.head
    while True:
        subjects = [child.i for child in verb.children if child.dep_ in ("nsubj", "nsubjpass")]
        if subjects or verb.dep_ not in ("conj", "xcomp", "advcl") or verb.head is verb:
            return subjects
        verb = verb.head
