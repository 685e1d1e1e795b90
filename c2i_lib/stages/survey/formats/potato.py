"""Potato (Pei et al. 2022): annotations of instances whose id, or shown text, holds an item's id.

In: an ``annotated_instances.jsonl`` (in a folder of the annotator's name), the whole output folder of a project, or
what Potato exports: JSON Lines (``instance_id, user_id, labels``) and CSV or TSV (``instance_id``, ``user_id`` or
``user``, and a column for each label: ``quality.good`` or ``quality:::good``). A scheme asks the question that its
name names; a label is a point (``scale_3`` of a Likert scheme, or ``3``), a name of a point, or "cannot judge"; a text
scheme whose name has "comment" is the comment. Out: an answers table. Left out, with a note: instances without a scheme
of ours, such as consent and test pages. Ignored: spans and times, because Potato keeps no date of an annotation.

Formats as in https://github.com/davidjurgens/potato (``potato/export/tabular_exporter.py``, and ``save_user_state`` of
versions before 2); read from its source, and not tried with a running Potato.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from c2i_lib.config import Survey
from c2i_lib.errors import C2IError
from c2i_lib.stages.survey.formats.answers import GivenAnswer, build_answers
from c2i_lib.stages.survey.formats.csv_files import read_rows, read_text
from c2i_lib.stages.survey.formats.mapping import COMMENT, find_item, find_question

INSTANCES = "annotated_instances.jsonl"
_SCALE = re.compile(r"scale_(\d+)")
_USERS = ("user_id", "user")
_NOT_CHOSEN = ("", "false", "none", "null", "nan", "[]")


class Annotation(NamedTuple):
    """What one annotator said of one instance: scheme → label → value, where only chosen labels have a value."""

    where: str
    rater: str
    instance: str
    shown: str
    labels: dict[str, dict[str, object]]


def is_potato(record: object) -> bool:
    """Whether a line of a JSON Lines file is Potato's."""
    return isinstance(record, dict) and (
        "label_annotations" in record or "annotation" in record or {"instance_id", "labels"} <= set(record)
    )


def is_potato_header(names: list[str]) -> bool:
    """Whether the columns of a CSV file are those of Potato's export."""
    return "instance_id" in names and any(name in names for name in _USERS)


def _from_json(path: Path, where: str) -> Iterator[Annotation]:
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise C2IError(f"{path}, line {number}: expected JSON Lines of Potato ({error}); export it again") from None
        if not is_potato(record):
            raise C2IError(f"{path}, line {number}: expected label_annotations of an instance; is it Potato's file?")
        labels = next(record[key] for key in ("label_annotations", "annotation", "labels") if key in record)
        labels = {scheme: value if isinstance(value, dict) else {"": value} for scheme, value in labels.items()}
        rater = next((str(record[key]) for key in _USERS if record.get(key)), path.absolute().parent.name)
        instance, shown = (str(record.get(key, "")) for key in ("instance_id", "displayed_text"))
        yield Annotation(f"{where}line {number}", rater, instance or str(record.get("id", "")), shown, labels)


def _from_csv(path: Path) -> Iterator[Annotation]:
    header, *rows = read_rows(path)
    names = [name.strip() for name in header.cells]
    if not is_potato_header(names):
        raise C2IError(f"{path}, line 1: no column instance_id, or none of {', '.join(_USERS)}: is it Potato's export?")
    for row in rows:
        cell, labels = dict(zip(names, row.cells, strict=True)), {}
        for name, value in cell.items():
            scheme, mark, label = name.partition(":::") if ":::" in name else name.partition(".")
            if mark:
                labels.setdefault(scheme, {})[label] = value
        rater = next(cell[key] for key in _USERS if key in cell)
        yield Annotation(f"line {row.line}", rater.strip(), cell["instance_id"], cell.get("displayed_text", ""), labels)


def _annotations(path: Path) -> Iterator[Annotation]:
    if path.is_dir():
        files = sorted(path.glob(f"*/{INSTANCES}"))
        if not files:
            raise C2IError(f"{path}: no */{INSTANCES}: expected the output folder of a Potato project")
        for file in files:
            yield from _from_json(file, f"{file.parent.name}/{INSTANCES}, ")
    elif path.suffix.lower() in (".csv", ".tsv"):
        yield from _from_csv(path)
    else:
        yield from _from_json(path, "")


def _chosen(labels: dict[str, object]) -> list[str]:
    """The labels of a scheme that were chosen: those with a value. Of a label without a name, its value."""
    chosen = []
    for label, value in labels.items():
        if str(value).strip().lower() not in _NOT_CHOSEN:
            point = _SCALE.fullmatch(label)
            chosen.append(point[1] if point else label or str(value))
    return chosen


def read_potato(path: Path, items: pd.DataFrame, settings: Survey) -> pd.DataFrame:
    """Answers from Potato's files, or from its output folder.

    Raises ``C2IError`` with line and scheme of everything that is wrong, also where several labels were chosen.
    """
    given, problems, foreign, known = [], [], 0, set(items["item_id"])
    for one in _annotations(Path(path)):
        asked = {scheme: find_question(scheme.replace("_", " "), settings) for scheme in one.labels}
        texts = [
            str(text) for scheme, labels in one.labels.items() if asked[scheme] == COMMENT for text in labels.values()
        ]
        rated = {scheme: question for scheme, question in asked.items() if question not in ("", COMMENT)}
        foreign += not rated
        item_id = find_item(one.instance, known) or find_item(one.shown, known) or one.instance
        for scheme, question in rated.items():
            chosen = _chosen(one.labels[scheme])
            if len(chosen) > 1:
                problems.append(
                    f"{one.where}, scheme {scheme!r}: expected one label, found {', '.join(chosen)}; keep one"
                )
                continue
            comment = "\n".join(text for text in texts if text.strip().lower() not in _NOT_CHOSEN)
            value = chosen[0] if chosen else ""
            given.append(GivenAnswer(one.where, one.rater, item_id, question, value, "", comment, scheme))
    notes = [f"{foreign} instances ask none of our questions and are left out"] if foreign else []
    return build_answers(given, items, settings, path, problems, notes)
