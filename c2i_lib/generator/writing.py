"""Prompts for any concept, by one arm of a run, and what was done to get them.

In: a run whose stages 01, 02 and 04 are done, a concept, a person's wishes. Out: ``Written`` prompts. The TTI model is
not loaded: its tokenizer alone says what it sees of a prompt. Ignored: pictures.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

from c2i_lib.errors import C2IError
from c2i_lib.generator.sheet import Written
from c2i_lib.records.files import seed_of
from c2i_lib.records.stage import read_table, run_command
from c2i_lib.run.places import Run
from c2i_lib.stages.prompts import NO_WISHES, Finished, Prompt, PromptRequest, Recipe, Wishes, Writer, finish
from c2i_lib.study import ARMS, FINETUNED_ARMS
from c2i_lib.text.concepts import clean_concept, remarks, words_in
from c2i_lib.text.explicit import is_explicit
from c2i_lib.text.similarity import CaptionIndex

MAX_CAPTIONS = 50_000  # that prompts are compared with: an index of them takes a second or two
UNLIKE = 0.35  # similarity to the nearest caption: below it are other languages, made-up words, and things never named
_SMALL_WORDS = frozenset("a an the of in on at with and by to from for or is its".split())


def default_arm(run: Run) -> str:
    """The arm that the tool writes with where none is named: the last finetuned one of the run, else ``base``."""
    return next((arm for arm in reversed(FINETUNED_ARMS) if arm in run.profile.finetuning.arms), "base")


class PromptWriter:
    """Writes prompts with one arm of ``run`` (None: ``default_arm``). Raises ``C2IError`` when it is not finished."""

    def __init__(self, run: Run, arm: str | None = None):
        known, arm = (*ARMS, *run.profile.prompts.models), arm or default_arm(run)
        if arm not in known:
            raise C2IError(f"unknown arm {arm!r}: use one of {', '.join(known)}")
        self.run, self.arm = run, arm
        checkpoint, length = run.folder(2) / arm, run.folder(1) / "length" / "length.json"
        needed = [length, *([checkpoint / "stage.json"] if arm in FINETUNED_ARMS else [])]
        missing = [str(path) for path in needed if not path.is_file()]
        if missing:
            raise C2IError(
                f"{run.directory} has no finished arm {arm!r} ({', '.join(missing)} missing). "
                f"Run: {run_command(run.directory, '--to', '4')}"
            )
        # retrieved looks its prompts up in the captions that the arms were finetuned on
        captions = read_table(self._captions_file)["text"].tolist() if arm == "retrieved" else ()
        self.n_tokens = json.loads(length.read_text(encoding="utf-8"))["tokens"]
        self.writer = Writer(arm, Recipe.of(run.profile), checkpoint if arm in FINETUNED_ARMS else None, captions)

    @property
    def _captions_file(self) -> Path:
        return self.run.folder(1) / "finetune_train.parquet"

    @cached_property
    def captions(self) -> CaptionIndex | None:
        """The captions that prompts are compared with; None where the run's are gone."""
        if not self._captions_file.is_file():
            return None
        return CaptionIndex(read_table(self._captions_file)["text"].tolist()[:MAX_CAPTIONS])

    def write(self, concept: str, n: int = 4, seed: int = 0, wishes: Wishes = NO_WISHES) -> list[Written]:
        """``n`` prompts for ``concept``, each with the seed that it and its picture come from.

        Raises ``C2IError`` for a concept that is empty, too long or banned, and for ``n`` below 1.
        """
        concept = clean_concept(concept)
        if n < 1:
            raise C2IError(f"the number of pictures should be at least 1, found {n}")
        wishes.refuse_banned(concept, f"the concept is {concept!r}")
        seeds = [seed_of(seed, self.arm, concept, sample) for sample in range(n)]
        seen = self.writer.window.fit(concept)["text"]  # of the concept; what the TTI model cannot see is not read
        requests = [PromptRequest(seen, sample, seed) for sample, seed in enumerate(seeds)]
        n_tokens, notes = self._length(seen, wishes)
        prompts = self.writer.draw(requests, n_tokens, wishes)
        done = [finish(prompt.text, seen, wishes, self.writer.window) for prompt in prompts]
        explicit = is_explicit([one.text for one in done], self.writer.words).tolist()
        notes, rest = [*remarks(concept), *self._likeness(concept), *notes], concept[len(seen) :].strip()
        return [
            self._written(prompt, one, flag, PromptRequest(concept, sample, seeds[sample]), wishes, notes, rest)
            for sample, (prompt, one, flag) in enumerate(zip(prompts, done, explicit, strict=True))
        ]

    def _length(self, concept: str, wishes: Wishes) -> tuple[int, list[str]]:
        """A prompt's tokens, and what is to be told about them."""
        own = self.writer.own
        if wishes.length and (self.writer.sampler is None or (own and own.max_new_tokens)):
            why = f"has its own (prompts.models.{self.arm}.max_new_tokens)" if own else "writes nothing itself"
            raise C2IError(f"a length of {wishes.length} is given, but the arm {self.arm!r} {why}: leave it out")
        wanted = wishes.length or self.run.profile.prompts.length or self.n_tokens
        least = self.writer.count(concept) + 4
        too_short = wishes.length and wanted < least
        note = f"the length is {least} tokens, not {wanted}: the concept alone takes {least - 4}"
        return max(wanted, least), [note] if too_short else []

    def _written(
        self,
        prompt: Prompt,
        done: Finished,
        explicit: bool,
        request: PromptRequest,
        wishes: Wishes,
        notes: list[str],
        rest: str,
    ) -> Written:
        near = self.captions.nearest(done.text, 50) if self.captions else []
        cut = " ".join(part for part in (rest, done.lost) if part)
        own = [*_done_notes(prompt, done, wishes), *([self.writer.window.note(cut)] if cut else [])]
        return Written(
            prompt=done.text,
            seed=request.seed,
            concept=request.concept,
            arm=self.arm,
            sample=request.sample,
            written=done.text,
            added=self._added(done, request.concept, wishes, [caption for caption, _ in near]),
            nearest=dict(near[:3]),
            cut=cut,
            explicit=explicit,
            notes=[*notes, *own],
        )

    def _added(self, done: Finished, concept: str, wishes: Wishes, near: list[str]) -> dict[str, str]:
        """Where each word comes from that the concept does not have, small words aside."""
        sources = dict.fromkeys(words_in(" ".join(done.appended)), "put at the end, to be kept")
        sources |= dict.fromkeys(words_in(wishes.style), "your style")
        return {
            word: sources.get(word) or self._source(word, near)
            for word in words_in(done.text)
            if word not in words_in(concept) and word not in _SMALL_WORDS
        }

    def _source(self, word: str, near: list[str]) -> str:
        if self.arm not in (*FINETUNED_ARMS, "retrieved"):
            return "the language model's own"
        found = next((caption for caption in near if word in words_in(caption)), None)
        return f"as in the caption: {found}" if found else "in no caption like this prompt"

    def _likeness(self, concept: str) -> list[str]:
        """What is to be told where captions say little about the concept."""
        if not self.captions:
            return []
        (caption, similarity) = self.captions.nearest(concept)[0]
        unknown = [word for word in words_in(concept) if word not in self.captions.words and word not in _SMALL_WORDS]
        is_part = len(self.captions.captions) == MAX_CAPTIONS
        which = f"none of the first {MAX_CAPTIONS:,} training captions" if is_part else "no training caption"
        notes = [f"{which} has {', '.join(map(repr, unknown))}"] if unknown else []
        if similarity < UNLIKE:
            notes.append(
                f"the concept is unlike anything in the training captions (the nearest: {caption!r}, similarity "
                f"{similarity:.2f}): expect words that have little to do with it"
            )
        return notes


def _done_notes(prompt: Prompt, done: Finished, wishes: Wishes) -> list[str]:
    notes = []
    if prompt.n_candidates > 1:
        notes.append(
            f"the best of {prompt.n_candidates} texts, of which {prompt.n_passed} keep the concept and add no thing"
        )
    if done.appended:
        drawn = f"in {1 + prompt.redrawn} draws the model did not write them within the window"
        notes.append(f"put at the end, because {drawn}: {', '.join(done.appended)}")
    elif prompt.redrawn:
        why = "lacked a word to keep or the concept, or were" if wishes.keep else "lacked the concept, or were"
        notes.append(f"drawn {1 + prompt.redrawn} times, because the prompts before {why} explicit or empty")
    if done.removed:
        notes.append(f"taken out, because it is banned: {', '.join(done.removed)}")
    return notes
