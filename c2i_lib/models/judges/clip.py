"""CLIP as a judge: CLIPScore and CLIP-IQA, and the features that all judges made of a CLIP model share.

In: pictures and concepts. Out: one score a picture. Any ``CLIPModel`` of transformers does, as a folder or a hub id
with safetensors. Ignored: checkpoints of open_clip and pickles, which can run code.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from c2i_lib.config.judges import JudgeModel
from c2i_lib.errors import ModelError
from c2i_lib.models.device import device, quiet_libraries

DEPICTS = "a photo depicts {}"  # Hessel et al. 2021, section 3: the prefix "A photo depicts"
GOOD, BAD = "Good photo.", "Bad photo."  # Wang, Chan and Loy 2023


class Clip:
    """Unit features of pictures and texts. Raises ``ModelError`` when the model or its processor cannot be loaded."""

    def __init__(self, settings: JudgeModel):
        from transformers import AutoProcessor, CLIPModel

        quiet_libraries()
        name, revision = settings.model, settings.revision
        try:
            model = CLIPModel.from_pretrained(name, revision=revision, use_safetensors=True, dtype=torch.float32)
            # Another repository's processor has no such revision.
            processor = AutoProcessor.from_pretrained(
                settings.processor or name, revision=None if settings.processor else revision
            )
        except (OSError, ValueError) as error:
            raise ModelError(
                f"judge {settings.kind} cannot load {name!r} (revision {revision}, processor "
                f"{settings.processor or 'its own'}) as a CLIPModel with safetensors: {error}"
            ) from error
        self.model, self.processor = model.to(device()).eval(), processor

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """``(n, d)``; a text that occurs more than once is encoded once."""
        distinct, places = np.unique(list(texts), return_inverse=True)
        tokens = self.processor(text=distinct.tolist(), padding=True, truncation=True, return_tensors="pt")
        features = self.model.get_text_features(**tokens.to(device())).pooler_output
        return torch.nn.functional.normalize(features, dim=-1)[torch.from_numpy(places)]

    @torch.inference_mode()
    def pictures(self, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        """``(n, d)`` of uint8 pictures, which may differ in size."""
        pixels = self.processor(images=[Image.fromarray(picture) for picture in pictures], return_tensors="pt")
        features = self.model.get_image_features(pixel_values=pixels["pixel_values"].to(device())).pooler_output
        return torch.nn.functional.normalize(features, dim=-1)

    def cosines(self, pictures: Sequence[np.ndarray], texts: Sequence[str]) -> torch.Tensor:
        """``(n,)`` cosine of each picture and its text."""
        return (self.pictures(pictures) * self.texts(texts)).sum(-1)

    @property
    def scale(self) -> torch.Tensor:
        """The factor of cosines that the model learned with its loss."""
        return self.model.logit_scale.detach().exp()


class ClipScore:
    """CLIPScore (Hessel et al. 2021): 2.5 · max(cosine, 0) of the picture and "a photo depicts <concept>"."""

    measures = "faithfulness"

    def __init__(self, settings: JudgeModel):
        self.clip = Clip(settings)

    def score(self, pictures: Sequence[np.ndarray], concepts: Sequence[str]) -> np.ndarray:
        cosines = self.clip.cosines(pictures, [DEPICTS.format(concept) for concept in concepts])
        return (2.5 * cosines.clamp_min(0)).cpu().numpy()

    def features(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """``(n, d)`` unit features of the pictures."""
        return self.clip.pictures(pictures).cpu().numpy()


class ClipIqa:
    """CLIP-IQA (Wang, Chan and Loy 2023): the share of "Good photo." against "Bad photo.", from 0 to 1.

    The model keeps its positional embedding, which theirs drops, because pictures come at the model's own size.
    """

    measures = "quality"

    def __init__(self, settings: JudgeModel):
        self.clip = Clip(settings)

    def score(self, pictures: Sequence[np.ndarray], concepts: Sequence[str]) -> np.ndarray:
        logits = self.clip.scale * self.clip.pictures(pictures) @ self.clip.texts([GOOD, BAD]).T
        return logits.softmax(-1)[:, 0].cpu().numpy()
