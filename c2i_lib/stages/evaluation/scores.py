"""Stage 08: images + concepts → automatic quality and faithfulness.

In: ``images.parquet`` and its pictures. Out: ``scores.parquet`` of the two reporting judges (``image_id, arm,
replicate, concept, sample, quality, faithfulness``), ``others.parquet`` of further ones (``image_id, judge, score``),
and ``selecting.parquet`` of those for the best of n (``image_id, selecting_quality, selecting_faithfulness``), which
never report. Pictures are scored against their concept, never against their prompt; flagged ones are left out. They
are read and judged in batches, and one judge is loaded at a time. Ignored: which picture is selected
(``selection.py``).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from c2i_lib.config import Profile
from c2i_lib.config.judges import JudgeModel
from c2i_lib.errors import C2IError, DamagedStageError
from c2i_lib.models.judges import judge_name, load_judge, score_pictures
from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage, check_input, read_table


def shown_images(images_file: Path) -> pd.DataFrame:
    """The rows of ``images.parquet`` that are not flagged. Raises ``C2IError`` when none is left."""
    table = read_table(images_file)
    shown = table[table["flagged"] == ""].reset_index(drop=True)
    if shown.empty:
        raise C2IError(
            f"all images of {images_file} are flagged ({', '.join(sorted(set(table['flagged'])))}), so there is "
            "nothing to judge: for NaN try images.precision fp32; else another TTI model, or other prompts"
        )
    return shown


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


def score_images(images_file: Path, out_dir: Path, profile: Profile) -> pd.DataFrame:
    """Score every image that is not flagged against its concept, by the two reporting judges."""
    folder, settings = Path(out_dir), profile.judges
    key = settings.model_dump(include={"quality", "faithfulness"})
    with Stage(folder, key, [images_file], __name__) as stage:
        if not stage.done:
            table = shown_images(images_file)
            scores = table[["image_id", "arm", "replicate", "concept", "sample"]].assign(
                quality=_score_table(settings.quality, images_file, table, settings.batch_size),
                faithfulness=_score_table(settings.faithfulness, images_file, table, settings.batch_size),
            )
            write_table(folder / "scores.parquet", scores)
    return pd.read_parquet(folder / "scores.parquet")


def score_others(images_file: Path, out_dir: Path, profile: Profile) -> pd.DataFrame:
    """Scores of ``judges.others``, a row for each judge and image: ``image_id, judge, score``; empty without any."""
    folder, settings = Path(out_dir), profile.judges
    with Stage(folder, settings.model_dump(include={"others"}), [images_file], __name__) as stage:
        if not stage.done:
            table = shown_images(images_file)
            parts = [pd.DataFrame({"image_id": pd.Series(dtype=str), "judge": pd.Series(dtype=str), "score": 0.0})]
            for judge in settings.others:
                scores = _score_table(judge, images_file, table, settings.batch_size)
                parts.append(table[["image_id"]].assign(judge=judge_name(judge), score=scores))
            write_table(folder / "others.parquet", pd.concat(parts, ignore_index=True))
    return pd.read_parquet(folder / "others.parquet")


def score_selecting(images_file: Path, out_dir: Path, profile: Profile) -> pd.DataFrame:
    """Scores of ``judges.selection``: ``image_id, selecting_quality, selecting_faithfulness``. They never report.

    Raises ``C2IError`` when the profile names no such judges.
    """
    folder, selection = Path(out_dir), profile.judges.selection
    if selection is None:
        raise C2IError(f"profile {profile.name} names no judges to select by: add judges.selection (see cpu.yaml)")
    with Stage(folder, selection.model_dump(), [images_file], __name__) as stage:
        if not stage.done:
            table, size = shown_images(images_file), profile.judges.batch_size
            scores = table[["image_id"]].assign(
                selecting_quality=_score_table(selection.quality, images_file, table, size),
                selecting_faithfulness=_score_table(selection.faithfulness, images_file, table, size),
            )
            write_table(folder / "selecting.parquet", scores)
    return pd.read_parquet(folder / "selecting.parquet")
