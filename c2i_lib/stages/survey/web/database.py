"""The SQLite file of a study with people: its tables, and how it is opened without harm.

In: a path. Out: a connection whose commits are on the disk (write-ahead log, ``synchronous=FULL``) and whose tables are
those of this version; a database of an earlier one gets what it lacks. Ignored: what is written (``store.py``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from c2i_lib.errors import C2IError
from c2i_lib.study import QUESTIONS

_APPLICATION = 0x63326931  # "c2i1", in the header of our databases: tells them from other people's
WAIT = 4  # seconds for a write of another process; a rater's page gives up after 15
_FIRST = f"""
PRAGMA application_id = {_APPLICATION}

CREATE TABLE raters (
    rater TEXT PRIMARY KEY,
    token TEXT NOT NULL UNIQUE CHECK (length(token) >= 43),
    consented_at TEXT
) STRICT

CREATE TABLE answers (
    rater TEXT NOT NULL REFERENCES raters,
    item_id TEXT NOT NULL,
    question TEXT NOT NULL CHECK (question IN {QUESTIONS}),
    rating INTEGER CHECK (rating >= 1), -- NULL: cannot judge
    answered_at TEXT NOT NULL,
    PRIMARY KEY (rater, item_id, question)
) STRICT

CREATE TABLE comments (
    rater TEXT NOT NULL REFERENCES raters,
    item_id TEXT NOT NULL,
    comment TEXT NOT NULL,
    PRIMARY KEY (rater, item_id)
) STRICT

CREATE TABLE settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT

INSERT INTO settings VALUES ('closed', 0)
"""
# Versions: milliseconds since 1970 at the rater, or one more than the version before. History: every change, for ever.
_VERSIONS = """
ALTER TABLE answers ADD COLUMN version INTEGER NOT NULL DEFAULT 1

ALTER TABLE comments ADD COLUMN version INTEGER NOT NULL DEFAULT 1

CREATE TABLE history (
    number INTEGER PRIMARY KEY,
    rater TEXT NOT NULL REFERENCES raters,
    item_id TEXT NOT NULL,
    field TEXT NOT NULL, -- a question, or 'comment'
    old TEXT, -- NULL: nothing before
    new TEXT NOT NULL,
    version INTEGER NOT NULL,
    at TEXT NOT NULL,
    seen_ms INTEGER -- how long the picture had been seen on that page; NULL: not known
) STRICT

CREATE TRIGGER history_is_not_changed BEFORE UPDATE ON history BEGIN SELECT RAISE(ABORT, 'history only grows'); END

CREATE TRIGGER history_is_not_deleted BEFORE DELETE ON history BEGIN SELECT RAISE(ABORT, 'history only grows'); END
"""
# Raters that came while the study ran have their orders here; those left out do not count; texts are what raters agreed
# to; 'raters' counts changes of them.
_RATERS = """
ALTER TABLE raters ADD COLUMN consent_sha256 TEXT

ALTER TABLE raters ADD COLUMN withdrawn_at TEXT

ALTER TABLE raters ADD COLUMN left_out INTEGER NOT NULL DEFAULT 0

ALTER TABLE raters ADD COLUMN replaces TEXT

CREATE TABLE orders (
    rater TEXT NOT NULL REFERENCES raters,
    survey TEXT NOT NULL,
    position INTEGER NOT NULL,
    item_id TEXT NOT NULL,
    PRIMARY KEY (rater, position)
) STRICT

CREATE TABLE texts (sha256 TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT

INSERT INTO settings VALUES ('raters', 0)
"""
# Places are raters given to those who came by the entry link; there is one such link.
_PLACES = """
CREATE TABLE places (
    rater TEXT PRIMARY KEY REFERENCES raters,
    given_at TEXT NOT NULL,
    person TEXT NOT NULL, -- as the panel that sent them names them; '': it did not
    parameters TEXT NOT NULL -- of the address that they came with, as JSON
) STRICT

CREATE TABLE entry (token TEXT NOT NULL CHECK (length(token) >= 43)) STRICT
"""
# Of the window in which an answer was given, in CSS pixels: a picture is not the same on a phone.
_VIEWPORTS = """
ALTER TABLE history ADD COLUMN viewport_width INTEGER

ALTER TABLE history ADD COLUMN viewport_height INTEGER
"""
# Answers to training items, apart from those that count; the first to each is kept.
_TRAINING = f"""
CREATE TABLE training (
    rater TEXT NOT NULL REFERENCES raters,
    item_id TEXT NOT NULL,
    question TEXT NOT NULL CHECK (question IN {QUESTIONS}),
    rating INTEGER CHECK (rating >= 1), -- NULL: cannot judge
    as_expected INTEGER NOT NULL CHECK (as_expected IN (0, 1)), -- what the rater was told
    answered_at TEXT NOT NULL,
    seen_ms INTEGER, -- how long the picture had been seen; NULL: not known
    PRIMARY KEY (rater, item_id, question)
) STRICT
"""
_STEPS = (_FIRST, _VERSIONS, _RATERS, _PLACES, _VIEWPORTS, _TRAINING)  # never change one: append another


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """A file that SQLite cannot read as a ``C2IError``. Locks and full disks stay what they are."""
    try:
        yield
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise C2IError(
            f"{path} should be a database of answers, but SQLite says: {error}. If it was damaged, put a backup back "
            "(python -m c2i_lib survey restore); if it holds no answers that you need, move it away and a new one is "
            "made"
        ) from error


def check_ours(connection: sqlite3.Connection, path: Path) -> None:
    """Raise ``C2IError`` when a database is another program's, or of a newer c2i."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        raise C2IError(f"{path} is a database of another program, not of answers: move it away and start again")
    if connection.execute("PRAGMA user_version").fetchone()[0] > len(_STEPS):
        raise C2IError(f"{path} was written by a newer version of c2i: use that one, because this one would lose parts")


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether a database has no tables: a new one, or a copy of a file whose log was left behind."""
    return not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]


def connect(path: Path, wait: float = WAIT) -> sqlite3.Connection:
    """A connection that any thread may use, one at a time; transactions are begun and ended by hand."""
    return sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False)


def read(path: Path, query: str, needs: int = 1) -> list[tuple]:
    """The rows of a query, also while a server writes; none where the database is of an earlier version than ``needs``,
    which had no such tables. Writes nothing.

    Raises ``C2IError`` when the file is missing, damaged or another program's.
    """
    path = Path(path)
    if not path.is_file():
        raise C2IError(f"{path} does not exist: there are no answers before the survey has been served")
    # Without a write-ahead log nobody is writing: all is in the file itself, and SQLite need not make a log to read it.
    file = path.resolve()
    mode = "mode=ro" if file.with_name(f"{file.name}-wal").is_file() else "immutable=1"
    connection = sqlite3.connect(f"{file.as_uri()}?{mode}", uri=True, timeout=WAIT)
    try:
        with explained(path):
            check_ours(connection, path)
            found = max(1, connection.execute("PRAGMA user_version").fetchone()[0])
            return connection.execute(query).fetchall() if found >= needs else []
    finally:
        connection.close()


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Check a database, make its commits durable, and give it the tables that it lacks.

    Raises ``C2IError`` for another program's, and ``sqlite3.DatabaseError`` for a damaged one.
    """
    run = connection.execute
    if not is_empty(connection):
        check_ours(connection, path)
    state = run("PRAGMA quick_check(1)").fetchone()[0]
    if state != "ok":
        raise sqlite3.DatabaseError(state.splitlines()[-1])
    run("PRAGMA journal_mode = WAL")
    run("PRAGMA synchronous = FULL")
    run("PRAGMA foreign_keys = ON")
    run("BEGIN IMMEDIATE")
    try:
        # The first version did not number itself.
        done = 0 if is_empty(connection) else max(1, run("PRAGMA user_version").fetchone()[0])
        for statement in "\n\n".join(step.strip() for step in _STEPS[done:]).split("\n\n"):
            run(statement)
        run(f"PRAGMA user_version = {len(_STEPS)}")
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
