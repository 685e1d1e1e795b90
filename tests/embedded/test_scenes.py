"""Scenes of the embedded world: what a caption asks for is in the picture, and the picture is always the same."""

import random

import numpy as np
import pytest

from c2i_lib.embedded.backdrops import PLACES, PLAIN, draw_backdrop, draw_weather
from c2i_lib.embedded.degradations import DEGRADATIONS, degrade
from c2i_lib.embedded.named_scenes import named_scenes, parse_line
from c2i_lib.embedded.painting import SIZE, TIMES, WEATHERS
from c2i_lib.embedded.sampling import KINDS, draw_example, draw_scene, fits, is_held_out
from c2i_lib.embedded.scenes import RELATIONS, Scene, Thing, compose, lay_out
from c2i_lib.embedded.sprites import sprites_by_name


def pixels(scene):
    return np.asarray(compose(scene)).astype(float)


def test_a_scene_has_one_picture():
    scene = Scene((Thing("cat"), Thing("car", "blue")), "on", place="street", time="night", weather="rain")
    first = pixels(scene)
    draw_backdrop.cache_clear()
    assert first.shape == (SIZE, SIZE, 3) and (pixels(scene) == first).all()


def test_drawing_a_scene_does_not_change_the_cached_background():
    before = np.asarray(draw_backdrop("meadow")).copy()
    compose(Scene((Thing("horse"),), place="meadow"))
    assert (np.asarray(draw_backdrop("meadow")) == before).all()


@pytest.mark.parametrize("place", PLACES)
def test_each_place_looks_its_own_at_each_time(place):
    pictures = [np.asarray(draw_backdrop(place, time)).astype(float) for time in TIMES]
    assert all(picture.shape == (SIZE, SIZE, 3) for picture in pictures)
    if place not in ("table", "stage", "underwater", "space", "room"):
        day, dusk, night = (picture.mean() for picture in pictures)
        assert night < dusk < day


def test_no_two_backgrounds_are_alike():
    shrunk = [np.asarray(draw_backdrop(name).resize((16, 16))).astype(float) for name in (*PLACES, *PLAIN)]
    distances = [np.abs(a - b).mean() for i, a in enumerate(shrunk) for b in shrunk[:i]]
    assert min(distances) > 6


@pytest.mark.parametrize("weather", WEATHERS)
def test_weather_shows(weather):
    plain = np.asarray(draw_backdrop("meadow", "day")).astype(float)
    changed = draw_weather(draw_backdrop("meadow", "day", weather), "meadow", weather)
    assert np.abs(np.asarray(changed) - plain).mean() > 1


def test_two_and_three_are_counted_out():
    for count in (1, 2, 3):
        for place in (None, "snow"):
            placements = lay_out(Scene((Thing("dog", count=count),), place=place))
            assert len(placements) == count


def test_relations_put_things_where_they_say():
    things = (Thing("cat"), Thing("books"))
    places = {relation: {p.thing.name: p for p in lay_out(Scene(things, relation))} for relation in RELATIONS}
    assert places["and"]["cat"].center < places["and"]["books"].center
    assert places["on"]["cat"].bottom < places["on"]["books"].bottom
    assert places["under"]["cat"].bottom > places["under"]["books"].bottom
    assert list(places["behind"]) == ["cat", "books"], "what is behind is drawn first"


def test_named_scenes_know_all_their_things_and_can_be_drawn():
    assert len(named_scenes()) >= 200
    names = [name for recipe in named_scenes().values() for name in recipe.names]
    assert len(names) == len(set(names))
    for recipe in named_scenes().values():
        assert all(item.name in sprites_by_name() for item in recipe.items), recipe.names[0]
    assert compose(Scene(named="London")).size == (SIZE, SIZE)


@pytest.mark.parametrize(
    "line", ["London", "London; mars; left=bus", "London; street; nowhere=bus", "a; street rain rain;"]
)
def test_a_line_that_is_no_named_scene_is_shown_in_the_error(line):
    with pytest.raises(ValueError, match="named_scenes.txt"):
        parse_line(line)


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_flaws_grow_with_their_strength(kind):
    picture = compose(Scene((Thing("bicycle"),), place="park"))
    original = np.asarray(picture).astype(float)
    changes = [np.abs(np.asarray(degrade(picture, kind, s)).astype(float) - original).mean() for s in (0.25, 0.5, 1.0)]
    assert 0 < changes[0] < changes[1] < changes[2]
    assert degrade(picture, kind).size == picture.size and degrade(picture, kind).mode == "RGB"


def test_drawn_scenes_are_sensible_and_never_held_out():
    random_ = random.Random(5)
    for kind in KINDS:
        for _ in range(40):
            scene = draw_scene(random_, kind)
            assert not is_held_out(scene)
            assert all(fits(thing.name, scene.place) for thing in scene.things)


def test_held_out_scenes_are_those_that_training_never_shows():
    random_ = random.Random(6)
    scenes = [
        draw_scene(random_, kind, held_out=True) for kind in ("colored", "several", "pair", "placed") for _ in range(5)
    ]
    assert all(is_held_out(scene) for scene in scenes)
    styled = Scene(**{**vars(scenes[0]), "style": "flat", "degradation": "blur"})
    assert is_held_out(styled), "neither style nor flaw lets a held-out combination in"


def test_captions_without_style_words_are_a_mixture():
    random_ = random.Random(7)
    plain = [
        example.scene.degradation is not None
        for example in (draw_example(random_) for _ in range(3000))
        if not example.styled
    ]
    assert 0.36 < np.mean(plain) < 0.44
