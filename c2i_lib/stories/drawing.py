"""A plan → all files of its storyboard.

In: a plan and the tool. Out, in a folder: ``panels/*.png``, ``panels.parquet``, ``storyboard.html``, ``storyboard.pdf``
and ``contact_sheet.png``, each whole or not at all. Ignored: how a plan comes about.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from c2i_lib.errors import C2IError
from c2i_lib.generator import ConceptToImage
from c2i_lib.generator.rendering import run_folder
from c2i_lib.records.files import atomic_path, write_table
from c2i_lib.stories.illustrating import PanelPicture, render_panels, write_panels
from c2i_lib.stories.panels import PANEL_COLUMNS, panel_table
from c2i_lib.stories.pdf import write_pdf
from c2i_lib.stories.plan import Plan
from c2i_lib.stories.storyboard import contact_sheet, png_bytes, storyboard_html


def draw_story(
    tool: ConceptToImage, plan: Plan, folder: Path | str, seed: int = 0, best_of: int = 1
) -> tuple[list[PanelPicture], list[Path]]:
    """The pictures of a plan's panels, saved in ``folder`` with the storyboard, and the paths of its files.

    ``best_of``: how many pictures each panel is chosen from, by ``choosing.py``. Raises ``C2IError`` for a plan without
    panels, for a panel that cannot be written, and where there are no judges to choose by.
    """
    folder = Path(folder)
    if not plan.panels:
        raise C2IError(f"{plan.title}: expected a plan with panels, found none: put one in, or have it made anew")
    if best_of < 1:
        raise C2IError(f"a panel is chosen from at least 1 picture, found {best_of}: leave best_of out, or give 4")
    made = render_panels(tool, write_panels(tool, plan, seed, best_of), folder / "panels")
    return made, save_storyboard(made, plan.title, folder, run_folder(tool.run))


def save_storyboard(made: Sequence[PanelPicture], title: str, folder: Path, run: str) -> list[Path]:
    """Write table, page, PDF and contact sheet of panels that lie in ``folder``; ``run``: as ``--run-dir`` takes it."""
    names = ("panels.parquet", "storyboard.html", "storyboard.pdf", "contact_sheet.png")
    table, page, pdf, sheet = paths = [folder / name for name in names]
    write_table(table, panel_table(made, folder, run), PANEL_COLUMNS)
    with atomic_path(page) as temporary:
        temporary.write_text(storyboard_html(title, made), encoding="utf-8")
    with atomic_path(pdf) as temporary:
        write_pdf(temporary, title, made)
    with atomic_path(sheet) as temporary:
        temporary.write_bytes(png_bytes(contact_sheet([one.picture.image for one in made])))
    return paths
