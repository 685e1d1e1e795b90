"""The section ``survey`` of a profile: what raters are shown and asked."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from c2i_lib.config.section import Count, Section


class Question(Section):
    """A question of the survey, with a name for each point of its scale, the lowest first."""

    text: str
    labels: tuple[str, ...]


class Survey(Section):
    """Stage 06."""

    arms: tuple[str, ...]  # of prompts.arms
    n_surveys: Count
    images_per_survey: Count | None = None  # None: all images, spread evenly
    raters_per_survey: Count
    raters_in_all_surveys: Annotated[int, Field(ge=0)] = 0  # of these raters
    repeated_images: Annotated[int, Field(ge=0)] = 0  # in each survey: shown twice, for a rater's self-agreement
    attention_checks: Annotated[int, Field(ge=0)] = 0  # in each survey: pictures that ask for a certain answer
    scale_points: Annotated[int, Field(ge=2)]
    quality: Question
    faithfulness: Question
    simulate_raters: bool
