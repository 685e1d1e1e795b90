"""The quality of captions' pictures as the arm ``ft_good`` reads it: thirds of the training split.

In: ``finetune_train`` with its column ``quality``. Out: the borders, which stay with the checkpoint in
``quality_tags.json``, because captions are tagged by them wherever the model reads some. Ignored: texts.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from c2i_lib.errors import C2IError
from c2i_lib.records.files import write_json
from c2i_lib.text.quality_tags import Terciles

TERCILES_FILE = "quality_tags.json"


def terciles_of(train: pd.DataFrame) -> Terciles:
    """The borders of thirds of a training split. Raises ``C2IError`` where there is no quality to learn from."""
    qualities = train["quality"] if "quality" in train else pd.Series(dtype=float)
    try:
        return Terciles.of(qualities)
    except ValueError as error:
        found = "all the same" if qualities.notna().any() else "missing in all"
        raise C2IError(
            f"the arm ft_good learns from the quality of each caption's picture, which is {found} of the {len(train)} "
            "captions of finetune_train: name a column of numbers of your source with captions.quality_column, or "
            "leave ft_good out of finetuning.arms, prompts.arms and survey.arms"
        ) from error


def save_terciles(folder: Path, terciles: Terciles) -> None:
    """Write the borders into a checkpoint's folder."""
    write_json(Path(folder) / TERCILES_FILE, asdict(terciles))


def read_terciles(folder: Path) -> Terciles:
    """The borders that lie in a checkpoint's folder."""
    return Terciles(**json.loads((Path(folder) / TERCILES_FILE).read_text(encoding="utf-8")))
