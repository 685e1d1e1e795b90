"""Training: pictures that raters see before the first one that counts, each with what is expected and why.

In: the profile's ``survey.training``. Out, in ``06_survey/``: ``training.parquet`` (``TRAINING_COLUMNS``: an item a
row, in the order shown; empty where training is off) and ``training/<item_id>.png`` without metadata. Anchors are
scenes of the embedded world, of which it is known what they show: they name the ends of both scales. None is a picture
of the study. Ignored: what raters answer (``web/training.py``), which never counts as a rating.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from c2i_lib.config import Survey
from c2i_lib.embedded.known_scenes import flawed_picture_of, known_scenes, picture_of
from c2i_lib.errors import C2IError
from c2i_lib.records.files import atomic_path, hash_of, seed_of, write_table
from c2i_lib.stages.survey.web.texts import load_texts
from c2i_lib.study import QUESTIONS

TRAINING_COLUMNS = {"item_id": "str", "concept": "str", "feedback": "str"}
# The ends of the expected range; NA: any answer.
TRAINING_COLUMNS |= {f"{end}_{question}": "Int64" for question in QUESTIONS for end in ("low", "high")}
_FLAWS = ("noise", "jpeg", "blur")  # of anchors, in turn: those that everybody sees


def expected_range(end: str, points: int) -> tuple[int, int]:
    """The lowest and the highest answer of the ``end`` "low" or "high" of a scale: its half, without the middle."""
    half = points // 2
    return (1, half) if end == "low" else (points - half + 1, points)


def anchors(settings: Survey, seed: int) -> list[tuple[dict, np.ndarray]]:
    """As many anchors as the profile asks for, each as the parts of its row and its picture, uint8 ``(h, w, 3)``: in
    turn clean with the right concept, clean with a wrong one, and spoiled with the right one."""
    texts, found = load_texts(settings.texts), []
    low, high = (expected_range(end, settings.scale_points) for end in ("low", "high"))
    scenes = known_scenes("thing", settings.training.anchors, seed_of(seed, "training"))
    for number, (scene, right, wrong) in enumerate(scenes):
        flaw = (_FLAWS[number // 3 % len(_FLAWS)], 1.0)
        picture = flawed_picture_of(scene, flaw, seed) if number % 3 == 2 else picture_of(scene)
        concept, quality, faithfulness, feedback = (
            (right, high, high, texts["anchor_good"]),
            (wrong, high, low, texts["anchor_wrong"]),
            (right, low, None, texts["anchor_spoiled"]),
        )[number % 3]
        row = {"concept": concept, "quality": quality, "faithfulness": faithfulness, "feedback": feedback}
        found.append((row, picture))
    return found


def own_items(settings: Survey) -> list[tuple[dict, np.ndarray]]:
    """The items that the profile declares, as ``anchors`` gives them. Raises ``C2IError`` for a file that is no
    picture."""
    found = []
    for number, item in enumerate(settings.training.items):
        try:
            with Image.open(item.picture) as picture:
                pixels = np.asarray(picture.convert("RGB"))
        except OSError as error:
            raise C2IError(
                f"survey.training.items.{number}.picture should be a picture such as a PNG file, found {item.picture} "
                f"({error}): give the path of one, or take the item out"
            ) from None
        found.append((item.model_dump(exclude={"picture"}), pixels))
    return found


def write_training(folder: Path, settings: Survey, seed: int) -> pd.DataFrame:
    """Write ``training.parquet`` and its pictures into ``folder``; returns the table."""
    rows = []
    for number, (row, pixels) in enumerate([*anchors(settings, seed), *own_items(settings)]):
        # By its content, too: an answer to another item never passes for an answer to this one.
        item_id = "t" + hash_of([seed, number, row, hash_of(pixels.tobytes().hex())])[:12]
        ranges = {name: row[name] or (pd.NA, pd.NA) for name in QUESTIONS}
        ends = {f"{end}_{name}": ranges[name][end == "high"] for name in QUESTIONS for end in ("low", "high")}
        rows.append({"item_id": item_id, "concept": row["concept"], "feedback": row["feedback"], **ends})
        with atomic_path(Path(folder) / "training" / f"{item_id}.png") as temporary:
            Image.fromarray(pixels).save(temporary)  # from pixels: no metadata comes along
    table = pd.DataFrame(rows, columns=list(TRAINING_COLUMNS))
    write_table(Path(folder) / "training.parquet", table, TRAINING_COLUMNS)
    return table
