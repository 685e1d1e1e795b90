"""Panels and their pictures → ``storyboard.html``, one file that opens anywhere and prints well, and a contact sheet.

In: a plan, and of each panel a picture and its prompt. Out: a page with the pictures in it, which asks nothing of any
network; a PNG of all pictures in a grid. Ignored: how pictures were made.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from c2i_lib.records.files import atomic_path
from c2i_lib.stories.plan import Plan

_GAP = 8  # pixels between the pictures of a contact sheet
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.45 Georgia, serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #222; }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: 1.5rem; }}
figure {{ margin: 0; break-inside: avoid; }}
img {{ width: 100%; border: 1px solid #888; }}
figcaption p {{ margin: .4rem 0; }}
.prompt {{ font: .8rem/1.35 sans-serif; color: #555; }}
@media print {{ body {{ margin: 0; max-width: none; }} main {{ grid-template-columns: 1fr 1fr; }} }}
</style>
</head>
<body>
<h1>{title}</h1>
<main>
{panels}
</main>
</body>
</html>
"""
_PANEL = """<figure>
<img alt="{alt}" src="data:image/png;base64,{data}">
<figcaption><p>{number}. {caption}</p><p class="prompt">{prompt}</p></figcaption>
</figure>"""


def storyboard_html(plan: Plan, images: Sequence[np.ndarray], prompts: Sequence[str]) -> str:
    """The page. ``images``: uint8, ``(height, width, 3)``; ``prompts``: what each was made from."""
    rows = zip(plan.panels, images, prompts, strict=True)
    panels = [
        _PANEL.format(
            alt=escape(prompt),
            data=base64.b64encode(_png(image)).decode("ascii"),
            number=number,
            caption=escape(panel.caption),
            prompt=escape(prompt),
        )
        for number, (panel, image, prompt) in enumerate(rows, 1)
    ]
    return _PAGE.format(title=escape(plan.title), panels="\n".join(panels))


def contact_sheet(images: Sequence[np.ndarray]) -> np.ndarray:
    """All pictures, of one size, in a grid about as wide as high, white between them; row by row."""
    height, width = images[0].shape[:2]
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    sheet = np.full((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3), 255, np.uint8)
    for number, image in enumerate(images):
        top, left = (
            _GAP + (size + _GAP) * place for size, place in zip((height, width), divmod(number, columns), strict=True)
        )
        sheet[top : top + height, left : left + width] = image
    return sheet


def write_storyboard(folder: Path, plan: Plan, images: Sequence[np.ndarray], prompts: Sequence[str]) -> list[Path]:
    """Write ``storyboard.html`` and ``contact_sheet.png``, each whole or not at all; returns their paths."""
    page, sheet = folder / "storyboard.html", folder / "contact_sheet.png"
    with atomic_path(page) as temporary:
        temporary.write_text(storyboard_html(plan, images, prompts), encoding="utf-8")
    with atomic_path(sheet) as temporary:
        temporary.write_bytes(_png(contact_sheet(images)))
    return [page, sheet]


def _png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()
