"""The tab Batch: a list of concepts → pictures of all → one ZIP with the PNGs and a table.

In: a ``Studio``. Out: its part of the page. Ignored: how prompts and pictures are made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple

import gradio as gr

from c2i_lib.app.asked import MAX_CONCEPTS, MAX_PROMPTS, asked, concepts_of
from c2i_lib.app.concept_tab import LIGHT, MODELS
from c2i_lib.app.guard import guarded
from c2i_lib.app.studio import COLUMNS, Row, Studio, zip_batch
from c2i_lib.generator.sheet import MAX_SEED


def add_batch(studio: Studio) -> None:
    """Put the tab into the page that is being made."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            text = gr.Textbox(label=f"Concepts, one a line (at most {MAX_CONCEPTS})", lines=6, max_lines=16)
            upload = gr.File(
                label="or a CSV with a column concept", file_types=[".csv", ".txt"], type="filepath", height=120
            )
        with gr.Column(scale=2, min_width=300):
            with gr.Row():
                n = gr.Slider(1, MAX_PROMPTS, 1, step=1, label="Pictures of each")
                seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=MAX_SEED, min_width=100)
            style = gr.Textbox(label="Style of all", placeholder="pixel art")
            arm = gr.Dropdown(studio.arms, value=studio.arms[0], label="Writer")
            with gr.Row():
                start, stop = gr.Button("Draw all", variant="primary"), gr.Button("Stop")
    status = gr.HTML(min_height=60)
    file = gr.File(label="Download: PNGs and pictures.csv", interactive=False, visible=False)
    gallery = gr.Gallery(label="Pictures", columns=4, object_fit="contain", interactive=False)
    table = gr.Dataframe(headers=COLUMNS, datatype="str", label="Table", interactive=False, wrap=True)

    acts = _Acts(studio)
    inputs = [text, upload, n, seed, style, arm]
    event = start.click(guarded(acts.draw), inputs, [table, gallery, file], show_progress_on=status, **MODELS)
    stop.click(lambda: gr.Info("Stopped; pictures that were made stay."), cancels=[event], **LIGHT)


class _Acts:
    """What the buttons do."""

    def __init__(self, studio: Studio):
        self.studio = studio

    def draw(
        self,
        text: str,
        upload: str | None,
        n: float,
        seed: float,
        style: str,
        arm: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[tuple]:
        """The table as it grows, and at the end the ZIP."""
        concepts = concepts_of(text, upload)
        wanted, rows = asked(concepts[0], n, seed, arm, style=style), list[Row]()
        progress((0, len(concepts) * wanted.n), desc="drawing", unit="pictures")
        for row in self.studio.batch(concepts, wanted):
            rows.append(row)
            progress((len(rows), len(concepts) * wanted.n), desc=row.concept[:60], unit="pictures")
            yield self._shown(rows, None)
        yield self._shown(rows, str(zip_batch(self.studio.folder, rows)))

    def _shown(self, rows: list[Row], archive: str | None) -> tuple:
        pictures = [(str(self.studio.folder / row.file), row.concept) for row in rows if row.file]
        return [list(astuple(row)) for row in rows], pictures, gr.update(value=archive, visible=bool(archive))
