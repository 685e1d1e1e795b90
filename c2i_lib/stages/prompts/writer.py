"""An arm's way from a concept to a text: what its model reads, how it goes on, and what of it is the prompt.

In: an arm and its model, concepts with sample numbers and seeds. Out: prompts, without tags, fitted to the TTI model's
window. Ignored: which prompts are good.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from c2i_lib.config import PromptModel
from c2i_lib.errors import C2IError
from c2i_lib.models.language_model import load_language_model, load_tokenizer
from c2i_lib.records.files import seed_of
from c2i_lib.stages.prompts.lookup import Lookup
from c2i_lib.stages.prompts.recipe import Recipe
from c2i_lib.stages.prompts.sampling import Sampler
from c2i_lib.stages.prompts.window import Window
from c2i_lib.study import ARMS, FINETUNED_ARMS, TOPIC_ARMS
from c2i_lib.text.explicit import is_explicit, read_words
from c2i_lib.text.noun_phrases.topics import topic_tag
from c2i_lib.text.quality_tags import BEST

_SLOT = "{concept}"
_CLOSING = ".,;:!?'\"’”)"  # characters that may follow a word


@dataclass(frozen=True)
class PromptRequest:
    """A prompt to be written. ``sample`` numbers the prompts of a concept; ``seed`` belongs to this one."""

    concept: str
    sample: int
    seed: int


@dataclass(frozen=True)
class Prompt:
    """A prompt: its text, its tokens as the arm's model counts them, and whether the model ended it by itself.

    ``redrawn``: how many draws before this one held a word of the blacklist, or nothing. ``explicit``: this one holds
    one, too. ``n_tti_tokens``: its length for the TTI model; ``cut``: it was longer, and lost its last words.
    """

    text: str
    n_tokens: int
    ended: bool
    redrawn: int = 0
    explicit: bool = False
    n_tti_tokens: int = 0
    cut: bool = False


class Writer:
    """Writes the prompts of ``arm``. ``checkpoint``: the folder of its model, of a finetuned arm; ``captions``: what
    ``retrieved`` looks up its prompts in.

    Raises ``C2IError`` for an arm that the recipe does not know or that lacks its checkpoint or captions, and
    ``ModelError`` for a model that cannot be loaded.
    """

    def __init__(self, arm: str, recipe: Recipe, checkpoint: Path | None = None, captions: Sequence[str] = ()):
        self.arm, self.recipe, self.settings = arm, recipe, recipe.settings
        self.own: PromptModel | None = self.settings.models.get(arm)
        if arm not in ARMS and self.own is None:
            raise C2IError(f"unknown arm {arm!r}: use one of {', '.join((*ARMS, *self.settings.models))}")
        if arm in FINETUNED_ARMS and checkpoint is None:
            raise C2IError(f"prompts.arms has {arm!r}, but no checkpoint of it is given: run stage 02 for it")
        model = (recipe.language_model.model, recipe.language_model.revision)
        if arm in FINETUNED_ARMS:
            model = (str(checkpoint), None)
        elif self.own:
            model = (self.own.model, self.own.revision)
        other = self.own and self.own.tokenizer
        self.tokenizer: PreTrainedTokenizerBase = load_tokenizer(*((other, None) if other else model))
        self.captions = Lookup(captions) if arm == "retrieved" else None
        self.sampler = None
        if arm not in ("concept_only", "retrieved"):
            self.sampler = Sampler(load_language_model(*model), self.tokenizer.eos_token_id)
        self.window = Window(recipe.images.model, recipe.images.revision)
        self.words = read_words(recipe.explicit_words)

    @cached_property
    def continues(self) -> bool:
        """Whether the prompt is the concept and what follows it, or else only what follows."""
        return self.own.template.endswith(_SLOT) if self.own else self.arm not in (*TOPIC_ARMS, "retrieved")

    def reads(self, concept: str) -> list[int]:
        """The tokens that the model goes on from: the concept as the arm saw the beginning of a caption in training.

        After bos for ``ft_tags``; after a space for ``ft``, whose captions follow each other in a stream; in the topic
        tag, which is no part of the prompt, for ``ft_topic`` and ``ft_good``, which is asked for the best quality, too;
        in its template for an arm of one's own.
        """
        if self.own:
            return self.tokenizer(self.own.template.replace(_SLOT, concept)).input_ids
        quality = topic_tag(BEST) if self.arm == "ft_good" else ""
        tags = (topic_tag(concept) + quality).rstrip()
        front = tags if self.arm in TOPIC_ARMS else " " * (self.arm == "ft") + concept
        bos = [self.tokenizer.bos_token_id] * (self.arm in ("ft_tags", *TOPIC_ARMS))
        return bos + self.tokenizer(front, add_special_tokens=False).input_ids

    def count(self, concept: str) -> int:
        """How many tokens of the prompt are the concept."""
        front = " " * (self.arm == "ft") + concept
        return len(self.tokenizer(front, add_special_tokens=False).input_ids) if self.continues else 0

    @cached_property
    def word_parts(self) -> list[int]:
        """Tokens that, right after the concept, would or could make another word of it: "flag" and "ging".

        All but the end token and those that begin with a space or with a character that closes a word. Special tokens
        are among them, because they leave no trace, and the token after them would stand next to the concept.
        """
        front = self.tokenizer("a", add_special_tokens=False).input_ids
        n_front, n_tokens = len(self._decode(front)), len(self.tokenizer)
        n_logits = self.sampler.model.get_output_embeddings().weight.shape[0]  # may be more than there are tokens
        rows = [[*front, token] for token in range(n_tokens)]
        texts = self.tokenizer.batch_decode(rows, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        first = [text[n_front : n_front + 1] for text in texts]
        closing = {token for token, char in enumerate(first) if char.isspace() or (char and char in _CLOSING)}
        return sorted(set(range(n_logits)) - closing - {self.tokenizer.eos_token_id})

    def write(
        self, requests: Sequence[PromptRequest], n_tokens: int, on_written: Callable[[int], object] = lambda n: None
    ) -> list[Prompt]:
        """A prompt for each request, in their order, ``n_tokens`` tokens long at most; two follow the concept.

        A prompt depends on arm, concept, sample number and seed alone. One with a word of the blacklist, or without any
        word, is written again with a seed derived from its own, ``prompts.max_redraws`` times at most; one that still
        is explicit is kept and marked. Beam search has nothing to draw, so its prompts are only marked.
        ``on_written`` is called with the number of prompts that each batch has brought.
        """
        prompts = self._write(requests, n_tokens, on_written)
        for attempt in range(1, self.settings.max_redraws + 1):
            redo = [index for index, prompt in enumerate(prompts) if prompt.explicit or not prompt.text]
            if not redo or self.sampler is None or (self.own and self.own.num_beams > 1):
                break
            again = [replace(requests[index], seed=seed_of(requests[index].seed, "redraw", attempt)) for index in redo]
            for index, prompt in zip(redo, self._write(again, n_tokens), strict=True):
                prompts[index] = replace(prompt, redrawn=attempt)
        return [replace(prompt, **self.window.fit(prompt.text)) for prompt in prompts]

    def _write(
        self, requests: Sequence[PromptRequest], n_tokens: int, on_written: Callable[[int], object] = lambda n: None
    ) -> list[Prompt]:
        if self.sampler is None:
            prompts = [self._without_model(request) for request in requests]
            on_written(len(requests))
        elif self.own and self.own.num_beams > 1:
            prompts = self._write_beams(requests, n_tokens, on_written)
        else:
            prompts = self._write_samples(requests, n_tokens, on_written)
        flags = is_explicit([prompt.text for prompt in prompts], self.words).tolist()
        return [replace(prompt, explicit=flag) for prompt, flag in zip(prompts, flags, strict=True)]

    def _without_model(self, request: PromptRequest) -> Prompt:
        """The caption that is looked up, or the bare concept."""
        text = self.captions.nearest(request.concept, request.sample) if self.captions else request.concept
        return Prompt(text, len(self.tokenizer(text).input_ids), True)

    def _write_samples(self, requests, n_tokens, on_written) -> list[Prompt]:
        """All prompts together, in batches of rows that are equally long: no row is padded."""
        groups = defaultdict(list)
        for index, request in enumerate(requests):
            row = self.reads(request.concept)
            groups[len(row), self._n_new(request.concept, n_tokens)].append((index, row))
        prompts: dict[int, Prompt] = {}
        for (_, n_new), group in sorted(groups.items()):
            for start in range(0, len(group), self.settings.batch_size):
                indices, rows = zip(*group[start : start + self.settings.batch_size], strict=True)
                seeds = [requests[index].seed for index in indices]
                new = self.sampler.sample(rows, seeds, n_new, self.settings, *self._limits())
                for index, row, tokens in zip(indices, rows, new, strict=True):
                    prompts[index] = self._prompt(requests[index].concept, row, tokens)
                on_written(len(indices))
        return [prompts[index] for index in range(len(requests))]

    def _write_beams(self, requests, n_tokens, on_written) -> list[Prompt]:
        """One search per concept, in a call of its own, which nothing else can touch. Sample n is the n-th beam."""
        beams: dict[str, list[list[int]]] = {}
        prompts = []
        for request in requests:
            concept, sample = request.concept, request.sample
            if sample >= self.own.num_beams:
                raise C2IError(
                    f"the arm {self.arm!r} gives {self.own.num_beams} prompts per concept, sample {sample + 1} is "
                    f"asked for: raise prompts.models.{self.arm}.num_beams"
                )
            row = self.reads(concept)
            if concept not in beams:
                search = (self._n_new(concept, n_tokens), self.own.num_beams, self.own.length_penalty)
                beams[concept] = self.sampler.beams(row, *search, *self._limits())
            prompts.append(self._prompt(concept, row, beams[concept][sample]))
            on_written(1)
        return prompts

    def _n_new(self, concept: str, n_tokens: int) -> int:
        """How many tokens may follow."""
        given = self.own.max_new_tokens if self.own else None
        return given or max(2, n_tokens - self.count(concept))

    def _limits(self) -> tuple[int, list[int]]:
        """How many tokens must follow (a prompt without any would be none), and which ones cannot be the first."""
        if not self.continues:
            return 2, []
        return 0, self.word_parts if self.settings.whole_concept else []

    def _prompt(self, concept: str, row: Sequence[int], tokens: list[int]) -> Prompt:
        ended = self.tokenizer.eos_token_id in tokens
        new = tokens[: tokens.index(self.tokenizer.eos_token_id)] if ended else tokens
        # Decoded together, because some tokenizers drop the space before a text's first token.
        text = self._decode([*row, *new])[len(self._decode(row)) :]
        text = concept + text if self.continues else text
        return Prompt(" ".join(text.split()), self.count(concept) + len(new), ended)

    def _decode(self, tokens: Sequence[int]) -> str:
        return self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
