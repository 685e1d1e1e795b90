"""The chain of notebooks: run 01 to 08 through papermill, skip what is done, sum up.

In: a ``Run``. Out: executed notebooks in ``<run>/notebooks/``, each with a record of its source, its stage and
its figures beside it. A notebook is skipped only when all of them still match.
"""

from __future__ import annotations

import ast
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from filelock import FileLock, Timeout

from c2i_lib.errors import C2IError
from c2i_lib.records.files import hash_of, read_record, sha256_of, write_json
from c2i_lib.records.sources import code_hash, imports_in, packages_of, versions_of
from c2i_lib.run.places import NOTEBOOKS_DIR, Run, store_settings
from c2i_lib.stages import FOLDERS, STUDY, stages_before
from c2i_lib.stages.captions.sources import fingerprint
from c2i_lib.stages.concepts import decisions_file, read_decisions
from c2i_lib.stages.survey.responses import answers_fingerprint


def notebook_path(number: int) -> Path:
    """The source of notebook ``number``. Raises ``C2IError`` when there is none."""
    found = sorted(NOTEBOOKS_DIR.glob(f"{number:02d}_*.ipynb"))
    if not found:
        raise C2IError(f"no notebook {number:02d} in {NOTEBOOKS_DIR}: clone or install the whole project again")
    return found[0]


def _stage_records(run: Run, number: int) -> dict[str, str]:
    """Hash of the key of every finished stage in the notebook's folder (02 and 06 hold more than one)."""
    records = {}
    for path in sorted(run.folder(number).rglob("stage.json")):
        record = read_record(path)
        parts = [record.get(part) for part in ("inputs", "outputs", "settings")]
        records[str(path.relative_to(run.directory))] = hash_of(parts)
    return records


def _outputs_intact(run: Run, number: int) -> bool:
    for path in run.folder(number).rglob("stage.json"):
        for name, digest in read_record(path).get("outputs", {}).items():
            output = path.parent / name
            if not output.is_file() or sha256_of(output) != digest:
                print(f"{FOLDERS[number]}: {name} is missing or damaged; the stage runs again")
                return False
    return True


def _figures(run: Run, number: int) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in sorted(run.figures.glob(f"{number:02d}_*"))}


def _key(run: Run, number: int) -> dict:
    """What a notebook's result depends on: its source, the profile, what it imports, and the stages before it."""
    earlier = {}
    for before in stages_before(number):
        earlier.update(_stage_records(run, before))
    source = nbformat.read(notebook_path(number), as_version=4)
    cells = [cell.source for cell in source.cells]
    if number == 1:  # the one notebook that reads what no stage has written
        earlier["source"] = fingerprint(run.profile.captions.source)
    if number == 3:  # a person decides between two runs
        earlier["decisions"] = read_decisions(decisions_file(run.directory, run.profile.concepts))
    if number == 6 and not run.profile.survey.simulate_raters:  # people answer between two runs
        earlier["answers"] = answers_fingerprint(run.folder(6))
    code = "\n".join(cell.source for cell in source.cells if cell.cell_type == "code")
    modules, packages = imports_in(ast.parse(code))
    versions = versions_of(packages_of(*modules, also=packages))
    parts = [cells, run.profile.model_dump(mode="json"), code_hash(*modules), versions, earlier]
    return {"key": hash_of(parts)}


def is_done(run: Run, number: int) -> bool:
    """Whether notebook ``number`` has run with all that it depends on as it is now, and its files are intact."""
    path = run.directory / "notebooks" / f"{notebook_path(number).stem}.json"
    executed = path.with_suffix(".ipynb")
    if not path.is_file() or not executed.is_file() or not read_record(executed).get("cells"):
        return False  # a notebook that a full disk or a bad copy has cut is no JSON
    record = read_record(path)
    return (
        record.get("key") == _key(run, number)["key"]
        and record.get("stages") == _stage_records(run, number)
        and record.get("figures") == _figures(run, number)
        and _outputs_intact(run, number)
    )


def check_parameters(number: int, parameters: dict) -> None:
    """Raise ``C2IError`` when a parameter is not in the notebook's tagged cell (papermill only warns)."""
    import papermill

    known = papermill.inspect_notebook(str(notebook_path(number)))
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise C2IError(f"notebook {number:02d} has no parameter {unknown}: it has {', '.join(known)}")


def execute(run: Run, number: int, profile: str, overrides: dict) -> None:
    """Execute one notebook into ``<run>/notebooks/`` and record it."""
    source = notebook_path(number)
    target = run.directory / "notebooks" / source.name
    target.parent.mkdir(parents=True, exist_ok=True)
    parameters = {"profile": profile, "run_dir": str(run.directory), "overrides": overrides}
    check_parameters(number, parameters)
    target.with_suffix(".json").unlink(missing_ok=True)
    for folder in (run.figures, target.parent):
        for leftover in folder.glob(f".{number:02d}_*"):  # temporary names of a killed run
            leftover.unlink()
    key = _key(run, number)  # as it is before: an answer that comes while the notebook runs may not be in its result
    execute_notebook(source, target, parameters)
    record = {**key, "stages": _stage_records(run, number), "figures": _figures(run, number)}
    write_json(target.with_suffix(".json"), record)


def execute_notebook(source: Path, target: Path, parameters: dict) -> None:
    """Execute the notebook ``source`` with ``parameters`` into ``target``, which is there only when all cells ran."""
    import papermill

    partial = target.with_name(f"{source.stem}.unfinished.ipynb")
    target.parent.mkdir(parents=True, exist_ok=True)
    papermill.execute_notebook(
        str(source),
        str(partial),
        parameters,
        cwd=os.getcwd(),  # relative paths mean what they mean in the user's shell
        kernel_name="python3",
        progress_bar=False,
        stderr_file=sys.stderr,  # progress bars of the stage, as they move
        coalesce_streams=True,  # in the notebook only where they ended: notebook 02 once held 227 pieces of them
        iopub_timeout=120,  # seconds for a cell's last output; 4, the default, is little on a busy machine
        extra_arguments=["--IPKernelApp.log_level=50"],  # its shutdown by Ctrl-C is no news
    )
    partial.replace(target)


def run_notebooks(run: Run, profile: str, overrides: dict, first: int = 1, last: int = len(STUDY)) -> list[dict]:
    """Run notebooks ``first`` to ``last`` in order. Returns ``stage, seconds, skipped`` per notebook.

    The run's settings are stored once nothing can refuse it any more, so that a refused run changes nothing.
    """
    for number in sorted(set(stages_before(first)) - set(range(first, last + 1))):
        if not is_done(run, number):
            raise C2IError(
                f"notebook {first:02d} builds on {number:02d}, which is not done with these settings: "
                f"add --from {number}, or leave --from out"
            )
    with _only_one(run):
        store_settings(run)
        return _run_in_order(run, profile, overrides, first, last)


@contextmanager
def _only_one(run: Run) -> Iterator[None]:
    """Hold the run's lock, so that two commands do not write into one folder."""
    run.directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run.directory / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise C2IError(
            f"another command is working on {run.directory}: wait for it, or give another --run-dir"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _run_in_order(run: Run, profile: str, overrides: dict, first: int, last: int) -> list[dict]:
    summary = []
    for number in range(first, last + 1):
        name, started = notebook_path(number).stem, time.monotonic()
        skipped = is_done(run, number)
        if not skipped:
            print(f"[{number}/{last}] {name} …", flush=True)
            execute(run, number, profile, overrides)
        seconds = time.monotonic() - started
        print(f"[{number}/{last}] {name}: {'already done' if skipped else f'done in {seconds:.0f} s'}", flush=True)
        summary.append({"stage": name, "seconds": seconds, "skipped": skipped})
    return summary
