"""Words that a model cannot write, however it puts them together from tokens.

In: banned words, the text of every token, what is written so far. Out: logits in which no token completes a banned
word. A word may be one token or many ("wh", "ite"), or stand after a bracket, in any case; so texts are compared, not
tokens. "catalogue" stays possible where "cat" is banned, unless it begins with a token "cat". Ignored: characters that
take several tokens, none of which has a text: a word with one is found once it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import torch
from transformers import LogitsProcessor


class BannedWords(LogitsProcessor):
    """Makes impossible what would end in one of ``words``. ``texts``: of each token, as it continues a text;
    ``decode``: tokens → text."""

    def __init__(self, words: Sequence[str], texts: Sequence[str], decode: Callable[[list[int]], str]):
        self.words, self.decode = [word.lower() for word in words], decode
        lower = [text.lower() for text in texts]
        self.endings = [[_tokens(re.compile(_rest(word, k)), lower) for k in range(len(word))] for word in self.words]
        within = [re.compile(r".*[^\w]" + _rest(word, 0), re.DOTALL) for word in self.words]
        self.always = [_tokens(pattern, lower) for pattern in within]
        self.n_tokens = max(map(len, self.words)) + 8  # that show whether a word has begun

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        scores = scores.clone()
        for row, tokens in enumerate(input_ids[:, -self.n_tokens :].tolist()):
            written = self.decode(tokens).lower()
            for word, endings, always in zip(self.words, self.endings, self.always, strict=True):
                scores[row, always] = -torch.inf
                for k, ending in enumerate(endings):
                    if re.search(r"(?<!\w)" + re.escape(word[:k]) + r"\Z", written):
                        scores[row, ending] = -torch.inf
        return scores


def _rest(word: str, k: int) -> str:
    """A pattern for what completes ``word`` after its first ``k`` characters."""
    return re.escape(word[k:]) + r"(?!\w)"


def _tokens(pattern: re.Pattern, texts: Sequence[str]) -> list[int]:
    return [token for token, text in enumerate(texts) if pattern.match(text)]
