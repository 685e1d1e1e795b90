"""The command ``c2i story``: a story → ``plan.yaml``, to look at and to edit, and its storyboard.

In: a file and options. Out: plan, panels and storyboard in a folder. An edited plan is kept. Ignored: how all is made.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from c2i_lib.errors import C2IError
from c2i_lib.records.files import sha256_of
from c2i_lib.stories.plan import Plan, drawn, read_plan, sealed, write_plan

PLAN = "plan.yaml"


def add_command(commands: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add ``story`` to the commands of the command line."""
    command = commands.add_parser(
        "story",
        parents=[common],
        help="plan and draw a story: who is in it, what each panel shows, a storyboard",
        epilog="Reads plain text, JSON of entities, events and summary, spaCy's DocBin (.spacy) and CoNLL-U (.conllu). "
        "Edit plan.yaml and run the same command again: what you changed stays. What each panel was made from, and the "
        "command that makes it again, stands in panels.parquet.",
    )
    command.add_argument("file", type=Path, help="the story")
    command.add_argument("--panels", type=_count, metavar="N", help="how many (default: 6, or as many as events)")
    command.add_argument("--out", type=Path, help="folder of plan and pictures (default: stories/<name of the file>)")
    command.add_argument("--plan-only", action="store_true", help="write the plan and draw nothing")
    command.add_argument("--arm", help="who writes the prompts (default: as of c2i imagine)")
    command.add_argument("--seed", type=int, default=0, help="another seed gives other prompts and pictures")
    command.add_argument(
        "--best-of",
        type=_count,
        default=1,
        metavar="N",
        help="draw each panel N times and keep one: of the half that shows the event best, the pictures of a character "
        "that are most alike (default: 1)",
    )
    command.set_defaults(function=story)


def story(args: argparse.Namespace) -> None:
    """Run the command. Raises ``C2IError`` for a story that cannot be planned, before anything is written."""
    out = args.out or Path("stories") / args.file.stem
    if out.exists() and not out.is_dir():
        raise C2IError(f"--out should be a folder, but {out} is a file: give another name")
    plan, news = plan_into(out / PLAN, args.file, args.panels)
    print("\n".join([*describe(plan), "", f"{out / PLAN}: {news}"]), flush=True)
    if not args.plan_only:
        _draw(plan, out, args)


def _draw(plan: Plan, out: Path, args: argparse.Namespace) -> None:
    """Write the prompts of a plan, render them and put them together."""
    from c2i_lib.generator import ConceptToImage
    from c2i_lib.run.ready import find_tool
    from c2i_lib.stories.drawing import draw_story
    from c2i_lib.stories.storyboard import dropped_note

    if not plan.panels:
        raise C2IError(f"{out / PLAN} has no panels: put one in, or delete the plan to have it made anew")
    tool = ConceptToImage(find_tool(args.profile, args.run_dir), args.arm)
    made, paths = draw_story(tool, plan, out, args.seed, args.best_of)
    for number, one in enumerate(made, 1):
        picture = one.picture
        flagged = f"  (flagged as {picture.flagged})" if picture.flagged else ""
        print(f"{number:>3}. {picture.path}  {picture.prompt}{flagged}")
        print(*(f"     {note}\n" for note in [dropped_note(one)] if note), sep="", end="")
        print(*(f"     note: {note}\n" for note in picture.source.notes), sep="", end="")
    print(*paths, sep="\n")


def plan_into(path: Path, file: Path, n_panels: int | None = None) -> tuple[Plan, str]:
    """The plan of the story in ``file``, kept at ``path``, and what was done.

    A plan at ``path`` that a person has edited is used as it is; one that nobody has is made anew. Raises ``C2IError``
    for an edited one of another story or number of panels.
    """
    from c2i_lib.stories.reading import plan_file

    old = read_plan(path) if path.is_file() else None
    if old and old.is_edited:
        source = sha256_of(file) if file.is_file() else ""
        wanted = str(n_panels or old.made.get("panels", ""))
        if old.made.get("source") != source or old.made.get("panels") != wanted:
            raise C2IError(
                f"{path} was edited, and was made from another text or for another number of panels "
                f"({old.made.get('panels', 'unknown')}): give another --out, ask for as many, or move the plan away"
            )
        return old, "edited by you, and kept"
    plan = plan_file(file, n_panels)
    plan = sealed(plan, sha256_of(file), n_panels)
    if plan == old:
        return plan, "as it was"
    write_plan(path, plan)
    return plan, "written; edit it, and run the same command again"


def describe(plan: Plan) -> list[str]:
    """A plan in lines for people."""
    lines = [plan.title, "characters: " + (", ".join(f"{one.name} ({one.look})" for one in plan.characters) or "none")]
    for number, panel in enumerate(plan.panels, 1):
        setting = ", ".join(part for part in (panel.place, panel.time) if part)
        lines.append(f"{number:>3}. {drawn(plan, panel)}{f'  [{setting}]' if setting else ''}")
        lines += [f"     uncertain: {one}" for one in panel.uncertain]
    return lines


def _count(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 100):
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 100, found {text!r}")
    return int(text)
