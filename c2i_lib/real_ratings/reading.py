"""A table of ratings from anywhere → rows as the statistics take them.

In: a CSV (or Parquet) file with a row per rating, or per rater and item with a column per question, and which of its
columns is what. Out: a ``RatedTable``. Ignored: all other columns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from c2i_lib.errors import C2IError
from c2i_lib.stages.survey.formats.csv_files import read_rows, unique_names

ROLES = {
    "item": "what was rated: a picture, or a prompt that every arm has a picture of",
    "arm": "what is compared, such as the model",
    "concept": "what the picture should show; intervals resample concepts, so that it may be the item itself",
    "rater": "who rated",
}
RATING, JUDGE, QUESTION = "rating", "judge", "question"
_NOT_JUDGED = ("", "na", "n/a", "nan", "none", "null")
_MOST_POINTS = 21
_HOW_TO_MAP = (
    "say which column is which: --map item=COLUMN arm=COLUMN concept=COLUMN rater=COLUMN rating=COLUMN (one column may "
    "be two, such as item and concept; several questions: rating:NAME=COLUMN)"
)


@dataclass(frozen=True)
class RatedTable:
    """``ratings``: a row per rating, with ``question, arm, concept, prompt_id, image_id, rater, rating, kind``.

    ``scores``: judges' scores as ``validity.judge_validity`` takes them; empty without judges. ``points``: all points
    of the scale. ``notes``: what a reader must know about how the rows came about.
    """

    ratings: pd.DataFrame
    scores: pd.DataFrame
    points: range
    notes: tuple[str, ...]


def parse_scale(text: str) -> range | None:
    """``"1-5"`` as all points of the scale; an empty text is None: as the ratings have it."""
    if not text:
        return None
    found = re.fullmatch(r"\s*(-?\d+)\s*(?:-|–|\.\.|to)\s*(-?\d+)\s*", text)
    if not found:
        raise C2IError(f"--scale: expected the lowest and the highest point, such as 1-5, found {text!r}")
    low, high = map(int, found.groups())
    if not 2 <= high - low + 1 <= _MOST_POINTS:
        raise C2IError(f"--scale: expected 2 to {_MOST_POINTS} points, the lowest first, found {text!r}")
    return range(low, high + 1)


def read_rated_table(path: Path, mapping: Mapping[str, str], scale: str = "") -> RatedTable:
    """The ratings of a file. ``mapping``: role → column; what is not named has the column of its own name.

    Raises ``C2IError`` for a file that is no such table, columns that are missing, ratings that are no numbers or off
    the scale, and a picture that one rater rated twice.
    """
    rows = _read(Path(path))
    roles, questions, judges = _columns(mapping, list(rows.columns.drop("line")), path)
    points = parse_scale(scale)
    ratings = _long(rows, roles, questions, path)
    values, notes = _numbers(ratings, path), []
    unjudged = int(values.isna().sum())
    ratings = ratings.assign(rating=values).dropna(subset=["rating"]).reset_index(drop=True)
    if ratings.empty:
        raise C2IError(f"{path}: column {', '.join(questions.values())} holds no rating")
    if unjudged:
        notes.append(f"{unjudged} of {unjudged + len(ratings)} ratings are empty and left out")
    if points is None:
        points = _scale_found(ratings["rating"], path)
        notes.append(
            f"the scale is taken to be {points[0]} to {points[-1]}, the lowest and highest rating; --scale would say it"
        )
    _check_scale(ratings, points, path)
    _check_doubles(ratings, path)
    _check_concepts(ratings, path)
    scores = _scores(rows, roles, judges, list(dict.fromkeys(ratings["question"])), path)
    ratings, left_out = _complete(ratings, path)
    return RatedTable(ratings.drop(columns="line"), scores, points, (*notes, *left_out, *_confounded(ratings)))


def _read(path: Path) -> pd.DataFrame:
    """All cells as text, and ``line``, the line of the file that a row begins at."""
    if path.suffix == ".parquet":
        if not path.is_file():
            raise C2IError(f"{path} does not exist: expected a table of ratings")
        try:
            table = pd.read_parquet(path).astype(object)
        except ValueError as error:  # of pyarrow
            raise C2IError(f"{path} is no Parquet file that can be read ({error}): write it again, or as CSV") from None
        return table.where(table.notna(), "").astype(str).assign(line=range(1, len(table) + 1))
    header, *rows = read_rows(path)
    if not rows:
        raise C2IError(f"{path} has a header and no row: expected a row per rating")
    table = pd.DataFrame([row.cells for row in rows], columns=unique_names(header.cells), dtype=str)
    return table.apply(lambda column: column.str.strip()).assign(line=[row.line for row in rows])


def _columns(mapping: Mapping[str, str], header: list[str], path: Path) -> tuple[dict, dict, dict]:
    """Columns of the roles, of the questions and of the judges, by name. Raises ``C2IError`` for what is missing."""
    kinds = {key: key.partition(":") for key in mapping}
    unknown = [key for key, (kind, _, _) in kinds.items() if kind not in (*ROLES, RATING, JUDGE, QUESTION)]
    if unknown:
        known = ", ".join((*ROLES, QUESTION, RATING, f"{RATING}:NAME", JUDGE, f"{JUDGE}:NAME"))
        raise C2IError(f"--map: unknown role {unknown[0]!r}: expected one of {known}")
    roles = {role: mapping.get(role, role) for role in ROLES}
    questions, judges = (
        {name or mapping[key]: mapping[key] for key, (kind, _, name) in kinds.items() if kind == part}
        for part in (RATING, JUDGE)
    )
    questions = questions or {RATING: RATING}
    if QUESTION in mapping:
        if len(questions) > 1:
            raise C2IError("--map: with a column of questions there is one column of ratings; leave one of them out")
        roles[QUESTION] = mapping[QUESTION]
    wanted = [*roles.items(), *((RATING, column) for column in questions.values())]
    wanted += [(JUDGE, column) for column in judges.values()]
    missing = [
        f"{role} (column {column!r}: {ROLES.get(role, role)})" for role, column in wanted if column not in header
    ]
    if missing:
        raise C2IError(
            f"{path}: no {'; no '.join(missing)}. The file has the columns {', '.join(header)}; {_HOW_TO_MAP}"
        )
    return roles, questions, judges


def _image_ids(rows: pd.DataFrame, roles: Mapping[str, str]) -> pd.Series:
    """An id for each picture: an item of an arm, because a prompt may be the item of every arm."""
    return rows[roles["arm"]] + " / " + rows[roles["item"]]


def _long(rows: pd.DataFrame, roles: Mapping[str, str], questions: Mapping[str, str], path: Path) -> pd.DataFrame:
    """A row per rating, still text. Raises ``C2IError`` where a row does not say what it is of."""
    for role, column in roles.items():
        empty = rows.loc[rows[column] == "", "line"]
        if len(empty):
            raise C2IError(f"{path}, line {empty.iloc[0]}: column {column!r} ({role}) is empty; fill it in")
    keys = {role: rows[roles[role]] for role in ("arm", "concept", "rater")}
    keys |= {"item": rows[roles["item"]], "image_id": _image_ids(rows, roles), "line": rows["line"], "kind": "image"}
    parts = []
    for name, column in questions.items():
        asked = rows[roles[QUESTION]] if QUESTION in roles else name
        parts.append(pd.DataFrame({**keys, "rating": rows[column]}).assign(question=asked, column=column))
    return pd.concat(parts, ignore_index=True).assign(prompt_id=lambda table: table["image_id"])


def _numbers(ratings: pd.DataFrame, path: Path) -> pd.Series:
    """The ratings as numbers, NaN where there is none. Raises ``C2IError`` for other text."""
    text = ratings["rating"]
    values = pd.to_numeric(text.where(~text.str.lower().isin(_NOT_JUDGED)), errors="coerce")
    wrong = ratings[values.isna() & ~text.str.lower().isin(_NOT_JUDGED) | np.isinf(values)]
    if len(wrong):
        row = wrong.iloc[0]
        raise C2IError(
            f"{path}, line {row['line']}: expected a number in column {row['column']!r}, found {row['rating']!r} "
            f"({len(wrong)} such {'rating' if len(wrong) == 1 else 'ratings'}); names of points must be replaced by "
            "their numbers, and what could not be judged left empty"
        )
    return values


def _scale_found(values: pd.Series, path: Path) -> range:
    low, high = int(np.floor(values.min())), int(np.ceil(values.max()))
    if not 2 <= high - low + 1 <= _MOST_POINTS:
        raise C2IError(
            f"{path}: the ratings go from {values.min():g} to {values.max():g}, which is no scale of 2 to "
            f"{_MOST_POINTS} points: give it, such as --scale 1-5"
        )
    return range(low, high + 1)


def _check_scale(ratings: pd.DataFrame, points: range, path: Path) -> None:
    """Raises ``C2IError`` for a rating that is no point of the scale."""
    off = ratings[~ratings["rating"].isin(list(points))]
    if len(off):
        row = off.iloc[0]
        raise C2IError(
            f"{path}, line {row['line']}: rating {row['rating']:g} of rater {row['rater']!r} is no point of the scale "
            f"{points[0]} to {points[-1]} ({len(off)} of {len(ratings)} are not): correct the file, or give the scale "
            "that was shown, such as --scale 1-7"
        )


def _check_doubles(ratings: pd.DataFrame, path: Path) -> None:
    """Raises ``C2IError`` where one rater rated one picture twice: which of the two counts, only a person can say."""
    keys = ["question", "image_id", "rater"]
    doubles = ratings[ratings.duplicated(keys, keep=False)]
    if len(doubles):
        first = doubles.iloc[0]
        lines = doubles.loc[(doubles[keys] == first[keys]).all(axis=1), "line"].tolist()
        raise C2IError(
            f"{path}, lines {', '.join(map(str, lines[:4]))}: rater {first['rater']!r} rated item {first['item']!r} of "
            f"arm {first['arm']!r} {len(lines)} times (in all {ratings.duplicated(keys).sum()} ratings too many): keep "
            "one of them; where they are different pictures, map item to a column that tells them apart"
        )


def _check_concepts(ratings: pd.DataFrame, path: Path) -> None:
    """Raises ``C2IError`` for a picture of two concepts."""
    concepts = ratings.groupby("image_id", sort=False)["concept"].nunique()
    if (concepts > 1).any():
        image = concepts.index[concepts > 1][0]
        names = ratings.loc[ratings["image_id"] == image, "concept"].unique()[:3].tolist()
        raise C2IError(
            f"{path}: item {image!r} has the concepts {', '.join(map(repr, names))}: expected one; map item to a "
            "column that tells pictures apart, or correct the file"
        )


def _scores(
    rows: pd.DataFrame, roles: Mapping[str, str], judges: Mapping[str, str], questions: list[str], path: Path
) -> pd.DataFrame:
    """``image_id, judge, question, score``: each judge against each question. Raises ``C2IError`` where a picture
    has several scores, or all have the same."""
    parts = [pd.DataFrame(columns=["image_id", "judge", "question", "score"])]
    for judge, column in judges.items():
        cells = pd.DataFrame({"rating": rows[column], "line": rows["line"], "column": column})
        scores = pd.DataFrame({"image_id": _image_ids(rows, roles), "score": _numbers(cells, path)}).dropna()
        scores = scores.drop_duplicates()
        twice = scores[scores.duplicated("image_id", keep=False)]
        if len(twice):
            image = twice["image_id"].iloc[0]
            found = ", ".join(f"{score:g}" for score in twice.loc[twice["image_id"] == image, "score"][:3])
            raise C2IError(f"{path}: judge {judge!r} gives item {image!r} the scores {found}: expected one a picture")
        if scores["score"].nunique() < 2:
            raise C2IError(f"{path}: judge {judge!r} (column {column!r}) gives all pictures the same score, or none")
        parts += [scores.assign(judge=judge, question=question) for question in questions]
    return pd.concat(parts[1:] or parts, ignore_index=True)


def _complete(ratings: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """The ratings of concepts that every arm has, question by question, and what was left out."""
    kept, notes = [], []
    for question, group in ratings.groupby("question", sort=False):
        n_arms = group.groupby("concept", sort=False)["arm"].nunique()
        lacking = n_arms.index[n_arms < group["arm"].nunique()].tolist()
        if len(lacking) == len(n_arms):
            raise C2IError(
                f"{path}: no concept has ratings of {question} in every arm ({', '.join(group['arm'].unique()[:6])}), "
                "and arms are compared over the same concepts: leave out the arms that lack them, or map concept to "
                "what the arms have in common"
            )
        if lacking:
            names = ", ".join(lacking[:3]) + (", …" if len(lacking) > 3 else "")
            notes.append(f"{question}: {len(lacking)} of {len(n_arms)} concepts lack an arm and are left out: {names}")
        kept.append(group[~group["concept"].isin(lacking)])
    return pd.concat(kept, ignore_index=True), notes


def _confounded(ratings: pd.DataFrame) -> list[str]:
    """Raters who rated one arm only, where there are several: their severity looks like the arm's effect."""
    if ratings["arm"].nunique() < 2:
        return []
    n_arms = ratings.groupby("rater", sort=False)["arm"].nunique()
    names = n_arms.index[n_arms == 1].tolist()
    if not names:
        return []
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return [
        f"{len(names)} of {len(n_arms)} raters rated in one arm only ({shown}): how severe they are cannot be told "
        "from what the arm does"
    ]
