"""``python -m c2i_lib``: run the study, make pictures, see how far a run is. Thin: the work is elsewhere."""

from __future__ import annotations

import argparse
import builtins
import errno
import os
import sys
import warnings
from pathlib import Path

from c2i_lib import survey_commands, tool_commands
from c2i_lib.app import command as app
from c2i_lib.assets import command as assets
from c2i_lib.config import known_profiles, parse_override
from c2i_lib.errors import C2IError
from c2i_lib.real_ratings import command as analyse
from c2i_lib.run.places import DEFAULT_PROFILE, find_run, plan_run
from c2i_lib.stages import FOLDERS, STUDY
from c2i_lib.stories import command as story


def run(args: argparse.Namespace) -> None:
    from c2i_lib.run.pipeline import run_notebooks

    if not 1 <= args.first <= args.last <= len(STUDY):
        raise C2IError(f"--from and --to should be 1 to {len(STUDY)} and in order, found {args.first} and {args.last}")
    overrides = dict(map(parse_override, args.parameter))
    profile = args.profile or DEFAULT_PROFILE
    planned = plan_run(profile, args.run_dir, overrides)
    summary = run_notebooks(planned, profile, overrides, args.first, args.last)
    print("\nstage                           seconds")
    for row in summary:
        print(f"{row['stage']:<30}  {row['seconds']:>7.1f}{'  (already done)' if row['skipped'] else ''}")
    print(f"{'total':<30}  {sum(row['seconds'] for row in summary):>7.1f}\n")
    print(f"tables and figures:  {planned.figures}\nexecuted notebooks:  {planned.directory / 'notebooks'}")
    print(f"all outputs:         {planned.directory}")


def finetune(args: argparse.Namespace) -> None:
    from c2i_lib.stages.finetuning import Recipe, finetune_all

    opened = find_run(args.profile, args.run_dir)
    finetune_all(opened.folder(1), opened.folder(2), Recipe.of(opened.profile))


def images(args: argparse.Namespace) -> None:
    from c2i_lib.stages.images import generate_images

    opened = find_run(args.profile, args.run_dir)
    profile = opened.profile
    generate_images(opened.folder(4) / "prompts.parquet", opened.folder(5), profile.images, profile.seed, profile.name)


def status(args: argparse.Namespace) -> None:
    from c2i_lib.run.pipeline import is_done, notebook_path

    if args.image:
        from c2i_lib.stages.images import describe

        print(describe(args.image, args.run_dir))
        return
    opened = find_run(args.profile, args.run_dir)
    for number in FOLDERS:
        print(f"{notebook_path(number).stem:<30}  {'done' if is_done(opened, number) else 'to do'}")


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m c2i_lib", description="Concept to image.")
    commands = parser.add_subparsers(required=True, metavar="command")
    common = argparse.ArgumentParser(add_help=False)
    profiles = ", ".join(known_profiles())
    common.add_argument("--profile", help=f"{profiles} or a YAML file (default: {DEFAULT_PROFILE})")
    common.add_argument("--run-dir", type=Path, help="folder of the run (default: runs/<profile>)")

    command = commands.add_parser("run", parents=[common], help="run the notebooks 01 to 08")
    command.add_argument("--from", dest="first", type=int, default=1, metavar="N", help="first notebook (default: 1)")
    command.add_argument("--to", dest="last", type=int, default=len(STUDY), metavar="N", help="last (default: 8)")
    command.add_argument("-p", dest="parameter", action="append", default=[], metavar="key=value", help="override")
    command.set_defaults(function=run)

    command = commands.add_parser(
        "finetune",
        parents=[common],
        help="train the arms of a run whose notebook 01 is done, on several GPUs too",
        epilog="On two GPUs: accelerate launch --multi_gpu --num_processes 2 -m c2i_lib finetune --profile paper. "
        "Each process takes its share of every batch. Then run the notebooks: they find the arms trained.",
    )
    command.set_defaults(function=finetune)

    tool_commands.add_commands(commands, common)
    story.add_command(commands, common)
    assets.add_command(commands, common)
    app.add_command(commands, common)

    command = commands.add_parser(
        "images",
        parents=[common],
        help="render the prompts of a run whose notebook 04 is done, on several GPUs too",
        epilog="On two GPUs: accelerate launch --multi_gpu --num_processes 2 -m c2i_lib images --profile paper. "
        "Each process takes its share of the images. Then run the notebooks: they find the images rendered.",
    )
    command.set_defaults(function=images)

    command = commands.add_parser("status", parents=[common], help="what is done, or how a picture was made")
    command.add_argument("--image", type=Path, help="a PNG: print how it was made, and the command that makes it again")
    command.set_defaults(function=status)

    analyse.add_command(commands)
    survey_commands.add_commands(commands, common)
    return parser


# Parts of what torch and safetensors, which have errors of their own, say about a full disk.
_FULL_DISK = (f"Errno {errno.ENOSPC}", "No space left", "StorageFull", "PytorchStreamWriter")


def _message(error: BaseException) -> str | None:
    """What to tell the user about an error that is no bug, or None. papermill wraps what a notebook raises."""
    name, text = getattr(error, "ename", type(error).__name__), str(getattr(error, "evalue", error))
    if isinstance(error, C2IError) or name in {kind.__name__ for kind in (C2IError, *C2IError.__subclasses__())}:
        return text
    if any(sign in text for sign in _FULL_DISK):
        return f"the disk is full ({text}): free some space or give a --run-dir on another disk; finished work is kept"
    if isinstance(error, OSError) or issubclass(getattr(builtins, name, object), OSError):
        return f"{text}: see that this path is what you mean and that you may read or write it, or give another"
    return None


def _check_characters(arguments: list[str]) -> None:
    """Raise ``C2IError`` for bytes that are no UTF-8: records, notebooks and pictures keep what was asked for."""
    for argument in arguments:
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise C2IError(f"expected UTF-8, found {argument!r}: write it in UTF-8, or rename the file")


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0, 1 for an error that the user can mend, 130 for Ctrl-C, 141 when
    nobody reads the output any more."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.filterwarnings("ignore", category=FutureWarning)
    args = make_parser().parse_args(arguments)
    try:
        _check_characters(sys.argv[1:] if arguments is None else arguments)
        args.function(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("\ninterrupted: run the same command again to go on from here", file=sys.stderr)
        return 130
    except BrokenPipeError:  # as in: c2i status | head -1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be written goes nowhere
        return 141
    except Exception as error:
        message = _message(error)
        if message is None:
            raise
        print(f"error: {message}", file=sys.stderr)
        return 1
    return 0
