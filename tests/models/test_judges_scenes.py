"""Judges of faithfulness on scenes know what is in a picture, thing by thing."""

import itertools
import json
import random

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.metrics import roc_auc_score

from c2i_lib.config.judges import JudgeModel
from c2i_lib.embedded.grammar import describe
from c2i_lib.embedded.models import WEIGHTS
from c2i_lib.embedded.sampling import draw_scene
from c2i_lib.embedded.scenes import Scene, Thing, compose
from c2i_lib.embedded.visible_parts import CLASSES
from c2i_lib.errors import ModelError
from c2i_lib.models.judges import load_judge, score_pictures
from c2i_lib.models.judges.scene_encoder import read_judge, to_pixels
from c2i_lib.models.judges.scene_match import SceneMatchNet
from c2i_lib.models.judges.scene_parts import LEAST, classes_of_the_world, nearest_word, share_of_parts
from c2i_lib.models.judges.scene_parts_net import HEADS, ScenePartsNet

MODELS = {"scene_parts": "embedded:parts", "scene_match": "embedded:match"}


@pytest.fixture(scope="module")
def judges():
    return {kind: load_judge(JudgeModel(kind=kind, model=model)) for kind, model in MODELS.items()}


@pytest.fixture(scope="module")
def held_out():
    """90 scenes of combinations that no training shows, their pictures, and what is in them in words."""
    random_ = random.Random(404)
    scenes = [draw_scene(random_, kind, True) for kind in ("colored", "several", "pair", "placed") for _ in range(18)]
    scenes += [draw_scene(random_, kind) for kind in ("single", "named") for _ in range(9)]
    random_.shuffle(scenes)
    texts = [describe(scene, random_, random_.choice("AB")) for scene in scenes]
    return scenes, [np.asarray(compose(scene)) for scene in scenes], texts


def area_under_curve(positive, negative) -> float:
    return roc_auc_score([1] * len(positive) + [0] * len(negative), [*positive, *negative])


def picture(thing: Thing, **around) -> np.ndarray:
    return np.asarray(compose(Scene((thing,), **around)))


@pytest.mark.parametrize("kind", MODELS)
def test_pictures_fit_their_own_concept_better_than_others(kind, judges, held_out):
    _, pictures, texts = held_out
    own, other = judges[kind].score(pictures, texts), judges[kind].score(pictures, texts[5:] + texts[:5])
    assert area_under_curve(own, other) > 0.9
    assert ((own >= 0) & (own <= 1)).all() and own.mean() > 0.6 > 0.3 > other.mean()


def share_of_wins(judge, pictures, right, wrong) -> float:
    better, worse = judge.score(pictures, right), judge.score(pictures, wrong)
    return float(((better > worse) + 0.5 * (better == worse)).mean())


def test_parts_counts(judges, held_out):
    scenes = [scene for scene in held_out[0] if scene.things and scene.things[0].count > 1]
    pictures = [np.asarray(compose(scene)) for scene in scenes]
    texts = [[f"{word} {scene.things[0].name}" for scene in scenes] for word in ("two", "three")]
    two, three = (judges["scene_parts"].score(pictures, some) for some in texts)
    right = [
        (one > other) == (scene.things[0].count == 2) for one, other, scene in zip(two, three, scenes, strict=True)
    ]
    assert len(scenes) == 18 and np.mean(right) >= 0.85


def test_parts_knows_places(judges):
    places = ("sea", "snow", "desert", "forest", "room", "street")
    names = ("duck", "sailboat", "penguin")
    pictures = [picture(Thing(name), place=place) for place in places for name in names]
    right = [f"a {name} {phrase}" for phrase in PHRASES.values() for name in names]
    wrong = [f"a {name} {phrase}" for phrase in [*list(PHRASES.values())[1:], PHRASES["sea"]] for name in names]
    assert share_of_wins(judges["scene_parts"], pictures, right, wrong) >= 0.85


PHRASES = {
    "sea": "at sea",
    "snow": "in the snow",
    "desert": "in the desert",
    "forest": "in the forest",
    "room": "in a room",
    "street": "on the street",
}


def test_parts_knows_colors_and_whose_they_are(judges):
    names, colors = ("car", "bicycle", "backpack", "umbrella"), ("red", "green", "blue", "purple", "yellow")
    pairs = [(name, *two) for name in names for two in itertools.permutations(colors, 2)]
    pictures = [picture(Thing(name, color)) for name, color, _ in pairs]
    right = [f"a {color} {name}" for name, color, _ in pairs]
    wrong = [f"a {other} {name}" for name, _, other in pairs]
    assert share_of_wins(judges["scene_parts"], pictures, right, wrong) >= 0.85


def test_parts_knows_time_and_style(judges):
    scenes = [
        Scene((Thing(name),), place="meadow", time=time) for name in ("cow", "horse") for time in ("day", "night")
    ]
    pictures = [np.asarray(compose(scene)) for scene in scenes]
    night = judges["scene_parts"].score(pictures, ["a cow at night"] * 2 + ["a horse at night"] * 2)
    assert (night[1::2] > night[::2] + 0.2).all()
    styled = [picture(Thing("dog"), style=style) for style in CLASSES["style"]]
    scores = [
        judges["scene_parts"].score(styled, [text] * 3)
        for text in ("3D dog", "flat drawing of a dog", "cartoon of a dog")
    ]
    assert [int(score.argmax()) for score in scores[1:]] == [1, 2]


def test_the_thing_comes_first(judges):
    """Where the thing is not, the right place and time are worth little."""
    names = ("cow", "guitar", "castle", "penguin", "teapot")
    pictures = [picture(Thing(name), place="snow", time="night") for name in names]
    with_thing = judges["scene_parts"].score(pictures, [f"a {name} in the desert" for name in names])
    without = judges["scene_parts"].score(pictures, ["a bicycle in the snow at night"] * len(names))
    assert with_thing.mean() > without.mean() + 0.2


def test_share_of_parts():
    assert share_of_parts([1, 1], [1, 1, 1]) == pytest.approx(1)
    assert share_of_parts([1], []) == 1 and share_of_parts([0.25], []) == 0.25
    assert share_of_parts([0], [1, 1]) == pytest.approx(2 * LEAST / 3)
    assert share_of_parts([], [1, 0.5]) == 0.75
    assert share_of_parts([], []) == 0
    assert share_of_parts([1], [0]) > 3 * share_of_parts([0], [1])


def test_the_share_of_parts_rises_with_each_part():
    levels = (0, 0.3, 1)
    for probabilities in itertools.product(levels, repeat=4):
        share = share_of_parts(probabilities[:2], probabilities[2:])
        assert 0 <= share <= 1
        for part in range(4):
            more = [min(1, p + 0.1) if index == part else p for index, p in enumerate(probabilities)]
            assert share_of_parts(more[:2], more[2:]) >= share


def test_near_words_are_taken_for_things():
    assert nearest_word("kitty cat") in ("cat", "kitty")
    assert nearest_word("quagmire of debt") is None


def test_what_the_world_has_not_is_not_in_the_picture(judges):
    assert judges["scene_parts"].score([picture(Thing("dog"))], ["thermodynamics"])[0] == 0


@pytest.mark.parametrize("kind", MODELS)
def test_scores_do_not_depend_on_the_batch_size(kind, judges, held_out):
    _, pictures, texts = held_out
    one, all_ = (score_pictures(judges[kind], pictures[:7], texts[:7], size) for size in (1, 7))
    np.testing.assert_allclose(one, all_, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", MODELS)
def test_scores_hardly_depend_on_the_size_of_a_picture(kind, judges, held_out):
    _, pictures, texts = held_out
    own = judges[kind].score(pictures, texts)
    for side, least in ((256, 0.98), (96, 0.85), (200, 0.95)):
        resized = [np.asarray(Image.fromarray(one).resize((side, side), Image.BICUBIC)) for one in pictures]
        assert np.corrcoef(own, judges[kind].score(resized, texts))[0, 1] > least


def test_enlarged_pixels_are_the_same_picture():
    one = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    large = one.repeat(2, axis=0).repeat(2, axis=1)
    both = to_pixels([one, large])
    assert both.shape == (2, 3, 128, 128)
    torch.testing.assert_close(both[0], both[1])
    assert both.min() >= -1 and both.max() <= 1


def test_each_color_is_read_where_its_thing_was_found():
    """Colours of a thing depend on the cells where it is, not on the others."""
    torch.manual_seed(0)
    net = ScenePartsNet({"things": 5, "color": 4, **dict.fromkeys(HEADS, 3)}).eval()
    with torch.inference_mode():
        seen = net(torch.randn(2, 3, 128, 128))
        cells = torch.full_like(seen.cells, -100.0)
        cells[:, 2, 10] = 100.0
        found = net.colors_of(seen._replace(cells=cells), torch.tensor([1]), torch.tensor([2]))
        torch.testing.assert_close(found[0], net.color(seen.features[1, :, 10]))


@pytest.mark.parametrize("kind", MODELS)
def test_the_shipped_judges_say_what_they_are(kind):
    facts, tensors = read_judge(WEIGHTS / MODELS[kind].removeprefix("embedded:"), kind)
    assert facts["figures"] and all(tensor.dtype == torch.float32 for tensor in tensors.values())
    if kind == "scene_parts":
        assert facts["classes"] == classes_of_the_world(facts["classes"]["things"])


def test_a_folder_of_another_judge_is_a_model_error(tmp_path):
    with pytest.raises(ModelError, match="judge.json"):
        load_judge(JudgeModel(kind="scene_match", model=str(tmp_path)))
    (tmp_path / "judge.json").write_text(json.dumps({"kind": "scene_parts"}), encoding="utf-8")
    save_file(SceneMatchNet().state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="scene_parts"):
        load_judge(JudgeModel(kind="scene_match", model=str(tmp_path)))
