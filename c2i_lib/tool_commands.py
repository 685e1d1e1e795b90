"""``python -m c2i_lib write, render, imagine``: the person at the wheel. Thin: the work is in ``generator``.

In: concepts and wishes, or a file of prompts. Out: prompts and pictures, told line by line or as JSON. What is wrong
with a concept is told before a model is loaded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from c2i_lib.errors import C2IError
from c2i_lib.run.places import Run
from c2i_lib.run.ready import find_tool
from c2i_lib.study import ARMS
from c2i_lib.text.concepts import clean_concept

if TYPE_CHECKING:
    from c2i_lib.generator import Picture, Wishes, Written


def write(args: argparse.Namespace) -> None:
    """Write prompts. The TTI model is not loaded."""
    concepts = _concepts(args)
    from c2i_lib.generator import PromptWriter, Sheet, sheet_of
    from c2i_lib.generator.rendering import Renderer, run_folder

    wishes, run = _wishes(args), find_tool(args.profile, args.run_dir)
    Renderer(run).with_negative(args.negative)
    writer, n = PromptWriter(run, args.arm), 4 if args.n is None else args.n
    prompts = [one for concept in concepts for one in writer.write(concept, n, args.seed, wishes)]
    if args.json:
        print(sheet_of(Sheet(prompts, run_folder(run), args.negative)))
        return
    told: set[str] = set()
    for one in prompts:
        print(f"{one.prompt}{'  (explicit)' * one.explicit}\n    seed {one.seed}")
        _tell(one, told)


def render(args: argparse.Namespace) -> None:
    """Render prompts. No language model is loaded."""
    _check_folder(args.out)
    if (args.file is None) == (args.prompt is None):
        raise C2IError("expected a file of prompts, as c2i write --json makes it, or --prompt TEXT: give one of them")
    from c2i_lib.generator import Renderer, Sheet, Written, read_sheet

    if args.file:
        sheet = read_sheet(args.file)
    else:
        sheet = Sheet([Written(args.prompt, args.seed, args.concept, args.arm, args.sample)])
    own = args.profile is None and args.run_dir is None and sheet.run
    run = find_tool(None, sheet.run) if own else find_tool(args.profile, args.run_dir)
    negative = sheet.negative if args.negative is None else args.negative
    _tell_pictures(Renderer(run).render(sheet.prompts, args.out, negative), run, negative, args.json)


def imagine(args: argparse.Namespace) -> None:
    """Write prompts and render them, in one go."""
    if args.gate is not None and args.best_of is None:
        raise C2IError("--gate says which candidates of --best-of may be chosen: add --best-of 8, or leave --gate out")
    concepts = _concepts(args)
    _check_folder(args.out)
    from c2i_lib.generator import ConceptToImage

    wishes = {"wishes": _wishes(args), "negative": args.negative}
    run = find_tool(args.profile, args.run_dir)
    tool, pictures, notes = ConceptToImage(run, args.arm), [], []
    for concept in concepts:
        if args.best_of is None:
            pictures += tool.imagine(concept, 4 if args.n is None else args.n, args.seed, args.out, **wishes)
            continue
        n = 1 if args.n is None else args.n
        choice = tool.choose(concept, n, args.best_of, args.gate, args.seed, args.out, **wishes)
        pictures += choice.pictures
        notes.append(choice.note if len(concepts) == 1 else f"{concept}: {choice.note}")
    _tell_pictures(pictures, run, args.negative, args.json)
    print(*notes, sep="\n", end="\n" * bool(notes), file=sys.stderr if args.json else sys.stdout)


def _concepts(args: argparse.Namespace) -> list[str]:
    """What is asked for, on the command line or one a line in a file."""
    if (args.concept is None) == (args.concepts is None):
        raise C2IError('expected a concept, such as "a red bicycle", or --concepts FILE: give one of the two')
    if args.concept is not None:
        return [clean_concept(args.concept)]
    try:
        lines = args.concepts.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise C2IError(f"{args.concepts} should be UTF-8 text with a concept a line: {error}") from error
    found = {}
    for number, line in enumerate(lines, 1):
        try:
            found |= {clean_concept(line): number} if line.strip() else {}
        except C2IError as error:
            raise C2IError(f"{args.concepts}, line {number}: {error}") from error
    if not found:
        raise C2IError(f"{args.concepts} should have a concept a line, found none")
    return list(found)


def _wishes(args: argparse.Namespace) -> Wishes:
    from c2i_lib.generator import Wishes

    return Wishes(args.keep, args.ban, args.style, args.length)


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise C2IError(f"--out should be a folder for pictures, but {out} is a file: give another name")


def _tell(one: Written, told: set[str]) -> None:
    """What was added to a concept and why, and notes; a note that holds for all prompts of a concept is told once."""
    sources: dict[str, list[str]] = {}
    for word, source in one.added.items():
        sources.setdefault(source, []).append(word)
    for source, words in sources.items():
        print(f"    added: {', '.join(words)} ({source})")
    for note in one.notes:
        if f"{one.concept}: {note}" not in told:
            print(f"    note: {note}")
            told.add(f"{one.concept}: {note}")


def _tell_pictures(pictures: Sequence[Picture], run: Run, negative: str | None, as_json: bool) -> None:
    if as_json:
        from c2i_lib.generator import Sheet, sheet_of
        from c2i_lib.generator.rendering import run_folder

        prompts, own = [one.source for one in pictures], [_of_picture(one) for one in pictures]
        print(sheet_of(Sheet(prompts, run_folder(run), negative), own))
        return
    told: set[str] = set()
    for one in pictures:
        print(f"{one.path}  {one.prompt}{f'  (flagged as {one.flagged})' if one.flagged else ''}")
        if one.quality is not None:
            print(f"    chosen by: quality {one.quality:.3f}, faithfulness {one.faithfulness:.3f}")
        _tell(one.source, told)


def _of_picture(one: Picture) -> dict[str, str | float]:
    scores = {"quality": one.quality, "faithfulness": one.faithfulness}
    return {"path": str(one.path), "flagged": one.flagged} | {k: v for k, v in scores.items() if v is not None}


def add_commands(commands: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add ``write``, ``render`` and ``imagine`` to the commands of the command line."""
    asked, made, both = _options_of_writing(), _options_of_rendering(), _options_of_both()
    command = commands.add_parser(
        "write",
        parents=[common, asked, both],
        help="write prompts for a concept, to look at and to edit; no TTI model is loaded",
        epilog='Then: c2i write "a red bicycle" --json > prompts.json, edit the texts, c2i render prompts.json',
    )
    command.set_defaults(function=write)

    command = commands.add_parser(
        "render", parents=[common, made, both], help="make pictures of prompts: these texts with these seeds"
    )
    command.add_argument("file", type=Path, nargs="?", help="what c2i write --json gave, edited or not")
    command.add_argument("--prompt", help="a single prompt instead of a file")
    command.add_argument("--seed", type=int, default=0, help="of --prompt: the seed of its noise (default: 0)")
    command.add_argument("--concept", default="", help="of --prompt: what it stands for")
    command.add_argument("--arm", default="", help="of --prompt: who wrote it")
    command.add_argument("--sample", type=int, default=0, help="of --prompt: its number")
    command.set_defaults(function=render)

    command = commands.add_parser(
        "imagine",
        parents=[common, asked, made, both],
        help="make pictures of a concept: write and render in one go",
        epilog="The scores that --best-of prints are those of the judges that choose (judges.selection in the "
        "profile). They say how the pictures compare with each other; only other judges can say how good they are.",
    )
    command.add_argument(
        "--best-of",
        type=int,
        metavar="N",
        help="make N pictures and keep the best -n: of those that show the concept well enough, the best looking ones",
    )
    command.add_argument(
        "--gate",
        type=float,
        metavar="Q",
        help="what is well enough for --best-of, 0 to 1: 0 is as well as the worst of N pictures made from the bare "
        "concept, 0.5 as their median, 1 as the best of them (default: the profile's)",
    )
    command.set_defaults(function=imagine)


def _options_of_writing() -> argparse.ArgumentParser:
    asked = argparse.ArgumentParser(add_help=False)
    asked.add_argument("concept", nargs="?", help='such as "a red bicycle"')
    asked.add_argument("--concepts", type=Path, metavar="FILE", help="a text file with a concept a line instead")
    asked.add_argument("-n", type=int, help="prompts, or pictures, of a concept (default: 4, with --best-of 1)")
    known = f"{', '.join(ARMS)}, or one of prompts.models"
    default = "ft_good, or the last arm that the run has finetuned"
    asked.add_argument("--arm", help=f"who writes the prompt: {known} (default: {default})")
    asked.add_argument("--seed", type=int, default=0, help="another seed gives other prompts and pictures")
    asked.add_argument("--keep", action="append", default=[], metavar="WORD", help="must be in the prompt; repeatable")
    asked.add_argument("--ban", action="append", default=[], metavar="WORD", help="never in the prompt; repeatable")
    asked.add_argument("--style", default="", metavar="TEXT", help='put after the prompt, such as "watercolour"')
    asked.add_argument("--length", type=int, metavar="N", help="tokens of a prompt, without the style")
    return asked


def _options_of_rendering() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(add_help=False)
    made.add_argument("--out", type=Path, default=Path("pictures"), help="folder for the PNGs (default: pictures)")
    return made


def _options_of_both() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--negative", metavar="TEXT", help="what the picture should not show (default: the profile's)")
    parser.add_argument("--json", action="store_true", help="print JSON, which c2i render reads")
    return parser
