"""The command ``c2i analyse``: check a table of ratings, execute notebook 09 on it, say what was found.

In: a file and options. Out: figures, tables and the executed notebook in a folder. Ignored: runs and profiles.
"""

from __future__ import annotations

import argparse
from pathlib import Path

NOTEBOOK = 9


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add ``analyse`` to the commands of the command line."""
    command = commands.add_parser(
        "analyse",
        help="analyse any table of ratings: means, comparisons, agreement, variance; no run is needed",
        epilog="Roles: item (what was rated), arm (what is compared), concept (what it should show; intervals resample "
        "concepts), rater, rating, or rating:NAME for each of several questions, question (a column that says what was "
        "asked), judge:NAME for a judge's scores. A role that is not mapped has the column of its name, and one column "
        "may have two roles. Example: c2i analyse ratings.csv --map item=prompt concept=prompt arm=model rater=worker "
        "rating:consistency=answer --scale 1-5 --out analysis",
    )
    command.add_argument("file", type=Path, help="CSV or Parquet with a row per rating")
    command.add_argument("--map", nargs="+", action="extend", default=[], metavar="ROLE=COLUMN", help="see below")
    command.add_argument(
        "--scale", default="", metavar="LOW-HIGH", help="such as 1-5 (default: as the ratings have it)"
    )
    command.add_argument("--out", type=Path, help="folder of figures and tables (default: analysis/<name of the file>)")
    command.add_argument(
        "--raters",
        choices=("population", "these"),
        default="population",
        help="whom ratings speak for: all raters like these (default), or these alone",
    )
    command.add_argument("--confidence", type=_share, default=0.95, help="what intervals cover (default: 0.95)")
    command.add_argument("--draws", type=_draws, default=10_000, help="resamples behind an interval (default: 10000)")
    command.add_argument("--seed", type=int, default=0)
    command.set_defaults(function=analyse)


def analyse(args: argparse.Namespace) -> None:
    """Run the command. Raises ``C2IError`` for a table that cannot be analysed, before anything is written."""
    from c2i_lib.real_ratings import analysis
    from c2i_lib.run.pipeline import execute_notebook, notebook_path
    from c2i_lib.stages.survey.formats.columns import parse_map
    from c2i_lib.statistics.bootstrap import Resampling

    columns, resampling = parse_map(args.map), Resampling(args.draws, args.confidence, args.seed)
    study = analysis.open_table(args.file, columns, args.scale, args.out or "", resampling, args.raters)
    print("\n".join(analysis.describe(study)), flush=True)
    settings = {"raters": args.raters, "confidence": args.confidence, "n_bootstrap": args.draws, "seed": args.seed}
    settings |= {"ratings_file": str(args.file), "columns": columns, "scale": args.scale}
    source = notebook_path(NOTEBOOK)
    execute_notebook(source, study.figures / source.name, {**settings, "out_dir": str(study.figures)})
    print("\n".join(analysis.verdict(study)))
    print(f"\nfigures and tables: {study.figures}\nas a document:      {study.figures / source.name}")


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"expected a share between 0 and 1, such as 0.95, found {text!r}")
    return share


def _draws(text: str) -> int:
    if not (text.isdecimal() and 100 <= int(text) <= 1_000_000):
        raise argparse.ArgumentTypeError(f"expected a number from 100 to 1000000, found {text!r}")
    return int(text)
