"""What raters have answered, in one SQLite file that survives a crash at any moment.

In: answers, comments and consents, one at a time. Out: the same, as tables. An answer is on the disk before the call
that stores it returns (write-ahead log, ``synchronous=FULL``). Ignored: what is asked and who may ask (``server.py``).
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd

from c2i_lib.errors import C2IError

COLUMNS = ["rater", "item_id", "question", "rating", "answered_at", "comment"]
_APPLICATION = 0x63326931  # "c2i1", in the header of our databases: tells them from other people's
_WAIT = 10  # seconds for another process's lock
_SCHEMA = f"""
PRAGMA application_id = {_APPLICATION};
CREATE TABLE raters (
    rater TEXT PRIMARY KEY,
    token TEXT NOT NULL UNIQUE CHECK (length(token) >= 43),
    consented_at TEXT
) STRICT;
CREATE TABLE answers (
    rater TEXT NOT NULL REFERENCES raters,
    item_id TEXT NOT NULL,
    question TEXT NOT NULL CHECK (question IN ('quality', 'faithfulness')),
    rating INTEGER CHECK (rating >= 1), -- NULL: cannot judge
    answered_at TEXT NOT NULL,
    PRIMARY KEY (rater, item_id, question)
) STRICT;
CREATE TABLE comments (
    rater TEXT NOT NULL REFERENCES raters,
    item_id TEXT NOT NULL,
    comment TEXT NOT NULL,
    PRIMARY KEY (rater, item_id)
) STRICT;
CREATE TABLE settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
INSERT INTO settings VALUES ('closed', 0);
"""


def now() -> str:
    """The time in UTC, as ISO text with milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """A file that SQLite cannot read as a ``C2IError``. Locks and full disks stay what they are."""
    try:
        yield
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise C2IError(
            f"{path} should be a database of answers, but SQLite says: {error}. If it was damaged, put a copy back; "
            "if it holds no answers that you need, move it away and a new one is made"
        ) from error


def _check_ours(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        raise C2IError(f"{path} is a database of another program, not of answers: move it away and start again")


class Responses:
    """The answers of one run. Several processes may use one file; threads share one connection and take turns.

    Raises ``C2IError`` when ``path`` is damaged or another program's database.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        # Links and answers are private; whoever wants a shared folder can loosen it.
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        try:
            with _explained(self.path):
                self._open()
        except Exception:
            self._connection.close()
            raise

    def _open(self) -> None:
        run = self._connection.execute
        if run("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            _check_ours(self._connection, self.path)
        found = run("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found.splitlines()[-1])
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run("PRAGMA foreign_keys = ON")
        with self._writing():
            if not run("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                for statement in _SCHEMA.split(";\n"):
                    run(statement)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is on the disk afterwards, or nothing."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.rollback()
                raise
            try:
                self._connection.commit()
            except sqlite3.Error:
                if self._connection.in_transaction:  # a full disk leaves it open
                    self._connection.rollback()
                raise

    def _read(self, query: str, *values: object) -> list[tuple]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def close(self) -> None:
        """Close the file. Nothing is lost without it."""
        with self._lock:
            self._connection.close()

    def add_raters(self, raters: Iterable[str]) -> dict[str, str]:
        """The unguessable token of each rater: made once, and the same after every restart."""
        raters = list(raters)
        with self._writing() as connection:
            for rater in raters:
                values = (rater, secrets.token_urlsafe(32))
                connection.execute("INSERT INTO raters (rater, token) VALUES (?, ?) ON CONFLICT DO NOTHING", values)
        tokens = dict(self._read("SELECT rater, token FROM raters"))
        return {rater: tokens[rater] for rater in raters}

    def consent(self, rater: str) -> None:
        """Note that a rater has agreed; the first time counts."""
        with self._writing() as connection:
            query = "UPDATE raters SET consented_at = coalesce(consented_at, ?) WHERE rater = ?"
            connection.execute(query, (now(), rater))

    def answer(self, rater: str, item_id: str, question: str, rating: int | None) -> None:
        """Store an answer, in place of an earlier one; None is "cannot judge".

        Raises ``sqlite3.IntegrityError`` for a rater, question or rating that cannot be.
        """
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO answers VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
                "SET rating = excluded.rating, answered_at = excluded.answered_at",
                (rater, item_id, question, rating, now()),
            )

    def comment(self, rater: str, item_id: str, text: str) -> None:
        """Store a comment, in place of an earlier one; an empty one removes it."""
        with self._writing() as connection:
            if text.strip():
                query = "INSERT INTO comments VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET comment = excluded.comment"
                connection.execute(query, (rater, item_id, text))
            else:
                connection.execute("DELETE FROM comments WHERE rater = ? AND item_id = ?", (rater, item_id))

    def consented(self, rater: str) -> bool:
        """Whether a rater has agreed to take part."""
        return bool(self._read("SELECT 1 FROM raters WHERE rater = ? AND consented_at IS NOT NULL", rater))

    def answers_of(self, rater: str) -> dict[str, dict[str, int | None]]:
        """A rater's answers: item → question → rating."""
        answers: dict[str, dict[str, int | None]] = {}
        for item_id, *answer in self._read("SELECT item_id, question, rating FROM answers WHERE rater = ?", rater):
            answers.setdefault(item_id, {})[answer[0]] = answer[1]
        return answers

    def comments_of(self, rater: str) -> dict[str, str]:
        """A rater's comments: item → comment."""
        return dict(self._read("SELECT item_id, comment FROM comments WHERE rater = ?", rater))

    def progress(self) -> dict[str, tuple[str | None, int, str | None]]:
        """Rater → when they agreed, how many answers they gave, and when the last."""
        rows = self._read(
            "SELECT rater, consented_at, count(item_id), max(answered_at) "
            "FROM raters LEFT JOIN answers USING (rater) GROUP BY rater"
        )
        return {rater: tuple(row) for rater, *row in rows}

    @property
    def closed(self) -> bool:
        """Whether the researcher has closed the survey."""
        return bool(self._read("SELECT value FROM settings WHERE name = 'closed'")[0][0])

    @closed.setter
    def closed(self, value: bool) -> None:
        with self._writing() as connection:
            connection.execute("UPDATE settings SET value = ? WHERE name = 'closed'", (int(value),))


def read_answers(path: Path) -> pd.DataFrame:
    """All answers, also while a server writes more: ``rater, item_id, question, rating`` (NaN: cannot judge),
    ``answered_at`` (ISO text, UTC) and ``comment`` (the item's, on each of its answers; otherwise empty). A comment on
    an item without any answer has no row.

    Raises ``C2IError`` when the file is missing, damaged or another program's.
    """
    path = Path(path)
    if not path.is_file():
        raise C2IError(f"{path} does not exist: there are no answers before the survey has been served")
    query = (
        "SELECT rater, item_id, question, rating, answered_at, coalesce(comment, '') "
        "FROM answers LEFT JOIN comments USING (rater, item_id) ORDER BY rater, item_id, question"
    )
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_WAIT)
    try:
        with _explained(path):
            _check_ours(connection, path)
            rows = connection.execute(query).fetchall()
    finally:
        connection.close()
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.astype({"rating": float, **{name: str for name in COLUMNS if name != "rating"}})
