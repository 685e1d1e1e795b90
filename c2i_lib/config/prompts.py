"""The section ``prompts`` of a profile: who writes prompts, and how they are drawn.

In: keys and values. Out: a validated, frozen section. Shared by ``config`` and the stages.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from c2i_lib.config.section import Count, Few, FewOrNone, Section

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class PromptModel(Section):
    """An arm of one's own: any causal language model, and what it reads."""

    model: str  # a folder or a hub id
    revision: str | None = None
    tokenizer: str | None = None  # None: the model's own
    # Where it ends with the concept, the prompt is the concept and what follows; else only what follows.
    template: Annotated[str, Field(pattern=r"^[^{}]*\{concept\}[^{}]*$")]
    chat: bool = False  # the template is said in the model's chat format, and the answer's first caption is the prompt
    system: str | None = None  # of a chat: what stands above it; None: the model's own
    stop: str | None = None  # what follows it is no part of the prompt, such as a line break
    keep_concept: bool = False  # a prompt without the concept is drawn again, as those of ft_topic are
    num_beams: Few = 1  # 1: sampled as the other arms are
    length_penalty: Annotated[float, Field(ge=-100, le=100)] = 1.0  # of beam search
    max_new_tokens: Few | None = None  # None: as long as the prompts of the other arms

    @model_validator(mode="after")
    def _chat_fits(self) -> PromptModel:
        if self.system is not None and not self.chat:
            raise ValueError("system is given, which only a chat has; set chat to true, or put it into the template")
        return self


class Prompts(Section):
    """Stage 04."""

    arms: tuple[str, ...]  # of config.ARMS and of models
    models: dict[Name, PromptModel] = {}  # arms of one's own, by name
    n_per_concept: Few
    candidates: dict[Name, Few] = {}  # arm → texts that are written for each prompt, the best of which is taken
    length: Few | None = None  # tokens of a prompt; None: the mean of captions, from stage 01
    temperature: Annotated[float, Field(ge=0.01, le=100)]
    top_p: Annotated[float, Field(ge=1e-6, le=1)]
    top_k: Count | None = None  # None: all tokens
    repetition_penalty: Annotated[float, Field(ge=1, le=100)] = 1.0  # of what was written, not of the concept
    whole_concept: bool = True  # nothing is glued to the concept: no "flaginging"
    max_redraws: FewOrNone = 3  # of a prompt with a word of the blacklist
    batch_size: Few  # changes no prompt
