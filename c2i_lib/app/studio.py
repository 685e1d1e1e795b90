"""The tool at work for the page: prompts, pictures, the best of several, a batch; each step as soon as it is done.

In: what was asked for (``asked.py``) and a run. Out: prompts and saved pictures, by ``generator``. Models are loaded
when they are first needed, one arm's at a time, and used by one at a time. Nothing explicit is drawn here. Ignored:
browsers.
"""

from __future__ import annotations

import csv
import io
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path

from c2i_lib.app.asked import Asked
from c2i_lib.app.showing import command_line, command_of
from c2i_lib.errors import C2IError
from c2i_lib.generator import Choice, ConceptToImage, Picture, Renderer, Written
from c2i_lib.generator.rendering import run_folder
from c2i_lib.generator.sheet import check
from c2i_lib.generator.tool import arguments_of
from c2i_lib.generator.writing import default_arm
from c2i_lib.records.files import atomic_path, hash_of
from c2i_lib.run.places import Run
from c2i_lib.study import ARMS, FINETUNED_ARMS
from c2i_lib.text.explicit import is_explicit, read_words

BARE = "concept_only"  # the arm of the bare concept


@dataclass(frozen=True)
class Row:
    """A picture of a batch, or a ``note`` why there is none; its ``file`` in the ZIP; the command that makes it."""

    concept: str
    prompt: str = ""
    note: str = ""
    seed: str = ""
    file: str = ""
    command: str = ""


COLUMNS = [one.name for one in fields(Row)]


class Studio:
    """The models of ``run``, for all who use the page; pictures are saved in ``folder``."""

    def __init__(self, run: Run, folder: Path):
        self.run, self.folder, self.renderer = run, Path(folder), Renderer(run)
        self._lock, self._tool = threading.Lock(), None

    @cached_property
    def arms(self) -> list[str]:
        """Who can write here, the default first."""
        finetuned = [arm for arm in FINETUNED_ARMS if (self.run.folder(2) / arm / "stage.json").is_file()]
        others = [arm for arm in ARMS if arm not in FINETUNED_ARMS]
        return list(dict.fromkeys([default_arm(self.run), *finetuned, *others, *self.run.profile.prompts.models]))

    @contextmanager
    def tool(self, arm: str) -> Iterator[ConceptToImage]:
        """The tool of an arm (empty: the default one), for one user at a time. Raises ``C2IError`` for one that is not
        there."""
        with self._lock:
            arm = arm or self.arms[0]
            if self._tool is None or self._tool.arm != arm:
                self._tool = None  # before the next one is loaded
                self._tool = ConceptToImage(self.run, arm)
                self._tool.renderer = self.renderer
            yield self._tool

    def write(self, asked: Asked) -> list[Written]:
        """The prompts that are asked for. Raises ``C2IError`` as ``ConceptToImage.write``, and for explicit words."""
        self.refuse_explicit(asked.concept, "the concept")
        with self.tool(asked.arm) as tool:
            return tool.write(asked.concept, asked.n, asked.seed, asked.wishes)

    def compare(self, prompts: Sequence[Written]) -> Iterator[Picture]:
        """Of each prompt the bare concept's picture and then its own, from the same noise, as they are made."""
        wanted = []
        for number, one in enumerate(prompts, 1):
            self.refuse_explicit(check(one, f"prompt {number}").prompt, f"prompt {number}")
            bare = Written(one.concept, one.seed, one.concept, BARE, one.sample)
            wanted += [bare, one] if one.concept and one.arm != BARE else [one]
        for one in wanted:
            yield self._render(one)

    def choose(self, asked: Asked, best_of: int) -> Choice:
        """The best of so many pictures. Raises ``C2IError`` as ``ConceptToImage.choose``."""
        self.refuse_explicit(asked.concept, "the concept")
        with self.tool(asked.arm) as tool:
            return tool.choose(asked.concept, 1, best_of, None, asked.seed, self.folder, asked.wishes)

    def batch(self, concepts: Sequence[str], asked: Asked) -> Iterator[Row]:
        """Pictures of each concept as ``asked`` has it, one by one; a concept that cannot be drawn says why."""
        for concept in concepts:
            own = replace(asked, concept=concept)
            try:
                for one in self.write(own):
                    self.refuse_explicit(one.prompt, "the prompt")
                    picture = self._render(one)
                    note = "; ".join([*([picture.flagged] if picture.flagged else []), *one.notes])
                    yield Row(concept, one.prompt, note, str(one.seed), picture.path.name, command_of(picture))
            except C2IError as error:
                yield Row(concept, note=str(error))

    def refuse_explicit(self, text: str, what: str) -> None:
        """Raise ``C2IError`` for a text that has a word of the run's blacklist."""
        if is_explicit([text], read_words(self.run.profile.captions.explicit_words))[0]:
            raise C2IError(
                f"{what} has a word of the blacklist of explicit words, and this page draws none: say it in other words"
            )

    def command(self, asked: Asked) -> str:
        """The command that writes the same prompts."""
        words = arguments_of(asked.wishes, None)
        arguments = ["write", asked.concept, "-n", asked.n, "--arm", asked.arm or self.arms[0], "--seed", asked.seed]
        return command_line([*arguments, *words], run_folder(self.run), self.run.profile.name)

    def _render(self, one: Written) -> Picture:
        with self._lock:
            (picture,) = self.renderer.render([one], self.folder)
        return picture


def table_csv(rows: Sequence[Row]) -> str:
    """The table of a batch as CSV."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return file.getvalue()


def zip_batch(folder: Path, rows: Sequence[Row]) -> Path:
    """A ZIP in ``folder`` with the pictures of a batch, as they are, and ``pictures.csv``."""
    path = folder / "batches" / f"c2i-{hash_of([asdict(row) for row in rows])[:12]}.zip"
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr("pictures.csv", table_csv(rows))
        for name in dict.fromkeys(row.file for row in rows if row.file):
            archive.write(folder / name, name)
    return path
