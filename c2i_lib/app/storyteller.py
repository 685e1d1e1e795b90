"""A story on the page: pasted or uploaded → its plan as YAML → the panels of the edited plan, one by one.

In: a text or a file, and a ``Studio``. Out: a plan, pictures, ``storyboard.html`` and what else is downloaded, by
``stories``. Ignored: how plans are made; DocBin, because a file of a stranger should hold nothing but text.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from c2i_lib.app.showing import command_line
from c2i_lib.app.studio import Studio
from c2i_lib.errors import C2IError
from c2i_lib.generator.rendering import run_folder
from c2i_lib.records.files import hash_of, sha256_of
from c2i_lib.stories.drawing import save_storyboard
from c2i_lib.stories.illustrating import PanelPicture, render_panels, write_panels
from c2i_lib.stories.plan import Plan, plan_text, read_plan, sealed, write_plan
from c2i_lib.stories.reading import plan_file

MAX_CHARACTERS = 100_000  # of a story: more would keep all others waiting for minutes
MAX_PANELS = 24
KINDS = (".txt", ".json", ".conllu")


def make_plan(text: str, upload: str | Path | None = None, n_panels: int | None = None) -> Plan:
    """The plan of a pasted story, or of an uploaded one. Raises ``C2IError`` for what is none, or too long."""
    name, kind, content = "story", ".txt", (text or "").encode("utf-8", "replace")
    if upload:
        upload = Path(upload)
        name, kind = re.sub(r"\W+", "_", upload.stem)[:60] or name, upload.suffix.lower()
        if kind not in KINDS:
            raise C2IError(f"a story should be a file of {', '.join(KINDS)}, found {upload.name[:100]}: give another")
        content = upload.read_bytes() if upload.stat().st_size <= 4 * MAX_CHARACTERS else b" " * 4 * MAX_CHARACTERS
    if (length := len(content.decode("utf-8", "replace"))) > MAX_CHARACTERS:
        found = "more" if upload else f"{length:,}"
        raise C2IError(
            f"a story on this page should have at most {MAX_CHARACTERS:,} characters, found {found}: "
            "give a part of it, or use c2i story"
        )
    if not content.strip():
        raise C2IError("the story is empty: paste one, or upload a file")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}{kind}"
        path.write_bytes(content)
        with _named(path, f"{name}{kind}"):
            return sealed(plan_file(path, n_panels), sha256_of(path), n_panels)


def read_edited(text: str) -> Plan:
    """The plan that a person has edited. Raises ``C2IError`` that says what is wrong with it."""
    if not (text or "").strip():
        raise C2IError("there is no plan yet: give a story and press Plan")
    if len(text) > 4 * MAX_CHARACTERS:
        raise C2IError(f"a plan should have at most {4 * MAX_CHARACTERS:,} characters, found {len(text):,}: shorten it")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.yaml"
        path.write_text(text, encoding="utf-8", errors="replace")
        with _named(path, "the plan"):
            plan = read_plan(path)
    if not 1 <= len(plan.panels) <= MAX_PANELS:
        raise C2IError(f"a plan on this page should have 1 to {MAX_PANELS} panels, found {len(plan.panels)}: edit it")
    return plan


class _named:
    """Within it, an error that names the path of a temporary file calls it by another name."""

    def __init__(self, path: Path, name: str):
        self.path, self.name = path, name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, C2IError) and str(self.path) in str(error):
            raise C2IError(str(error).replace(str(self.path), self.name)) from error


def story_folder(studio: Studio, plan: Plan, seed: int, arm: str) -> Path:
    """Where a storyboard is kept: the same plan, seed and arm have the same folder."""
    name = re.sub(r"\W+", "_", plan.title.lower()).strip("_").encode()[:60].decode(errors="ignore") or "story"
    return studio.folder / "stories" / f"{name}-{hash_of([plan_text(plan), seed, arm or studio.arms[0]])[:8]}"


def draw_panels(studio: Studio, plan: Plan, seed: int, arm: str) -> Iterator[PanelPicture]:
    """Each panel, as it is made. Raises ``C2IError`` that names the panel."""
    folder = story_folder(studio, plan, seed, arm)
    for number, panel in enumerate(plan.panels, 1):
        with studio.tool(arm) as tool:
            (one,) = write_panels(tool, replace(plan, panels=[panel]), seed)
            prompt = one.prompts[0].prompt
            studio.refuse_explicit(prompt, f"the prompt of panel {number} ({prompt!r})")
            (made,) = render_panels(tool, [one], folder / "panels")
        yield made


def put_together(studio: Studio, plan: Plan, seed: int, arm: str, made: Sequence[PanelPicture]) -> list[Path]:
    """The storyboard as page, PDF, sheet and table, the plan, and the panels' PNGs: what is downloaded."""
    folder = story_folder(studio, plan, seed, arm)
    boards = save_storyboard(made, plan.title, folder, run_folder(studio.run))
    write_plan(folder / "plan.yaml", plan)
    return [*boards, folder / "plan.yaml", *(one.picture.path for one in made)]


def story_command(studio: Studio, plan: Plan, seed: int, arm: str) -> str:
    """The command that draws the same storyboard from the story, where plan.yaml lies in the folder of ``--out``."""
    asked = plan.made.get("panels", "")
    panels = ["--panels", asked] if asked.isdecimal() else []
    arguments = ["story", "story.txt", *panels, "--arm", arm or studio.arms[0], "--seed", seed, "--out", "story"]
    return command_line(arguments, run_folder(studio.run), studio.run.profile.name)
