"""A prompt that is asked for, and one that has been written.

Shared by all that write prompts, choose among them and keep them in tables. Ignored: how.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PromptRequest:
    """A prompt to be written. ``sample`` numbers the prompts of a concept; ``seed`` belongs to this one."""

    concept: str
    sample: int
    seed: int


@dataclass(frozen=True)
class Prompt:
    """A prompt: its text, its tokens as the arm's model counts them, and whether the model ended it by itself.

    ``redrawn``: how many draws before this one held a word of the blacklist, or nothing, or not the concept of an arm
    that keeps it. ``explicit``: this one holds such a word, too. ``put_first``: no draw had the concept, so it was put
    first. ``n_tti_tokens``: its length for the TTI model; ``cut``: it was longer, and lost its last words.
    ``n_candidates``: it is the best of so many texts, of which ``n_passed`` passed the gate; 1 and 0 without a choice.
    """

    text: str
    n_tokens: int
    ended: bool
    redrawn: int = 0
    explicit: bool = False
    put_first: bool = False
    n_tti_tokens: int = 0
    cut: bool = False
    n_candidates: int = 1
    n_passed: int = 0
