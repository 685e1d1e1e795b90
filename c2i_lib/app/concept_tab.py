"""The tab Concept: write prompts, see which words were added, edit them, render them beside the bare concept.

In: a ``Studio``. Out: its part of the page. Ignored: how prompts and pictures are made.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import gradio as gr

from c2i_lib.app.asked import MAX_PROMPTS, Asked, asked, asked_in, whole
from c2i_lib.app.guard import guarded
from c2i_lib.app.showing import bullets_html, caption_of, command_of, link_html, prompts_html
from c2i_lib.app.studio import Studio
from c2i_lib.errors import C2IError
from c2i_lib.generator import Picture, Written, edit
from c2i_lib.generator.sheet import MAX_SEED

MODELS = {"concurrency_id": "models", "concurrency_limit": 1, "api_visibility": "private"}  # one at a time, for all
# At once, beside the models, but through the queue: messages of other events are not shown.
LIGHT = {"concurrency_limit": None, "api_visibility": "private", "show_progress": "hidden"}
MAX_BEST_OF = 16


def add_concept(studio: Studio, page: gr.Blocks) -> None:
    """Put the tab into the page that is being made; ``page`` reads the parameters of its link."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            fields, new_seed, write, stop = _fields(studio)
            best_of, best = _best_of()
        with gr.Column(scale=3, min_width=300):
            marks, boxes, render = _prompts()
            status = gr.HTML(min_height=60)
            gallery = gr.Gallery(label="Pictures", columns=2, object_fit="contain", interactive=False)
            files = gr.Files(label="Download (each PNG keeps how it was made)", interactive=False, visible=False)
            commands = commands_box()
    prompts, linked, written = gr.State([]), gr.State(""), [marks, *boxes, commands]

    results, progress = [gallery, files, commands, status], {"show_progress_on": status, **MODELS}
    writing = {"outputs": [prompts, *written], "show_progress_on": marks, **MODELS}
    rendering = {"inputs": [prompts, *boxes], "outputs": results, **progress}
    acts = _Acts(studio)
    new_seed.click(lambda: random.randint(0, MAX_SEED), outputs=fields[2], **LIGHT)
    events = [write.click(guarded(acts.write), fields, **writing)]
    events += [fields[0].submit(guarded(acts.write), fields, **writing)]
    events += [render.click(guarded(acts.render), **rendering)]
    events += [best.click(guarded(acts.choose), [*fields, best_of], results, **progress)]
    page.load(guarded(acts.fill), outputs=[linked, *fields], **LIGHT)
    written_again = linked.change(guarded(acts.write), fields, **writing)
    events += [written_again, written_again.success(guarded(acts.render), **rendering)]
    stop.click(lambda: gr.Info("Stopped; what was made stays."), cancels=events, **LIGHT)


class _Acts:
    """What the buttons do."""

    def __init__(self, studio: Studio):
        self.studio = studio

    def fill(self, request: gr.Request) -> list:
        """The link, where it asks for a concept, and the fields as it has them."""
        wanted = asked_in(dict(request.query_params))
        if wanted is None:
            return [gr.skip()] * (1 + len(vars(Asked(""))))
        return [wanted.link, *vars(replace(wanted, arm=wanted.arm or self.studio.arms[0])).values()]

    def write(self, *fields: object, progress: gr.Progress = gr.Progress()) -> list:  # noqa: B008
        """Prompts for the concept."""
        wanted = asked(*fields)
        progress(0, desc="writing prompts")
        return self._written(wanted, self.studio.write(wanted))

    def _written(self, wanted: Asked, prompts: list[Written]) -> list:
        texts = [one.prompt for one in prompts] + [""] * (MAX_PROMPTS - len(prompts))
        boxes = [gr.update(value=text, visible=place < len(prompts)) for place, text in enumerate(texts)]
        return [prompts, prompts_html(prompts) + link_html(wanted.link), *boxes, self.studio.command(wanted)]

    def render(
        self,
        prompts: list[Written],
        *texts: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[tuple]:
        """Pictures of the prompts as they were edited, one by one; an empty text is left out."""
        if not prompts:
            raise C2IError("there is no prompt yet: name a concept and press Write")
        edited = edit(prompts, dict(enumerate(texts[: len(prompts)])))
        wanted = [one for one in edited if one.prompt.strip()]
        if not wanted:
            raise C2IError("all prompts are empty: write one")
        pictures: list[Picture] = []
        for picture in self.studio.compare(wanted):
            pictures.append(picture)
            progress((len(pictures), 2 * len(wanted)), desc="rendering", unit="pictures")
            yield *shown(pictures), ""

    def choose(self, *fields: object, progress: gr.Progress = gr.Progress()) -> tuple:  # noqa: B008
        """The best of several pictures, and why it is."""
        *own, best_of = fields
        wanted, best_of = asked(*own), whole(best_of, "the number of pictures", 2, MAX_BEST_OF)
        progress(0, desc=f"drawing {best_of} pictures and as many of the bare concept")
        choice = self.studio.choose(replace(wanted, n=1), best_of)
        notes = [note for one in choice.pictures for note in one.source.notes]
        return *shown(choice.pictures), bullets_html([choice.note, *notes])


def commands_box() -> gr.Textbox:
    """Where commands are shown, to be copied."""
    return gr.Textbox(
        label="The same on the command line",
        lines=2,
        max_lines=12,
        interactive=False,
        buttons=["copy"],
        elem_classes="commands",
    )


def shown(pictures: list[Picture]) -> tuple:
    """Pictures in a gallery, as files, and as commands."""
    paths = [str(one.path) for one in pictures]
    gallery = [(path, caption_of(one)) for path, one in zip(paths, pictures, strict=True)]
    return gallery, gr.update(value=paths, visible=True), "\n".join(command_of(one) for one in pictures)


def _fields(studio: Studio) -> tuple[list, gr.Button, gr.Button, gr.Button]:
    concept = gr.Textbox(label="Concept", placeholder="a red bicycle", max_length=1000, autofocus=True)
    n = gr.Slider(1, MAX_PROMPTS, MAX_PROMPTS, step=1, label="Prompts")
    with gr.Row():
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=MAX_SEED, min_width=100)
        new_seed = gr.Button("New seed", min_width=100, size="sm")
    with gr.Accordion("Words, style, writer", open=False):
        keep = gr.Textbox(label="Keep these words", placeholder="tree, moon", info="with commas between")
        ban = gr.Textbox(label="Ban these words", placeholder="night", info="with commas between")
        style = gr.Textbox(label="Style", placeholder="pixel art")
        arm = gr.Dropdown(studio.arms, value=studio.arms[0], label="Writer")
    with gr.Row():
        write, stop = gr.Button("Write", variant="primary"), gr.Button("Stop")
    return [concept, n, seed, arm, keep, ban, style], new_seed, write, stop


def _best_of() -> tuple[gr.Slider, gr.Button]:
    with gr.Accordion("Best of several", open=False):
        best_of = gr.Slider(2, MAX_BEST_OF, 8, step=1, label="Pictures to draw and to choose from")
        best = gr.Button("Draw and keep the best")
    return best_of, best


def _prompts() -> tuple[gr.HTML, list[gr.Textbox], gr.Button]:
    marks = gr.HTML("<p>Prompts appear here, with the words marked that were added to your concept.</p>")
    boxes = [
        gr.Textbox(label=f"Prompt {number}: edit it, or empty it to leave it out", lines=2, visible=False)
        for number in range(1, MAX_PROMPTS + 1)
    ]
    return marks, boxes, gr.Button("Render", variant="primary")
