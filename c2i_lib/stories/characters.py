"""Who of a story is a character: who lives, or speaks, or acts more than once.

In: chains and events. Out: names. Ignored: panels.
"""

from __future__ import annotations

from collections.abc import Sequence

from c2i_lib.stories.coreference import Cast, Chain
from c2i_lib.stories.events import Event
from c2i_lib.stories.words import STATES, is_place, lasts

_ACTS = 3  # events from which on a thing that does not live is a character: the wind, the oak


def is_character(chain: Chain, events: Sequence[Event], cast: Cast) -> bool:
    """Whether a chain is a character. A group of characters is none of its own."""
    if chain.members or not chain.nouns:
        return False
    acts = [event for event in events if any(chain in _with_members(cast, index) for index in event.who)]
    if chain.kind in ("person", "animal"):
        return bool(acts) or (len(chain.mentions) > 1 and any(one.quote < 0 for one in chain.mentions))
    return chain.speaks or len(acts) >= _ACTS or (chain.gender in ("m", "f") and bool(acts))


def _with_members(cast: Cast, index: int) -> tuple[Chain, ...]:
    """Whom a head token names: a chain, or the members of a group."""
    chain = cast.chain_of.get(index)
    return () if chain is None else chain.members or (chain,)


def name_of(chain: Chain) -> str:
    """What a character is called: its name, or the noun it is called by first and its compounds (town mouse)."""
    named = next((one for one in chain.mentions if one.is_name), None)
    if named:
        return named.text.rpartition(" ")[2] if named.text.lower().startswith(("the ", "a ")) else named.text
    return next(one.noun for one in chain.mentions if one.noun)


def attributes_of(chain: Chain) -> list[str]:
    """Adjectives and nouns before its noun that may hold all through the story."""
    words = (word for one in chain.mentions for word in one.modifiers)
    return [word for word in dict.fromkeys(words) if lasts(word)]


def is_scene(chain: Chain) -> bool:
    """Whether a chain names a place."""
    return not chain.members and any(is_place(noun) for noun in chain.nouns)


def is_state(event: Event) -> bool:
    """Whether an event is rather a state: owns, lives."""
    return event.verb in STATES
