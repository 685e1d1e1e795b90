"""The sections ``language_model`` and ``finetuning`` of a profile: which model trains, and how.

In: keys and values. Out: validated, frozen sections, and the names of the checkpoints that they ask for. Shared by
``config`` and the stages.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from c2i_lib.config.section import Count, Section
from c2i_lib.study import FinetunedArm, checkpoint_arms


class LanguageModel(Section):
    """Stage 02: the model that every arm starts from."""

    model: str  # "embedded:smollm2-135m", a folder or a hub id
    revision: str | None = None
    # The first so many transformer layers do not train; a number, or a share such as the paper's "42/48".
    frozen_layers: Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=r"^\d+/[1-9]\d*$")]


class Finetuning(Section):
    """Stage 02: how the layers that are not frozen train."""

    arms: tuple[FinetunedArm, ...]
    n_seeds: Count = 1  # models of each arm, each trained from a seed of its own
    held_out_model: bool = False  # also train one on captions of the mining split, which no arm sees, to measure by
    epochs: Count
    early_stopping: Count | None = None  # stop after so many epochs without a lower held-out loss, and keep the best
    learning_rate: Annotated[float, Field(gt=0)]
    batch_size: Count  # blocks a step
    block_length: Annotated[int, Field(ge=4)]  # tokens
    warmup_share: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    precision: Literal["auto", "fp32", "bf16"]  # of arithmetic; weights stay fp32; auto: bf16 where in hardware
    checkpoint_every: Count  # steps
    keep_states: bool = False  # keep hidden states of the frozen layers for another seed or learning rate; takes disk

    @property
    def checkpoints(self) -> dict[str, str]:
        """All checkpoints that the profile asks for: name → the arm whose rows it trains on."""
        return checkpoint_arms(self.arms, self.n_seeds, self.held_out_model)
