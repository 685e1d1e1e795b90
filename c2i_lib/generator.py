"""The tool: a concept → prompts → images, from the finished checkpoints of a run.

In: a run folder whose stages 01, 02 and 04 are done. Out: prompts and pictures of any concept.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from c2i_lib.config import ARMS, FINETUNED_ARMS
from c2i_lib.errors import C2IError
from c2i_lib.files import seed_of
from c2i_lib.images import flag, load_pipeline, render, save_png
from c2i_lib.language_model import load_language_model, load_tokenizer
from c2i_lib.prompts import write_batch
from c2i_lib.stage import Run


@dataclass(frozen=True)
class Picture:
    """A rendered prompt: ``image`` is ``(size, size, 3)`` uint8, ``path`` the PNG when it was saved."""

    prompt: str
    seed: int
    image: np.ndarray
    path: Path | None = None


class ConceptToImage:
    """Writes prompts with one arm of ``run`` and renders them with the run's TTI model.

    Raises ``C2IError`` when the run has no such arm yet.
    """

    def __init__(self, run: Run, arm: str = "ft_tags"):
        if arm not in ARMS:
            raise C2IError(f"unknown arm {arm!r}: use one of {', '.join(ARMS)}")
        self.run, self.arm = run, arm
        checkpoint, length = run.folder(2) / arm, run.folder(1) / "length" / "length.json"
        needed = [length, *([checkpoint / "stage.json"] if arm in FINETUNED_ARMS else [])]
        missing = [str(path) for path in needed if not path.is_file()]
        if missing:
            raise C2IError(
                f"{run.directory} has no finished arm {arm!r} ({', '.join(missing)} missing). "
                f"Run: python -m c2i_lib run --profile {run.directory}/profile.yaml --run-dir {run.directory} --to 4"
            )
        self.n_tokens = json.loads(length.read_text(encoding="utf-8"))["tokens"]
        base = (run.profile.language_model.model, run.profile.language_model.revision)
        model_id = (str(checkpoint), None) if arm in FINETUNED_ARMS else base
        self.tokenizer = load_tokenizer(*model_id)
        self.model = None if arm == "concept_only" else load_language_model(*model_id)
        self.pipeline = load_pipeline(run.profile.images)

    def write_prompts(self, concept: str, n: int = 4, seed: int = 0) -> tuple[list[str], list[int]]:
        """``n`` prompts for ``concept`` and the seeds that they and their pictures come from."""
        concept = " ".join(concept.split())
        if not concept:
            raise C2IError('the concept is empty: give one, such as "a red bicycle"')
        if n < 1:
            raise C2IError(f"the number of pictures should be at least 1, found {n}")
        seeds = [seed_of(seed, self.arm, concept, sample) for sample in range(n)]
        if self.model is None:
            return [concept] * n, seeds
        settings = self.run.profile.prompts
        n_tokens = max(self.n_tokens, len(self.tokenizer(concept).input_ids) + 4)
        written = write_batch(self.model, self.tokenizer, concept, seeds, n_tokens, settings, self.arm)
        return [prompt.text for prompt in written], seeds

    def imagine(self, concept: str, n: int = 4, seed: int = 0, out_dir: Path | None = None) -> list[Picture]:
        """``n`` pictures of ``concept``; saved as PNG with their prompt and seed when ``out_dir`` is given."""
        prompts, seeds = self.write_prompts(concept, n, seed)
        images = render(self.pipeline, prompts, seeds, self.run.profile.images)
        stem = re.sub(r"\W+", "_", concept.lower()).strip("_")[:60] or "picture"
        pictures = []
        for number, (prompt, seed_, image) in enumerate(zip(prompts, seeds, images, strict=True)):
            path = Path(out_dir) / f"{stem}-{self.arm}-{seed}-{number}.png" if out_dir else None
            if path:
                settings = self.run.profile.images.model_dump(exclude={"batch_size"})
                kept = {"prompt": prompt, "concept": concept, "arm": self.arm, "seed": seed_, "flagged": flag(image)}
                save_png(image, path, {**kept, **settings, "profile": self.run.profile.name})
            pixels = (np.nan_to_num(image).clip(0, 1) * 255).round().astype(np.uint8)
            pictures.append(Picture(prompt, seed_, pixels, path))
        return pictures
