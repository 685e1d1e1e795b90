"""The judge stage: images are scored once, in batches, against their concept; what should not be judged is not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from c2i_lib.config import load_profile
from c2i_lib.config.judges import JudgeModel
from c2i_lib.embedded.known_scenes import picture_of
from c2i_lib.embedded.scenes import Scene, Thing
from c2i_lib.errors import C2IError, DamagedStageError, ProfileError
from c2i_lib.models.judges import judge_name, load_judge, score_pictures
from c2i_lib.records.files import sha256_of, write_table
from c2i_lib.records.stage import Stage
from c2i_lib.stages.evaluation.scores import read_pictures, score_images, score_others, score_selecting
from c2i_lib.stages.images import save_png

NAMES = ["cat", "bicycle", "pizza", "umbrella"]
PICTURES = [picture_of(Scene((Thing(name),))) for name in NAMES]
PROFILE = load_profile("smoke", {"judges.batch_size": 2})
MATCH = {"kind": "scene_match", "model": "embedded:match"}


def write_images(folder, flags, prompts=NAMES) -> Path:
    """Pictures of four things as a finished stage 05, with these flags."""
    with Stage(folder, {}):
        for number, picture in enumerate(PICTURES):
            save_png(picture / 255, folder / f"base-{number}.png", {})
        table = pd.DataFrame({"concept": NAMES, "flagged": flags, "arm": "base", "replicate": 1, "prompt": prompts})
        table["sample"] = range(len(table))
        table["image_id"] = [f"base-{number}" for number in table["sample"]]
        table["path"] = table["image_id"] + ".png"
        table["sha256"] = [sha256_of(folder / name) for name in table["path"]]
        write_table(folder / "images.parquet", table)
    return folder / "images.parquet"


@pytest.fixture
def images_file(tmp_path):
    """Four pictures; the second is flagged, and its file is gone, so reading it would raise."""
    file = write_images(tmp_path / "05_images", ["", "blank", "", ""])
    (file.parent / "base-1.png").unlink()
    return file


def test_flagged_images_get_no_score_and_the_others_those_of_the_two_judges(images_file, tmp_path):
    scores = score_images(images_file, tmp_path / "08_judges" / "scores", PROFILE.judges)
    assert list(scores) == "image_id arm replicate concept sample quality faithfulness".split()
    assert scores["image_id"].tolist() == ["base-0", "base-2", "base-3"]
    shown = [0, 2, 3]
    pictures, names = [PICTURES[place] for place in shown], [NAMES[place] for place in shown]
    for role in ("quality", "faithfulness"):
        direct = load_judge(getattr(PROFILE.judges, role)).score(pictures, names)
        np.testing.assert_allclose(scores[role], direct, atol=1e-4)


def test_images_are_scored_against_their_concept_and_not_against_their_prompt(tmp_path):
    """A prompt that has left its concept must not be praised for showing something else."""
    plain = write_images(tmp_path / "a" / "05_images", [""] * 4)
    strayed = write_images(tmp_path / "b" / "05_images", [""] * 4, prompts=NAMES[1:] + NAMES[:1])
    one, other = (
        score_images(file, tmp_path / name / "08_judges" / "scores", PROFILE.judges)
        for name, file in (("a", plain), ("b", strayed))
    )
    pd.testing.assert_frame_equal(one, other)


def test_the_batch_size_changes_no_score_and_scores_nothing_again(images_file, tmp_path):
    folder = tmp_path / "08_judges" / "scores"
    first = score_images(images_file, folder, PROFILE.judges)
    record = (folder / "stage.json").read_bytes()
    large = load_profile("smoke", {"judges.batch_size": 64})
    pd.testing.assert_frame_equal(score_images(images_file, folder, large.judges), first)
    assert (folder / "stage.json").read_bytes() == record
    anew = score_images(images_file, tmp_path / "08_judges" / "anew", large.judges)
    pd.testing.assert_frame_equal(anew, first, rtol=1e-4, atol=1e-4)


def test_pictures_are_read_as_they_are_judged():
    """All pictures of a large run would not fit into memory."""
    read, held = [], []

    class Watching:
        measures = "quality"

        def score(self, pictures, concepts):
            held.append((len(read), len(pictures)))
            return np.array([picture.mean() for picture in pictures])

    def pictures():
        for number in range(7):
            read.append(number)
            yield np.full((2, 2, 3), number)

    assert score_pictures(Watching(), pictures(), ["x"] * 7, 3).tolist() == list(range(7))
    assert held == [(3, 3), (6, 3), (7, 1)]


def test_a_picture_that_was_changed_is_not_scored(images_file, tmp_path):
    save_png(np.zeros((128, 128, 3)), images_file.parent / "base-2.png", {})
    with pytest.raises(DamagedStageError, match="base-2.png.*--from 5"):
        score_images(images_file, tmp_path / "08_judges" / "scores", PROFILE.judges)
    assert not list((tmp_path / "08_judges").rglob("*.parquet"))


def test_a_picture_that_the_table_does_not_list_is_not_read(images_file):
    """The file is what the stage wrote, and the row is of another picture."""
    table = pd.read_parquet(images_file).head(1).assign(sha256="0" * 64)
    with pytest.raises(DamagedStageError, match="not the picture that images.parquet lists"):
        list(read_pictures(images_file, table))


def test_a_run_with_only_flagged_images_is_told_so(tmp_path):
    """As when a model gives NaN throughout in half precision."""
    file = write_images(tmp_path / "05_images", ["nan"] * 4)
    with pytest.raises(C2IError, match="flagged"):
        score_images(file, tmp_path / "08_judges" / "scores", PROFILE.judges)


def test_further_judges_have_a_long_table_and_leave_the_scores_alone(images_file, tmp_path):
    scores_folder = tmp_path / "08_judges" / "scores"
    score_images(images_file, scores_folder, PROFILE.judges)
    record = (scores_folder / "stage.json").read_bytes()
    assert score_others(images_file, tmp_path / "08_judges" / "others", PROFILE.judges).empty
    more = load_profile("smoke", {"judges.others": [MATCH], "judges.selection": None})
    others = score_others(images_file, tmp_path / "08_judges" / "others", more.judges)
    assert list(others) == ["image_id", "judge", "score"]
    assert others["image_id"].tolist() == ["base-0", "base-2", "base-3"]
    assert set(others["judge"]) == {"scene_match embedded:match"}
    score_images(images_file, scores_folder, more.judges)
    assert (scores_folder / "stage.json").read_bytes() == record


def test_selecting_judges_score_in_columns_of_their_own(images_file, tmp_path):
    scores = score_selecting(images_file, tmp_path / "08_judges" / "selecting", PROFILE.judges)
    assert list(scores) == ["image_id", "selecting_quality", "selecting_faithfulness"]
    judge = load_judge(PROFILE.judges.selection.faithfulness)
    direct = judge.score([PICTURES[place] for place in (0, 2, 3)], [NAMES[place] for place in (0, 2, 3)])
    np.testing.assert_allclose(scores["selecting_faithfulness"], direct, atol=1e-4)


def test_a_profile_without_selecting_judges_is_told_what_to_add(images_file, tmp_path):
    profile = load_profile("smoke", {"judges.selection": None})
    with pytest.raises(C2IError, match=r"judges\.selection"):
        score_selecting(images_file, tmp_path / "08_judges" / "selecting", profile.judges)


def test_names_of_judges_tell_them_apart_without_a_folder_of_this_machine(tmp_path):
    hub = JudgeModel(kind="clip_score", model="openai/clip-vit-large-patch14")
    assert judge_name(hub) == "clip_score openai/clip-vit-large-patch14"
    folder = judge_name(JudgeModel(kind="clip_score", model=str(tmp_path / "models" / "mine")))
    assert folder == "clip_score models/mine"
    assert judge_name(JudgeModel(**MATCH)) == "scene_match embedded:match"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            {"judges.quality": {"kind": "clip_score", "model": "a/b"}},
            "clip_score does not measure it; use one of",
        ),
        ({"judges.selection.faithfulness": {"kind": "clip_iqa", "model": "a/b"}}, r"selection\.faithfulness: clip_iqa"),
        ({"judges.quality": {"kind": "scene_quality"}}, r"judges\.quality\.model"),
        ({"judges.quality": {"kind": "aesthetic", "model": "a/b"}}, "kind aesthetic needs a head"),
        ({"judges.quality": {"kind": "clip_iqa", "model": "a/b", "head": "c/d"}}, "kind clip_iqa has no head"),
        ({"judges.others": [MATCH]}, "selection has embedded:match, which also reports"),
    ],
)
def test_judges_that_do_not_fit_their_role_are_refused(overrides, words):
    with pytest.raises(ProfileError, match=words):
        load_profile("smoke", overrides)


@pytest.mark.parametrize("gate", [-0.1, 1.5])
def test_a_gate_that_is_no_share_is_refused(gate):
    with pytest.raises(ProfileError, match=r"judges\.selection\.gate"):
        load_profile("smoke", {"judges.selection.gate": gate})


def test_the_judge_that_selects_never_reports():
    """Not even by another score of the same model."""
    same = {"kind": "scene_quality", "model": "embedded:parts"}
    with pytest.raises(ProfileError, match="embedded:parts, which also reports"):
        load_profile("smoke", {"judges.selection.quality": same})
    clip = {"kind": "clip_score", "model": "a/b", "revision": "other"}
    with pytest.raises(ProfileError, match="a/b, which also reports"):
        load_profile(
            "smoke", {"judges.faithfulness": {**clip, "revision": "one"}, "judges.selection.faithfulness": clip}
        )


def test_one_judge_for_both_questions_is_refused():
    pick = {"kind": "pickscore", "model": "a/b"}
    with pytest.raises(ProfileError, match="both would be one number"):
        load_profile("smoke", {"judges.quality": pick, "judges.faithfulness": pick})


def test_an_unknown_key_of_a_judge_is_named_with_those_that_exist():
    with pytest.raises(ProfileError, match=r"judges\.selection\.speed: unknown key; .*: quality, faithfulness, gate"):
        load_profile("smoke", {"judges.selection.speed": 1})
    with pytest.raises(ProfileError, match=r"judges\.others\.0\.name: unknown key; .*: kind, model, revision"):
        load_profile("smoke", {"judges.others": [{**MATCH, "name": 1}]})
