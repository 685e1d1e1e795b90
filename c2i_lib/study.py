"""Constants of the study: its arms, its questions, the models of an arm, and the paper's ratings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

FinetunedArm = Literal["ft", "ft_tags", "ft_topic", "ft_good"]
FINETUNED_ARMS: tuple[str, ...] = get_args(FinetunedArm)
TOPIC_ARMS = ("ft_topic", "ft_good")  # the concept is a tag before the caption
ARMS = ("concept_only", "retrieved", "base", *FINETUNED_ARMS)
QUESTIONS = ("quality", "faithfulness")
# (μ, s) of base, ft and ft_tags on the latent scale of ``statistics/simulation.py``, fitted to the means and standard
# deviations of the paper's Table 1.
PAPER_SCALES = {
    "quality": ((0.373, 1.108), (0.566, 1.126), (0.624, 0.979)),
    "faithfulness": ((0.686, 1.253), (0.408, 2.042), (0.399, 1.530)),
}
# Share of the variance that the image has, its concept included: with these the paper's kappas come out.
ITEM_SHARE = {"quality": 0.447, "faithfulness": 0.630}
HELD_OUT = "held_out"  # the caption model that is no arm, to measure prompts by


def replicates(arm: str, n_seeds: int) -> dict[str, int]:
    """The models of ``arm``: name of the checkpoint → replicate, from 1; such as ``{"ft": 1, "ft_2": 2}``.

    An arm that is not finetuned has no chance in its training, and so one replicate.
    """
    n_models = n_seeds if arm in FINETUNED_ARMS else 1
    return {arm if number == 1 else f"{arm}_{number}": number for number in range(1, n_models + 1)}


def checkpoint_arms(arms: Sequence[str], n_seeds: int, held_out_model: bool) -> dict[str, str]:
    """All checkpoints of a study: name → the arm whose rows it trains on.

    Replicate by replicate, so that the first of all arms come first. The held-out model trains on captions as
    ``ft_tags`` does.
    """
    pairs = [(number, name, arm) for arm in arms for name, number in replicates(arm, n_seeds).items()]
    names = {name: arm for _, name, arm in sorted(pairs, key=lambda pair: pair[0])}
    return names | ({HELD_OUT: "ft_tags"} if held_out_model else {})
