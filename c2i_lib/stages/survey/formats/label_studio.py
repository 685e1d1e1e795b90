"""Label Studio: tasks for labs that use it, and their annotations.

In: items and their pictures; later the project's JSON or JSON-MIN export. Out: a folder to hand over (``tasks.json``,
``config.xml``, ``pictures/``, ``README.md``), which tells a rater the item's id and concept and nothing else; and an
answers table. Left out, with a note: annotations that were cancelled. Ignored: drafts and predictions.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from c2i_lib.config import Survey
from c2i_lib.errors import C2IError
from c2i_lib.records.files import atomic_path
from c2i_lib.stages.survey.formats.answers import CANNOT_JUDGE, GivenAnswer, build_answers, parse_iso, to_utc
from c2i_lib.stages.survey.formats.csv_files import read_text
from c2i_lib.study import QUESTIONS

COMMENT = "comment"  # the name of the text field
_PICTURES = "pictures"
_README = """# A survey for Label Studio

1. Start Label Studio with `LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true` and
   `LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT` set to the absolute path of this folder.
2. Create a project. Settings, Labeling Interface, Code: paste `config.xml`.
3. Settings, Cloud Storage, Add Source Storage, Local Files: the absolute path of `pictures` in this folder. Add it and
   do not sync it: the tasks are in `tasks.json`.
4. Import `tasks.json`. Settings, General, Task Sampling: random, so that each rater has another order.
5. In Label Studio Enterprise set the annotations a task to the number of raters (Settings, Quality). In the community
   edition each rater opens every task and creates an annotation of their own.
6. When all are done: Export, JSON. Give the file to `python -m c2i_lib survey import`.
"""


def _config(settings: Survey) -> str:
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Header", value="$concept")
    ElementTree.SubElement(view, "Image", name="image", value="$image")
    for question in QUESTIONS:
        asked = getattr(settings, question)
        ElementTree.SubElement(view, "Header", value=asked.text, size="4")
        attributes = {"name": question, "toName": "image", "choice": "single-radio", "required": "true"}
        choices = ElementTree.SubElement(view, "Choices", attributes, showInline="true")
        for point, label in enumerate(asked.labels, start=1):
            ElementTree.SubElement(choices, "Choice", value=f"{point} - {label}")
        ElementTree.SubElement(choices, "Choice", value=CANNOT_JUDGE)
    ElementTree.SubElement(view, "TextArea", name=COMMENT, toName="image", placeholder="Comment, if you like", rows="2")
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def write_label_studio(folder: Path, items: pd.DataFrame, settings: Survey, pictures: Path) -> None:
    """Write tasks for ``items``, in the order of their ids, and copy their pictures from ``pictures``.

    For one survey a project, give the items of one survey. Raises ``C2IError`` when a picture is missing.
    """
    folder, tasks = Path(folder), []
    for item in items.sort_values("item_id").itertuples():
        source, name = Path(pictures) / f"{item.item_id}.png", f"{_PICTURES}/{item.item_id}.png"
        if not source.is_file():
            raise C2IError(f"the picture {source} is missing: build the survey again (notebook 06)")
        with atomic_path(folder / name) as temporary:
            shutil.copyfile(source, temporary)
        concept = "" if pd.isna(item.concept) else str(item.concept)
        # No other column: arm, image_id, sample and kind would unblind the raters.
        data = {"item_id": item.item_id, "concept": concept, "image": f"/data/local-files/?d={name}"}
        tasks.append({"data": data})
    contents = {
        "tasks.json": json.dumps(tasks, indent=2, ensure_ascii=False) + "\n",
        "config.xml": _config(settings),
        "README.md": _README,
    }
    for name, text in contents.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _dict(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _rater(annotator: object) -> str:
    """An annotator's e-mail address, or their number where the export has only that."""
    if isinstance(annotator, dict):
        annotator = annotator.get("email") or annotator.get("id")
    if annotator is None:
        return ""
    return annotator if "@" in str(annotator) else f"annotator_{annotator}"


def _text(value: object) -> str:
    """The value of a Rating, Number, Choices or TextArea, in either export, as one text."""
    if isinstance(value, list):
        return "\n".join(_text(part) for part in value)
    inner = [_dict(value)[key] for key in ("rating", "number", "choices", "text") if key in _dict(value)]
    if inner:
        return _text(inner[0])
    return "" if value is None else str(value)


def _utc(annotation: dict) -> str:
    moment = parse_iso(str(annotation.get("updated_at") or annotation.get("created_at") or ""))
    return to_utc(moment) if moment and moment.tzinfo else ""


def _annotations(task: dict, where: str) -> Iterator[tuple[str, dict, object, dict[str, list[str]]]]:
    """Each annotation of a task that was not cancelled: place, record, annotator, and texts by control."""
    if "annotations" not in task:  # JSON-MIN: an annotation a record
        yield where, task, task.get("annotator"), {name: [_text(task[name])] for name in task}
        return
    for number, annotation in enumerate(map(_dict, task["annotations"] or []), start=1):
        if annotation.get("was_cancelled"):
            continue
        texts: dict[str, list[str]] = {}
        for result in map(_dict, annotation.get("result") or []):
            texts.setdefault(str(result.get("from_name")), []).append(_text(result.get("value")))
        yield f"{where}, annotation {number}", annotation, annotation.get("completed_by"), texts


def _read_tasks(path: Path) -> list:
    try:
        tasks = json.loads(read_text(path))
    except ValueError as error:
        raise C2IError(
            f"{path} is not JSON ({error}): expected Label Studio's JSON or JSON-MIN export; export it again"
        ) from None
    tasks = [tasks] if isinstance(tasks, dict) else tasks
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise C2IError(f"{path}: expected a list of tasks, as Label Studio's JSON or JSON-MIN export is")
    return tasks


def read_label_studio(path: Path, items: pd.DataFrame, settings: Survey) -> pd.DataFrame:
    """Answers from Label Studio's JSON or JSON-MIN export of tasks that ``write_label_studio`` wrote.

    A comment belongs to an annotation, so its text is on each of its rows. Raises ``C2IError`` with task, annotation
    and control of everything that is wrong.
    """
    given, problems, n_cancelled = [], [], 0
    for number, task in enumerate(_read_tasks(path), start=1):
        item_id = (_dict(task.get("data")) if "annotations" in task or "data" in task else task).get("item_id")
        if item_id is None:
            problems.append(f"task {number}: no data.item_id; expected a task of the tasks.json that c2i wrote")
            continue
        annotations = map(_dict, task.get("annotations") or [])
        n_cancelled += sum(bool(annotation.get("was_cancelled")) for annotation in annotations)
        for where, annotation, annotator, texts in _annotations(task, f"task {number}"):
            rater, moment = _rater(annotator), _utc(annotation)
            comment = "\n".join(text for text in texts.get(COMMENT, []) if text)
            for question in QUESTIONS:
                for text in texts.get(question, [""]):
                    given.append(GivenAnswer(where, rater, str(item_id), question, text, moment, comment, question))
    notes = [f"{n_cancelled} annotations were cancelled and are left out"] if n_cancelled else []
    return build_answers(given, items, settings, path, problems, notes)
