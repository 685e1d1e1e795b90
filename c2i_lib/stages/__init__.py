"""The stages of the study, in order: everything else about them derives from this list.

Each has a number, which its notebook, its folder in a run and its figures begin with; a room of the same name beside
this file; and the stages whose files it reads. Stages never import each other: they pass files. This module imports
none of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StagePlan:
    """``number``: from 1, in the study's order; ``name``: its room in ``c2i_lib/stages/``; ``folder``: in a run;
    ``reads``: the stages whose files it reads itself."""

    number: int
    name: str
    folder: str
    reads: tuple[str, ...] = ()


STUDY = (
    StagePlan(1, "captions", "01_captions"),
    StagePlan(2, "finetuning", "02_models", ("captions",)),
    StagePlan(3, "concepts", "03_concepts", ("captions",)),
    StagePlan(4, "prompts", "04_prompts", ("captions", "finetuning", "concepts")),
    StagePlan(5, "images", "05_images", ("prompts",)),
    StagePlan(6, "survey", "06_survey", ("images",)),
    StagePlan(7, "analysis", "07_analysis", ("survey", "images")),
    StagePlan(8, "evaluation", "08_judges", ("captions", "finetuning", "concepts", "prompts", "images")),
)
FOLDERS = {stage.number: stage.folder for stage in STUDY}
_NUMBERS = {stage.name: stage.number for stage in STUDY}


def stages_before(number: int) -> tuple[int, ...]:
    """The numbers of all stages whose files stage ``number`` depends on, directly or not, in order."""
    reads = [_NUMBERS[name] for name in STUDY[number - 1].reads]
    return tuple(sorted({*reads, *(earlier for near in reads for earlier in stages_before(near))}))
