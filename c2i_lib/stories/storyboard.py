"""Panels and their pictures → ``storyboard.html``, one file that opens anywhere and prints well, and a contact sheet.

In: a title, and the panels' pictures. Out: a page with the pictures in it, which asks nothing of any network; a PNG of
all pictures in a grid. What of the plan had no room in a prompt stands below it. Ignored: how pictures were made.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from c2i_lib.stories.illustrating import PanelPicture

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
.prompt, .dropped {{ font: .8rem/1.35 sans-serif; color: #555; }}
.dropped {{ color: #a33; }}
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
<figcaption><p>{number}. {caption}</p><p class="prompt">{prompt}</p>{dropped}</figcaption>
</figure>"""


def storyboard_html(title: str, made: Sequence[PanelPicture]) -> str:
    """The page."""
    panels = [
        _PANEL.format(
            alt=escape(one.picture.prompt),
            data=base64.b64encode(png_bytes(one.picture.image)).decode("ascii"),
            number=number,
            caption=escape(one.panel.caption),
            prompt=escape(one.picture.prompt),
            dropped=f'<p class="dropped">{escape(dropped_note(one))}</p>' if one.dropped else "",
        )
        for number, one in enumerate(made, 1)
    ]
    return _PAGE.format(title=escape(title), panels="\n".join(panels))


def dropped_note(one: PanelPicture) -> str:
    """What had no room in a panel's prompt, for people; empty where all had."""
    return f"no room for {'; '.join(one.dropped)}" if one.dropped else ""


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


def png_bytes(image: np.ndarray) -> bytes:
    """A uint8 image as the bytes of a PNG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()
