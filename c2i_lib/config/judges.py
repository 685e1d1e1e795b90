"""The profile's section of judges: who reports, and who selects.

In: the values of ``judges:`` in a profile. Out: ``Judges``, whose roles fit together. Ignored: whether models exist.
"""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from c2i_lib.config.section import Count, Few, Section, Share
from c2i_lib.errors import ProfileError

_QUALITY_JUDGES = ("clip_iqa", "aesthetic", "pickscore", "hpsv2", "scene_quality")
_FAITHFULNESS_JUDGES = ("clip_score", "pickscore", "hpsv2", "scene_parts", "scene_match")
NO_SELECTION = "the profile names no judges to select by: add judges.selection (see cpu.yaml)"


class JudgeModel(Section):
    """One judge: what it computes, and with which model."""

    kind: Literal[
        "clip_iqa",
        "clip_score",
        "aesthetic",
        "pickscore",
        "hpsv2",
        "scene_quality",
        "scene_parts",
        "scene_match",
    ]
    model: str  # "embedded:quality" and the like, or a folder or hub id of a CLIP model
    revision: str | None = None
    processor: str | None = None  # of another folder or hub id; None: the model's own
    head: str | None = None  # of aesthetic: a safetensors file, or a folder or hub id with one
    head_revision: str | None = None

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> JudgeModel:
        if (self.head is None) == (self.kind == "aesthetic"):
            raise ValueError(f"a judge of kind {self.kind} {'needs a' if self.head is None else 'has no'} head")
        return self


class Selection(Section):
    """The judges by which the best of n is chosen, which never report."""

    quality: JudgeModel
    faithfulness: JudgeModel
    gate: Share = 0.5  # the quantile of the bare concept's own pictures that a picture's faithfulness must reach


class Judges(Section):
    """Stages 06 (simulated raters) and 08. Images are scored against their concept."""

    quality: JudgeModel  # these two report
    faithfulness: JudgeModel
    others: tuple[JudgeModel, ...] = ()  # report too, in a table of their own
    selection: Selection | None = None
    known_answers: Literal["scenes", "images"]  # what judges are tested on: unseen scenes, or the run's own images
    n_known_answers: Count  # pictures; of scenes, for each part of a concept
    batch_size: Few

    def need_selection(self) -> Selection:
        """The judges to select by. Raises ``ProfileError`` where the profile names none."""
        if self.selection is None:
            raise ProfileError(NO_SELECTION)
        return self.selection

    @model_validator(mode="after")
    def _each_judge_has_one_role(self) -> Judges:
        pairs = {"": self, "selection.": self.selection}
        for place, pair in pairs.items():
            for role, kinds in (("quality", _QUALITY_JUDGES), ("faithfulness", _FAITHFULNESS_JUDGES)):
                kind = getattr(pair, role).kind if pair else kinds[0]
                if kind not in kinds:
                    raise ValueError(f"{place}{role}: {kind} does not measure it; use one of: {', '.join(kinds)}")
        if self.quality == self.faithfulness:
            raise ValueError("quality and faithfulness are the same judge, so that both would be one number")
        reporting = {judge.model for judge in (self.quality, self.faithfulness, *self.others)}
        selecting = [self.selection.quality, self.selection.faithfulness] if self.selection else []
        for judge in selecting:
            if (judge.model) in reporting:
                raise ValueError(
                    f"selection has {judge.model}, which also reports, and a judge that selects would "
                    "praise its own choice; select with another model, or set selection to null"
                )
        return self
