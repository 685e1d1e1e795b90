"""Blind surveys: which picture is shown in which survey, in which order, under which opaque id.

In: ``images.parquet``. Out, in ``06_survey/``: ``items.parquet`` (``survey, position, item_id, image_id, arm,
concept``: for the researcher only) and, per survey, ``survey_<n>/`` with ``sheet.csv`` (``position, item_id,
concept, quality, faithfulness``; the last two for the rater to fill) and the pictures, named by ``item_id`` and
without metadata, so that nothing tells a rater the arm or the prompt.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from c2i_lib.config import Profile
from c2i_lib.files import atomic_path, hash_of, write_table
from c2i_lib.stage import check_input, read_table

QUESTIONS = ("quality", "faithfulness")


def assign(images: pd.DataFrame, n_surveys: int, seed: int) -> pd.DataFrame:
    """``items`` of all surveys. Arms, concepts and their pairs are spread evenly; the order is shuffled.

    Images are dealt to the surveys in turn, arm by arm. When whole arms fill a round of surveys, the deal moves on
    by one pair's images, so that a concept does not begin in the same survey in every arm.
    """
    random = np.random.default_rng(seed)
    arms = sorted(set(images["arm"]))
    per_arm, per_pair = images.groupby("arm").size().max(), images.groupby(["arm", "concept"]).size().max()
    period = math.lcm(int(per_arm), n_surveys) // int(per_arm)
    in_order = images.sort_values(["concept", "image_id"])
    rows = []
    for number, arm in enumerate(arms):
        shift = (number // period) * int(per_pair)
        for image in in_order[in_order["arm"] == arm].itertuples():
            survey = f"survey_{(len(rows) + shift) % n_surveys + 1}"
            item_id = "i" + hash_of([seed, image.image_id, image.sha256])[:12]
            rows.append((survey, item_id, image.image_id, image.arm, image.concept))
    items = pd.DataFrame(rows, columns=["survey", "item_id", "image_id", "arm", "concept"])
    items = items.iloc[random.permutation(len(items))].sort_values("survey", kind="stable", ignore_index=True)
    items.insert(1, "position", items.groupby("survey").cumcount() + 1)
    return items


def build_surveys(images_file: Path, folder: Path, profile: Profile) -> pd.DataFrame:
    """Write the surveys of the arms in ``profile.survey`` into ``folder``. Flagged images are not shown."""
    images = read_table(images_file)
    of_arms = images[images["arm"].isin(profile.survey.arms)]
    shown = of_arms[of_arms["flagged"] == ""]
    if len(shown) < len(of_arms):
        print(f"{len(of_arms) - len(shown)} flagged images are left out of the surveys")
    items = assign(shown, profile.survey.n_surveys, profile.seed)
    path_of = shown.set_index("image_id")["path"]
    for survey, group in items.groupby("survey"):
        sheet = group[["position", "item_id", "concept"]].assign(**{question: "" for question in QUESTIONS})
        with atomic_path(folder / survey / "sheet.csv") as temporary:
            sheet.to_csv(temporary, index=False)
        for item in group.itertuples():
            source = Path(images_file).parent / path_of[item.image_id]
            check_input(source)
            with Image.open(source) as image, atomic_path(folder / survey / f"{item.item_id}.png") as temporary:
                Image.fromarray(np.asarray(image.convert("RGB"))).save(temporary)
    write_table(folder / "items.parquet", items)
    return items
