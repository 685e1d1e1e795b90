"""What the checkpoints of a study share, and what tells them apart: their arm and their seed.

In: a profile. Out: a ``Recipe``. Ignored: captions and weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from c2i_lib.config import Finetuning, LanguageModel, Profile
from c2i_lib.errors import C2IError
from c2i_lib.records.files import seed_of


@dataclass(frozen=True)
class Recipe:
    """What all checkpoints of a study share: the model that they start from, how it trains, and the study's ``seed``.

    ``profile`` (its name) and ``source`` (of the captions) stand in model cards and change no weight.
    """

    language_model: LanguageModel
    settings: Finetuning
    seed: int
    profile: str
    source: str

    @classmethod
    def of(cls, profile: Profile) -> Recipe:
        """The recipe of a profile."""
        return cls(profile.language_model, profile.finetuning, profile.seed, profile.name, profile.captions.source)

    def arm_of(self, name: str) -> str:
        """The arm whose rows the checkpoint ``name`` trains on. Raises ``C2IError`` for another name."""
        known = self.settings.checkpoints
        if name not in known:
            raise C2IError(f"{name!r} cannot be finetuned: use {', '.join(known)}")
        return known[name]

    def seed_of(self, name: str) -> int:
        """The seed of a checkpoint: the first model of every arm trains from the study's, the others from their own."""
        return self.seed if name == self.arm_of(name) else seed_of(self.seed, "finetuning", name)
