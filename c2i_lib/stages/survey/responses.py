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
from c2i_lib.records.stage import read_table
from c2i_lib.stages.survey.formats.answers import CANNOT_JUDGE, COLUMNS
from c2i_lib.stages.survey.formats.own import answers_csv, table_csv
from c2i_lib.stages.survey.web.backups import DATABASE
from c2i_lib.stages.survey.web.database import read
from c2i_lib.stages.survey.web.store import read_answers
from c2i_lib.statistics.pairwise import pairs_of_ratings

_NO_ANSWERS = pd.DataFrame(columns=COLUMNS).astype({"rating": float})
TABLES = {  # what a researcher takes away, each with its columns
    "answers": COLUMNS,
    "comments": ["rater", "item_id", "comment"],
    "consents": ["rater", "consented_at", "text_sha256", "text", "withdrawn_at", "left_out", "replaces"],
    "history": ["number", "rater", "item_id", "field", "old", "new", "version", "at", "seen_ms"]
    + ["viewport_width", "viewport_height"],
    "places": ["rater", "given_at", "parameters"],
    "training": ["rater", "item_id", "question", "rating", "as_expected", "answered_at", "seen_ms"],
}
_QUERIES = {  # each with the first version of the database that has its tables
    "comments": (
        3,
        "SELECT rater, item_id, comment FROM comments JOIN raters USING (rater) "
        "WHERE comment != '' AND NOT left_out ORDER BY rater, item_id",
    ),
    "consents": (
        3,
        "SELECT rater, consented_at, consent_sha256, text, withdrawn_at, left_out, replaces "
        "FROM raters LEFT JOIN texts ON sha256 = consent_sha256 ORDER BY raters.rowid",
    ),
    "history": (5, f"SELECT {', '.join(TABLES['history'])} FROM history ORDER BY number"),
    "places": (4, f"SELECT {', '.join(TABLES['places'])} FROM places ORDER BY rowid"),
    "training": (
        6,
        f"SELECT rater, item_id, question, coalesce(CAST(rating AS TEXT), '{CANNOT_JUDGE}'), as_expected, answered_at, "
        "seen_ms FROM training ORDER BY rowid",
    ),
}
_EARLIER = {  # where a database is of an earlier version, and is not to be changed by who reads it
    "history": (3, f"SELECT {', '.join(TABLES['history'][:-2])}, NULL, NULL FROM history ORDER BY number")
}
PAIRS_FILE = "pairs.parquet"  # in the survey's folder, where raters see pairs
_APP = "app.parquet"  # the web app's answers, as they were when they were last read


def names_of_tables(survey_dir: Path) -> list[str]:
    """The tables that ``read_tables`` gives of this survey; one with pairs has one more."""
    return [*TABLES, *(["pairs"] if (Path(survey_dir) / PAIRS_FILE).is_file() else [])]


def _pairs(survey_dir: Path, answers: pd.DataFrame) -> pd.DataFrame:
    """Answers to pairs as ``pairwise`` has them: concept, rater, arms, question and left, tie or right."""
    items, pairs = read_table(Path(survey_dir) / "items.parquet"), read_table(Path(survey_dir) / PAIRS_FILE)
    return pairs_of_ratings(answers.merge(items[["item_id", "concept"]], on="item_id"), pairs)


def responses_folder(survey_dir: Path) -> Path:
    """Where answers of people are kept: beside the stage's folder, because they are data and not output."""
    return Path(survey_dir).parent / "06_responses"


def _app_answers(folder: Path) -> pd.DataFrame | None:
    """What raters gave in the web app, as it is now; None where the app was never started."""
    database = folder / DATABASE
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


def read_tables(survey_dir: Path) -> dict[str, pd.DataFrame]:
    """All that people have given, as tables to hand on; it writes nothing.

    ``answers`` (as in ``06_responses/*.parquet``); ``comments`` (``rater, item_id, comment``), also on items without an
    answer; ``consents`` (``rater, consented_at, text_sha256, text, withdrawn_at, left_out, replaces``); ``history``:
    every change in the web app (``number, rater, item_id, field, old, new, version, at, seen_ms, viewport_width,
    viewport_height``); ``places``: who came by the entry link (``rater, given_at, parameters``: those of the address,
    as JSON); ``training``: answers to the items of ``06_survey/training.parquet``, which are no ratings (``rater,
    item_id, question, rating, as_expected, answered_at, seen_ms``); where raters saw pairs, ``pairs``: their answers by
    arm (``pairwise.PAIRS_COLUMNS``). Those who are left out have no answers and comments; the history is never
    shortened.
    """
    folder = responses_folder(survey_dir)
    database = folder / DATABASE
    parts = [pd.read_parquet(path) for path in sorted(folder.glob("*.parquet")) if path.name != _APP]
    answers = pd.concat([*([_app_answers(folder)] if database.is_file() else []), *parts, _NO_ANSWERS])
    answers = answers.astype({name: "float64" if name == "rating" else "str" for name in COLUMNS})
    notes = answers.loc[answers["comment"] != "", ["rater", "item_id", "comment"]]
    given = {name: [] for name in _QUERIES}
    if database.is_file():
        for queries in (_EARLIER, _QUERIES):
            given |= {name: read(database, query, needs) or given[name] for name, (needs, query) in queries.items()}
    tables = {name: pd.DataFrame(given[name], columns=columns) for name, columns in TABLES.items() if name in given}
    comments = pd.concat([tables["comments"], notes]).drop_duplicates(ignore_index=True)
    tables = {"answers": answers.reset_index(drop=True), **tables, "comments": comments}
    return tables | ({"pairs": _pairs(survey_dir, tables["answers"])} if "pairs" in names_of_tables(survey_dir) else {})


def tables_csv(survey_dir: Path) -> dict[str, str]:
    """``read_tables`` as CSV texts: the one writer behind ``survey export`` and the researcher's page."""
    tables = read_tables(survey_dir)
    texts = {name: table_csv(table) for name, table in tables.items() if name != "answers"}
    return {"answers": answers_csv(tables["answers"]), **texts}
