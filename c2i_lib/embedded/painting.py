"""What backgrounds and scenes are painted with: light of the time of day, sky, ground, sprites, on one canvas.

Everything is drawn at twice the size and scaled down at the end, so that edges come out smooth.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from c2i_lib.embedded.sprites import sprite_image, sprites_by_name

SIZE = 128
DOUBLE = 2 * SIZE  # drawn at twice the size, so that edges come out smooth

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Light:
    """``top`` and ``bottom`` of the sky; ``tint``: factors for red, green and blue of all that is lit."""

    top: Color
    bottom: Color
    tint: tuple[float, float, float]


TIMES = {
    "day": Light((104, 182, 244), (214, 238, 252), (1.0, 1.0, 1.0)),
    "dusk": Light((86, 60, 130), (255, 160, 96), (0.98, 0.78, 0.70)),
    "night": Light((10, 14, 46), (46, 62, 118), (0.52, 0.57, 0.82)),
}
GREY_SKY = {
    "day": ((128, 142, 164), (196, 204, 214)),
    "dusk": ((70, 60, 92), (186, 140, 124)),
    "night": ((18, 22, 40), (54, 62, 88)),
}
COLD_SKY = {
    "day": ((156, 192, 228), (220, 232, 246)),
    "dusk": ((112, 96, 158), (246, 190, 170)),
    "night": ((14, 20, 56), (62, 80, 134)),
}
WEATHERS = ("sunny", "cloudy", "rain", "snowfall", "storm", "fog", "rainbow")
GREY_WEATHERS = {"rain", "snowfall", "storm", "fog", "cloudy"}


class Painter:
    """A canvas of twice the size, in the light of ``time``."""

    def __init__(self, time: str | None, weather: str | None, style: str, horizon: float = 0.66) -> None:
        self.time, self.weather, self.style = time or "day", weather, style
        self.light = TIMES[self.time]
        self.horizon = int(horizon * DOUBLE)
        self.random = random.Random(7)
        top, bottom = self.light.top, self.light.bottom
        if weather in GREY_WEATHERS:
            top, bottom = GREY_SKY[self.time]
        self.image = ramp(top, bottom, self.horizon if horizon < 1 else DOUBLE)

    @property
    def pen(self) -> ImageDraw.ImageDraw:
        """A fresh pen: ``image`` may have been replaced."""
        return ImageDraw.Draw(self.image)

    def lit(self, color: Color) -> Color:
        """``color`` in this light."""
        return tuple(int(value * factor) for value, factor in zip(color, self.light.tint, strict=True))

    def ground(self, near: Color, far: Color, top: int | None = None) -> None:
        """A flat ground from ``far`` at the horizon to ``near`` at the lower edge."""
        start = self.horizon if top is None else top
        rows = ramp(self.lit(far), self.lit(near), DOUBLE - start).crop((0, 0, DOUBLE, DOUBLE - start))
        self.image.paste(rows, (0, start))

    def hill(self, center: int, width: int, top: int, color: Color) -> None:
        """A round hill; ``width`` is half of its own, in pixels of 256."""
        self.pen.ellipse((center - width, top, center + width, top + 2 * width), fill=self.lit(color))

    def sprite(self, name: str, center: int, bottom: int, size: int, lit: bool = True) -> None:
        """A thing as decoration; units are pixels of 128."""
        sprite = sprites_by_name()[name]
        style = self.style if self.style in sprite.styles else "3d"
        picture = sprite_image(sprite.code, style)
        picture = picture.crop(picture.getchannel("A").getbbox())
        scale = 2 * size / max(picture.size)
        picture = picture.resize([max(1, round(side * scale)) for side in picture.size], Image.LANCZOS)
        if lit:
            picture = tinted(picture, self.light.tint)
        self.image.paste(picture, (2 * center - picture.width // 2, 2 * bottom - picture.height), picture)

    def sky_lights(self) -> None:
        """Stars and moon at night, a low sun at dusk, the sun on a sunny day."""
        if self.weather in GREY_WEATHERS:
            return
        if self.time == "night":
            for _ in range(26):
                x, y = self.random.randrange(DOUBLE), self.random.randrange(int(0.8 * self.horizon))
                radius = self.random.choice((1, 1, 2))
                self.pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(236, 238, 255))
            self.sprite("crescent moon", 107, 31, 24, lit=False)
        elif self.time == "dusk":
            x, y = 196, min(self.horizon, DOUBLE)
            glow = Image.new("L", self.image.size, 0)
            ImageDraw.Draw(glow).ellipse((x - 60, y - 70, x + 60, y + 50), fill=120)
            glow = glow.filter(ImageFilter.GaussianBlur(22))
            self.image.paste((255, 214, 130), (0, 0), glow)
            self.pen.ellipse((x - 26, y - 36, x + 26, y + 16), fill=(255, 226, 140))
        elif self.weather == "sunny":
            self.sprite("sun", 106, 34, 30, lit=False)

    def cloud(self, x: int, y: int, width: int, color: Color = (255, 255, 255)) -> None:
        """A soft white cloud; ``x, y`` its middle, in pixels of 256."""
        for dx, dy, radius in ((-0.3, 0.08, 0.2), (0, -0.08, 0.28), (0.3, 0.06, 0.22)):
            r = int(radius * width)
            cx, cy = x + int(dx * width), y + int(dy * width)
            self.pen.ellipse((cx - r, cy - int(0.8 * r), cx + r, cy + int(0.8 * r)), fill=self.lit(color))
        base = int(0.18 * width)
        self.pen.rounded_rectangle(
            (x - width // 2, y, x + width // 2, y + base), radius=base // 2, fill=self.lit(color)
        )


def ramp(top: Color, bottom: Color, height: int) -> Image.Image:
    """A square of 256 pixels whose first ``height`` rows go from ``top`` to ``bottom``."""
    share = np.clip(np.arange(DOUBLE) / max(height - 1, 1), 0, 1)[:, None, None]
    rows = (1 - share) * np.array(top) + share * np.array(bottom)
    return Image.fromarray(np.repeat(rows, DOUBLE, 1).round().astype(np.uint8))


def tinted(picture: Image.Image, tint: tuple[float, float, float]) -> Image.Image:
    """An RGBA picture with red, green and blue multiplied."""
    if tint == (1.0, 1.0, 1.0):
        return picture
    bands = picture.split()
    colors = [
        band.point(lambda v, f=factor: int(min(255, v * f))) for band, factor in zip(bands[:3], tint, strict=True)
    ]
    return Image.merge("RGBA", (*colors, bands[3]))
