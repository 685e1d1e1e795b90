"""An arm's way from a concept to a text: what its model reads, how it goes on, and what of it is the prompt.

In: an arm and its model, concepts with sample numbers and seeds. Out: prompts, without tags, fitted to the TTI model's
window. Ignored: which prompts are good.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from c2i_lib.config import PromptModel
from c2i_lib.errors import C2IError
from c2i_lib.models.language_model import load_language_model, load_tokenizer
from c2i_lib.records.files import seed_of
from c2i_lib.stages.prompts.banning import BannedWords
from c2i_lib.stages.prompts.candidates import draw_best
from c2i_lib.stages.prompts.lookup import Lookup
from c2i_lib.stages.prompts.own_arms import SLOT, answer_of, check_chat, opening_of
from c2i_lib.stages.prompts.prompt import Prompt, PromptRequest
from c2i_lib.stages.prompts.recipe import Recipe
from c2i_lib.stages.prompts.sampling import Sampler
from c2i_lib.stages.prompts.window import Window
from c2i_lib.stages.prompts.wishes import NO_WISHES, Wishes
from c2i_lib.study import ARMS, FINETUNED_ARMS, TOPIC_ARMS
from c2i_lib.text.endings import last_complete_phrase
from c2i_lib.text.explicit import is_explicit, read_words
from c2i_lib.text.noun_phrases.topics import topic_tag
from c2i_lib.text.quality_tags import BEST
from c2i_lib.text.whole_words import find_whole

_CLOSING = ".,;:!?'\"’”)"  # characters that may follow a word


def _is_word(char: str) -> bool:
    """Whether a character is part of a word; half a character, which a cut may leave, is."""
    return char.isalnum() or char in "\N{REPLACEMENT CHARACTER}-'’"


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
        if self.own:
            check_chat(arm, self.own, self.tokenizer)
        self.captions = Lookup(captions) if arm == "retrieved" else None
        self.sampler = None
        if arm not in ("concept_only", "retrieved"):
            self.sampler = Sampler(load_language_model(*model), self.tokenizer.eos_token_id)
        is_chat = self.own is not None and self.own.chat
        # Anywhere in the prompt, verbatim and whole.
        self.keeps_concept = arm in TOPIC_ARMS or (self.own is not None and self.own.keep_concept)
        self.ends_phrases = arm in TOPIC_ARMS or is_chat  # a prompt that is cut ends with its last complete phrase
        self.space = " " * (arm == "ft" or not (self.continues or is_chat))  # before a concept that comes first
        self.window = Window(recipe.images.model, recipe.images.revision)
        self.words = read_words(recipe.explicit_words)

    @cached_property
    def continues(self) -> bool:
        """Whether the prompt is the concept and what follows it, or else only what follows."""
        if self.own:
            return self.own.template.endswith(SLOT) and not self.own.chat
        return self.arm not in (*TOPIC_ARMS, "retrieved")

    def reads(self, concept: str, concept_first: bool = False) -> list[int]:
        """The tokens that the model goes on from: the concept as the arm saw the beginning of a caption in training.

        After bos for ``ft_tags``; after a space for ``ft``, whose captions follow each other in a stream; in the topic
        tag, which is no part of the prompt, for ``ft_topic`` and ``ft_good``, which is asked for the best quality, too;
        in its template for an arm of one's own. ``concept_first``: what follows a tag or a template has begun with the
        concept.
        """
        if concept_first and not self.continues:
            return self.reads(concept) + self.tokenizer(self.space + concept, add_special_tokens=False).input_ids
        if self.own:
            return opening_of(self.own, self.tokenizer, concept)
        quality = topic_tag(BEST) if self.arm == "ft_good" else ""
        tags = (topic_tag(concept) + quality).rstrip()
        front = tags if self.arm in TOPIC_ARMS else " " * (self.arm == "ft") + concept
        bos = [self.tokenizer.bos_token_id] * (self.arm in ("ft_tags", *TOPIC_ARMS))
        return bos + self.tokenizer(front, add_special_tokens=False).input_ids

    def count(self, concept: str, concept_first: bool = False) -> int:
        """How many tokens of the prompt are the concept that it goes on from."""
        begins = self.continues or concept_first
        return len(self.tokenizer(self.space + concept, add_special_tokens=False).input_ids) if begins else 0

    @cached_property
    def token_texts(self) -> list[str]:
        """What each token adds to a text; special tokens add nothing."""
        front = self.tokenizer("a", add_special_tokens=False).input_ids
        rows = [[*front, token] for token in range(len(self.tokenizer))]
        texts = self.tokenizer.batch_decode(rows, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        n_front = len(self._decode(front))
        return [text[n_front:] for text in texts]

    @cached_property
    def word_parts(self) -> list[int]:
        """Tokens that, right after the concept, would or could make another word of it: "flag" and "ging".

        All but the end token and those that begin with a space or with a character that closes a word. Special tokens
        are among them, because they leave no trace, and the token after them would stand next to the concept.
        """
        n_logits = self.sampler.model.get_output_embeddings().weight.shape[0]  # may be more than there are tokens
        first = [text[:1] for text in self.token_texts]
        closing = {token for token, char in enumerate(first) if char.isspace() or (char and char in _CLOSING)}
        return sorted(set(range(n_logits)) - closing - {self.tokenizer.eos_token_id})

    def write(
        self, requests: Sequence[PromptRequest], n_tokens: int, on_written: Callable[[int], object] = lambda n: None
    ) -> list[Prompt]:
        """A prompt for each request, as ``draw`` gives them, fitted to the TTI model's window."""
        prompts = self.draw(requests, n_tokens, on_written=on_written)
        return [self._fitted(request, prompt) for request, prompt in zip(requests, prompts, strict=True)]

    def draw(
        self,
        requests: Sequence[PromptRequest],
        n_tokens: int,
        wishes: Wishes = NO_WISHES,
        on_written: Callable[[int], object] = lambda n: None,
    ) -> list[Prompt]:
        """A prompt for each request, in their order, ``n_tokens`` tokens long at most; two follow the concept.

        A prompt depends on arm, concept, sample number, seed and wishes alone. One with a word of the blacklist, or
        without any word, or without a word to keep, or without the concept where the arm keeps it, is written again
        with a seed derived from its own, ``prompts.max_redraws`` times at most; of these the best one is taken. One
        that still is explicit is marked; one that still lacks the concept is written once more, going on from it. Beam
        search has nothing to draw, so its prompts are only marked. ``on_written`` is called with the number of prompts
        that each batch has brought. Where the arm has ``prompts.candidates``, so many are written for each request, and
        the best text is taken.
        """
        n = self.settings.candidates.get(self.arm, 1)
        if n == 1:
            return self.draw_each(requests, n_tokens, wishes, on_written)
        return draw_best(self, requests, n, n_tokens, wishes, on_written)

    def draw_each(
        self,
        requests: Sequence[PromptRequest],
        n_tokens: int,
        wishes: Wishes,
        on_written: Callable[[int], object] = lambda n: None,
    ) -> list[Prompt]:
        """A prompt for each request, without a choice."""
        prompts = self.draw_once(requests, n_tokens, wishes, on_written)
        if self.sampler is not None and not (self.own and self.own.num_beams > 1):
            for attempt in range(1, self.settings.max_redraws + 1):
                found = (
                    self.faults(request, prompt, wishes) for request, prompt in zip(requests, prompts, strict=True)
                )
                redo = [index for index, faults in enumerate(found) if any(faults)]
                self._redraw(requests, prompts, redo, attempt, n_tokens, wishes)
            redo = [index for index, prompt in enumerate(prompts) if self._lacks_concept(requests[index], prompt)]
            self._redraw(requests, prompts, redo, self.settings.max_redraws + 1, n_tokens, wishes, concept_first=True)
        return [self._whole(request, prompt) for request, prompt in zip(requests, prompts, strict=True)]

    def _lacks_concept(self, request: PromptRequest, prompt: Prompt) -> bool:
        return self.keeps_concept and not find_whole(prompt.text, request.concept)

    def faults(self, request: PromptRequest, prompt: Prompt, wishes: Wishes) -> tuple[bool, int, bool, int]:
        """What is wrong with a prompt, the worst first; the prompt is good where all of it is 0."""
        banned, missed = len(wishes.breaks(prompt.text)), len(wishes.lacks(prompt.text))
        return prompt.explicit or not prompt.text, banned, self._lacks_concept(request, prompt), missed

    def _redraw(
        self,
        requests: Sequence[PromptRequest],
        prompts: list[Prompt],
        redo: Sequence[int],
        attempt: int,
        n_tokens: int,
        wishes: Wishes,
        concept_first: bool = False,
    ) -> None:
        """Write the prompts ``redo`` again, in their place; one that is worse than before does not take it."""
        again = [replace(requests[index], seed=seed_of(requests[index].seed, "redraw", attempt)) for index in redo]
        drawn = self.draw_once(again, n_tokens, wishes, concept_first=concept_first)
        for index, prompt in zip(redo, drawn, strict=True):
            before, now = (self.faults(requests[index], one, wishes) for one in (prompts[index], prompt))
            best = prompts[index] if now > before else replace(prompt, put_first=concept_first)
            prompts[index] = replace(best, redrawn=attempt)

    def _with_concept_first(self, request: PromptRequest, prompt: Prompt) -> Prompt:
        text = ", ".join(filter(None, (" ".join(request.concept.split()), prompt.text)))
        n_tokens = len(self.tokenizer(text, add_special_tokens=False).input_ids)
        return replace(prompt, text=text, n_tokens=n_tokens, put_first=True)

    def _whole(self, request: PromptRequest, prompt: Prompt) -> Prompt:
        """The prompt up to its last complete phrase, and with the concept that it should keep."""
        ended = self.ended(request.concept, prompt)
        if not self._lacks_concept(request, ended):
            return ended
        return self.ended(request.concept, self._with_concept_first(request, ended))

    def _fitted(self, request: PromptRequest, prompt: Prompt) -> Prompt:
        """The prompt in the TTI model's window; a concept that would be beyond the window is put first."""
        fitted = replace(prompt, **self.window.fit(prompt.text))
        fitted = self.ended(request.concept, fitted) if fitted.cut else fitted
        if not self._lacks_concept(request, fitted):
            return fitted
        first = self._with_concept_first(request, prompt)
        return self.ended(request.concept, replace(first, **self.window.fit(first.text)))

    def ended(self, concept: str, prompt: Prompt) -> Prompt:
        """A prompt that was cut, up to its last complete phrase, where the arm's prompts end with one.

        Not without a concept that the arm keeps and the prompt has.
        """
        if not self.ends_phrases or (prompt.ended and not prompt.cut):
            return prompt
        ending, place = last_complete_phrase(prompt.text), find_whole(prompt.text, concept)
        text = prompt.text[: max(len(ending), place[1] if place and self.keeps_concept else 0)]
        n_tokens = min(prompt.n_tokens, len(self.tokenizer(f" {text}", add_special_tokens=False).input_ids))
        return replace(prompt, text=text, n_tokens=n_tokens, n_tti_tokens=self.window.count(text))

    def draw_once(
        self,
        requests: Sequence[PromptRequest],
        n_tokens: int,
        wishes: Wishes,
        on_written: Callable[[int], object] = lambda n: None,
        concept_first: bool = False,
    ) -> list[Prompt]:
        if self.sampler is None:
            prompts = [self._without_model(request, wishes) for request in requests]
            on_written(len(requests))
        elif self.own and self.own.num_beams > 1:
            prompts = self._write_beams(requests, n_tokens, wishes, on_written)
        else:
            prompts = self._write_samples(requests, n_tokens, wishes, on_written, concept_first)
        flags = is_explicit([prompt.text for prompt in prompts], self.words).tolist()
        return [replace(prompt, explicit=flag) for prompt, flag in zip(prompts, flags, strict=True)]

    def _without_model(self, request: PromptRequest, wishes: Wishes) -> Prompt:
        """The caption that is looked up, or the bare concept."""
        text = self.captions.nearest(request.concept, request.sample, wishes) if self.captions else request.concept
        return Prompt(text, len(self.tokenizer(text).input_ids), True)

    def _write_samples(self, requests, n_tokens, wishes, on_written, concept_first: bool = False) -> list[Prompt]:
        """All prompts together, in batches of rows that are equally long: no row is padded.

        Where prompts end with phrases, one token more is drawn than they have: it tells whether the last word is whole.
        """
        groups, limits = defaultdict(list), self._limits(wishes, concept_first)
        for index, request in enumerate(requests):
            row = self.reads(request.concept, concept_first)
            groups[len(row), self._n_new(request.concept, n_tokens, concept_first)].append((index, row))
        prompts: dict[int, Prompt] = {}
        for (_, n_new), group in sorted(groups.items()):
            for start in range(0, len(group), self.settings.batch_size):
                indices, rows = zip(*group[start : start + self.settings.batch_size], strict=True)
                seeds = [requests[index].seed for index in indices]
                new = self.sampler.sample(rows, seeds, n_new + self.ends_phrases, self.settings, *limits)
                for index, row, tokens in zip(indices, rows, new, strict=True):
                    prompts[index] = self._prompt(requests[index].concept, row, tokens, n_new, concept_first)
                on_written(len(indices))
        return [prompts[index] for index in range(len(requests))]

    def _write_beams(self, requests, n_tokens, wishes, on_written) -> list[Prompt]:
        """One search per concept, in a call of its own, which nothing else can touch. Sample n is the n-th beam."""
        beams: dict[str, list[list[int]]] = {}
        prompts, limits = [], self._limits(wishes)
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
                beams[concept] = self.sampler.beams(row, *search, *limits)
            prompts.append(self._prompt(concept, row, beams[concept][sample], self._n_new(concept, n_tokens)))
            on_written(1)
        return prompts

    def _n_new(self, concept: str, n_tokens: int, concept_first: bool = False) -> int:
        """How many tokens may follow."""
        given = self.own.max_new_tokens if self.own else None
        return given or max(2, n_tokens - self.count(concept, concept_first))

    def _limits(self, wishes: Wishes, concept_first: bool = False) -> tuple[int, list[int], list[BannedWords]]:
        """How many tokens must follow (a prompt without any would be none), which ones cannot be the first, and what
        makes banned words impossible."""
        banned = [BannedWords(wishes.ban, self.token_texts, self._decode)] if wishes.ban else []
        if not self.continues and not concept_first:
            return 2, [], banned
        return 2 * concept_first, self.word_parts if self.settings.whole_concept else [], banned

    def _prompt(
        self, concept: str, row: Sequence[int], tokens: list[int], n_new: int, concept_first: bool = False
    ) -> Prompt:
        """The prompt in the first ``n_new`` of ``tokens``. ``concept_first``: as in ``reads``."""
        ended = self.tokenizer.eos_token_id in tokens
        new = tokens[: tokens.index(self.tokenizer.eos_token_id)] if ended else tokens
        ended, drawn, new = ended and len(new) <= n_new, new, new[:n_new]
        # Decoded together, because some tokenizers drop the space before a text's first token.
        front = len(self._decode(row))
        text, after = self._decode([*row, *new])[front:], self._decode([*row, *drawn])[front:]
        if self.ends_phrases and not ended and _is_word(text[-1:]) and _is_word(after[len(text) :][:1] or "a"):
            text = re.sub(r"\S+$", "", text)  # its last word is not whole
        text = concept + text if self.continues or concept_first else text
        text, ended = answer_of(self.own, text, ended) if self.own else (text, ended)
        return Prompt(" ".join(text.split()), self.count(concept, concept_first) + len(new), ended)

    def _decode(self, tokens: Sequence[int]) -> str:
        return self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
