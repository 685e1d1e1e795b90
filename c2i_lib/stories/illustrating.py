"""A plan → prompts and pictures of its panels, which belong together by words and noise alone.

In: a plan and a finished run. Out: a ``Picture`` a panel. Looks are pasted into every panel with their character, the
style into all; panels in one place share their noise, and so do those without a place that have the same characters.
The TTI model is not touched. What its window has no room for is cut from the end of the concept, and told. Ignored:
choosing among several pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from c2i_lib.generator import ConceptToImage, Picture, Wishes, Written
from c2i_lib.records.files import seed_of
from c2i_lib.stories.plan import Panel, Plan, drawn


def panel_concept(plan: Plan, panel: Panel) -> str:
    """Who does what, with looks, then where, unless that is said already."""
    concept = drawn(plan, panel)
    phrase = next((one.phrase for one in plan.places if one.name == panel.place), panel.place)
    known = not panel.place or panel.place.lower() in concept.lower() or phrase.lower() in concept.lower()
    return concept if known else f"{concept} {drawn(plan, replace(panel, concept=phrase))}"


def noise_seed(panel: Panel, seed: int) -> int:
    """The seed of a panel's noise: one for a place, or for those on stage where there is no place."""
    return seed_of(seed, "panel", panel.place or "+".join(sorted(panel.on_stage)))


def write_panels(tool: ConceptToImage, plan: Plan, seed: int = 0) -> list[Written]:
    """A prompt for each panel. Raises ``C2IError`` as ``ConceptToImage.write`` does."""
    wishes, prompts = Wishes(style=plan.style), []
    for panel in plan.panels:
        (one,) = tool.write(panel_concept(plan, panel), 1, seed, wishes)
        prompts.append(replace(one, seed=noise_seed(panel, seed)))
    return prompts


def render_panels(tool: ConceptToImage, prompts: Sequence[Written], folder: Path) -> list[Picture]:
    """A picture of each prompt, saved in ``folder`` with the command that makes it again."""
    return tool.render(prompts, folder)
