"""The tool: a concept → prompts → images, from the finished checkpoints of a run.

In: a run folder whose stages 01, 02 and 04 are done. Out: prompts and pictures of any concept.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from c2i_lib.config import ARMS
from c2i_lib.errors import C2IError
from c2i_lib.files import seed_of
from c2i_lib.finetuning_settings import FINETUNED_ARMS
from c2i_lib.images import load_pipeline, picture_metadata, render_and_flag, save_png, to_pixels
from c2i_lib.prompts import Wanted, Writer
from c2i_lib.stage import Run, read_table


@dataclass(frozen=True)
class Picture:
    """A rendered prompt: ``image`` is ``(size, size, 3)`` uint8, ``path`` the PNG when it was saved, ``flagged`` what
    is wrong with it (``unsafe``, ``nan``, ``blank``), if anything."""

    prompt: str
    seed: int
    image: np.ndarray
    path: Path | None = None
    flagged: str = ""


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
        """``n`` prompts for ``concept`` and the seeds that they and their pictures come from."""
        concept = " ".join(concept.split())
        if not concept:
            raise C2IError('the concept is empty: give one, such as "a red bicycle"')
        if n < 1:
            raise C2IError(f"the number of pictures should be at least 1, found {n}")
        seeds = [seed_of(seed, self.arm, concept, sample) for sample in range(n)]
        n_tokens = max(self.run.profile.prompts.length or self.n_tokens, self.writer.count(concept) + 4)
        wanted = [Wanted(concept, sample, seed) for sample, seed in enumerate(seeds)]
        return [prompt.text for prompt in self.writer.write(wanted, n_tokens)], seeds

    def imagine(self, concept: str, n: int = 4, seed: int = 0, out_dir: Path | None = None) -> list[Picture]:
        """``n`` pictures of ``concept``; saved as PNG with their prompt and seed when ``out_dir`` is given."""
        prompts, seeds = self.write_prompts(concept, n, seed)
        settings, profile = self.run.profile.images, self.run.profile.name
        rendered = render_and_flag(self.pipeline, prompts, seeds, settings)
        stem = re.sub(r"\W+", "_", concept.lower()).strip("_")[:60] or "picture"
        pictures = []
        for number, (prompt, seed_, (image, flagged)) in enumerate(zip(prompts, seeds, rendered, strict=True)):
            path = Path(out_dir) / f"{stem}-{self.arm}-{seed}-{number}.png" if out_dir else None
            if path:
                # More pictures do not change the first ones, so this one is the last of so many.
                command = ["imagine", concept, "--arm", self.arm, "-n", str(number + 1), "--seed", str(seed)]
                own = {"prompt": prompt, "concept": concept, "arm": self.arm, "sample": number}
                own |= {"prompt_seed": seed_, "seed": seed_, "flagged": flagged}
                save_png(image, path, picture_metadata(settings, profile, command, **own))
            pictures.append(Picture(prompt, seed_, to_pixels(image), path, flagged))
        return pictures
