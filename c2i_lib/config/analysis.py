"""The section ``analysis`` of a profile: intervals, and raters that are left out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from c2i_lib.config.section import Section, Share


class Analysis(Section):
    """Stages 07 and 08."""

    n_bootstrap: Annotated[int, Field(ge=100, le=1_000_000)]
    confidence: Share
    # Whom ratings speak for: all raters like these, or these alone, whose narrower intervals miss other raters' mean.
    raters: Literal["population", "these"] = "population"
    left_out_raters: tuple[str, ...] = ()  # such as one who failed the attention checks; said in every caption
