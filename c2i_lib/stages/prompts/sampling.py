"""Sampling by which a text depends on its own seed alone, not on its batch, its position in it, or the threads.

In: a causal language model, token rows of equal length, one seed per row. Out: the tokens that each row goes on with.

Rows draw by Gumbel-max, each with a random generator of its own: argmax(log p + Gumbel noise) is a draw from p (Gumbel
1954). That makes rows independent in theory. In floating point, products of other shapes differ in the last digits, and
a draw flips where two candidates are that close; no rounding helps, because a rounded value flips as well. So every
draw is judged: it is sure when no error up to ``_ERROR`` in a logit could change it, which is ten times the largest
error that we saw (5e-5, SmolLM2-135M, batches of 1 to 30). The others, about one in a thousand, are drawn again with
the same noise from logits of that row alone in double precision, which know nothing of the batch. A draw next to the
border of what is sure may go either way, and gives the same token either way. A larger error is reported.

What is promised, in fp32: the same tokens whatever the batch, the number of threads or processes, and the processor's
kernels, as long as no error is reported; double precision errs, too, but a million times less than draws lie apart.
Beam search has no noise and is not judged: two beams of equal weight may change places on another processor.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence

import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, PreTrainedModel
from transformers.generation import (
    MinNewTokensLengthLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    SuppressTokensAtBeginLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
)

from c2i_lib.config.prompts import Prompts

_ERROR = 5e-4  # of a logit


class SeededSampling(LogitsProcessor):
    """Leaves one token per row possible: the one that the row's own noise draws. Greedy search then takes it.

    ``processors`` change the logits before the draw. ``top_p`` is what ``TopPLogitsWarper`` does, without its sort of
    the vocabulary, which takes longer than the model: a drawn token is in the nucleus when the tokens above it hold
    less than ``top_p``; else the next best draw is looked at. ``exact(ids)`` gives the logits of one row in double
    precision. ``redone`` counts the draws that needed it.
    """

    def __init__(self, seeds: Sequence[int], n_read: int, settings: Prompts, eos: int, exact, processors=()):
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.n_read, self.eos, self.exact, self.redone = n_read, eos, exact, 0
        self.processors = LogitsProcessorList(processors)
        if settings.repetition_penalty != 1:  # of what was written, not of the concept or bos
            self.processors.append(RepetitionPenaltyLogitsProcessor(settings.repetition_penalty, n_read))
        self.processors.append(TemperatureLogitsWarper(settings.temperature))
        self.top_k, self.top_p = settings.top_k, settings.top_p
        self.error = _ERROR * settings.repetition_penalty / settings.temperature

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        n_vocabulary = scores.shape[1]
        uniform = torch.stack(
            [torch.rand(n_vocabulary, generator=generator, dtype=torch.float64) for generator in self.generators]
        )
        drawn, sure = self._draw(input_ids, scores, uniform.to(scores.device, scores.dtype), self.error)
        writing = ~(input_ids[:, self.n_read :] == self.eos).any(1)
        for row in torch.nonzero(writing & ~sure).ravel().tolist():
            ids = input_ids[row : row + 1]
            exact = self.exact(ids)
            drawn[row] = self._draw(ids, exact, uniform[row : row + 1].to(ids.device), 0.0)[0]
            self.redone += 1
            difference = scores[row] - exact[0]
            if (difference - difference.mean()).abs().max() > _ERROR:  # what all logits share changes no draw
                warnings.warn("this model's rounding errors are large: prompts may depend on their batch", stacklevel=2)
        return torch.full_like(scores, -torch.inf).scatter_(1, drawn[:, None], 0.0)

    def _draw(
        self, ids: torch.Tensor, scores: torch.Tensor, uniform: torch.Tensor, error: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Each row's token, and whether it would be the same with any error up to ``error`` in the scores."""
        scores = self.processors(ids, scores)
        sure = torch.ones(len(scores), dtype=torch.bool, device=scores.device)
        if self.top_k and self.top_k < scores.shape[1]:
            border = scores.topk(self.top_k + 1).values[:, -2:]
            sure &= border[:, 0] - border[:, 1] > 2 * error
            scores = TopKLogitsWarper(self.top_k)(ids, scores)
        # log1p of -u, because small values decide, and they are exact in u itself
        noisy = scores - (-(-uniform.clamp(1e-30, 1 - 2.0**-24)).log1p()).log()
        probabilities, drawn = scores.softmax(-1), noisy.argmax(-1)
        waiting = torch.arange(len(scores), device=scores.device)
        while len(waiting):
            best = noisy[waiting].topk(2)
            drawn[waiting] = token = best.indices[:, 0]
            sure[waiting] &= best.values[:, 0] - best.values[:, 1] > 2 * error
            waiting = waiting[self._outside(probabilities[waiting], token, error, sure, waiting)]
            noisy[waiting, drawn[waiting]] = -torch.inf
        return drawn, sure

    def _outside(self, shares, token, error, sure, rows) -> torch.Tensor:
        """Which of ``rows`` have drawn a token outside the nucleus. ``sure`` is lowered where that is not sure."""
        if self.top_p >= 1:
            return torch.zeros(len(rows), dtype=torch.bool, device=shares.device)
        own = shares.gather(1, token[:, None])
        above = torch.where(shares > own, shares, 0).sum(1)
        if error:
            least = torch.where(shares > own * (1 + 2 * error), shares, 0).sum(1) - error
            most = torch.where(shares > own * (1 - 2 * error), shares, 0).sum(1) - own[:, 0] + error
            sure[rows] &= (most < self.top_p) | (least >= self.top_p)
        return above >= self.top_p


class Sampler:
    """A model that continues token rows. Its own generation settings are put aside: the profile's hold."""

    def __init__(self, model: PreTrainedModel, eos: int):
        self.model, self.eos, self.redone, self._exact_model = model, eos, 0, None
        model.generation_config = GenerationConfig(eos_token_id=eos, pad_token_id=eos)

    @torch.inference_mode()
    def exact(self, ids: torch.Tensor) -> torch.Tensor:
        """``(1, vocabulary)`` logits after ``ids`` ``(1, n)`` in double precision.

        The copy of the model is made when it is first needed. It stays on the processor, whose memory is larger.
        """
        if self._exact_model is None:
            self._exact_model = copy.deepcopy(self.model.cpu()).double()
            self.model.to(ids.device)
        return self._exact_model(ids.cpu()).logits[:, -1].double().to(ids.device)

    @torch.inference_mode()
    def sample(
        self,
        rows: Sequence[Sequence[int]],
        seeds: Sequence[int],
        n_new: int,
        settings: Prompts,
        n_least: int = 0,
        not_first: Sequence[int] = (),
        more: Sequence[LogitsProcessor] = (),
    ) -> list[list[int]]:
        """Up to ``n_new`` tokens after each of ``rows``, which must be equally long; the end token is kept.

        ``n_least``: no end before so many tokens. ``not_first``: tokens that cannot come first. ``more``: other limits,
        each of which knows a row's tokens alone.
        """
        ids = torch.tensor(rows, device=self.model.device)
        limits = self._limits(ids, n_least, not_first, more)
        sampling = SeededSampling(seeds, ids.shape[1], settings, self.eos, self.exact, limits)
        output = self.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=n_new,
            do_sample=False,
            logits_processor=LogitsProcessorList([sampling]),
        )
        self.redone += sampling.redone
        return output[:, ids.shape[1] :].tolist()

    @torch.inference_mode()
    def beams(
        self,
        row: Sequence[int],
        n_new: int,
        n_beams: int,
        length_penalty: float,
        n_least: int = 0,
        not_first: Sequence[int] = (),
        more: Sequence[LogitsProcessor] = (),
    ) -> list[list[int]]:
        """The ``n_beams`` best continuations of one row by beam search, the best first. No chance is in it."""
        ids = torch.tensor([row], device=self.model.device)
        output = self.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=n_new,
            do_sample=False,
            num_beams=n_beams,
            num_return_sequences=n_beams,
            length_penalty=length_penalty,
            logits_processor=self._limits(ids, n_least, not_first, more),
        )
        return output[:, ids.shape[1] :].tolist()

    def _limits(self, ids: torch.Tensor, n_least: int, not_first: Sequence[int], more=()) -> LogitsProcessorList:
        limits, n_read = LogitsProcessorList(), ids.shape[1]
        if n_least:
            limits.append(MinNewTokensLengthLogitsProcessor(n_read, n_least, self.eos, device=str(ids.device)))
        if len(not_first):
            limits.append(SuppressTokensAtBeginLogitsProcessor(list(not_first), n_read))
        limits.extend(more)
        return limits
