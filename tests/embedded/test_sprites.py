"""The sprite pack: every thing can be drawn, and words lead to the thing that people mean."""

import numpy as np
import pytest

from c2i_lib.embedded.painting import SIZE
from c2i_lib.embedded.recoloring import COLORS, recolored
from c2i_lib.embedded.sprites import (
    OCCURRENCES,
    PACK,
    SPRITE_SIZE,
    STYLES,
    THINGS,
    load_sprites,
    pack_sprites,
    sprite_image,
    sprites_by_name,
    sprites_by_word,
)


def test_the_pack_is_small_and_its_licences_lie_beside_it():
    assert PACK.stat().st_size < 6e6
    licences = PACK.with_name("SPRITES_LICENSES.txt").read_text(encoding="utf-8")
    assert "Copyright (c) Microsoft Corporation" in licences and "Apache License" in licences


def test_every_thing_of_the_world_is_in_the_pack():
    lines = THINGS.read_text(encoding="utf-8").splitlines()
    names = [line.split("|")[0] for line in lines if not line.startswith("#")]
    assert len(load_sprites()) == len(names) == len(set(names)) < len(pack_sprites())


def test_names_are_unique_and_every_thing_has_the_main_style():
    names = [sprite.name for sprite in load_sprites()]
    assert len(names) == len(set(names)) > 400
    assert all("3d" in sprite.styles and set(sprite.styles) <= set(STYLES) for sprite in load_sprites())


def test_every_thing_says_where_it_occurs():
    assert {sprite.occurs for sprite in load_sprites()} == set(OCCURRENCES.values())
    assert {sprite.occurs for sprite in pack_sprites()} == {""}
    assert sprites_by_name()["dog"].occurs == "scenes" and sprites_by_name()["toothbrush"].occurs == "alone"


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("puppy", "dog"),
        ("bike", "bicycle"),
        ("wizard", "mage"),
        ("slice of cake", "shortcake"),
        ("coffee", "cup of coffee"),
    ],
)
def test_everyday_words_lead_to_the_thing(word, name):
    assert sprites_by_word()[word].name == name


def test_a_name_wins_over_another_things_synonym():
    assert all(sprites_by_word()[sprite.name.lower()] is sprite for sprite in load_sprites())


@pytest.mark.parametrize("style", STYLES)
def test_pictures_have_an_opaque_thing_on_a_transparent_ground(style):
    for sprite in load_sprites()[::97]:
        if style in sprite.styles:
            image = sprite_image(sprite.code, style)
            alpha = np.asarray(image.getchannel("A"))
            assert image.size == (SPRITE_SIZE, SPRITE_SIZE) == (SIZE, SIZE)
            assert 0.05 < (alpha > 128).mean() < 0.98


def test_an_unknown_style_is_an_error():
    with pytest.raises(KeyError):
        sprite_image(load_sprites()[0].code, "watercolor")


def mean_color(image):
    values = np.asarray(image).astype(float)
    return values[values[..., 3] > 200][:, :3].mean(0)


def test_recoloring_moves_the_main_colour_and_leaves_the_outline():
    code = sprites_by_name()["car"].code
    means = {color: mean_color(recolored(code, "3d", color)) for color in COLORS}
    for index, color in enumerate(("red", "green", "blue")):
        assert means[color][index] == max(means[other][index] for other in ("red", "green", "blue"))
    assert means["white"].mean() > means["grey"].mean() > means["black"].mean()
    alpha = [np.asarray(recolored(code, "3d", color).getchannel("A")) for color in COLORS]
    assert all((one == alpha[0]).all() for one in alpha)


def test_a_colourless_thing_takes_the_colour_as_a_whole():
    red, green, blue = mean_color(recolored(sprites_by_name()["elephant"].code, "3d", "blue"))
    assert blue > red + 20 and blue > green
