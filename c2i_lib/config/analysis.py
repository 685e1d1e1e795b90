"""The section ``analysis`` of a profile: intervals, and raters that are left out."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from c2i_lib.config.section import Section, Share


class Analysis(Section):
    """Stages 07 and 08."""

    n_bootstrap: Annotated[int, Field(ge=100)]
    confidence: Share
    left_out_raters: tuple[str, ...] = ()  # such as one who failed the attention checks; said in every caption
