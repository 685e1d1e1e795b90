"""Backgrounds of the embedded world: a place, at a time of day, in some weather, or one plain colour.

Out: RGB images of 128 pixels without the things that a caption asks for. The same arguments give the same
picture: a model learns a picture with little chance in it sooner.
"""

from __future__ import annotations

import random
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFilter

from c2i_lib.embedded.painting import COLD_SKY, DOUBLE, GREY_SKY, GREY_WEATHERS, SIZE, Color, Painter, ramp

PLAIN: dict[str, Color] = {
    "white": (255, 255, 255),
    "black": (22, 22, 26),
    "grey": (168, 170, 176),
    "red": (226, 62, 62),
    "orange": (250, 158, 60),
    "yellow": (253, 220, 92),
    "green": (124, 200, 120),
    "blue": (104, 174, 240),
    "purple": (160, 120, 214),
    "pink": (250, 180, 206),
}
DEFAULT_SKY = "plain"  # the place of a scene that has a time or weather but no place
INDOORS = ("room", "table", "stage", "underwater", "space")  # the sky's light and weather do not reach them


def light_of(place: str | None, time: str | None) -> tuple[float, float, float]:
    """The tint of things in this scene: indoors and on stage the lamps are on, at night things keep some light."""
    if time is None or place in INDOORS:
        return (1.0, 1.0, 1.0)
    return {"day": (1.0, 1.0, 1.0), "dusk": (1.0, 0.86, 0.80), "night": (0.72, 0.75, 0.94)}[time]


def _plain(p: Painter) -> None:
    p.sky_lights()
    p.ground((150, 186, 128), (176, 206, 150))


def _sea(p: Painter) -> None:
    p.sky_lights()
    p.ground((16, 86, 168), (62, 150, 214))
    for row in range(7):
        y = p.horizon + 8 + row * 12
        for _ in range(2 + row // 2):
            x, length = p.random.randrange(DOUBLE), 12 + 4 * row
            p.pen.line((x, y, x + length, y), fill=p.lit((150, 208, 240)), width=2)


def _beach(p: Painter) -> None:
    p.sky_lights()
    p.ground((40, 130, 204), (84, 172, 226))
    p.pen.ellipse((-90, 186, 346, 420), fill=p.lit((250, 240, 220)))
    p.pen.ellipse((-90, 192, 346, 430), fill=p.lit((242, 214, 158)))
    p.sprite("palm tree", 18, 104, 62)


def _meadow(p: Painter) -> None:
    p.sky_lights()
    p.ground((112, 184, 84), (150, 208, 110))
    p.hill(60, 150, p.horizon - 22, (136, 200, 100))
    p.hill(220, 120, p.horizon - 8, (118, 188, 88))
    for _ in range(16):
        x, y = p.random.randrange(DOUBLE), p.random.randrange(p.horizon + 30, DOUBLE - 6)
        color = p.random.choice(((255, 255, 255), (255, 214, 80), (250, 150, 190)))
        p.pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=p.lit(color))


def _forest(p: Painter) -> None:
    p.sky_lights()
    p.ground((78, 138, 70), (98, 158, 84))
    for x, size in ((4, 66), (124, 70), (28, 54), (102, 56), (52, 46), (78, 48)):
        p.sprite("fir tree" if size % 4 else "tree", x, 92 - (66 - size) // 6, size)


def _mountains(p: Painter) -> None:
    p.sky_lights()
    for x, top, width, color in ((70, 60, 110, (126, 138, 168)), (190, 36, 130, (104, 118, 152))):
        peak, base = (x, top), p.horizon + 10
        p.pen.polygon((peak, (x - width, base), (x + width, base)), fill=p.lit(color))
        cap = (peak, (x - width // 4, top + 28), (x - 8, top + 22), (x + 6, top + 32), (x + width // 4, top + 30))
        p.pen.polygon(cap, fill=p.lit((246, 249, 255)))
    p.ground((112, 170, 92), (138, 190, 108))


def _desert(p: Painter) -> None:
    p.sky_lights()
    p.ground((226, 178, 104), (240, 204, 136))
    p.hill(40, 130, p.horizon - 20, (238, 198, 128))
    p.hill(230, 150, p.horizon - 8, (230, 186, 112))
    p.sprite("cactus", 112, 98, 34)


def _snow(p: Painter) -> None:
    p.image = ramp(*((GREY_SKY if p.weather in GREY_WEATHERS else COLD_SKY)[p.time]), p.horizon)
    p.sky_lights()
    p.ground((236, 242, 250), (226, 234, 246))
    p.hill(50, 140, p.horizon - 16, (240, 245, 252))
    for x, size in ((12, 40), (118, 46)):
        p.sprite("fir tree", x, 92, size)
    p.hill(210, 120, p.horizon + 6, (246, 249, 254))
    for _ in range(34):
        x, y = p.random.randrange(DOUBLE), p.random.randrange(DOUBLE)
        p.pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=p.lit((255, 255, 255)))


def _street(p: Painter) -> None:
    p.sky_lights()
    colors = ((196, 120, 100), (214, 176, 120), (130, 150, 176), (190, 150, 160), (150, 170, 150))
    left = -6
    for index, height in enumerate((122, 92, 136, 100, 118)):
        width, top = 54, p.horizon + 14 - height
        p.pen.rectangle((left, top, left + width - 3, DOUBLE), fill=p.lit(colors[index]))
        window = (255, 224, 130) if p.time == "night" else p.lit((206, 228, 244))
        for y in range(top + 12, p.horizon - 4, 24):
            for x in (left + 9, left + 31):
                p.pen.rectangle((x, y, x + 11, y + 13), fill=window)
        left += width
    p.pen.rectangle((0, p.horizon + 14, DOUBLE, p.horizon + 30), fill=p.lit((190, 190, 194)))
    p.pen.rectangle((0, p.horizon + 30, DOUBLE, DOUBLE), fill=p.lit((92, 96, 106)))
    for x in range(6, DOUBLE, 52):
        p.pen.rectangle((x, 236, x + 28, 241), fill=p.lit((236, 236, 230)))


def _sky(p: Painter) -> None:
    p.sky_lights()
    for x, y, width in ((52, 66, 84), (208, 132, 92), (70, 206, 110)):
        p.cloud(x, y, width)


def _space(p: Painter) -> None:
    p.image = ramp((8, 8, 28), (30, 18, 62), DOUBLE)
    for _ in range(60):
        x, y, radius = p.random.randrange(DOUBLE), p.random.randrange(DOUBLE), p.random.choice((1, 1, 1, 2))
        p.pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(230, 234, 255))
    p.sprite("ringed planet", 106, 36, 34, lit=False)
    p.pen.ellipse((-50, 214, 120, 384), fill=(88, 92, 130))


def _underwater(p: Painter) -> None:
    p.image = ramp((70, 184, 226), (10, 66, 140), DOUBLE)
    p.pen.ellipse((-60, 226, 316, 340), fill=(214, 190, 140))
    p.sprite("coral", 14, 122, 30, lit=False)
    p.sprite("spiral shell", 112, 124, 16, lit=False)
    for x, y, radius in ((206, 60, 9), (222, 90, 6), (198, 106, 5), (36, 50, 7), (50, 80, 5), (226, 150, 7)):
        p.pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=(206, 240, 252), width=2)


def _room(p: Painter) -> None:
    p.image = Image.new("RGB", (DOUBLE, DOUBLE), (244, 226, 198))
    p.pen.rectangle((0, 168, DOUBLE, DOUBLE), fill=(186, 138, 96))
    p.pen.rectangle((0, 162, DOUBLE, 170), fill=(250, 244, 232))
    for y in (192, 222):
        p.pen.line((0, y, DOUBLE, y), fill=(170, 122, 82), width=2)
    sky = ramp(p.light.top, p.light.bottom, 76).crop((0, 0, 70, 76))
    p.pen.rectangle((18, 24, 100, 112), fill=(252, 250, 244))
    p.image.paste(sky, (24, 30))
    p.pen.rectangle((57, 24, 62, 112), fill=(252, 250, 244))
    p.pen.rectangle((18, 66, 100, 71), fill=(252, 250, 244))
    p.sprite("potted plant", 112, 94, 36, lit=False)


def _table(p: Painter) -> None:
    p.image = ramp((222, 232, 228), (240, 240, 230), 150)
    p.pen.rectangle((0, 156, DOUBLE, DOUBLE), fill=(196, 142, 92))
    p.pen.rectangle((0, 156, DOUBLE, 164), fill=(222, 172, 120))
    for y in (186, 214, 240):
        p.pen.line((0, y, DOUBLE, y), fill=(182, 128, 80), width=2)


def _stage(p: Painter) -> None:
    p.image = ramp((46, 14, 34), (96, 26, 52), 190)
    cone = Image.new("L", (DOUBLE, DOUBLE), 0)
    ImageDraw.Draw(cone).polygon(((118, 0), (138, 0), (220, 194), (36, 194)), fill=110)
    p.image.paste((255, 238, 190), (0, 0), cone.filter(ImageFilter.GaussianBlur(6)))
    p.pen.rectangle((0, 166, DOUBLE, DOUBLE), fill=(150, 98, 60))
    p.pen.ellipse((30, 172, 226, 216), fill=(206, 156, 104))
    for x in (0, 18, 238, 220):
        p.pen.rectangle((x, 0, x + 17, 174), fill=(190, 30, 44) if x in (0, 238) else (156, 20, 36))
    p.pen.rectangle((0, 0, DOUBLE, 20), fill=(172, 24, 40))


def _garden(p: Painter) -> None:
    p.sky_lights()
    p.ground((122, 190, 92), (146, 206, 110))
    p.pen.rectangle((0, p.horizon - 42, DOUBLE, p.horizon + 10), fill=p.lit((92, 156, 78)))
    for x in range(0, DOUBLE, 22):
        p.pen.rectangle((x + 3, p.horizon - 30, x + 15, p.horizon + 18), fill=p.lit((250, 250, 246)))
    p.pen.rectangle((0, p.horizon - 14, DOUBLE, p.horizon - 6), fill=p.lit((250, 250, 246)))
    for name, x in (("tulip", 10), ("sunflower", 118), ("tulip", 28), ("rose", 102)):
        p.sprite(name, x, 118, 26)


def _lake(p: Painter) -> None:
    _mountains(p)
    p.ground((64, 140, 190), (110, 178, 214))
    p.pen.ellipse((-60, 214, 316, 380), fill=p.lit((124, 186, 96)))


def _jungle(p: Painter) -> None:
    p.ground((52, 110, 52), (74, 140, 66))
    for x, size, name in ((2, 78, "palm tree"), (126, 82, "palm tree"), (34, 62, "tree"), (98, 62, "tree")):
        p.sprite(name, x, 98, size)
    for x in (12, 44, 86, 120):
        p.sprite("herb", x, 124, 22)


def _park(p: Painter) -> None:
    p.sky_lights()
    p.ground((128, 194, 96), (150, 208, 114))
    p.pen.polygon(((110, p.horizon), (140, p.horizon), (216, DOUBLE), (40, DOUBLE)), fill=p.lit((232, 214, 176)))
    for x, size in ((16, 50), (112, 54)):
        p.sprite("tree", x, 96, size)


PLACES = {
    "plain": (_plain, 0.66),
    "sea": (_sea, 0.60),
    "beach": (_beach, 0.58),
    "meadow": (_meadow, 0.66),
    "forest": (_forest, 0.64),
    "mountains": (_mountains, 0.66),
    "desert": (_desert, 0.66),
    "snow": (_snow, 0.64),
    "street": (_street, 0.62),
    "sky": (_sky, 1.0),
    "space": (_space, 1.0),
    "underwater": (_underwater, 1.0),
    "room": (_room, 1.0),
    "table": (_table, 1.0),
    "stage": (_stage, 1.0),
    "garden": (_garden, 0.62),
    "lake": (_lake, 0.58),
    "jungle": (_jungle, 0.66),
    "park": (_park, 0.64),
}


@lru_cache(maxsize=2048)
def draw_backdrop(
    place: str | None, time: str | None = None, weather: str | None = None, style: str = "3d"
) -> Image.Image:
    """RGB, 128 x 128. ``place``: one of ``PLACES`` or ``PLAIN``; None with neither time nor weather is white.

    Rain, falling snow and fog in front of the things are drawn by ``draw_weather``, after them. Callers copy
    the picture before they change it.
    """
    if place in PLAIN:
        return Image.new("RGB", (SIZE, SIZE), PLAIN[place])
    if place is None and time is None and weather is None:
        return Image.new("RGB", (SIZE, SIZE), "white")
    paint, horizon = PLACES[place or DEFAULT_SKY]
    painter = Painter(time, weather if place not in INDOORS else None, style, horizon)
    if painter.weather == "rainbow":
        painter.sprite("rainbow", 34, 78, 66)
    if painter.weather in ("cloudy", "rain", "storm", "snowfall") and place != "sky":
        shade = (176, 182, 194) if painter.weather != "cloudy" else (246, 248, 252)
        for x, y, width in ((48, 34, 96), (150, 26, 110), (232, 44, 90)):
            painter.cloud(x, y, width, shade)
    paint(painter)
    if painter.weather == "storm":
        painter.sprite("lightning bolt", 17, 54, 34, lit=False)
    return painter.image.resize((SIZE, SIZE), Image.LANCZOS)


def draw_weather(picture: Image.Image, place: str | None, weather: str | None) -> Image.Image:
    """``picture`` behind rain, falling snow or fog."""
    if place in INDOORS or weather not in ("rain", "storm", "snowfall", "fog"):
        return picture
    random_, veil = random.Random(3), Image.new("RGBA", (DOUBLE, DOUBLE), (0, 0, 0, 0))
    pen = ImageDraw.Draw(veil)
    if weather == "fog":
        veil = Image.new("RGBA", (DOUBLE, DOUBLE), (226, 230, 236, 128))
    for _ in range({"rain": 70, "storm": 80, "snowfall": 60}.get(weather, 0)):
        x, y = random_.randrange(DOUBLE), random_.randrange(DOUBLE)
        if weather == "snowfall":
            pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=(255, 255, 255, 240))
        else:
            pen.line((x, y, x - 7, y + 22), fill=(214, 228, 246, 190), width=3)
    veil = veil.resize((SIZE, SIZE), Image.LANCZOS)
    return Image.alpha_composite(picture.convert("RGBA"), veil).convert("RGB")
