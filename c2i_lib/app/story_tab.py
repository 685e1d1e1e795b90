"""The tab Story: a story → its plan, to be edited → panels one by one → a storyboard to download.

In: a ``Studio``. Out: its part of the page. Ignored: how plans and pictures are made.
"""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from c2i_lib.app.asked import whole
from c2i_lib.app.concept_tab import LIGHT, MODELS, commands_box, shown
from c2i_lib.app.guard import guarded
from c2i_lib.app.showing import bullets_html
from c2i_lib.app.storyteller import (
    KINDS,
    MAX_CHARACTERS,
    MAX_PANELS,
    draw_panels,
    make_plan,
    put_together,
    read_edited,
    story_command,
)
from c2i_lib.app.studio import Studio
from c2i_lib.generator.sheet import MAX_SEED
from c2i_lib.stories.command import describe
from c2i_lib.stories.illustrating import PanelPicture
from c2i_lib.stories.plan import plan_text
from c2i_lib.stories.storyboard import dropped_note


def add_story(studio: Studio) -> None:
    """Put the tab into the page that is being made."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            text = gr.Textbox(
                label="Story", lines=8, max_lines=16, placeholder=f"at most {MAX_CHARACTERS:,} characters"
            )
            upload = gr.File(label="or a file", file_types=list(KINDS), type="filepath", height=120)
            panels = gr.Slider(1, MAX_PANELS, 6, step=1, label="Panels")
            with gr.Row():
                seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=MAX_SEED, min_width=100)
                arm = gr.Dropdown(studio.arms, value=studio.arms[0], label="Writer", min_width=100)
            plan_button = gr.Button("Plan", variant="primary")
        with gr.Column(scale=3, min_width=300):
            summary = gr.HTML("<p>Who is in the story, and what each panel shows, appears here.</p>")
            plan = gr.Code(label="Plan: edit it as you like", language="yaml", interactive=True, lines=12, max_lines=24)
            with gr.Row():
                draw, stop = gr.Button("Draw", variant="primary"), gr.Button("Stop")
    status = gr.HTML(min_height=60)
    gallery = gr.Gallery(label="Panels", columns=3, object_fit="contain", interactive=False)
    files = gr.Files(label="Download: storyboard.html opens anywhere", interactive=False, visible=False)
    commands = commands_box()

    acts = _Acts(studio)
    planning = {"outputs": [summary, plan], "show_progress_on": summary, **MODELS}
    drawing = {"outputs": [gallery, files, commands, summary, status], "show_progress_on": status, **MODELS}
    events = [plan_button.click(guarded(acts.plan), [text, upload, panels], **planning)]
    events += [draw.click(guarded(acts.draw), [plan, seed, arm], **drawing)]
    stop.click(lambda: gr.Info("Stopped; panels that were made stay."), cancels=events, **LIGHT)


class _Acts:
    """What the buttons do."""

    def __init__(self, studio: Studio):
        self.studio = studio

    def plan(
        self,
        text: str,
        upload: str | None,
        panels: float,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[str, str]:
        """The plan of a story, in lines and as YAML."""
        n_panels = whole(panels, "the number of panels", 1, MAX_PANELS)
        progress(0, desc="reading the story")
        plan = make_plan(text, upload, n_panels)
        return bullets_html(describe(plan)), plan_text(plan)

    def draw(
        self,
        text: str,
        seed: float,
        arm: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[tuple]:
        """Panels one by one, and then what is downloaded."""
        plan, seed = read_edited(text), whole(seed, "the seed", 0, MAX_SEED)
        told, made = bullets_html(describe(plan)), list[PanelPicture]()
        progress((0, len(plan.panels)), desc="writing and rendering", unit="panels")
        for one in draw_panels(self.studio, plan, seed, arm):
            made.append(one)
            progress((len(made), len(plan.panels)), desc="writing and rendering", unit="panels")
            gallery, _, commands = shown([panel.picture for panel in made])
            notes = _notes(made)
            yield gallery, gr.skip(), commands, told, bullets_html(notes)
        paths = put_together(self.studio, plan, seed, arm, made)
        whole_story = f"# with plan.yaml in the folder story:\n{story_command(self.studio, plan, seed, arm)}"
        files = gr.update(value=list(map(str, paths)), visible=True)
        yield gallery, files, f"{whole_story}\n{commands}", told, bullets_html(notes)


def _notes(made: list[PanelPicture]) -> list[str]:
    """What was dropped of each panel, and what else is to be told of it."""
    told = [[*filter(None, [dropped_note(one)]), *one.picture.source.notes] for one in made]
    return [f"{place}. {note}" for place, notes in enumerate(told, 1) for note in notes]
