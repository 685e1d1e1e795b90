"""Pairs: two pictures of one concept from one noise seed, by two arms, side by side in one item.

In: rows of ``images.parquet``. Out: items of kind ``pair`` and, in ``06_survey/pairs.parquet`` (``PAIRS_COLUMNS``: for
the researcher only), which image stands on which side. Each arm of two is as often left as right, to within one.
Answers are 1 (left), 2 (no difference) and 3 (right), stored as ratings are. Ignored: how answers are analysed
(``statistics/pairwise.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from c2i_lib.config import Survey
from c2i_lib.config.survey import Question
from c2i_lib.errors import C2IError
from c2i_lib.records.files import hash_of, seed_of
from c2i_lib.records.stage import check_input, read_table
from c2i_lib.stages.survey.responses import PAIRS_FILE
from c2i_lib.stages.survey.web.texts import load_texts

PAIRS_COLUMNS = dict.fromkeys(("item_id", "left_image_id", "right_image_id", "left_arm", "right_arm"), "str")
_GAP = 0.06  # of a picture's width, white between the two


def is_pairwise(settings: Survey) -> bool:
    """Whether raters see two pictures side by side."""
    return settings.mode == "pairwise"


def asked(settings: Survey) -> Survey:
    """The settings with the questions that raters are asked: of pairs, three points with texts of ``survey.texts``."""
    if not is_pairwise(settings):
        return settings
    texts = load_texts(settings.texts)
    labels = (texts["pair_left"], texts["pair_tie"], texts["pair_right"])
    questions = {"quality": texts["pair_quality"], "faithfulness": texts["pair_faithfulness"]}
    made = {name: Question(text=text, labels=labels) for name, text in questions.items()}
    return settings.model_copy(update={"scale_points": len(labels), **made})


def make_pairs(images: pd.DataFrame, n_surveys: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Items of all surveys, and ``PAIRS_COLUMNS``: every two arms' images of a concept and sample, which have one seed.

    Pairs are dealt to the surveys in turn, two arms after two arms and concept by concept, and sides are drawn so that
    either arm is left in half of them. An image whose partner is not there (flagged) is not shown. Raises ``C2IError``
    where two arms have no pair.
    """
    arms, rows = sorted(set(images["arm"])), []
    by_arm = {
        arm: part.set_index(["concept", "sample"])["image_id"].sort_index() for arm, part in images.groupby("arm")
    }
    for pair in combinations(arms, 2):
        both = pd.concat([by_arm[arm].rename(arm) for arm in pair], axis=1, join="inner")
        if both.empty:
            raise C2IError(
                f"{' and '.join(pair)} should have images of one concept and sample, found none that are not flagged: "
                "render again with another seed, or leave one of them out of survey.arms"
            )
        turned = np.random.default_rng(seed_of(seed, "sides", *pair)).permutation(len(both)) % 2
        for number, ((concept, sample), names) in enumerate(both.iterrows()):
            left, right = pair[::-1] if turned[number] else pair
            item_id = "i" + hash_of([str(seed), "pair", *map(str, names)])[:12]
            survey = f"survey_{len(rows) % n_surveys + 1}"
            rows.append((survey, item_id, concept, sample, names[left], names[right], left, right))
    table = pd.DataFrame(rows, columns=["survey", "item_id", "concept", "sample", *list(PAIRS_COLUMNS)[1:]])
    items = table[["survey", "item_id", "concept", "sample"]].assign(kind="pair")
    return items.sort_values(["survey", "item_id"], ignore_index=True), table[list(PAIRS_COLUMNS)]


def side_by_side(left: Path, right: Path) -> Image.Image:
    """Both pictures in one, with a white gap. Raises ``C2IError`` where they are of different sizes."""
    with Image.open(left) as first, Image.open(right) as second:
        both = [np.asarray(picture.convert("RGB")) for picture in (first, second)]
    if both[0].shape != both[1].shape:
        raise C2IError(f"{left} and {right} should be of one size: render both with the same images.size")
    height, width = both[0].shape[:2]
    gap = np.full((height, max(2, round(width * _GAP)), 3), 255, np.uint8)
    return Image.fromarray(np.concatenate([both[0], gap, both[1]], 1))


def differ(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether pixels are others by more than one level of 255, which a picture differs by that was rendered again in
    another batch or on another processor."""
    return before.shape != after.shape or np.abs(before.astype(int) - after).max() > 1


def pair_pictures(pairs: pd.DataFrame, images: pd.DataFrame, images_folder: Path) -> Iterator[tuple[str, Image.Image]]:
    """The item and the picture of each pair."""
    path_of = images.set_index("image_id")["path"]
    for pair in pairs.itertuples():
        sides = [images_folder / path_of[name] for name in (pair.left_image_id, pair.right_image_id)]
        for side in sides:
            check_input(side)
        yield pair.item_id, side_by_side(*sides)


def other_pairs(folder: Path, pairs: pd.DataFrame, images: pd.DataFrame, images_folder: Path) -> list[str]:
    """The items of a built survey whose pictures are others now, or gone, and new ones; ``pairs``: as they are now."""
    built = set(read_table(folder / PAIRS_FILE)["item_id"])
    others = sorted(built ^ set(pairs["item_id"]))
    for item_id, after in pair_pictures(pairs[pairs["item_id"].isin(built)], images, images_folder):
        with Image.open(folder / "pictures" / f"{item_id}.png") as picture:
            if differ(np.asarray(picture), np.asarray(after)):
                others.append(item_id)
    return others
