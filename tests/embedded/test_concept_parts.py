"""A concept's or caption's parts are found by the world's own words."""

import random
from collections import Counter

import pytest

from c2i_lib.embedded.concept_parts import AskedThing, plain_words, read_concept, readings, words_of_the_world
from c2i_lib.embedded.grammar import DIALECTS
from c2i_lib.embedded.named_scenes import named_scenes
from c2i_lib.embedded.sampling import draw_example
from c2i_lib.embedded.sprites import sprites_by_name
from c2i_lib.embedded.visible_parts import CLASSES, accepted_names, visible_surroundings

N_CAPTIONS = 1_000  # of each dialect


def things(parts):
    return [(thing.name, thing.color, thing.number) for thing in parts.things]


@pytest.mark.parametrize(
    ("text", "expected", "said"),
    [
        ("two red apples in the snow at night", [("red apple", None, 2)], {"place": "snow", "time": "night"}),
        ("a red bicycle", [("bicycle", "red", None)], {}),
        ("Three gray cats", [("cat", "grey", 3)], {}),
        (
            "a flat drawing of a cat under an umbrella",
            [("cat", None, None), ("umbrella", None, None)],
            {"style": "flat", "relation": "under"},
        ),
        (
            "a dog in front of a house",
            [("house", None, None), ("dog", None, None)],
            {"relation": "behind"},
        ),
        ("two sleepy cats and a happy dog", [("cat", None, 2), ("dog", None, None)], {"relation": "and"}),
        ("three big red shiny cars", [("car", "red", 3)], {}),
        ("a cartoon of a horse on the beach", [("horse", None, None)], {"style": "noto", "place": "beach"}),
        ("a fork and knife with plate", [("fork and knife with plate", None, None)], {}),
        ("blurry photo of a lion in the rain", [("lion", None, None)], {"flaw": "blur", "weather": "rain"}),
        ("a bus on a blue background", [("bus", None, None)], {"place": "blue"}),
        ("on the grass by moonlight: an owl", [("owl", None, None)], {"place": "meadow", "time": "night"}),
        ("A Cat - image 12 of 12", [("cat", None, None)], {}),
    ],
)
def test_the_parts_of_a_concept(text, expected, said):
    parts = read_concept(text)
    assert things(parts) == expected
    assert {name: value for name, value in vars(parts).items() if value and name != "things"} == said


def test_a_named_scene_has_the_things_of_its_picture():
    parts = read_concept("a street in London")
    assert (parts.named, parts.place, parts.weather) == ("London", "street", "rain")
    assert AskedThing("bus", "red") in parts.things and AskedThing("guard") in parts.things


def test_a_time_beside_a_named_scene_is_its_own():
    assert read_concept("London at night").time == "night"


def test_a_word_for_a_thing_and_a_scene_is_both():
    first, second = readings("a casino")
    assert first.named is None and len(first.things) == 1
    assert second.named == "Las Vegas"
    assert len(readings("a dog")) == 1


@pytest.mark.parametrize(
    ("concept", "said"),
    [
        ("snowy hill", {"place": "snow"}),
        ("night", {"time": "night"}),
        ("black background", {"place": "black"}),
        ("table", {"place": "table"}),
        ("foggy day", {"weather": "fog"}),
        ("mountain lake at dusk", {"place": "lake", "time": "dusk"}),
    ],
)
def test_a_place_or_time_is_a_concept_without_things(concept, said):
    parts = read_concept(concept)
    assert {name: value for name, value in vars(parts).items() if value and name != "named"} == said


def test_other_nouns_are_unknown_unless_a_near_word_is_told():
    assert read_concept("a quagmire at night").unknown == ("quagmire",)
    near = {"quagmire": "frog", "feast of spring": "Easter"}
    assert things(read_concept("a quagmire at night", near.get)) == [("frog", None, None)]
    assert read_concept("feast of spring", near.get).named == "Easter"
    assert {"frog", "Easter"} <= set(words_of_the_world())


def test_a_known_thing_beside_an_unknown_one_counts():
    parts = read_concept("a cat next to a quagmire")
    assert things(parts) == [("cat", None, None)] and parts.unknown == ("quagmire",)


def test_nothing_is_asked_for_by_an_empty_text():
    assert read_concept("  ") == read_concept("")
    assert things(read_concept("")) == [] and read_concept("").unknown == ()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_ingredients_of_captions_are_found(dialect):
    """A few captions mean two things ("under a rainbow"), so a share of them and not all."""
    random_, asked, missed = random.Random(5), Counter(), Counter()
    for _ in range(N_CAPTIONS):
        scene, caption, _, styled = draw_example(random_, dialects=(dialect,))
        readings_ = readings(caption)
        if scene.named is not None:
            found = {"named": any(parts.named == scene.named for parts in readings_)}
        else:
            parts = readings_[0]
            names = sorted(thing.name for thing in scene.things)
            found = {"things": names == sorted(thing.name for thing in parts.things)}
            found["place"], found["weather"] = parts.place == scene.place, parts.weather == scene.weather
            found["time"] = parts.time == scene.time or scene.time == "day"  # which is not always said
            found["relation"] = parts.relation == scene.relation
            if found["things"]:
                pairs = [(one, other) for one in scene.things for other in parts.things if one.name == other.name]
                found["color"] = all(one.color == other.color for one, other in pairs)
                found["number"] = all(one.count == (other.number or 1) for one, other in pairs)
            if styled:
                found["style"] = parts.style == (None if scene.degradation else scene.style)
                found["flaw"] = parts.flaw == scene.degradation
        for part, right in found.items():
            asked[part] += 1
            missed[part] += not right
    assert min(asked.values()) > 30
    assert {part: missed[part] / asked[part] for part in asked if missed[part] > 0.01 * asked[part]} == {}


def test_every_name_is_read_as_itself():
    wrong = [name for name in sprites_by_name() if things(read_concept(name)) != [(name, None, None)]]
    assert wrong == []
    scenes = {first: name for first, recipe in named_scenes().items() for name in recipe.names}
    assert all(any(parts.named for parts in readings(name)) for name in scenes.values())


def test_what_a_picture_shows_of_time_and_weather():
    assert visible_surroundings(None, None, None) == {"place": "white", "time": "none", "weather": "none"}
    assert visible_surroundings(None, "night", None) == {"place": "plain", "time": "night", "weather": "none"}
    assert visible_surroundings("sea", None, "rain") == {"place": "sea", "time": "day", "weather": "rain"}
    assert visible_surroundings("stage", "night", None)["time"] == "none"
    assert visible_surroundings("meadow", "night", "sunny")["weather"] == "none"
    for place in CLASSES["place"]:
        shown = visible_surroundings(place, "dusk", "fog")
        assert all(shown[head] in CLASSES[head] for head in shown)


def test_special_kinds_of_a_thing_are_accepted():
    assert {"bear", "polar bear"} <= set(accepted_names("bear"))
    assert "bear" not in accepted_names("polar bear")
    assert accepted_names("dog") == ("dog",)  # a hot dog is none
    assert accepted_names("bear")[0] == "bear"


def test_plain_words():
    assert plain_words("The  Cat, an owl: 3D.") == "cat , owl : 3d"
