"""The sections ``language_model`` and ``finetuning`` of a profile: which model trains, and how.

In: keys and values. Out: validated, frozen sections, and the names of the checkpoints that they ask for. Shared by
``config`` and the stages.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from c2i_lib.sections import Count, Section

FINETUNED_ARMS = ("ft", "ft_tags", "ft_topic")
HELD_OUT = "held_out"  # the caption model that no arm is, to measure prompts by

FinetunedArm = Literal["ft", "ft_tags", "ft_topic"]


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


def replicates(arm: str, settings: Finetuning) -> dict[str, int]:
    """The models of ``arm``: name of the checkpoint → replicate, from 1; such as ``{"ft": 1, "ft_2": 2}``.

    An arm that is not finetuned has no chance in its training, and so one replicate.
    """
    n_models = settings.n_seeds if arm in FINETUNED_ARMS else 1
    return {arm if number == 1 else f"{arm}_{number}": number for number in range(1, n_models + 1)}


def checkpoint_arms(settings: Finetuning) -> dict[str, str]:
    """All checkpoints that a profile asks for: name → the arm whose rows it trains on.

    Replicate by replicate, so that the first of all arms come first. The held-out model trains on captions as
    ``ft_tags`` does.
    """
    pairs = [(number, name, arm) for arm in settings.arms for name, number in replicates(arm, settings).items()]
    names = {name: arm for _, name, arm in sorted(pairs, key=lambda pair: pair[0])}
    return names | ({HELD_OUT: "ft_tags"} if settings.held_out_model else {})
