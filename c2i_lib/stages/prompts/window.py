"""The window of the TTI model: how many tokens of a prompt it sees.

In: the TTI model's id and prompts. Out: prompts that fit. Without this the TTI model drops what is too long in the
middle of a word, and says nothing. Ignored: everything of the TTI model but its tokenizer.
"""

from __future__ import annotations

import re
from unicodedata import category

from transformers import AutoTokenizer

from c2i_lib.embedded.models import resolve
from c2i_lib.errors import ModelError
from c2i_lib.models.device import quiet_libraries


class Window:
    """The tokenizer of the TTI model ``model``: a ``diffusers`` folder, a hub id or an ``embedded:`` id.

    ``size``: the tokens that it sees, with its own begin and end tokens: 77 for Stable Diffusion. Raises ``ModelError``
    when the tokenizer is not there.
    """

    def __init__(self, model: str, revision: str | None = None):
        quiet_libraries()
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(resolve(model), subfolder="tokenizer", revision=revision)
        except (OSError, ValueError) as error:
            raise ModelError(f"TTI model {model!r} (revision {revision}) has no tokenizer: {error}") from error
        self.size: int = self.tokenizer.model_max_length  # a huge number where the tokenizer knows no limit

    def count(self, text: str) -> int:
        """The tokens of ``text``, with begin and end tokens."""
        return len(self.tokenizer(text, truncation=False).input_ids)

    def fit(self, text: str, tail: str = "") -> dict[str, object]:
        """``text, n_tti_tokens, cut``: as many words as fit, or as many characters where the first word alone does not.

        A word may hold apostrophes and hyphens; punctuation such as a comma does not end a prompt that was cut.
        ``tail`` comes after it and is never cut: there must be room for it.
        """
        if self.count(text + tail) <= self.size:
            return {"text": text + tail, "n_tti_tokens": self.count(text + tail), "cut": False}
        ends = [match.end() for match in re.finditer(r"\w+(?:['’-]\w+)*", text)]
        # Vowel signs, as of Devanagari, are no \w and belong to the letter before them.
        ends = [end for end in ends if not category(text[end : end + 1] or " ").startswith("M")]
        if not ends or self.count(text[: ends[0]] + tail) > self.size:
            ends = list(range(ends[0] if ends else len(text)))
        low, high = 0, len(ends) - 1  # the last end that fits lies between them
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.count(text[: ends[middle]] + tail) <= self.size else (low, middle - 1)
        beginning = text[: ends[low]] + tail
        return {"text": beginning, "n_tti_tokens": self.count(beginning), "cut": True}

    def note(self, cut: str) -> str:
        """What to tell a person about ``cut``, which did not fit."""
        return f"the TTI model sees {self.size} tokens, so this was cut off: {cut}"
