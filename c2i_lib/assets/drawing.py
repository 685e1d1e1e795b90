"""Assets → sprites, their sheet and its atlas.

In: assets and the tool. Out, in a folder: ``originals/*.png`` as the TTI model drew them, ``sprites/<name>.png``
without background, ``sprites.png`` and ``atlas.json``, each whole or not at all. Each is asked for alone on a white
background, and all in one style. Ignored: how the list came about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from c2i_lib.assets.atlas import sprite_sheet
from c2i_lib.assets.keying import PLAIN_SHARE, background_of, cut_out, framed
from c2i_lib.assets.listing import Asset, check_names
from c2i_lib.errors import C2IError
from c2i_lib.generator import ConceptToImage, Picture, Wishes
from c2i_lib.records.files import atomic_path, write_json
from c2i_lib.stages.images import read_metadata, save_png

ARM = "concept_only"  # of the command: what other arms add to a thing is rarely white
GROUND = "on a white background"
STYLE = "flat vector illustration"
SHEET, ATLAS = "sprites.png", "atlas.json"
MIN_SIDE, MAX_SIDE = 8, 4096  # pixels of a frame


@dataclass(frozen=True)
class Sprite:
    """An asset's ``picture`` as it was drawn, and its ``image`` ``(side, side, 4)`` uint8 without background, saved as
    ``path``; ``note``: what is wrong with it, if anything."""

    asset: Asset
    picture: Picture
    image: np.ndarray
    path: Path
    note: str = ""


def draw_assets(
    tool: ConceptToImage,
    assets: Sequence[Asset],
    folder: Path | str,
    seed: int = 0,
    style: str = STYLE,
    side: int | None = None,
    best_of: int = 1,
) -> tuple[list[Sprite], list[Path]]:
    """The sprites, saved in ``folder`` with their sheet and its atlas, and the paths of these two.

    ``style``: of all that have none of their own; ``side``: of a frame, in pixels (None: the TTI model's); ``best_of``:
    how many pictures each is chosen from, by the judges that select. Raises ``C2IError`` for a list that is empty or
    has a name twice, and as ``ConceptToImage.write`` and ``choose`` do.
    """
    folder, side = Path(folder), side or tool.run.profile.images.size
    if not assets:
        raise C2IError("expected assets to draw, found none: give some")
    if not MIN_SIDE <= side <= MAX_SIDE:
        raise C2IError(f"a frame should have {MIN_SIDE} to {MAX_SIDE:,} pixels a side, found {side}")
    check_names(assets, [repr(one.name) for one in assets])
    pictures = _draw(tool, assets, folder / "originals", seed, style, best_of)
    sprites = [_sprite(*own, folder / "sprites", side) for own in zip(assets, pictures, strict=True)]
    image, atlas = sprite_sheet({one.asset.frame: one.image for one in sprites}, SHEET)
    with atomic_path(folder / SHEET) as temporary:
        Image.fromarray(image).save(temporary)
    write_json(folder / ATLAS, atlas)
    return sprites, [folder / SHEET, folder / ATLAS]


def _draw(
    tool: ConceptToImage, assets: Sequence[Asset], folder: Path, seed: int, style: str, best_of: int
) -> list[Picture]:
    """A picture of each asset, as the TTI model draws it."""
    asked = [(f"{one.description or one.name} {GROUND}", Wishes(style=one.style or style)) for one in assets]
    if best_of == 1:  # in batches
        return tool.render([tool.write(concept, 1, seed, wishes)[0] for concept, wishes in asked], folder)
    return [tool.imagine(concept, 1, seed, folder, best_of, wishes=wishes)[0] for concept, wishes in asked]


def _sprite(asset: Asset, picture: Picture, folder: Path, side: int) -> Sprite:
    """Cut an asset out of its picture, and save it with all that the picture knows about itself."""
    image, path = framed(cut_out(picture.image), side), folder / asset.frame
    save_png(image / 255, path, {**read_metadata(picture.path), "cut_out_of": picture.path.name})
    return Sprite(asset, picture, image, path, _note(picture.image, image))


def _note(picture: np.ndarray, image: np.ndarray) -> str:
    _, share = background_of(picture)
    mend = "try another seed, description or best-of"
    if not image[..., 3].any():
        return f"its frame is empty: the whole picture has the colour of its border; {mend}"
    if share < PLAIN_SHARE:
        return f"its background is not plain ({share:.0%} of the border has one colour), and part of it stays; {mend}"
    return ""
