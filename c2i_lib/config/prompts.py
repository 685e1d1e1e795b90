"""The section ``prompts`` of a profile: who writes prompts, and how they are drawn.

In: keys and values. Out: a validated, frozen section. Shared by ``config`` and the stages.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from c2i_lib.config.section import Count, Section

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class PromptModel(Section):
    """An arm of one's own: any causal language model, and what it reads."""

    model: str  # a folder or a hub id
    revision: str | None = None
    tokenizer: str | None = None  # None: the model's own
    # Where it ends with the concept, the prompt is the concept and what follows; else only what follows.
    template: Annotated[str, Field(pattern=r"^[^{}]*\{concept\}[^{}]*$")]
    num_beams: Count = 1  # 1: sampled as the other arms are
    length_penalty: float = 1.0  # of beam search
    max_new_tokens: Count | None = None  # None: as long as the prompts of the other arms


class Prompts(Section):
    """Stage 04."""

    arms: tuple[str, ...]  # of config.ARMS and of models
    models: dict[Name, PromptModel] = {}  # arms of one's own, by name
    n_per_concept: Count
    length: Count | None = None  # tokens of a prompt; None: the mean of captions, from stage 01
    temperature: Annotated[float, Field(gt=0)]
    top_p: Annotated[float, Field(gt=0, le=1)]
    top_k: Count | None = None  # None: all tokens
    repetition_penalty: Annotated[float, Field(ge=1)] = 1.0  # of what was written, not of the concept
    whole_concept: bool = True  # nothing is glued to the concept: no "flaginging"
    max_redraws: Annotated[int, Field(ge=0)] = 3  # of a prompt with a word of the blacklist
    batch_size: Count  # changes no prompt
