"""The command ``c2i assets``: a CSV file of things → sprites, their sheet and its atlas. Thin.

In: a file and options. Out: a folder of files, told line by line. Ignored: how all is made.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from c2i_lib.errors import C2IError


def add_command(commands: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add ``assets`` to the commands of the command line."""
    command = commands.add_parser(
        "assets",
        parents=[common],
        help="draw sprites of a list of things: one style, one scale, no background, a sheet with its atlas",
        epilog="The list is CSV with the columns name, description (what is drawn; else the name) and style (of this "
        "one); the last two may be missing. atlas.json is TexturePacker's JSON (Hash): Phaser's load.atlas reads it.",
    )
    command.add_argument("file", type=Path, help="the list")
    command.add_argument("--out", type=Path, help="folder of the files (default: assets/<name of the list>)")
    command.add_argument("--style", metavar="TEXT", help="of all without their own (default: flat vector illustration)")
    command.add_argument("--size", type=int, metavar="N", help="pixels of a frame's side (default: the TTI model's)")
    command.add_argument("--best-of", type=int, default=1, metavar="N", help="draw each N times and keep the best one")
    command.add_argument("--arm", help="who writes the prompts (default: concept_only, which adds nothing to a thing)")
    command.add_argument("--seed", type=int, default=0, help="another seed gives other pictures")
    command.set_defaults(function=assets)


def assets(args: argparse.Namespace) -> None:
    """Run the command. Raises ``C2IError`` for a list that is none, before a model is loaded."""
    from c2i_lib.assets.listing import read_assets

    out = args.out or Path("assets") / args.file.stem
    if out.exists() and not out.is_dir():
        raise C2IError(f"--out should be a folder, but {out} is a file: give another name")
    wanted = read_assets(args.file)
    from c2i_lib.assets.drawing import ARM, STYLE, draw_assets
    from c2i_lib.generator import ConceptToImage
    from c2i_lib.run.ready import find_tool

    tool, style = ConceptToImage(find_tool(args.profile, args.run_dir), args.arm or ARM), args.style
    style = STYLE if style is None else style
    sprites, paths = draw_assets(tool, wanted, out, args.seed, style, args.size, args.best_of)
    for one in sprites:
        flagged = f"  (flagged as {one.picture.flagged})" if one.picture.flagged else ""
        print(f"{one.path}  {one.picture.prompt}{flagged}")
        print(*(f"    note: {note}\n" for note in [one.note, *one.picture.source.notes] if note), sep="", end="")
    print(*paths, sep="\n")
