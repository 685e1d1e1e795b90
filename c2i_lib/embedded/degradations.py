"""What makes a picture poor: the flaws of pictures on the web, at a known strength."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont


def _blur(picture: Image.Image, strength: float, _seed: int) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(2.6 * strength))


def _noise(picture: Image.Image, strength: float, seed: int) -> Image.Image:
    """Film grain two pixels wide, mostly of brightness."""
    random_, (width, height) = np.random.default_rng(seed), picture.size
    grain = random_.normal(size=(height // 2, width // 2, 1)) + 0.4 * random_.normal(size=(height // 2, width // 2, 3))
    values = np.asarray(picture) + 34 * strength * grain.repeat(2, 0).repeat(2, 1)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _thumbnail(picture: Image.Image, strength: float, _seed: int) -> Image.Image:
    """Big square pixels."""
    side = max(4, round(picture.width / (1 + 4 * strength)))
    return picture.resize((side, side), Image.BOX).resize(picture.size, Image.NEAREST)


def _jpeg(picture: Image.Image, strength: float, _seed: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=max(2, round(60 * 0.08 ** min(strength, 1.5))))
    return Image.open(buffer).convert("RGB")


def _watermark(picture: Image.Image, strength: float, _seed: int) -> Image.Image:
    """Crossed lines and a word over the whole picture."""
    side = picture.width
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    pen, shade = ImageDraw.Draw(layer), (128, 128, 128, min(255, round(150 * strength)))
    pen.line((0, 0, side, side), fill=shade, width=2)
    pen.line((0, side, side, 0), fill=shade, width=2)
    pen.rectangle((0, 0.40 * side, side, 0.60 * side), fill=(*shade[:3], shade[3] // 2))
    font = ImageFont.load_default(side // 6)
    pen.text((side // 2, side // 2), "SAMPLE", font=font, anchor="mm", fill=(255, 255, 255, min(255, 2 * shade[3])))
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def _cropped(picture: Image.Image, strength: float, _seed: int) -> Image.Image:
    """The left part, enlarged: the thing is cut off."""
    side = round(picture.width / (1 + 0.6 * strength))
    top = (picture.height - side) // 2
    return picture.crop((0, top, side, top + side)).resize(picture.size, Image.BICUBIC)


def _faded(picture: Image.Image, strength: float, _seed: int) -> Image.Image:
    """A grey cast: little colour, little contrast."""
    pale = ImageEnhance.Color(picture).enhance(max(0.0, 1 - 0.85 * strength))
    return Image.blend(pale, Image.new("RGB", picture.size, (146, 144, 138)), min(0.9, 0.5 * strength))


def _dark(picture: Image.Image, strength: float, _seed: int) -> Image.Image:
    """Underexposed."""
    return ImageEnhance.Brightness(picture).enhance(0.36**strength)


_KINDS = {
    "blur": _blur,
    "noise": _noise,
    "thumbnail": _thumbnail,
    "jpeg": _jpeg,
    "watermark": _watermark,
    "cropped": _cropped,
    "faded": _faded,
    "dark": _dark,
}
DEGRADATIONS = tuple(_KINDS)


def degrade(picture: Image.Image, kind: str, strength: float = 1.0, seed: int = 0) -> Image.Image:
    """``picture`` (RGB) with one flaw. ``strength``: 0 leaves it nearly as it is, 1 is that of the captions.

    Only "noise" uses ``seed``. Raises ``KeyError`` for an unknown kind.
    """
    return _KINDS[kind](picture, strength, seed)
