"""Validity on known answers: 1 for a judge that knows, about 0.5 for one that guesses, intervals over concepts."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from c2i_lib.config import load_profile
from c2i_lib.embedded import known_scenes
from c2i_lib.embedded.scenes import Scene, Thing
from c2i_lib.embedded.sprites import load_sprites
from c2i_lib.errors import C2IError
from c2i_lib.records.files import sha256_of, write_table
from c2i_lib.records.stage import Stage
from c2i_lib.stages.evaluation.known_answers import (
    DEGRADATIONS,
    check_judge,
    check_known_answers,
    degrade,
    every_judge,
    known_of_images,
    known_of_scenes,
    other_concepts,
    pair_measures,
)
from c2i_lib.stages.images import save_png
from c2i_lib.statistics.bootstrap import Resampling

RESAMPLING = Resampling(400)
CONCEPTS = [f"concept {place // 5}" for place in range(60)]


@pytest.fixture(scope="module")
def singles():
    """40 pictures of things alone, and their names."""
    names = [sprite.name for sprite in load_sprites()[::10][:40]]
    return [known_scenes.picture_of(Scene((Thing(name),))) for name in names], names


class Knowing:
    """Knows every clean picture and its concept."""

    measures = "preference"

    def __init__(self, pictures, names):
        self.known = {picture.tobytes(): name for picture, name in zip(pictures, names, strict=True)}

    def score(self, pictures, concepts):
        names = [self.known.get(picture.tobytes()) for picture in pictures]
        return np.array([float(name == concept) for name, concept in zip(names, concepts, strict=True)])


class Guessing:
    measures = "preference"

    def __init__(self):
        self.random = np.random.default_rng(0)

    def score(self, pictures, concepts):
        return self.random.normal(size=len(pictures))


def check(judge, pictures, names):
    return check_judge(judge, known_of_images(lambda: iter(pictures), names, 0), 16, RESAMPLING, "judge")


def test_a_judge_that_knows_the_answer_is_valid_and_one_that_guesses_is_not(singles):
    knows = check(Knowing(*singles), *singles)
    assert set(knows["test"]) == {"right against other concept", *(f"clean against {name}" for name in DEGRADATIONS)}
    np.testing.assert_allclose(knows[["value", "low", "high"]], 1)
    assert (knows[["value", "low", "high"]] <= 1).all(axis=None)
    guesses = check(Guessing(), *singles)
    assert guesses["value"].between(0.3, 0.7).all() and abs(guesses["value"].mean() - 0.5) < 0.1
    assert (guesses["low"] < guesses["value"]).all() and (guesses["value"] < guesses["high"]).all()


def test_a_judge_that_ignores_the_concept_is_at_one_half_there(singles):
    class Mean:
        measures = "quality"

        def score(self, pictures, concepts):
            return np.array([picture.mean() for picture in pictures])

    table = check(Mean(), *singles)
    ignored = table[table["test"] == "right against other concept"]
    np.testing.assert_allclose(ignored[["value", "low", "high"]], 0.5)


def test_the_measures_are_a_plain_share_and_scikit_learns_area():
    random = np.random.default_rng(1)
    better, worse = random.normal(0.7, 1, 60).round(1), random.normal(0, 1, 60).round(1)
    table = pair_measures(better, worse, CONCEPTS, RESAMPLING).set_index("measure")
    assert table.loc["paired accuracy", "value"] == pytest.approx(((better > worse) + 0.5 * (better == worse)).mean())
    area = roc_auc_score([1] * 60 + [0] * 60, [*better, *worse])
    assert table.loc["AUC", "value"] == pytest.approx(area)
    assert table["n"].tolist() == [60, 60]
    assert ((table["low"] < table["value"]) & (table["value"] < table["high"])).all()


def test_intervals_cover_the_truth_although_pictures_of_a_concept_resemble_each_other():
    """200 studies of 12 concepts with 5 pictures each; true values from a very large one."""

    def study(random, n_concepts):
        concept = np.repeat(random.normal(0, 1, n_concepts), 5)
        better = concept + 0.8 + random.normal(0, 1, n_concepts * 5)
        return better, concept * 0.5 + random.normal(0, 1, n_concepts * 5), np.repeat(np.arange(n_concepts), 5)

    better, worse, _ = study(np.random.default_rng(0), 400_000)
    truth = [(better > worse).mean(), (better > np.roll(worse, 5)).mean()]
    inside = []
    for seed in range(200):
        table = pair_measures(*study(np.random.default_rng(1 + seed), 12), RESAMPLING)
        inside.append((table["low"] <= truth) & (truth <= table["high"]))
    assert (np.mean(inside, axis=0) > 0.89).all() and (np.mean(inside, axis=0) < 0.995).all()


def test_every_picture_gets_a_concept_that_is_not_its_own():
    others = other_concepts(CONCEPTS, 3)
    assert all(other != own for other, own in zip(others, CONCEPTS, strict=True))
    assert set(others) == set(CONCEPTS) and others == other_concepts(CONCEPTS, 3)
    with pytest.raises(C2IError, match="at least two concepts"):
        other_concepts(["cat", "cat"], 0)


@pytest.mark.parametrize("degradation", DEGRADATIONS)
@pytest.mark.parametrize("size", [64, 512])
def test_a_degraded_copy_is_another_picture_of_the_same_size(degradation, size):
    blocks = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    picture = blocks.repeat(size // 16, axis=0).repeat(size // 16, axis=1)
    poorer = degrade(picture, degradation, 0)
    assert poorer.shape == picture.shape and poorer.dtype == np.uint8
    assert np.abs(poorer.astype(float) - picture).mean() > 2
    assert np.array_equal(poorer, degrade(picture, degradation, 0))
    assert np.array_equal(poorer, degrade(picture, degradation, 1)) == (degradation != "noise")


class OfScenes:
    """Tells clean pictures, and words that are true, from others; ``measures`` as given."""

    def __init__(self, measures, n=6):
        self.measures, self.asked = measures, []
        clean = [scene for scene, _ in known_scenes.clean_scenes(n, 0)]
        known = [one for part in known_scenes.PARTS for one in known_scenes.known_scenes(part, n, 0)]
        self.clean = {known_scenes.picture_of(scene).tobytes() for scene in [*clean, *(one.scene for one in known)]}
        self.wrong = {one.wrong for one in known} - {one.right for one in known}

    def score(self, pictures, concepts):
        self.asked += list(concepts)
        right = [concept not in self.wrong for concept in concepts]
        return np.array([float(p.tobytes() in self.clean and r) for p, r in zip(pictures, right, strict=True)])


@pytest.mark.parametrize("measures", ["quality", "faithfulness", "preference"])
def test_on_scenes_a_judge_takes_the_tests_of_what_it_measures(measures):
    """And one that knows the answers is always right: what is called worse is worse."""
    table = check_judge(OfScenes(measures), known_of_scenes(6, 0), 16, RESAMPLING, "judge")
    flaws = {f"clean against {kind}, strength {strength:g}" for kind, strength in known_scenes.FLAWS}
    parts = {f"right against wrong {part}" for part in known_scenes.PARTS}
    expected = {"quality": flaws, "faithfulness": parts, "preference": flaws | parts}
    assert set(table["test"]) == expected[measures]
    assert set(table["n"]) == {6}
    np.testing.assert_allclose(table["value"], 1)


def test_known_scenes_are_the_same_for_the_same_seed():
    one, same, other = (known_of_scenes(3, seed) for seed in (0, 0, 1))
    for first, second in zip(one, same, strict=True):
        assert first.concepts == second.concepts and list(first.worse) == list(second.worse)
        for test, (pictures, concepts) in first.worse.items():
            again, names = second.worse[test]
            assert concepts == names and all(map(np.array_equal, pictures(), again()))
    assert [group.concepts for group in one] != [group.concepts for group in other]


def test_every_judge_of_the_profile_is_checked_once(tmp_path):
    profile = load_profile("smoke", {"judges.n_known_answers": 3})
    table = check_known_answers(
        tmp_path / "unused", tmp_path / "08_judges" / "validity", profile.judges, Resampling(100)
    )
    assert list(table) == "judge test measure value low high n".split()
    assert len(every_judge(profile.judges)) == table["judge"].nunique() == 4 and set(table["n"]) == {3}
    tests = table.groupby("judge")["test"].nunique()
    n_flaws, n_parts = len(known_scenes.FLAWS), len(known_scenes.PARTS)
    assert tests.to_dict() == {
        "scene_quality embedded:quality": n_flaws,
        "scene_quality embedded:quality-selecting": n_flaws,
        "scene_parts embedded:parts": n_parts,
        "scene_match embedded:match": n_parts,
    }
    assert table["value"].between(0, 1).all()


def test_the_runs_own_images_of_the_bare_concept_are_used_where_the_profile_says_so(tmp_path, singles):
    """Pictures of another arm are missing on the disk, so reading one would raise."""
    folder, (pictures, names) = tmp_path / "05_images", singles
    with Stage(folder, {}):
        rows = []
        for place, (picture, name) in enumerate(zip(pictures[:6], names, strict=False)):
            arm = "concept_only" if place else "base"
            save_png(picture / 255, folder / f"{place}.png", {})
            rows.append((arm, name, 0, f"{place}.png", "", sha256_of(folder / f"{place}.png")))
        columns = "arm concept sample path flagged sha256".split()
        write_table(folder / "images.parquet", pd.DataFrame(rows, columns=columns))
    (folder / "0.png").unlink()
    profile = load_profile("smoke", {"judges.known_answers": "images"})
    table = check_known_answers(
        folder / "images.parquet", tmp_path / "08_judges" / "validity", profile.judges, Resampling(100)
    )
    assert set(table["n"]) == {5}
