"""Best of n by text alone: several prompts are written where one is wanted, and the gate takes one of them.

Eight texts cost a second, eight pictures much more. A prompt that lost the concept or gained another thing is not worth
a picture; of the others, ``ft_good`` itself tells which one promises the best picture (``gate.promise_of``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from c2i_lib.records.files import seed_of
from c2i_lib.stages.prompts.gate import gate, promise_of, rank
from c2i_lib.stages.prompts.prompt import Prompt, PromptRequest
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


def choose(writer: Writer, concept: str, prompts: Sequence[Prompt], faults: Sequence[tuple]) -> Prompt:
    """The best of ``prompts``. ``faults``: of each, what is wrong with it that the gate does not see."""
    least = min(faults)
    sound = [prompt for prompt, own in zip(prompts, faults, strict=True) if own == least]
    scores = gate([prompt.text for prompt in sound], concept, promise=_promise(writer, concept))
    n_passed = int(scores["passes"].sum())
    return replace(sound[rank(scores)[0]], n_candidates=len(prompts), n_passed=n_passed)


def _promise(writer: Writer, concept: str) -> Callable[[Sequence[str]], np.ndarray] | None:
    if writer.arm != "ft_good":
        return None
    tokenizer, fronts = writer.tokenizer, {}
    for quality in (BEST, WORST):
        tags = (topic_tag(concept) + topic_tag(quality)).rstrip()
        fronts[quality] = [tokenizer.bos_token_id, *tokenizer(tags, add_special_tokens=False).input_ids]

    def promise(texts: Sequence[str]) -> np.ndarray:
        ids = tokenizer([f" {text}" for text in texts], add_special_tokens=False).input_ids
        good, poor = ([(fronts[quality], own) for own in ids] for quality in (BEST, WORST))
        return promise_of(writer.sampler.model, tokenizer.eos_token_id, good, poor)

    return promise
