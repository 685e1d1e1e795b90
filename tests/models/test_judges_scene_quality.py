"""Judges of quality on scenes order versions of a picture, whatever it shows and in whatever style."""

import json
import random
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from c2i_lib.config.judges import JudgeModel
from c2i_lib.embedded.degradations import DEGRADATIONS, degrade
from c2i_lib.embedded.models import WEIGHTS
from c2i_lib.embedded.sampling import draw_scene
from c2i_lib.embedded.scenes import Scene, Thing, compose
from c2i_lib.errors import ModelError
from c2i_lib.models.judges import load_judge
from c2i_lib.models.judges.picture_statistics import N_STATISTICS, picture_statistics
from c2i_lib.models.judges.scene_encoder import to_pixels
from c2i_lib.models.judges.scene_quality_nets import ARCHITECTURES, ConvolutionalNet

FOLDERS = {"embedded:quality": "quality", "embedded:quality-selecting": "quality_selecting"}
STRENGTHS = (0.0, 0.5, 1.0, 1.5)
FALLS_SHORT = {"quality": {"painted"}, "quality_selecting": set()}  # kinds that a judge learned and hardly sees


@pytest.fixture(scope="module", params=FOLDERS)
def judge(request):
    return load_judge(JudgeModel(kind="scene_quality", model=request.param))


@pytest.fixture(scope="module")
def pictures():
    """48 clean scenes of combinations that no training shows, and of things alone."""
    random_ = random.Random(505)
    scenes = [draw_scene(random_, kind, True) for kind in ("colored", "several", "pair", "placed") for _ in range(9)]
    return [compose(scene) for scene in scenes + [draw_scene(random_, "single") for _ in range(12)]]


def score(judge, pictures) -> np.ndarray:
    return judge.score([np.asarray(picture) for picture in pictures], [""] * len(pictures))


def area(higher, lower) -> float:
    return roc_auc_score([1] * len(higher) + [0] * len(lower), [*higher, *lower])


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_more_of_a_flaw_is_worse_and_clean_pictures_are_best(kind, judge, pictures):
    rows = [[degrade(picture, kind, strength, seed) for seed, picture in enumerate(pictures)] for strength in STRENGTHS]
    scores = np.stack([score(judge, pictures)] + [score(judge, row) for row in rows[1:]])
    assert (np.diff(scores, axis=0) < 0).mean() > 0.85
    assert area(scores[0], scores[2]) > 0.9


def test_the_scale_is_as_documented(judge, pictures):
    clean = score(judge, pictures)
    ruined = [degrade(picture, DEGRADATIONS[index % 8], 1.5, index) for index, picture in enumerate(pictures)]
    assert np.median(clean) == pytest.approx(1, abs=0.1)
    assert np.median(score(judge, ruined)) == pytest.approx(0, abs=0.3)


def test_style_number_and_place_hardly_count(judge):
    names = ("cat", "bicycle", "castle", "pizza", "guitar", "rocket")
    styles = [np.mean(score(judge, [compose(Scene((Thing(n),), style=style)) for n in names])) for style in STYLES]
    places = [np.mean(score(judge, [compose(Scene((Thing(n),), place=place)) for n in names])) for place in PLACES]
    numbers = [np.mean(score(judge, [compose(Scene((Thing(n, None, k),))) for n in names])) for k in (1, 2, 3)]
    for means in (styles, places, numbers):
        assert min(means) > 0.8 and max(means) - min(means) < 0.25


STYLES, PLACES = ("3d", "flat", "noto"), (None, "meadow", "sea", "street", "room", "snow")


def test_a_picture_has_its_score_whatever_is_beside_it_and_whatever_its_size(judge, pictures):
    some = pictures[:6] + [degrade(picture, "blur") for picture in pictures[:6]]
    together = score(judge, some)
    alone = np.concatenate([score(judge, [picture]) for picture in some])
    assert np.allclose(together, alone, atol=1e-3)
    larger = [picture.resize((256, 256), Image.NEAREST) for picture in some]
    assert np.allclose(score(judge, [*larger, some[0]])[:-1], together, atol=1e-3)
    smaller = [picture.resize((32, 32), Image.BOX) for picture in pictures[:6]]
    assert score(judge, smaller).mean() < together[:6].mean() - 0.3


def test_the_two_roles_share_neither_architecture_nor_kinds(pictures):
    """A judge that reports must not repeat the mistakes of the one that selects."""
    facts = [json.loads((WEIGHTS / folder / "judge.json").read_text(encoding="utf-8")) for folder in FOLDERS.values()]
    assert {one["architecture"] for one in facts} == set(ARCHITECTURES)
    assert set(facts[0]["never_shown"]) != set(facts[1]["never_shown"])
    scores = [score(load_judge(JudgeModel(kind="scene_quality", model=model)), pictures) for model in FOLDERS]
    assert abs(np.corrcoef(*scores)[0, 1]) < 0.9


@pytest.mark.parametrize("folder", FOLDERS.values())
def test_figures_of_held_out_scenes_keep_what_the_judge_promises(folder):
    """What training printed is beside the weights, kinds that were never shown too."""
    facts = json.loads((WEIGHTS / folder / "judge.json").read_text(encoding="utf-8"))
    assert set(facts["never_shown"]) < set(facts["figures"]) > set(DEGRADATIONS)
    for kind in set(facts["figures"]) - set(facts["never_shown"]) - FALLS_SHORT[folder]:
        assert facts["figures"][kind]["AUC at 1.0"] >= 0.9 and facts["figures"][kind]["Spearman"] >= 0.8, kind


def test_a_folder_of_an_unknown_architecture_is_refused(tmp_path):
    shutil.copytree(WEIGHTS / "quality", tmp_path / "judge")
    file = tmp_path / "judge" / "judge.json"
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), "architecture": "oracle"}))
    with pytest.raises(ModelError, match="convolutional or statistics"):
        load_judge(JudgeModel(kind="scene_quality", model=str(tmp_path / "judge")))


def test_statistics_are_finite_and_each_pictures_own(pictures):
    flat = [np.full((128, 128, 3), shade, np.uint8) for shade in (0, 128, 255)]
    batch = to_pixels([*map(np.asarray, pictures[:4]), *flat])
    together = picture_statistics(batch)
    assert together.shape == (7, N_STATISTICS) and together.isfinite().all()
    alone = torch.cat([picture_statistics(one[None]) for one in batch])
    assert torch.allclose(together, alone, atol=1e-3)


def test_the_networks_are_small():
    assert sum(weights.numel() for weights in ConvolutionalNet().parameters()) < 1_000_000
