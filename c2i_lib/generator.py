"""The tool: a concept → prompts → images, from the finished checkpoints of a run.

In: a run folder whose stages 01, 02 and 04 are done. Out: prompts and pictures of any concept; on request the best of
several, chosen by the profile's selecting judges as notebook 08 chooses (``selection.py``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from c2i_lib.config.judges import JudgeModel, Selection
from c2i_lib.errors import C2IError
from c2i_lib.models.judges import judge_name, load_judge, score_pictures
from c2i_lib.records.files import seed_of
from c2i_lib.records.stage import read_table
from c2i_lib.run.places import Run
from c2i_lib.stages.images import load_pipeline, picture_metadata, render_and_flag, save_png, to_pixels
from c2i_lib.stages.prompts import Wanted, Writer, Written
from c2i_lib.statistics.selection import ranked
from c2i_lib.study import ARMS, FINETUNED_ARMS


@dataclass(frozen=True)
class Picture:
    """A rendered prompt: ``image`` is ``(size, size, 3)`` uint8, ``path`` the PNG when it was saved, ``flagged`` what
    is wrong with it (``unsafe``, ``nan``, ``blank``), if anything. ``quality`` and ``faithfulness`` are the selecting
    judges' scores, where the picture was chosen by them."""

    prompt: str
    seed: int
    image: np.ndarray
    path: Path | None = None
    flagged: str = ""
    quality: float | None = None
    faithfulness: float | None = None


@dataclass(frozen=True)
class Choice:
    """The best of ``n_candidates``: ``pictures``, the best first. ``n_usable`` could be chosen at all, and ``n_passed``
    of these reach ``threshold``, the gate; it is minus infinity where the bare concept has no picture to compare with.
    """

    pictures: list[Picture]
    n_candidates: int
    n_usable: int
    n_passed: int
    gate: float
    threshold: float

    @property
    def note(self) -> str:
        """How the choice came about, in one line."""
        left_out = self.n_candidates - self.n_usable
        if not self.n_usable:
            return f"all {self.n_candidates} candidates are flagged, so that none could be judged"
        gate = f"faithfulness {self.threshold:.3f}, quantile {self.gate:g} of the bare concept's own pictures"
        if np.isinf(self.threshold):
            gate = "open, because no picture of the bare concept could be judged"
        note = f"{self.n_passed} of {self.n_candidates} candidates passed the gate ({gate})"
        return f"{note}; {left_out} flagged or with an explicit prompt" if left_out else note


class _Candidate(NamedTuple):
    sample: int
    prompt: Written
    seed: int
    image: np.ndarray  # float, from 0 to 1
    flagged: str


class ConceptToImage:
    """Writes prompts with one arm of ``run`` and renders them with the run's TTI model.

    Raises ``C2IError`` when the run has no such arm yet.
    """

    def __init__(self, run: Run, arm: str = "ft_tags"):
        known = (*ARMS, *run.profile.prompts.models)
        if arm not in known:
            raise C2IError(f"unknown arm {arm!r}: use one of {', '.join(known)}")
        self.run, self.arm = run, arm
        checkpoint, length = run.folder(2) / arm, run.folder(1) / "length" / "length.json"
        needed = [length, *([checkpoint / "stage.json"] if arm in FINETUNED_ARMS else [])]
        missing = [str(path) for path in needed if not path.is_file()]
        if missing:
            raise C2IError(
                f"{run.directory} has no finished arm {arm!r} ({', '.join(missing)} missing). "
                f"Run: python -m c2i_lib run --profile {run.directory}/profile.yaml --run-dir {run.directory} --to 4"
            )
        # retrieved looks its prompts up in the captions that the arms were finetuned on
        captions = read_table(run.folder(1) / "finetune_train.parquet")["text"].tolist() if arm == "retrieved" else ()
        self.n_tokens = json.loads(length.read_text(encoding="utf-8"))["tokens"]
        self.writer = Writer(arm, run.profile, checkpoint if arm in FINETUNED_ARMS else None, captions)
        self.pipeline = load_pipeline(run.profile.images)

    def write_prompts(self, concept: str, n: int = 4, seed: int = 0) -> tuple[list[str], list[int]]:
        """``n`` prompts for ``concept`` and the seeds that they and their pictures come from.

        Raises ``C2IError`` for an empty concept and for ``n`` below 1.
        """
        prompts, seeds = self._write(concept, n, seed)
        return [prompt.text for prompt in prompts], seeds

    def imagine(
        self,
        concept: str,
        n: int = 4,
        seed: int = 0,
        out_dir: Path | None = None,
        best_of: int | None = None,
        gate: float | None = None,
    ) -> list[Picture]:
        """``n`` pictures of ``concept``; saved as PNG with their prompt and seed when ``out_dir`` is given.

        With ``best_of``: the best ``n`` of so many, as ``choose`` finds them. Raises ``C2IError`` as ``write_prompts``
        and ``choose`` do, and for a gate without candidates to choose from.
        """
        if best_of is not None:
            return self.choose(concept, n, best_of, gate, seed, out_dir).pictures
        if gate is not None:
            raise C2IError(f"a gate of {gate} is given, but nothing to choose from: give best_of too, such as 8")
        pictures = []
        for drawn in self._draw(concept, n, seed):
            # More pictures do not change the first ones, so this one is the last of so many.
            arguments = ["-n", str(drawn.sample + 1), "--seed", str(seed)]
            pictures.append(self._finish(drawn, concept, seed, arguments, out_dir))
        return pictures

    def choose(
        self,
        concept: str,
        n: int = 1,
        best_of: int = 8,
        gate: float | None = None,
        seed: int = 0,
        out_dir: Path | None = None,
    ) -> Choice:
        """The best ``n`` of the pictures that ``imagine(concept, best_of, seed)`` gives, by the selecting judges.

        The best in quality of those whose faithfulness reaches the quantile ``gate`` (None: the profile's) of as many
        pictures of the bare concept; where too few do, then the most faithful of the others. Pictures with an explicit
        prompt are taken only where there are no others, and flagged ones only where all are: so there may be fewer
        than ``n``. Only the chosen are saved. Raises ``C2IError`` where the profile names no judges to select by,
        ``n`` or ``gate`` is out of range, and as ``write_prompts`` does; ``ModelError`` for a judge without its model.
        """
        selection = self._selection()
        gate = float(selection.gate if gate is None else gate)
        if not 1 <= n <= best_of:
            raise C2IError(
                f"the best of {best_of} candidates can be 1 to {best_of} pictures, found {n}: "
                "ask for fewer pictures (n), or draw more candidates (best_of)"
            )
        if not 0 <= gate <= 1:
            raise C2IError(f"the gate is a quantile and should be 0 to 1, found {gate:g}: 0.5 is the median")
        drawn = list(self._draw(concept, best_of, seed))
        usable = _usable(drawn)
        quality, faithfulness, threshold = self._judge(usable, [one.seed for one in drawn], concept, gate)
        arguments = ["-n", str(n), "--best-of", str(best_of), "--gate", str(gate), "--seed", str(seed)]
        own = {"best_of": best_of, "gate": gate}
        kept = [
            (usable[place], {"quality": float(quality[place]), "faithfulness": float(faithfulness[place])})
            for place in ranked(quality, faithfulness, threshold)[:n]
        ] or [(one, {}) for one in drawn[:n]]
        pictures = [self._finish(one, concept, seed, arguments, out_dir, own, **scores) for one, scores in kept]
        return Choice(pictures, best_of, len(usable), int((faithfulness >= threshold).sum()), gate, threshold)

    def _selection(self) -> Selection:
        selection, name = self.run.profile.judges.selection, self.run.profile.name
        if selection is None:
            raise C2IError(f"profile {name} names no judges to select by: add judges.selection (see cpu.yaml)")
        return selection

    def _write(self, concept: str, n: int, seed: int) -> tuple[list[Written], list[int]]:
        concept = " ".join(concept.split())
        if not concept:
            raise C2IError('the concept is empty: give one, such as "a red bicycle"')
        if n < 1:
            raise C2IError(f"the number of pictures should be at least 1, found {n}")
        seeds = [seed_of(seed, self.arm, concept, sample) for sample in range(n)]
        n_tokens = max(self.run.profile.prompts.length or self.n_tokens, self.writer.count(concept) + 4)
        wanted = [Wanted(concept, sample, seed) for sample, seed in enumerate(seeds)]
        return self.writer.write(wanted, n_tokens), seeds

    def _draw(self, concept: str, n: int, seed: int) -> Iterator[_Candidate]:
        prompts, seeds = self._write(concept, n, seed)
        texts = [prompt.text for prompt in prompts]
        rendered = render_and_flag(self.pipeline, texts, seeds, self.run.profile.images)
        for sample, (prompt, own, (image, flagged)) in enumerate(zip(prompts, seeds, rendered, strict=True)):
            yield _Candidate(sample, prompt, own, image, flagged)

    def _finish(
        self,
        drawn: _Candidate,
        concept: str,
        seed: int,
        arguments: Sequence[str],
        out_dir: Path | None,
        more: Mapping[str, Any] | None = None,
        **scores: float,
    ) -> Picture:
        """Save a picture that is handed out, with the command that makes it again and what ``more`` is to be known."""
        prompt, sample, flagged = drawn.prompt.text, drawn.sample, drawn.flagged
        stem = re.sub(r"\W+", "_", concept.lower()).strip("_")[:60] or "picture"
        path = Path(out_dir) / f"{stem}-{self.arm}-{seed}-{sample}.png" if out_dir else None
        if path:
            own = {"prompt": prompt, "concept": concept, "arm": self.arm, "sample": sample, **(more or {})}
            own |= {"prompt_seed": drawn.seed, "seed": drawn.seed, "flagged": flagged, "run": self._run_name()}
            command = ["imagine", concept, "--arm", self.arm, *arguments]
            profile = self.run.profile
            save_png(drawn.image, path, picture_metadata(profile.images, profile.name, command, **own))
        return Picture(prompt, drawn.seed, to_pixels(drawn.image), path, flagged, **scores)

    def _run_name(self) -> str:
        """The run's folder, from here where it lies below; empty for the profile's own, which needs no name."""
        directory, here = self.run.directory, Path.cwd()
        if directory == Path(__file__).resolve().parent.parent / "runs" / self.run.profile.name:
            return ""
        return str(directory.relative_to(here) if directory.is_relative_to(here) else directory)

    def _judge(
        self, usable: Sequence[_Candidate], seeds: Sequence[int], concept: str, gate: float
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Selecting quality and faithfulness of the candidates, and the faithfulness that passes the gate."""
        if not usable:
            return np.empty(0), np.empty(0), -np.inf
        selection, concept = self._selection(), " ".join(concept.split())
        # From the candidates' own noise, as arms are compared in the study, so that only the words differ.
        text = self.writer.window.fit(concept)["text"]
        bare = render_and_flag(self.pipeline, [text] * len(seeds), seeds, self.run.profile.images)
        shown, own = [one.image for one in usable], [image for image, flagged in bare if not flagged]
        faithfulness, of_bare = np.split(self._score(selection.faithfulness, [*shown, *own], concept), [len(shown)])
        threshold = float(np.quantile(of_bare, gate)) if own else -np.inf
        return self._score(selection.quality, shown, concept), faithfulness, threshold

    def _score(self, judge: JudgeModel, images: Sequence[np.ndarray], concept: str) -> np.ndarray:
        """One score a picture, rounded as in stage 08. Loaded anew: a judge may be as large as the TTI model."""
        pictures, size = [to_pixels(image) for image in images], self.run.profile.judges.batch_size
        concepts = [concept] * len(pictures)
        return score_pictures(load_judge(judge), pictures, concepts, size, judge_name(judge)).round(5)


def _usable(drawn: Sequence[_Candidate]) -> list[_Candidate]:
    """Candidates that may be chosen: with nothing wrong; where there are none, those whose prompt alone is explicit."""
    sound = [one for one in drawn if not one.flagged]
    return [one for one in sound if not one.prompt.explicit] or sound
