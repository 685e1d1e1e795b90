"""A run of tiny random models whose stages 01 and 04 are stood in for: enough for the tool, without training."""

import json
from pathlib import Path

import pandas as pd
from tiny_models import CAPTIONS

from c2i_lib.records.files import write_table
from c2i_lib.records.stage import Stage
from c2i_lib.run.places import Run, open_run


def make_run(folder: Path, language_model: Path, tti: Path, **more) -> Run:
    """Arms ``base``, ``concept_only`` and ``retrieved`` can write; pictures have 16 x 16 pixels."""
    small = {"images.model": str(tti), "images.size": 16, "images.steps": 2, "images.batch_size": 4}
    run = open_run("smoke", folder, overrides={"language_model.model": str(language_model), **small, **more})
    with Stage(run.folder(1), {}):
        table = pd.DataFrame({"text": [*CAPTIONS, *(f"{caption} at night" for caption in CAPTIONS)]})
        write_table(run.folder(1) / "finetune_train.parquet", table)
    (run.folder(1) / "length").mkdir()
    (run.folder(1) / "length" / "length.json").write_text(json.dumps({"tokens": 12}), encoding="utf-8")
    return run
