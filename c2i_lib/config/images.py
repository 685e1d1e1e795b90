"""The section ``images`` of a profile: the TTI model, and how it draws."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from c2i_lib.config.section import Few, Section, Weight


class Images(Section):
    """Stage 05."""

    model: str  # "embedded:scenes", a folder or a hub id
    revision: str | None = None
    scheduler: Literal["dpm++", "model", "ddim", "euler", "euler_a", "unipc", "lcm"] = "dpm++"  # model: its own
    size: Annotated[int, Field(ge=8, le=8192, multiple_of=8)]  # pixels, both sides
    steps: Few
    guidance: Weight  # 1 or less: none, as turbo models want it
    negative_prompt: str = ""  # what guidance leads away from
    precision: Literal["auto", "fp32", "fp16", "bf16"]  # auto: bf16 where in hardware, else fp16 on a GPU, else fp32
    save_memory: bool = False  # decode in tiles, and keep on the GPU only what computes: slower
    batch_size: Few
