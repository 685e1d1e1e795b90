"""Calls of the page by other programs, through ``gradio_client``: write, render, imagine, plan.

In: plain values. Out: plain values, and files that the client fetches. Ignored: what the tabs show.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import gradio as gr

from c2i_lib.app.asked import asked, whole
from c2i_lib.app.guard import guarded
from c2i_lib.app.showing import command_of
from c2i_lib.app.storyteller import MAX_PANELS, make_plan
from c2i_lib.app.studio import Studio
from c2i_lib.generator import Picture, Written
from c2i_lib.generator.sheet import MAX_SEED
from c2i_lib.stories.plan import plan_text


def add_calls(studio: Studio) -> None:
    """Add the calls to the page that is being made."""

    @guarded
    def write(
        concept: str, n: int = 4, seed: int = 0, arm: str = "", keep: str = "", ban: str = "", style: str = ""
    ) -> list:
        """Prompts for a concept: each with its text, seed, added words and notes."""
        return [asdict(one) for one in studio.write(asked(concept, n, seed, arm, keep, ban, style))]

    @guarded
    def render(prompt: str, seed: int = 0, concept: str = "", arm: str = "") -> dict:
        """The picture of a prompt: its PNG, and the command that makes it again."""
        one = Written(prompt, whole(seed, "the seed", 0, MAX_SEED), concept, arm)
        return _told(list(studio.compare([one]))[-1])

    @guarded
    def imagine(
        concept: str, n: int = 1, seed: int = 0, arm: str = "", keep: str = "", ban: str = "", style: str = ""
    ) -> list:
        """Pictures of a concept: of each its PNG, its prompt, and the command that makes it again."""
        prompts = studio.write(asked(concept, n, seed, arm, keep, ban, style))
        return [_told(one) for one in studio.compare(prompts) if one.source.arm == prompts[0].arm]

    @guarded
    def plan(story: str, panels: int = 6) -> str:
        """The plan of a story, as YAML."""
        return plan_text(make_plan(story, None, whole(panels, "the number of panels", 1, MAX_PANELS)))

    for call in (write, render, imagine, plan):
        gr.api(call, api_name=call.__name__, concurrency_id="models", concurrency_limit=1)


def _told(picture: Picture) -> dict[str, Any]:
    known = {"prompt": picture.prompt, "seed": picture.seed, "flagged": picture.flagged}
    return {"file": gr.FileData(path=str(picture.path)).model_dump(), **known, "command": command_of(picture)}
