"""What raters have answered, in one SQLite file that survives a crash at any moment.

In: answers, comments and consents, one at a time, each with its version. Out: the same, as tables, and every change
that ever was. An answer is on the disk before the call that stores it returns. A version that is older than the stored
one changes nothing, whenever it arrives. Ignored: what is asked and who may ask (``server.py``).
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from c2i_lib.stages.survey.formats.answers import CANNOT_JUDGE, COLUMNS
from c2i_lib.stages.survey.web.database import WAIT, connect, explained, prepare, read


class Kept(NamedTuple):
    """What the database holds after a change was offered: ``stored`` says whether it is that change."""

    stored: bool
    value: int | str | None
    version: int


def now() -> str:
    """The time in UTC, as ISO text with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Responses:
    """The answers of one run. Several processes may use one file; threads share a connection that writes and one that
    reads, so that nobody who reads waits for somebody who waits to write.

    Raises ``C2IError`` when ``path`` is damaged or another program's database.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        # Links and answers are private; whoever wants a shared folder can loosen it.
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write_lock, self._read_lock = threading.Lock(), threading.Lock()
        self._connection = connect(self.path)
        try:
            with explained(self.path):
                prepare(self._connection, self.path)
        except BaseException:
            self._connection.close()
            raise
        self._reader = connect(self.path)
        self._reader.execute("PRAGMA query_only = ON")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is on the disk afterwards, or nothing."""
        if not self._write_lock.acquire(timeout=WAIT):
            raise sqlite3.OperationalError("database is locked: an earlier write still waits")
        try:
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
        finally:
            self._write_lock.release()

    def _read(self, query: str, *values: object) -> list[tuple]:
        with self._read_lock:
            return self._reader.execute(query, values).fetchall()

    def close(self) -> None:
        """Close the file. Nothing is lost without it."""
        with self._write_lock, self._read_lock:
            self._reader.close()
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

    def consent(self, rater: str, text: str = "") -> None:
        """Note that a rater has agreed to ``text``; the first time counts."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        with self._writing() as connection:
            connection.execute("INSERT INTO texts VALUES (?, ?) ON CONFLICT DO NOTHING", (digest, text))
            query = "UPDATE raters SET consented_at = ?, consent_sha256 = ? WHERE rater = ? AND consented_at IS NULL"
            connection.execute(query, (now(), digest, rater))

    def insert_rater(self, rater: str, order: Iterable[tuple[str, int, str]], replaces: str | None = None) -> None:
        """Add a rater to a study that runs: ``order`` has survey, position and item. ``replaces``: who leaves for them.

        Raises ``sqlite3.IntegrityError`` where there is such a rater.
        """
        with self._writing() as connection:
            values = (rater, secrets.token_urlsafe(32), replaces)
            connection.execute("INSERT INTO raters (rater, token, replaces) VALUES (?, ?, ?)", values)
            rows = [(rater, *row) for row in order]
            connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", rows)
            connection.execute("UPDATE settings SET value = value + 1 WHERE name = 'raters'")

    def withdraw(self, rater: str, leave_out: bool = False) -> None:
        """End a rater's part: their link is not valid any more. ``leave_out``: their answers do not count."""
        with self._writing() as connection:
            query = (
                "UPDATE raters SET withdrawn_at = coalesce(withdrawn_at, ?), left_out = left_out OR ? WHERE rater = ?"
            )
            connection.execute(query, (now(), int(leave_out), rater))
            connection.execute("UPDATE settings SET value = value + 1 WHERE name = 'raters'")

    def entry_token(self) -> str:
        """The unguessable token of the entry link: made once, and the same after every restart."""
        with self._writing() as connection:
            values = (secrets.token_urlsafe(32),)
            connection.execute("INSERT INTO entry SELECT ? WHERE NOT EXISTS (SELECT 1 FROM entry)", values)
        return self._read("SELECT token FROM entry")[0][0]

    def give_place(self, rater: str, person: str, parameters: str) -> None:
        """Note that ``rater`` is the place of ``person``, who came with ``parameters`` (JSON). The first visit counts,
        or the first that names a person."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO places VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET person = excluded.person, "
                "parameters = excluded.parameters WHERE person = '' AND excluded.person != ''",
                (rater, now(), person, parameters),
            )

    def places(self) -> dict[str, tuple[str, str]]:
        """Rater → when this place was given away and to whom ("": not known), the first given first."""
        return {rater: row for rater, *row in self._read("SELECT rater, given_at, person FROM places ORDER BY rowid")}

    def raters(self) -> dict[str, tuple[str, str | None]]:
        """Rater → token, and when they withdrew."""
        return {rater: row for rater, *row in self._read("SELECT rater, token, withdrawn_at FROM raters")}

    def orders(self) -> list[tuple[str, str, int, str]]:
        """Rater, survey, position and item of those who were added while the study ran."""
        return self._read("SELECT rater, survey, position, item_id FROM orders ORDER BY rater, position")

    @property
    def changes_of_raters(self) -> int:
        """Grows whenever a rater is added or withdrawn, also by another process."""
        return self._read("SELECT value FROM settings WHERE name = 'raters'")[0][0]

    def answer(
        self,
        rater: str,
        item_id: str,
        question: str,
        rating: int | None,
        version: int | None = None,
        seen_ms: int | None = None,
        viewport: tuple[int, int] | None = None,
    ) -> Kept:
        """Store an answer, in place of one of an earlier version; None is "cannot judge".

        ``version``: by default the next one. ``seen_ms``: how long the rater had seen the picture, in milliseconds.
        ``viewport``: width and height of their window, in CSS pixels. An answer that comes twice is stored once. Raises
        ``sqlite3.IntegrityError`` for a rater, question or rating that cannot be.
        """
        with self._writing() as connection:
            key = (rater, item_id, question)
            query = "SELECT rating, version FROM answers WHERE rater = ? AND item_id = ? AND question = ?"
            found = connection.execute(query, key).fetchone()
            kept = _compare(found, rating, version)
            if kept.stored and (found is None or kept.version > found[1]):
                moment = now()
                connection.execute(
                    "INSERT INTO answers (rater, item_id, question, rating, answered_at, version) "
                    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET rating = excluded.rating, "
                    "answered_at = excluded.answered_at, version = excluded.version",
                    (*key, rating, moment, kept.version),
                )
                old = found and _told(found[0])
                seen = (seen_ms, *(viewport or (None, None)))
                _note(connection, (*key, old, _told(rating), kept.version, moment, *seen))
        return kept

    def comment(self, rater: str, item_id: str, text: str, version: int | None = None) -> Kept:
        """Store a comment, in place of one of an earlier version; an empty one removes it. ``version``: as in
        ``answer``."""
        text = text.replace("\0", "")  # no CSV reader takes a NUL, and no rater means one
        text = text if text.strip() else ""
        with self._writing() as connection:
            query = "SELECT comment, version FROM comments WHERE rater = ? AND item_id = ?"
            found = connection.execute(query, (rater, item_id)).fetchone()
            kept = _compare(found, text, version)
            if kept.stored and (found is None or kept.version > found[1]):
                connection.execute(
                    "INSERT INTO comments (rater, item_id, comment, version) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET comment = excluded.comment, version = excluded.version",
                    (rater, item_id, text, kept.version),
                )
                old = found[0] if found else None
                _note(connection, (rater, item_id, "comment", old, text, kept.version, now(), None, None, None))
        return kept

    def train(
        self, rater: str, item_id: str, answers: dict[str, tuple[int | None, bool]], seen_ms: int | None = None
    ) -> None:
        """Store a rater's ``answers`` to a training item: question → rating (None: cannot judge) and whether it is as
        expected. The first to each question counts; ``seen_ms``: as in ``answer``. They are no ratings."""
        rows = [(rater, item_id, name, *answer, now(), seen_ms) for name, answer in answers.items()]
        with self._writing() as connection:
            connection.executemany("INSERT INTO training VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)

    def trained(self, rater: str) -> dict[str, dict[str, int | None]]:
        """A rater's answers to training items: item → question → rating."""
        return _by_item(self._read("SELECT item_id, question, rating FROM training WHERE rater = ?", rater))

    def consented(self, rater: str) -> bool:
        """Whether a rater has agreed to take part."""
        return self.consented_at(rater) is not None

    def consented_at(self, rater: str) -> str | None:
        """When a rater has agreed to take part, as ISO text; None: not yet."""
        found = self._read("SELECT consented_at FROM raters WHERE rater = ?", rater)
        return found[0][0] if found else None

    def answers_of(self, rater: str) -> dict[str, dict[str, int | None]]:
        """A rater's answers: item → question → rating."""
        return _by_item(self._read("SELECT item_id, question, rating FROM answers WHERE rater = ?", rater))

    def count_answers(self, rater: str) -> int:
        """How many answers a rater has given."""
        return self._read("SELECT count(*) FROM answers WHERE rater = ?", rater)[0][0]

    def comments_of(self, rater: str) -> dict[str, str]:
        """A rater's comments: item → comment."""
        return dict(self._read("SELECT item_id, comment FROM comments WHERE rater = ? AND comment != ''", rater))

    def versions_of(self, rater: str) -> dict[str, dict[str, int]]:
        """The versions of a rater's answers and comments: item → question or "comment" → version."""
        versions: dict[str, dict[str, int]] = {}
        query = (
            "SELECT item_id, question, version FROM answers WHERE rater = ?1 UNION ALL "
            "SELECT item_id, 'comment', version FROM comments WHERE rater = ?1"
        )
        for item_id, field, version in self._read(query, rater):
            versions.setdefault(item_id, {})[field] = version
        return versions

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


def _compare(found: tuple | None, value: int | str | None, version: int | None) -> Kept:
    """What is to be kept of a stored ``(value, version)``, if any, and an offered one."""
    if found is None:
        return Kept(True, value, 1 if version is None else version)
    if version is None or version > found[1]:
        return Kept(True, value, found[1] + 1 if version is None else version)
    return Kept(version == found[1] and value == found[0], *found)


def _by_item(rows: list[tuple[str, str, int | None]]) -> dict[str, dict[str, int | None]]:
    answers: dict[str, dict[str, int | None]] = {}
    for item_id, question, rating in rows:
        answers.setdefault(item_id, {})[question] = rating
    return answers


def _told(rating: int | None) -> str:
    return CANNOT_JUDGE if rating is None else str(rating)


def _note(connection: sqlite3.Connection, change: tuple) -> None:
    columns = "rater, item_id, field, old, new, version, at, seen_ms, viewport_width, viewport_height"
    connection.execute(f"INSERT INTO history ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", change)


def read_answers(path: Path) -> pd.DataFrame:
    """All answers, also while a server writes more: ``rater, item_id, question, rating`` (NaN: cannot judge),
    ``answered_at`` (ISO text, UTC) and ``comment`` (the item's, on each of its answers; otherwise empty). A comment on
    an item without any answer has no row, nor has a rater who is left out.

    Raises ``C2IError`` when the file is missing, damaged or another program's.
    """
    query = (
        "SELECT rater, item_id, question, rating, answered_at, coalesce(comment, '') "
        "FROM answers LEFT JOIN comments USING (rater, item_id) ORDER BY rater, item_id, question"
    )
    left_out = {rater for (rater,) in read(path, "SELECT rater FROM raters WHERE left_out", needs=3)}
    table = pd.DataFrame([row for row in read(path, query) if row[0] not in left_out], columns=COLUMNS)
    return table.astype({"rating": float, **{name: str for name in COLUMNS if name != "rating"}})
