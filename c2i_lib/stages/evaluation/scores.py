"""Stage 08: images + concepts → automatic quality and faithfulness.

In: ``images.parquet`` and its pictures. Out: ``scores.parquet`` of the two reporting judges, ``others.parquet`` of
further ones, and ``selecting.parquet`` of those for the best of n, which never report; their columns are below.
Pictures are scored against their concept, never against their prompt; flagged ones are left out. They are read and
judged in batches, and one judge is loaded at a time. Ignored: which picture is selected
(``statistics/selection.py``).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from c2i_lib.config.judges import JudgeModel, Judges
from c2i_lib.errors import C2IError, DamagedStageError
from c2i_lib.models.judges import judge_name, load_judge, score_pictures
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage, check_input, read_table
from c2i_lib.study import QUESTIONS

SELECTING = tuple(f"selecting_{question}" for question in QUESTIONS)
SCORES_COLUMNS = {"image_id": "str", "arm": "str", "replicate": "int64", "concept": "str", "sample": "int64"}
SCORES_COLUMNS |= dict.fromkeys(QUESTIONS, "float64")
OTHERS_COLUMNS = {"image_id": "str", "judge": "str", "score": "float64"}
SELECTING_COLUMNS = {"image_id": "str", **dict.fromkeys(SELECTING, "float64")}


def sound_images(images_file: Path) -> pd.DataFrame:
    """The rows of ``images.parquet`` that are not flagged. Raises ``C2IError`` when none is left."""
    table = read_table(images_file)
    sound = table[table["flagged"] == ""].reset_index(drop=True)
    if sound.empty:
        raise C2IError(
            f"all images of {images_file} are flagged ({', '.join(sorted(set(table['flagged'])))}), so there is "
            "nothing to judge: for NaN try images.precision fp32; else another TTI model, or other prompts"
        )
    return sound


def read_pictures(images_file: Path, table: pd.DataFrame) -> Iterator[np.ndarray]:
    """The pictures of ``table``'s rows, one at a time.

    Raises ``DamagedStageError`` for one that is missing or is not the one that was rendered.
    """
    for name, digest in zip(table["path"], table["sha256"], strict=True):
        path = Path(images_file).parent / name
        content = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(content).hexdigest() != digest:
            check_input(path)  # says what is wrong, and how to mend it
            raise DamagedStageError(f"{path} is not the picture that {Path(images_file).name} lists")
        yield np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def _score_table(settings: JudgeModel, images_file: Path, table: pd.DataFrame, batch_size: int) -> np.ndarray:
    pictures = read_pictures(images_file, table)
    scores = score_pictures(load_judge(settings), pictures, list(table["concept"]), batch_size, judge_name(settings))
    return scores.round(5)


def score_images(images_file: Path, out_dir: Path, settings: Judges) -> pd.DataFrame:
    """Score every image that is not flagged against its concept, by the two reporting judges: ``SCORES_COLUMNS``."""
    folder = Path(out_dir)
    with Stage(folder, settings.model_dump(include=set(QUESTIONS)), [images_file], __name__) as stage:
        if not stage.done:
            table = sound_images(images_file)
            scores = {
                question: _score_table(getattr(settings, question), images_file, table, settings.batch_size)
                for question in QUESTIONS
            }
            write_table(folder / "scores.parquet", table.assign(**scores), SCORES_COLUMNS)
    return pd.read_parquet(folder / "scores.parquet")


def score_others(images_file: Path, out_dir: Path, settings: Judges) -> pd.DataFrame:
    """Scores of ``judges.others``, one row per judge and image (``OTHERS_COLUMNS``); empty without any."""
    folder = Path(out_dir)
    with Stage(folder, settings.model_dump(include={"others"}), [images_file], __name__) as stage:
        if not stage.done:
            table = sound_images(images_file)
            parts = [pd.DataFrame(columns=list(OTHERS_COLUMNS))]
            for judge in settings.others:
                scores = _score_table(judge, images_file, table, settings.batch_size)
                parts.append(table[["image_id"]].assign(judge=judge_name(judge), score=scores))
            write_table(folder / "others.parquet", pd.concat(parts[1:] or parts), OTHERS_COLUMNS)
    return pd.read_parquet(folder / "others.parquet")


def score_selecting(images_file: Path, out_dir: Path, settings: Judges) -> pd.DataFrame:
    """Scores of ``judges.selection``, which never report: ``SELECTING_COLUMNS``.

    Raises ``ProfileError`` when the profile names no such judges.
    """
    folder, selection = Path(out_dir), settings.need_selection()
    with Stage(folder, selection.model_dump(), [images_file], __name__) as stage:
        if not stage.done:
            table = sound_images(images_file)
            scores = {
                column: _score_table(getattr(selection, question), images_file, table, settings.batch_size)
                for column, question in zip(SELECTING, QUESTIONS, strict=True)
            }
            write_table(folder / "selecting.parquet", table.assign(**scores), SELECTING_COLUMNS)
    return pd.read_parquet(folder / "selecting.parquet")
