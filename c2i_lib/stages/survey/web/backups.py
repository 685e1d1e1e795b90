"""Backups of answers, and putting one back.

In: ``06_responses/responses.sqlite``, which may be in use. Out, in ``06_responses/backups/``: whole copies in one file
each, the newest ``KEPT`` of them. A copy that a file manager makes of the database lacks what lies in its log beside
it: SQLite's own backup call does not. Ignored: backups on other disks, which are the researcher's.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path

from c2i_lib.errors import C2IError
from c2i_lib.records.files import atomic_path
from c2i_lib.stages.survey.web.database import check_ours, connect, explained, is_empty, prepare

EVERY = 100  # answers from one backup to the next
KEPT = 20
DATABASE = "responses.sqlite"
_RESTORE = "python -m c2i_lib survey restore"
_TOKEN = re.compile(r"/r/([A-Za-z0-9_-]{43,})")


def list_backups(folder: Path) -> list[Path]:
    """The backups of a folder of answers, the newest first."""
    return sorted((Path(folder) / "backups").glob("responses-*.sqlite"), reverse=True)


def back_up(database: Path, name: str = "responses") -> Path:
    """Copy a database, as it is at this moment, into ``backups/`` beside it, and remove all but the newest ``KEPT``.

    ``name``: what the copy's name begins with; others than "responses" are never removed.
    """
    database = Path(database)
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%S.%f")  # without colons, which some disks do not take
    path = database.parent / "backups" / f"{name}-{stamp}.sqlite"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    for leftover in path.parent.glob(f".{name}-*"):  # of a kill
        leftover.unlink(missing_ok=True)
    with contextlib.closing(connect(database)) as source, atomic_path(path) as temporary:
        _copy(source, temporary)
        source.execute("PRAGMA wal_checkpoint(PASSIVE)")  # a plain copy of the file lacks less, too
    for old in list_backups(database.parent)[KEPT:]:
        old.unlink(missing_ok=True)
    return path


def _copy(source: sqlite3.Connection, path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # all of it in one file


class Backups:
    """Backups of a database that answers come into: one after every ``EVERY``, and one at the end.

    A backup that cannot be made is told and stops nobody from answering.
    """

    def __init__(self, database: Path):
        self.database, self._since, self._lock = Path(database), 0, threading.Lock()

    def count(self) -> bool:
        """Count one change. Returns whether a backup is due."""
        with self._lock:
            self._since += 1
            return self._since % EVERY == 0

    def make(self) -> None:
        """Make a backup, if anything has changed since the last one."""
        with self._lock:
            if not self._since:
                return
            self._since = 0
        try:
            back_up(self.database)
        except (OSError, sqlite3.Error) as error:
            print(f"no backup of {self.database} could be made: {error}", flush=True)


def _tokens(database: Path) -> set[str]:
    """The tokens of all raters; none where the file is missing, empty or has no tables."""
    if not database.is_file():
        return set()
    with explained(database), contextlib.closing(connect(database)) as connection:
        if is_empty(connection):
            return set()
        check_ours(connection, database)
        return {token for (token,) in connection.execute("SELECT token FROM raters")}


def refuse_lost_answers(folder: Path) -> None:
    """Raise ``C2IError`` where ``links.csv`` says that there are raters and the database does not know them: serving
    would begin an empty study with other links."""
    links, database = Path(folder) / "links.csv", Path(folder) / DATABASE
    if not links.is_file():
        return
    known = _tokens(database)
    lost = set(_TOKEN.findall(links.read_text(encoding="utf-8", errors="replace"))) - known
    if lost or not known:
        found = "is missing or empty" if not known else f"does not know {len(lost)} of its links"
        raise C2IError(
            f"{links} is of a study whose answers should be in {database}, which {found}. Put a backup back: "
            f"{_RESTORE} (there are {len(list_backups(folder))}). To begin anew, move {folder} away"
        )


def count_answers(database: Path) -> int:
    """How many answers a database holds. Raises ``C2IError`` when it is damaged or no database of answers."""
    database = Path(database)
    if not database.is_file():
        raise C2IError(f"{database} does not exist: expected a database of answers, such as those in backups/")
    with explained(database), contextlib.closing(connect(database)) as connection:
        check_ours(connection, database)
        if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise C2IError(f"{database} is damaged: give another backup")
        return connection.execute("SELECT count(*) FROM answers").fetchone()[0]


def _is_sound(database: Path) -> bool:
    try:
        return bool(_tokens(database)) and count_answers(database) >= 0
    except C2IError:
        return False


def restore(folder: Path, backup: Path | None = None) -> tuple[Path, Path | None]:
    """Put ``backup``, by default the newest, in the place of a folder's database; a server may be running.

    What was there is kept: returns the backup that was used and where the former database is now (None: there was
    none). Raises ``C2IError`` where there is no sound backup.
    """
    folder = Path(folder)
    database, known = folder / DATABASE, list_backups(folder)
    if backup is None and not known:
        raise C2IError(f"{folder / 'backups'} holds no backup: give one with --backup")
    backup = Path(backup) if backup else known[0]
    count_answers(backup)
    if _is_sound(database):  # SQLite's own call: a server that has the file open goes on with what is put in
        former = back_up(database, "before-restore")
        with contextlib.closing(connect(backup)) as source, contextlib.closing(connect(database)) as target:
            source.backup(target)
            prepare(target, database)  # the backup may be of an earlier version
        return backup, former
    former = None
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%S")
    for part in (database, *(folder / f"{DATABASE}{ending}" for ending in ("-wal", "-shm"))):
        if part.is_file():
            former = folder / "backups" / f"damaged-{stamp}"
            former.mkdir(parents=True, exist_ok=True)
            part.replace(former / part.name)
    with atomic_path(database) as temporary:
        shutil.copyfile(backup, temporary)
    return backup, former
