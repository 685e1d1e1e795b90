"""The section ``concepts`` of a profile: how concepts are found and scored."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from c2i_lib.config.prompts import Name
from c2i_lib.config.section import Count, Section


class Concepts(Section):
    """Stage 03."""

    n_concepts: Annotated[int, Field(ge=2)]  # intervals over concepts need at least two
    extractor: Literal["parser", "lexicon"] = "parser"  # lexicon: some hundred times faster, about right
    given: dict[Name, tuple[str, ...]] = {}  # by group: the concepts, in place of mined ones
    decisions: str | None = None  # a person's decisions; None: concept_decisions.yaml in the run's folder, if any
    min_frequency: Count  # captions with the phrase
    max_words: Count
    frequency_weight: Annotated[float, Field(ge=0)]
    ambiguity_weight: Annotated[float, Field(ge=0)]
    length_weight: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _given_are_as_many(self) -> Concepts:
        given = [concept for group in self.given.values() for concept in group]
        if given and (len(given) != self.n_concepts or len(set(given)) < len(given)):
            raise ValueError(
                f"given should hold n_concepts ({self.n_concepts}) different concepts, found {len(set(given))}"
            )
        return self
