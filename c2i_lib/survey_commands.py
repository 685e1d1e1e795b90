"""``python -m c2i_lib survey …``: build, serve, restore, raters, export, import. Thin: the work is in the stage."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import pandas as pd

from c2i_lib.errors import C2IError
from c2i_lib.records.files import atomic_path
from c2i_lib.records.stage import read_table, run_command
from c2i_lib.run.places import Run, find_run


def _build(args: argparse.Namespace) -> None:
    from c2i_lib.stages.survey.build import build_surveys
    from c2i_lib.stages.survey.plan import describe_plan, freeze_plan

    opened = find_run(args.profile, args.run_dir)
    settings, seed = opened.profile.survey, opened.profile.seed
    items = build_surveys(opened.folder(5) / "images.parquet", opened.folder(6), settings, seed)
    print(items.groupby(["survey", "kind"]).size().unstack(fill_value=0).to_string())
    freeze_plan(opened.folder(6), settings, opened.profile.analysis)
    print(*describe_plan(opened.folder(6), settings, opened.profile.analysis), sep="\n")
    print(f"to collect answers: python -m c2i_lib survey serve --run-dir {shlex.quote(str(opened.directory))}")


def _serve(args: argparse.Namespace) -> None:
    from c2i_lib.stages.survey.web.server import serve

    opened = find_run(args.profile, args.run_dir)
    serve(opened.folder(6), opened.profile.survey, args.host, args.port, args.public_url, opened.profile.seed)


def _restore(args: argparse.Namespace) -> None:
    from c2i_lib.stages.survey.web import backups

    folder = find_run(args.profile, args.run_dir).folder(6).parent / "06_responses"
    backup, former = backups.restore(folder, args.backup)
    print(f"{backups.count_answers(folder / backups.DATABASE)} answers are back, from {backup}")
    if former:
        print(f"what was there before is kept in {former}")


def _export(args: argparse.Namespace) -> None:
    from c2i_lib.stages.survey.responses import read_tables, tables_csv

    opened = find_run(args.profile, args.run_dir)
    folder = opened.folder(6)
    items = read_table(folder / "items.parquet")
    if args.format != "csv":
        _export_form(args, opened, items)
        return
    tables = read_tables(folder)
    answers, out = tables["answers"], args.out or Path("answers.csv")
    if answers.empty and tables["comments"].empty:
        raise C2IError(f"no answers in {folder.parent / '06_responses'} yet: run survey serve, or survey import")
    for name, text in tables_csv(folder).items():
        path = out if name == "answers" else out.with_name(f"{out.stem}_{name}{out.suffix or '.csv'}")
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
        print(f"{len(tables[name]):>6} {name:<9} {path}")
    print(f"{len(answers)} answers of {answers['rater'].nunique()} raters are in {out}")


def _export_form(args: argparse.Namespace, opened: Run, items: pd.DataFrame) -> None:
    """The survey for another tool: one of its own for each of ours, because each has raters of its own."""
    from c2i_lib.stages.survey import formats
    from c2i_lib.stages.survey.build import order_of
    from c2i_lib.stages.survey.pairs import asked
    from c2i_lib.stages.survey.web.texts import instructions_of

    folder, out, settings = opened.folder(6), args.out or Path(args.format), asked(opened.profile.survey)
    own = folder.parent / "06_responses" / "instructions.md"  # what the researcher has made of it
    text = (own if own.is_file() else instructions_of(settings.texts, settings.mode)).read_text(encoding="utf-8-sig")
    for survey, part in items.groupby("survey"):
        order = order_of(part, args.format, [survey], opened.profile.seed)["item_id"]
        shown = part.set_index("item_id").loc[order].reset_index()
        if args.format == "label_studio":
            formats.write_label_studio(out / survey, part, settings, folder / "pictures")
        elif args.format == "google_forms":
            formats.write_google_form(out / survey, shown, settings, folder / "pictures", text)
        else:
            formats.write_qualtrics_form(out / f"{survey}.qsf", shown, settings, args.pictures_url, text)
    print(f"the surveys for {args.format} are in {out}; to read the answers: python -m c2i_lib survey import FILE")
    if args.format == "qualtrics":
        print("in Qualtrics: Create a project, Survey, Import a QSF file; export as CSV with all three header rows")


def _raters(args: argparse.Namespace) -> None:
    from c2i_lib.stages.survey.raters import Raters

    opened = find_run(args.profile, args.run_dir)
    with Raters(opened.folder(6), opened.profile.seed) as raters:
        new = []
        if args.action == "add":
            new = [raters.add(args.survey) for _ in range(args.n)]
        elif args.action == "replace":
            new = [raters.replace(args.rater, args.leave_out)]
        else:
            raters.withdraw(args.rater, args.leave_out)
        links = raters.update_links()
    if args.action != "add":
        print(f"{args.rater} has left: their answers {'do not count' if args.leave_out else 'stay and count'}")
    for rater in new:
        print(f"{rater}  {links.get(rater, 'gets a link when the survey is served')}")


def _import(args: argparse.Namespace) -> None:
    from c2i_lib.stages.survey import formats
    from c2i_lib.stages.survey.pairs import asked
    from c2i_lib.stages.survey.ratings import import_answers

    opened = find_run(args.profile, args.run_dir)
    mapping = formats.read_mapping(args.mapping) if args.mapping else None
    loops = formats.read_loops(args.loops) if args.loops else None
    columns = formats.parse_map(args.map) if args.map else None
    settings = asked(opened.profile.survey)
    survey = (opened.folder(6), settings, args.format, mapping, args.rater_column, loops, columns)
    answers = import_answers(args.files, *survey)
    for note in answers.attrs["notes"]:
        print(f"note: {note}")
    print(f"{len(answers)} answers of {answers['rater'].nunique()} raters are in; to analyse them, run again from 6:")
    print(run_command(opened.directory, "--from", "6"))


def _compare(args: argparse.Namespace) -> None:
    from c2i_lib.stages.analysis.pairs import analyse_pairs
    from c2i_lib.stages.survey.ratings import collect_ratings, gather_answers

    opened = find_run(args.profile, args.run_dir)
    folder, survey = opened.folder(6), opened.profile.survey
    if survey.mode != "pairwise":
        raise C2IError(
            "survey compare is of pairs (survey.mode pairwise), and this run rates pictures: see notebook 07"
        )
    collect_ratings(folder, survey, opened.profile.seed, answers=gather_answers(folder))
    tables = analyse_pairs(folder, opened.folder(7), survey, opened.profile.analysis)
    for name in ("strengths", "contrasts"):
        print(tables[name].dropna(axis=1, how="all").round(3).to_string(index=False), end="\n\n")
    print(f"tables are in {opened.folder(7) / 'pairs'}")


def _map(args: argparse.Namespace) -> None:
    from c2i_lib.stages.survey import formats
    from c2i_lib.stages.survey.pairs import asked

    opened = find_run(args.profile, args.run_dir)
    items = read_table(opened.folder(6) / "items.parquet")
    loops = formats.read_loops(args.loops) if args.loops else None
    settings = asked(opened.profile.survey)
    mapping = formats.propose_mapping(formats.read_columns(args.file), items, settings, loops)
    formats.write_mapping(args.out, mapping)
    print(
        f"{(mapping['item_id'] != '').sum()} of {len(mapping)} columns are known; look at {args.out}, fill in the rest"
    )
    print(f"and give it: python -m c2i_lib survey import {args.file} --mapping {args.out}")


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, found {text!r}")
    return int(text)


def add_commands(commands: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add ``survey`` and its commands to those of the program; ``common``: the options that all have."""
    survey = commands.add_parser("survey", help="surveys and ratings").add_subparsers(required=True, metavar="command")
    command = survey.add_parser("build", parents=[common], help="build the surveys of a run that has its images")
    command.set_defaults(function=_build)
    command = survey.add_parser("serve", parents=[common], help="show the survey to raters in their browsers")
    command.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0: the whole network")
    command.add_argument("--port", type=_port, default=8642)
    command.add_argument("--public-url", help="what personal links begin with, behind a proxy")
    command.set_defaults(function=_serve)
    command = survey.add_parser("restore", parents=[common], help="put a backup of the answers back")
    command.add_argument("--backup", type=Path, help="default: the newest in 06_responses/backups")
    command.set_defaults(function=_restore)
    raters = survey.add_parser("raters", help="add, replace or withdraw a rater, also while the survey is served")
    raters = raters.add_subparsers(required=True, metavar="action", dest="action")
    command = raters.add_parser("add", parents=[common], help="a new rater with a link of their own")
    command.add_argument("--survey", action="append", default=[], metavar="survey_1", help="that they take; may repeat")
    command.add_argument("-n", type=int, default=1, help="how many (default: 1)")
    command.set_defaults(function=_raters)
    for action, text in (("replace", "a rater leaves and another takes their surveys"), ("withdraw", "a rater leaves")):
        command = raters.add_parser(action, parents=[common], help=text)
        command.add_argument("rater", help="such as rater_3")
        command.add_argument("--leave-out", action="store_true", help="what they answered does not count")
        command.set_defaults(function=_raters)
    command = survey.add_parser("export", parents=[common], help="answers as CSV, or the survey for another tool")
    forms = ("csv", "label_studio", "google_forms", "qualtrics")
    command.add_argument("--format", choices=forms, default="csv", help="default: csv")
    command.add_argument("--pictures-url", default="", help="qualtrics: a web folder that holds 06_survey/pictures")
    command.add_argument(
        "--out",
        type=Path,
        help="file of answers, beside which the other tables are put, or folder (default: answers.csv, or the format)",
    )
    command.set_defaults(function=_export)
    command = survey.add_parser(
        "compare", parents=[common], help="of pairs: which arm is better, by all answers so far"
    )
    command.set_defaults(function=_compare)
    command = survey.add_parser("import", parents=[common], help="take in answers from another survey tool")
    command.add_argument("files", nargs="+", type=Path)
    kinds = ("auto", "c2i", "label_studio", "potato", "google_forms", "qualtrics", "jspsych", "long")
    command.add_argument("--format", choices=kinds, default="auto", help="default: by the file's content")
    command.add_argument("--mapping", type=Path, help="CSV that says which column is which item and question")
    command.add_argument("--rater-column", help="column that names the rater")
    command.add_argument("--loops", type=Path, help="Qualtrics' Loop & Merge: CSV with the columns loop and item_id")
    command.add_argument(
        "--map",
        nargs="+",
        action="extend",
        default=[],
        metavar="ROLE=COLUMN",
        help="a CSV of any tool with a row per answer: rater=worker item=image question=asked rating=answer; or "
        "rating:quality=q1 rating:faithfulness=q2; also comment, answered_at",
    )
    command.set_defaults(function=_import)
    command = survey.add_parser("map", parents=[common], help="propose which column of a wide CSV is which item")
    command.add_argument("file", type=Path)
    command.add_argument("--loops", type=Path, help="Qualtrics' Loop & Merge: CSV with the columns loop and item_id")
    command.add_argument("--out", type=Path, default=Path("mapping.csv"), help="default: mapping.csv")
    command.set_defaults(function=_map)
