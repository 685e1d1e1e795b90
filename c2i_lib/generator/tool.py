"""From a concept to pictures in one go, or step by step: write, look and edit, render.

In: a run folder whose stages 01, 02 and 04 are done. Out: prompts and pictures of any concept; on request the best of
several. Ignored: how each step is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from c2i_lib.config import Images
from c2i_lib.errors import C2IError
from c2i_lib.generator.choosing import Candidate, Choice, check_choice, judge, usable
from c2i_lib.generator.rendering import Picture, Renderer
from c2i_lib.generator.sheet import Written
from c2i_lib.generator.writing import PromptWriter
from c2i_lib.run.places import Run
from c2i_lib.run.ready import find_tool
from c2i_lib.stages.prompts import NO_WISHES, Wishes, Writer
from c2i_lib.statistics.selection import ranked
from c2i_lib.text.concepts import clean_concept

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline


class ConceptToImage:
    """Writes prompts with one arm of ``run`` and renders them with the run's TTI model, loaded when it is needed.

    ``run``: None for that of ``run/ready.find_tool``: the default run, or the writer that comes with the library;
    ``arm``: None for ``writing.default_arm``. Raises ``C2IError`` when the run has no such arm yet.
    """

    def __init__(self, run: Run | None = None, arm: str | None = None):
        run = run or find_tool(None)
        self.run, self.prompts, self.renderer = run, PromptWriter(run, arm), Renderer(run)
        self.arm = self.prompts.arm

    @property
    def writer(self) -> Writer:
        """The arm's model at work."""
        return self.prompts.writer

    @property
    def pipeline(self) -> DiffusionPipeline:
        """The TTI model."""
        return self.renderer.pipeline

    def write(self, concept: str, n: int = 4, seed: int = 0, wishes: Wishes = NO_WISHES) -> list[Written]:
        """``n`` prompts for ``concept`` to look at, to edit and to ``render``, each with its seed.

        Raises ``C2IError`` for an empty concept, for ``n`` below 1, and for wishes that cannot be met.
        """
        return self.prompts.write(concept, n, seed, wishes)

    def write_prompts(self, concept: str, n: int = 4, seed: int = 0) -> tuple[list[str], list[int]]:
        """``n`` prompts for ``concept`` and the seeds that they and their pictures come from. Raises as ``write``."""
        written = self.write(concept, n, seed)
        return [one.prompt for one in written], [one.seed for one in written]

    def render(
        self, prompts: Sequence[Written], out_dir: Path | None = None, negative: str | None = None
    ) -> list[Picture]:
        """These texts with these seeds; saved as PNG when ``out_dir`` is given. ``negative``: what guidance leads away
        from (None: the profile's negative prompt)."""
        return self.renderer.render(prompts, out_dir, negative)

    def imagine(
        self,
        concept: str,
        n: int = 4,
        seed: int = 0,
        out_dir: Path | None = None,
        best_of: int | None = None,
        gate: float | None = None,
        wishes: Wishes = NO_WISHES,
        negative: str | None = None,
    ) -> list[Picture]:
        """``n`` pictures of ``concept``; saved as PNG with their prompt and seed when ``out_dir`` is given.

        With ``best_of``: the best ``n`` of so many, as ``choose`` finds them. Raises ``C2IError`` as ``write``,
        ``render`` and ``choose`` do, and for a gate without candidates to choose from.
        """
        if best_of is not None:
            return self.choose(concept, n, best_of, gate, seed, out_dir, wishes, negative).pictures
        if gate is not None:
            raise C2IError(f"a gate of {gate} is given, but nothing to choose from: give best_of too, such as 8")
        settings, wanted = self.renderer.with_negative(negative), arguments_of(wishes, negative)
        written, pictures = self.write(concept, n, seed, wishes), []
        for one, image, flagged in self._draw(written, settings):
            # More pictures do not change the first ones, so this one is the last of so many.
            arguments = ["-n", str(one.sample + 1), "--seed", str(seed), *wanted]
            command = self._command(one, arguments)
            pictures.append(self.renderer.finish(one, image, flagged, command, out_dir, settings))
        return pictures

    def choose(
        self,
        concept: str,
        n: int = 1,
        best_of: int = 8,
        gate: float | None = None,
        seed: int = 0,
        out_dir: Path | None = None,
        wishes: Wishes = NO_WISHES,
        negative: str | None = None,
    ) -> Choice:
        """The best ``n`` of the pictures that ``imagine(concept, best_of, seed)`` gives, by the selecting judges.

        The best in quality of those whose faithfulness reaches the quantile ``gate`` (None: the profile's) of as many
        pictures of the bare concept; where too few do, then the most faithful of the others. Pictures with an explicit
        prompt are taken only where there are no others, and flagged ones only where all are: so there may be fewer
        than ``n``. Only the chosen are saved. Raises ``C2IError`` where the profile names no judges to select by,
        ``n`` or ``gate`` is out of range, and as ``write`` does; ``ModelError`` for a judge without its model.
        """
        selection = self.run.profile.judges.need_selection()
        gate = float(selection.gate if gate is None else gate)
        check_choice(n, best_of, gate)
        settings = self.renderer.with_negative(negative)
        candidates = list(self._draw(self.write(concept, best_of, seed, wishes), settings))
        fit = usable(candidates)
        quality, faithfulness, threshold = self._judge(fit, candidates, concept, gate, settings)
        best = [
            (fit[index], {"quality": float(quality[index]), "faithfulness": float(faithfulness[index])})
            for index in ranked(quality, faithfulness, threshold)[:n]
        ] or [(one, {}) for one in candidates[:n]]
        arguments = ["-n", str(n), "--best-of", str(best_of), "--gate", str(gate), "--seed", str(seed)]
        arguments, own = [*arguments, *arguments_of(wishes, negative)], {"best_of": best_of, "gate": gate}
        pictures = [
            self.renderer.finish(*one, self._command(one.written, arguments), out_dir, settings, own, **scores)
            for one, scores in best
        ]
        return Choice(pictures, best_of, len(fit), int((faithfulness >= threshold).sum()), gate, threshold)

    def _draw(self, written: Sequence[Written], settings: Images) -> Iterator[Candidate]:
        rendered = self.renderer.draw([one.prompt for one in written], [one.seed for one in written], settings)
        for one, (image, flagged) in zip(written, rendered, strict=True):
            yield Candidate(one, image, flagged)

    def _command(self, one: Written, arguments: Sequence[str]) -> list[str]:
        return ["imagine", one.concept, "--arm", self.arm, *arguments]

    def _judge(
        self, fit: Sequence[Candidate], candidates: Sequence[Candidate], concept: str, gate: float, settings: Images
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Scores of the candidates that may be chosen, and the gate's threshold."""
        if not fit:
            return np.empty(0), np.empty(0), -np.inf
        concept = clean_concept(concept)
        # From the candidates' own noise, as arms are compared in the study, so that only the words differ.
        text, seeds = str(self.writer.window.fit(concept)["text"]), [one.written.seed for one in candidates]
        bare = [image for image, flagged in self.renderer.draw([text] * len(seeds), seeds, settings) if not flagged]
        judges = self.run.profile.judges
        return judge([one.image for one in fit], bare, concept, gate, judges.need_selection(), judges.batch_size)


def arguments_of(wishes: Wishes, negative: str | None) -> list[str]:
    """The options of the command line that stand for these wishes."""
    words = [f"--{name}={word}" for name in ("keep", "ban") for word in getattr(wishes, name)]
    others = {"style": wishes.style or None, "length": wishes.length, "negative": negative}
    return [*words, *(f"--{name}={value}" for name, value in others.items() if value is not None)]
