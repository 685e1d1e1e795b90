"""The section ``analysis`` of a profile: intervals, raters that are left out, and what a study sets out to show.

In: the values of ``analysis:`` in a profile. Out: ``Analysis``, whose contrasts are few and different. Ignored: whether
the survey has their arms, which ``Profile`` checks.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from c2i_lib.config.section import Section, Share

MOST_CONTRASTS = 4  # a family of more has little power left for each, and names nothing that a study is about
Points = Annotated[float, Field(gt=0, le=100)]


class Contrast(Section):
    """A comparison that is named before the first answer: ``arm`` with ``baseline``, on one question."""

    arm: str
    baseline: str
    question: Literal["quality", "faithfulness"]


class Margin(Section):
    """The smallest difference of interest on each question, in points of the scale; None: nothing is said of it."""

    quality: Points | None = None
    faithfulness: Points | None = None


class Analysis(Section):
    """Stages 07 and 08."""

    n_bootstrap: Annotated[int, Field(ge=100, le=1_000_000)]
    confidence: Share
    # Whom ratings speak for: all raters like these, or these alone, whose narrower intervals miss other raters' mean.
    raters: Literal["population", "these"] = "population"
    left_out_raters: tuple[str, ...] = ()  # such as one who failed the attention checks; said in every caption
    primary: tuple[Contrast, ...] = ()  # the family that Holm's correction is over; empty: it is over all comparisons
    margin: Margin = Margin()  # with one, a difference may also be told to be too small to matter

    @model_validator(mode="after")
    def _plan_is_one(self) -> Analysis:
        if len(self.primary) > MOST_CONTRASTS:
            raise ValueError(
                f"primary should name at most {MOST_CONTRASTS} contrasts, found {len(self.primary)}: keep those that "
                "the study is about, because all others are compared, too"
            )
        named = [(contrast.question, frozenset({contrast.arm, contrast.baseline})) for contrast in self.primary]
        for question, arms in named:
            if len(arms) < 2:
                raise ValueError(f"primary compares {min(arms)!r} with itself: give another baseline")
            if named.count((question, arms)) > 1:
                raise ValueError(f"primary names {sorted(arms)} on {question} more than once: keep one")
        if self.confidence <= 0.5 and self.margin != Margin():
            raise ValueError(f"margin needs a confidence above 0.5, found {self.confidence}: raise it, such as to 0.95")
        return self
