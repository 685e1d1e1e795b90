"""Best of n by text alone: several prompts are written where one is wanted, and the gate takes one of them.

Eight texts cost a second, eight pictures much more. A prompt that lost the concept or gained another thing is not worth
a picture. Of the others, ``ft_good`` itself tells which one promises the best picture: the log-likelihood of a text
after the tag of good pictures, less that after the tag of poor ones, is up to a constant the log-odds that the picture
of such a caption is good (Bayes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from c2i_lib.records.files import seed_of
from c2i_lib.stages.prompts.gate import gate, log_likelihoods, rank
from c2i_lib.stages.prompts.prompt import Prompt, PromptRequest
from c2i_lib.stages.prompts.wishes import Wishes
from c2i_lib.text.noun_phrases.topics import topic_tag
from c2i_lib.text.quality_tags import BEST, WORST

if TYPE_CHECKING:
    from c2i_lib.stages.prompts.writer import Writer


def candidates_of(requests: Sequence[PromptRequest], n: int) -> list[PromptRequest]:
    """``n`` requests for each one, the first of which is itself; the others' seeds come from its seed."""
    return [
        replace(request, seed=seed_of(request.seed, "candidate", number) if number else request.seed)
        for request in requests
        for number in range(n)
    ]


def draw_best(
    writer: Writer,
    requests: Sequence[PromptRequest],
    n: int,
    n_tokens: int,
    wishes: Wishes,
    on_written: Callable[[int], object],
) -> list[Prompt]:
    """The best of ``n`` texts for each request. Where none is sound, it is drawn as without a choice."""
    best: list[Prompt] = []
    for start in range(0, len(requests), writer.settings.batch_size):
        batch = requests[start : start + writer.settings.batch_size]
        asked = candidates_of(batch, n)
        drawn = _draw(writer, asked, n, n_tokens, wishes)
        sound = [
            [own for own in drawn[index * n : (index + 1) * n] if not any(writer.faults(request, own, wishes))]
            for index, request in enumerate(batch)
        ]
        lost = [request for request, own in zip(batch, sound, strict=True) if not own]
        drawn_again = iter(writer.draw_each(lost, n_tokens, wishes) if lost else [])
        for request, own in zip(batch, sound, strict=True):
            best.append(choose(writer, request.concept, own, n) if own else next(drawn_again))
            on_written(1)
    return best


def _draw(writer: Writer, asked: Sequence[PromptRequest], n: int, n_tokens: int, wishes: Wishes) -> list[Prompt]:
    """One text for each of ``asked``, ``n`` by ``n``. The first half of these is free; the others begin with the
    concept, where the arm keeps it: free captions rarely have all of a concept of several words."""
    first = [writer.keeps_concept and index % n >= (n + 1) // 2 for index in range(len(asked))]
    drawn: list[Prompt] = list(map(Prompt, [""] * len(asked), [0] * len(asked), [False] * len(asked)))
    for concept_first in (False, True):
        places = [index for index, is_first in enumerate(first) if is_first == concept_first]
        own = [asked[index] for index in places]
        texts = writer.draw_once(own, n_tokens, wishes, concept_first=concept_first) if own else []
        for index, text in zip(places, texts, strict=True):
            drawn[index] = writer.ended(asked[index].concept, text)
    return drawn


def choose(writer: Writer, concept: str, prompts: Sequence[Prompt], n: int) -> Prompt:
    """The best of ``prompts``, which are those of ``n`` candidates that keep the concept and what else was asked for.

    For ``ft_good`` promise and likelihood per token count alike: promise alone falls for texts that are no captions.
    """
    texts, log_odds = [prompt.text for prompt in prompts], _log_odds(writer, concept)
    if log_odds is None:
        scores = gate(texts, concept)
    else:
        likelihood, promise = log_odds(texts)
        scores = gate(texts, concept, lambda _: likelihood, promise=lambda _: promise)
    n_passed = int((scores["means"] & (scores["strangers"] == 0)).sum())
    return replace(prompts[rank(scores)[0]], n_candidates=n, n_passed=n_passed)


def _log_odds(writer: Writer, concept: str) -> Callable[[Sequence[str]], tuple[np.ndarray, np.ndarray]] | None:
    """A function from texts to their log-likelihoods per token and their promises, by the model of ``ft_good``."""
    if writer.arm != "ft_good":
        return None
    tokenizer, fronts = writer.tokenizer, {}
    for quality in (BEST, WORST):
        tags = (topic_tag(concept) + topic_tag(quality)).rstrip()
        fronts[quality] = [tokenizer.bos_token_id, *tokenizer(tags, add_special_tokens=False).input_ids]

    def log_odds(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        ids = tokenizer([f" {text}" for text in texts], add_special_tokens=False).input_ids
        good, poor = (
            log_likelihoods(writer.sampler.model, tokenizer.eos_token_id, [(fronts[quality], own) for own in ids])
            for quality in (BEST, WORST)
        )
        return good / [len(own) + 1 for own in ids], good - poor

    return log_odds
