"""What the prompts of all arms share.

In: a profile. Out: a ``Recipe``. Ignored: which arm writes, and for which concept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from c2i_lib.config import Images, LanguageModel, Profile, Prompts
from c2i_lib.study import replicates


@dataclass(frozen=True)
class Recipe:
    """How prompts are written.

    ``settings``: the arms, and how prompts are drawn; ``language_model``: what the arm ``base`` writes with, and what
    measures all prompts; ``images``: the TTI model, whose window prompts fit; ``explicit_words``: the file of a
    blacklist (None: the default one); ``seed``: the study's; ``n_seeds``: models of each finetuned arm.
    """

    settings: Prompts
    language_model: LanguageModel
    images: Images
    explicit_words: str | None
    seed: int
    n_seeds: int

    @classmethod
    def of(cls, profile: Profile) -> Recipe:
        """The recipe of a profile."""
        words, n_seeds = profile.captions.explicit_words, profile.finetuning.n_seeds
        return cls(profile.prompts, profile.language_model, profile.images, words, profile.seed, n_seeds)

    def with_one_per_concept(self) -> Recipe:
        """The same recipe for a single prompt per concept."""
        return replace(self, settings=self.settings.model_copy(update={"n_per_concept": 1}))

    @property
    def models(self) -> list[tuple[str, str, int]]:
        """All models that write: the arm, the name of the checkpoint, and which model of the arm it is, from 1."""
        return [(arm, *pair) for arm in self.settings.arms for pair in replicates(arm, self.n_seeds).items()]

    def key(self, concepts: Sequence[str]) -> dict[str, Any]:
        """What prompts for ``concepts`` depend on: of the models on offer, those that are arms; not the batch size."""
        settings = self.settings.model_dump(exclude={"batch_size", "models"})
        own = self.settings.models
        models = {arm: model.model_dump() for arm, model in own.items() if arm in self.settings.arms}
        base = (self.language_model.model, self.language_model.revision)
        tti = (self.images.model, self.images.revision)
        key = {"seed": self.seed, "n_seeds": self.n_seeds, "concepts": list(concepts), **settings}
        return {**key, "models": models, "base": base, "tti": tti}

    def files(self) -> list[Path]:
        """Files that prompts depend on and that no stage wrote: the blacklist, and weights of arms of one's own."""
        words = [Path(self.explicit_words)] if self.explicit_words else []
        own = [Path(self.settings.models[arm].model) for arm in self.settings.arms if arm in self.settings.models]
        return words + [path for folder in own if folder.is_dir() for path in sorted(folder.glob("*.safetensors"))]
