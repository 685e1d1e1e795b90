"""Stage 08: images + concepts → automatic quality and faithfulness.

In: ``images.parquet`` and its pictures. Out: ``scores.parquet`` (``image_id, arm, concept, sample, quality,
faithfulness``). Images are scored against their concept, never against their prompt. Flagged images are left
out. Both judges keep one interface, so that others fit in.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from PIL import Image

from c2i_lib.config import Judges, Profile
from c2i_lib.embedded.judge import GlyphJudge
from c2i_lib.embedded.models import resolve
from c2i_lib.errors import C2IError, ModelError
from c2i_lib.files import write_table
from c2i_lib.runtime import device, quiet_libraries
from c2i_lib.stage import Stage, check_input, read_table


class Judge(Protocol):
    """Scores of uint8 images ``(n, height, width, 3)``, higher is better."""

    def quality(self, images: np.ndarray, batch_size: int) -> np.ndarray: ...

    def faithfulness(self, images: np.ndarray, concepts: Sequence[str], batch_size: int) -> np.ndarray: ...


class ClipJudge:
    """Any CLIP model. Faithfulness is CLIPScore (Hessel et al. 2021: 2.5 · max(cosine, 0)) against
    "a photo depicts <concept>"; quality is CLIP-IQA (Wang, Chan and Loy 2023): the share of "Good photo."
    against "Bad photo."."""

    def __init__(self, model: str, revision: str | None = None):
        from transformers import AutoProcessor, CLIPModel

        try:
            self.model = CLIPModel.from_pretrained(model, revision=revision, use_safetensors=True).to(device()).eval()
            self.processor = AutoProcessor.from_pretrained(model, revision=revision)
        except (OSError, ValueError) as error:
            raise ModelError(f"judge {model!r} (revision {revision}) cannot be loaded as CLIP: {error}") from error

    def _texts(self, texts: Sequence[str]) -> torch.Tensor:
        tokens = self.processor(text=list(texts), padding=True, truncation=True, return_tensors="pt").to(device())
        return torch.nn.functional.normalize(self.model.get_text_features(**tokens).pooler_output, dim=-1)

    def _images(self, images: np.ndarray, batch_size: int) -> torch.Tensor:
        features = []
        for start in range(0, len(images), batch_size):
            pictures = [Image.fromarray(image) for image in images[start : start + batch_size]]
            pixels = self.processor(images=pictures, return_tensors="pt").to(device())
            features.append(self.model.get_image_features(**pixels).pooler_output)
        return torch.nn.functional.normalize(torch.cat(features), dim=-1)

    @torch.inference_mode()
    def quality(self, images: np.ndarray, batch_size: int) -> np.ndarray:
        """``(n,)`` in [0, 1]."""
        logits = self._images(images, batch_size) @ self._texts(["Good photo.", "Bad photo."]).T
        return (self.model.logit_scale.exp() * logits).softmax(-1)[:, 0].cpu().numpy()

    @torch.inference_mode()
    def faithfulness(self, images: np.ndarray, concepts: Sequence[str], batch_size: int) -> np.ndarray:
        """``(n,)`` from 0 to 2.5."""
        texts = self._texts([f"a photo depicts {concept}" for concept in concepts])
        cosine = (self._images(images, batch_size) * texts).sum(-1)
        return 2.5 * cosine.clamp_min(0).cpu().numpy()


def load_judge(settings: Judges) -> Judge:
    """The judge of ``settings.model``: ours when its folder has ``judge.json``, else a CLIP model."""
    quiet_libraries()
    model = resolve(settings.model)
    if (Path(model) / "judge.json").is_file():
        return GlyphJudge(model)
    return ClipJudge(model, settings.revision)


def score_images(images_file: Path, out_dir: Path, profile: Profile) -> pd.DataFrame:
    """Score every image that is not flagged against its concept."""
    folder, settings = Path(out_dir), profile.judges
    with Stage(folder, settings.model_dump(exclude={"batch_size"}), [images_file]) as stage:
        if not stage.done:
            table = read_table(images_file)
            table = table[table["flagged"] == ""].reset_index(drop=True)
            if table.empty:
                raise C2IError(
                    f"all images of {images_file} are flagged as blank or NaN, so there is nothing to judge: "
                    "try images.precision fp32, or another TTI model"
                )
            paths = [Path(images_file).parent / name for name in table["path"]]
            for path in paths:
                check_input(path)
            pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
            judge = load_judge(settings)
            scores = table[["image_id", "arm", "concept", "sample"]].assign(
                quality=judge.quality(pixels, settings.batch_size).astype(float).round(5),
                faithfulness=judge.faithfulness(pixels, table["concept"], settings.batch_size).astype(float).round(5),
            )
            write_table(folder / "scores.parquet", scores)
    return pd.read_parquet(folder / "scores.parquet")
