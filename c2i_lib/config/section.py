"""What all sections of a profile share: they are frozen, strict, and know no other keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]


class Section(BaseModel):
    """A part of a profile."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
