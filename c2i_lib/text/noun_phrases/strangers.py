"""Things in a text that are not of a concept ("a horse" where a dog was asked for), and other names of it ("a puppy").

In: texts and a concept. Out: for each text the heads of noun phrases that name a thing of another kind, and those that
name the concept. Style, medium, measures and what is no thing are left out; so is a place where a preposition says that
something is there, and what is near the concept in meaning, its kin (a wheel of a bicycle). But another animal, person,
plant or food is no kin of an animal, person, plant or food. Ignored: how things are, and what they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from c2i_lib.text.embeddings import embed_texts
from c2i_lib.text.noun_phrases.parser import name_of, parse, words_of
from c2i_lib.text.noun_phrases.unlikely_subjects import (
    MEASURE_WORDS,
    MEDIUM_WORDS,
    PLACE_WORDS,
    STYLE_WORDS,
    VAGUE_WORDS,
)
from c2i_lib.text.noun_phrases.wordnet import load_nouns, singular

if TYPE_CHECKING:
    from spacy.tokens import Doc, Span

# Cosines of MiniLM: bicycle and wheel .62, guitar and cat .29; dog and puppy .80, dog and cat .66.
NEAR, SAME = 0.45, 0.7
# In prompts they say how a picture looks; in captions they are things, too.
_LOOKS = frozenset("computer film flat glossy low minimalist sculpture simple small studio".split())
_NO_THINGS = MEDIUM_WORDS | STYLE_WORDS | PLACE_WORDS | MEASURE_WORDS | VAGUE_WORDS | _LOOKS
_KINDS = frozenset({"animal", "person", "plant", "food"})  # each thing of such a category is another one
_WIDE = frozenset({"location", "object", "phenomenon", "substance", "plant"})  # what one is beside, too
_SETTINGS = frozenset("backdrop background curtain fence floor ground wall window".split())
_INSIDE = frozenset(
    "above across against along amid among around at below beneath in inside into on onto over through under upon "
    "within".split()
)
_BESIDE = frozenset("behind beside between by from near of".split())


class Things(NamedTuple):
    """Of a text: ``strangers`` to a concept, and ``names``, other names of it; both in the order of the text."""

    strangers: list[str]
    names: list[str]


@lru_cache(maxsize=1)
def _categories() -> dict[str, str]:
    nouns = load_nouns()
    return nouns.loc[nouns["physical"], "category"].to_dict()


def head_of(concept: str) -> str:
    """What a concept is, in the singular: "dogs" → dog, "red bicycle" → bicycle, "flag of France" → flag."""
    words = concept.lower().split()
    ends = [place for place, word in enumerate(words) if word in _INSIDE | _BESIDE | {"with"} and place]
    return singular(words[ends[0] - 1 if ends else -1]) if words else ""


def _is_place(chunk: Span, category: str) -> bool:
    """Whether a noun chunk is where something is: "a table" of "on a table", but not "a horse" of "on a horse"."""
    if chunk.root.dep_ != "pobj":
        return False
    preposition = chunk.root.head.lower_
    if preposition in _INSIDE:
        return category not in ("animal", "person", "food", "body")
    return preposition in _BESIDE and (category in _WIDE or singular(chunk.root.lower_) in _SETTINGS)


def _things(document: Doc, own: set[str]) -> list[str]:
    """Heads of noun chunks that name things, none of ``own`` words, in the order of the text."""
    heads = []
    for chunk in document.noun_chunks:
        words = words_of(chunk)
        while words and words[-1][0] in MEDIUM_WORDS | STYLE_WORDS | _LOOKS:
            words.pop()
        head = name_of(words)[1] if words else ""
        category = _categories().get(head)
        known = own & {singular(word) for word, _, _ in words}
        is_backdrop = chunk.root.lower_ in ("backdrop", "background")  # "an orange background"
        if category and not known and not is_backdrop and head not in _NO_THINGS and not _is_place(chunk, category):
            heads.append(head)
    return list(dict.fromkeys(heads))


def things_beside(texts: Sequence[str], concept: str) -> list[Things]:
    """For each text what is not of ``concept``, and what else it is called there.

    Each text is parsed alone, so that its row depends on nothing else.
    """
    head = head_of(concept)
    found = [_things(document, {head}) for text in texts for document in parse([text])]
    distinct = sorted({name for names in found for name in names})
    if not distinct:
        return [Things([], []) for _ in texts]
    vectors, wanted = embed_texts(distinct), embed_texts([concept, head])
    cosines = (vectors @ wanted.T).amax(1).tolist()
    needed = [SAME if _categories()[name] == _categories().get(head) in _KINDS else NEAR for name in distinct]
    parts = {singular(word) for word in concept.lower().split()}  # "dog" of "a cat and a dog"
    judged = zip(distinct, cosines, needed, strict=True)
    strangers = {name for name, cosine, least in judged if cosine < least and name not in parts}
    same = dict(zip(distinct, (vectors @ wanted[1]).ge(SAME).tolist(), strict=True))
    return [Things([n for n in names if n in strangers], [n for n in names if same[n]]) for names in found]
