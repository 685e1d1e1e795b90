"""What all sections of a profile share: they are frozen, strict, finite, and know no other keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# Upper bounds are far beyond what anybody runs: a slip such as 1e26 is told at once and not hours later.
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]  # of captions, characters, training steps
Few = Annotated[int, Field(ge=1, le=10_000)]  # of what fits a batch, a person's patience or a table
FewOrNone = Annotated[int, Field(ge=0, le=10_000)]
Share = Annotated[float, Field(ge=1e-6, le=1 - 1e-6)]
Weight = Annotated[float, Field(ge=0, le=1000)]


class Section(BaseModel):
    """A part of a profile."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
