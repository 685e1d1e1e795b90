"""What of a panel has room in the TTI model's window: who does what first, then where, then the style.

In: the three parts of what is asked for, and the window. Out: those that fit, and what was dropped. What the writer
adds comes after them, and takes the room that is left. Ignored: whether a part matters more in one story than another.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from c2i_lib.stages.prompts import Window
from c2i_lib.text.concepts import clean_concept


@dataclass(frozen=True)
class Asked:
    """What a prompt is asked for: ``concept``, and the ``style`` that is put after it. ``dropped``: what of both has no
    room, each with its part ("place: in a wood")."""

    concept: str
    style: str = ""
    dropped: list[str] = field(default_factory=list)


def within_window(action: str, place: str, style: str, window: Window) -> Asked:
    """As much as fits of ``action``, word by word; then ``place``, whole or not at all; then ``style``, comma by comma.

    Raises ``C2IError`` for an action that is empty or longer than any concept.
    """
    action = clean_concept(action)
    concept = str(window.fit(action)["text"])
    rest = action[len(concept) :].strip(" ,;")
    dropped = [f"action: {rest}"] if rest else []
    if place and window.count(f"{concept} {place}") <= window.size:
        concept = f"{concept} {place}"
    elif place:
        dropped.append(f"place: {place}")
    parts, kept = [part.strip() for part in style.split(",") if part.strip()], []
    while len(kept) < len(parts) and window.count(", ".join([concept, *kept, parts[len(kept)]])) <= window.size:
        kept.append(parts[len(kept)])
    if rest := ", ".join(parts[len(kept) :]):
        dropped.append(f"style: {rest}")
    return Asked(concept, ", ".join(kept), dropped)
