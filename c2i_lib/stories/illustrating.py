"""A plan → prompts and pictures of its panels, which belong together by words, noise and choice alone.

In: a plan and a finished run. Out: a picture a panel. Looks are pasted into every panel with their character, the style
into all; panels in one place share their noise, and so do those without a place that have the same characters. Of
several candidates a panel, one is kept by ``choosing.py``. What the TTI model's window has no room for is dropped by
``window_budget.py``, and told. The TTI model is not touched. Ignored: files but those of the pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from c2i_lib.generator import ConceptToImage, Picture, Wishes, Written
from c2i_lib.generator.choosing import Candidate, usable
from c2i_lib.generator.rendering import render_command
from c2i_lib.models.judges import judge_name, load_judge, picture_features, score_pictures
from c2i_lib.records.files import seed_of
from c2i_lib.stages.images import to_pixels
from c2i_lib.stories.choosing import Judged, choose_together, likenesses
from c2i_lib.stories.plan import Panel, Plan, drawn
from c2i_lib.stories.window_budget import within_window


@dataclass(frozen=True)
class PanelPrompts:
    """The prompts of a panel's candidates; ``dropped``: what of the plan has no room in them, each with its part."""

    panel: Panel
    prompts: list[Written]
    dropped: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PanelPicture:
    """The picture of a panel. ``dropped``: what has no room in its prompt; ``command``: the arguments of the command
    line that make it again, without the run; ``best_of``: out of how many; ``likeness``: to the pictures of its
    characters in other panels, NaN where nothing was chosen or there are none."""

    panel: Panel
    picture: Picture
    dropped: list[str]
    command: list[str]
    best_of: int = 1
    likeness: float = float("nan")


def place_phrase(plan: Plan, panel: Panel) -> str:
    """Where a panel is, in the words of a prompt; empty where its concept says so already."""
    phrase = next((one.phrase for one in plan.places if one.name == panel.place), panel.place)
    said = drawn(plan, panel).lower()
    is_known = not panel.place or panel.place.lower() in said or phrase.lower() in said
    return "" if is_known else drawn(plan, replace(panel, concept=phrase))


def noise_seed(panel: Panel, seed: int, sample: int = 0) -> int:
    """The seed of a panel's noise: one for a place, or for those on stage where there is no place. ``sample``: the
    number of the candidate."""
    return seed_of(seed, "panel", panel.place or "+".join(sorted(panel.on_stage)), *([sample] if sample else []))


def write_panels(tool: ConceptToImage, plan: Plan, seed: int = 0, best_of: int = 1) -> list[PanelPrompts]:
    """``best_of`` prompts for each panel; more do not change the first ones. Raises ``C2IError`` as
    ``ConceptToImage.write`` does, and where there is something to choose and no judge to choose by."""
    if best_of > 1:
        tool.run.profile.judges.need_selection()
    written = []
    for panel in plan.panels:
        asked = within_window(drawn(plan, panel), place_phrase(plan, panel), plan.style, tool.writer.window)
        prompts = tool.write(asked.concept, best_of, seed, Wishes(style=asked.style))
        prompts = [replace(one, seed=noise_seed(panel, seed, one.sample)) for one in prompts]
        written.append(PanelPrompts(panel, prompts, asked.dropped))
    return written


def render_panels(tool: ConceptToImage, written: Sequence[PanelPrompts], folder: Path) -> list[PanelPicture]:
    """A picture of each panel, saved in ``folder`` with the command that makes it again: of several candidates the one
    that is kept. Flagged ones, and those with an explicit prompt, are kept only where a panel has no others."""
    renderer = tool.renderer
    prompts = [renderer.fit(one) for own in written for one in own.prompts]
    images = renderer.draw([one.prompt for one in prompts], [one.seed for one in prompts], renderer.settings)
    drawn_all = iter([Candidate(one, *rest) for one, rest in zip(prompts, images, strict=True)])
    candidates = [[next(drawn_all) for _ in own.prompts] for own in written]
    scores = _choose(tool, written, candidates)
    pictures = []
    for own, (one, kept) in zip(written, scores, strict=True):
        likeness, command, n = kept.pop("likeness", np.nan), render_command(one.written), len(own.prompts)
        more = {"best_of": n} if n > 1 else None
        picture = renderer.finish(*one, command, folder, renderer.settings, more, **kept)
        cut = [f"the writer's words: {one.written.cut}"] if one.written.cut else []
        pictures.append(PanelPicture(own.panel, picture, [*own.dropped, *cut], command, n, likeness))
    return pictures


def _choose(
    tool: ConceptToImage, written: Sequence[PanelPrompts], candidates: Sequence[Sequence[Candidate]]
) -> list[tuple[Candidate, dict[str, float]]]:
    """The kept candidate of each panel, with its scores; a panel whose candidates are all flagged has none."""
    if all(len(own) == 1 for own in candidates):
        return [(own[0], {}) for own in candidates]
    fit = [usable(own) for own in candidates]
    places = [place for place, own in enumerate(fit) if own]
    judged = _judge(tool, [fit[place] for place in places])
    on_stage = [written[place].panel.on_stage for place in places]
    kept = choose_together(judged, on_stage)
    chosen = [(own[0], {}) for own in candidates]
    for place, scores, index, likeness in zip(places, judged, kept, likenesses(judged, on_stage, kept), strict=True):
        numbers = {"quality": scores.quality[index], "faithfulness": scores.faithfulness[index], "likeness": likeness}
        chosen[place] = fit[place][index], {name: float(number) for name, number in numbers.items()}
    return chosen


def _judge(tool: ConceptToImage, candidates: Sequence[Sequence[Candidate]]) -> list[Judged]:
    """Scores and features of the candidates of each panel, by the profile's selecting judges."""
    judges = tool.run.profile.judges
    selection, size = judges.need_selection(), judges.batch_size
    pictures = [to_pixels(one.image) for own in candidates for one in own]
    concepts = [one.written.concept for own in candidates for one in own]
    if not pictures:
        return []
    quality = score_pictures(load_judge(selection.quality), pictures, concepts, size, judge_name(selection.quality))
    faithful = load_judge(selection.faithfulness)  # one at a time: a judge may be as large as the TTI model
    faithfulness = score_pictures(faithful, pictures, concepts, size, judge_name(selection.faithfulness))
    columns = quality.round(5), faithfulness.round(5), picture_features(faithful, pictures, size)
    ends = np.cumsum([len(own) for own in candidates])[:-1]
    return [Judged(*own) for own in zip(*(np.split(column, ends) for column in columns), strict=True)]
