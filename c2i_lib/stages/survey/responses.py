"""What people have answered in a run: the folder ``06_responses/`` beside the survey's own.

In: ``responses.sqlite`` of the web app, which may be taking answers at this moment, and the answers tables that
``survey import`` has put there. Out: all of them as answers tables, and a fingerprint by which a run knows that there
are others since. Ignored: whether an answer is right (``formats``), and links and instructions, which lie there too.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pandas as pd

from c2i_lib.errors import C2IError
from c2i_lib.records.files import hash_of, sha256_of, write_table
from c2i_lib.stages.survey.web.store import read_answers

_APP = "app.parquet"  # the web app's answers, as they were when they were last read


def responses_folder(survey_dir: Path) -> Path:
    """Where answers of people are kept: beside the stage's folder, because they are data and not output."""
    return Path(survey_dir).parent / "06_responses"


def _app_answers(folder: Path) -> pd.DataFrame | None:
    """What raters gave in the web app, as it is now; None where the app was never started."""
    database = folder / "responses.sqlite"
    if not database.is_file():
        return None
    try:
        return read_answers(database)
    except sqlite3.OperationalError as error:
        raise C2IError(
            f"{database} cannot be read now ({error}): close other programs that have it open, see that you may read "
            "it and its folder, and try again"
        ) from error


def gather_answers(survey_dir: Path) -> list[Path]:
    """All answers tables of a run: what raters gave in the web app, as it is now, and what was imported."""
    folder = responses_folder(survey_dir)
    answers = _app_answers(folder)
    if answers is not None:
        write_table(folder / _APP, answers)
    return sorted(folder.glob("*.parquet"))


def answers_fingerprint(survey_dir: Path) -> dict[str, str]:
    """A hash of each answers table that ``gather_answers`` would give; it writes nothing.

    It depends on the answers alone: a web app that has none yet is as one that was never started.
    """
    folder = responses_folder(survey_dir)
    hashes = {path.name: sha256_of(path) for path in sorted(folder.glob("*.parquet"))}
    answers = _app_answers(folder)
    if answers is not None:
        hashes[_APP] = hash_of(answers.to_dict("list"))
        if answers.empty:
            del hashes[_APP]
    return hashes
