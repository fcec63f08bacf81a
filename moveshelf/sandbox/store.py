"""SQLite on one side, the same rows in memory on the other. One thread uses it: the server's."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ConfigError
from .private import create_private, restrict
from .rows import (
    TABLES,
    Clip,
    Comment,
    Configuration,
    DataFile,
    Dataset,
    Norm,
    Project,
    Report,
    Row,
    Session,
    Subject,
    below,
    by_date,
    by_name,
    columns_of,
    split,
)

R = TypeVar("R", bound=Row)
VERSION = "1"  # of the tables: to be raised whenever columns change


class Store:
    """Rows by id, each knowing its children; `write()` makes what happens inside it durable before it returns."""

    def __init__(self, file: Path, seed: int = 0) -> None:
        self.rows: dict[str, Any] = {}
        self.projects: list[Any] = []
        self._clock = datetime(1970, 1, 1, tzinfo=timezone.utc)
        # SQLite gives its two side files the mode of the database
        for path in (file, *(file.with_name(file.name + end) for end in ("-wal", "-shm"))):
            restrict(path)
        create_private(file, "")
        # WAL with synchronous=NORMAL loses nothing when the process is killed; a mutation costs no disk flush
        self._db = sqlite3.connect(file, isolation_level=None, timeout=0.5)
        try:
            # what is in memory is the truth of one process: a second one must not write beside it
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT)")
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('version', ?)", (VERSION,))
        except sqlite3.OperationalError as error:
            self._db.close()
            raise ConfigError(f"the sandbox's folder {file.parent} is in use: {error}") from None
        kept = dict(self._db.execute("SELECT key, value FROM meta"))
        if kept["version"] != VERSION:
            self._db.close()
            raise ConfigError(
                f"the sandbox's folder {file.parent} was made by another version ({kept['version']}, this is "
                f"{VERSION}): use another folder"
            )
        for table in TABLES:
            columns = ", ".join(f'"{name}"' for name in columns_of(table))
            self._db.execute(
                f'CREATE TABLE IF NOT EXISTS "{table.TYPE}" (id TEXT PRIMARY KEY, seq INTEGER, {columns})'
            )
        self._seq = int(kept.get("seq", 0))
        self.seed = kept.get("seed", str(seed))
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('seed', ?)", (self.seed,))
        self._writing = False
        self._load()

    def close(self) -> None:
        self._db.close()

    # --- names and times

    def mint(self, type_name: str) -> tuple[str, int]:
        """A new id and its place in the order of creation. The same seed and history make the same ids."""
        self._seq += 1
        opaque = hashlib.sha256(f"{self.seed}/{self._seq}".encode()).digest()[:12]
        return base64.urlsafe_b64encode(type_name.encode() + opaque).decode().rstrip("="), self._seq

    def now(self) -> str:
        """The time, in UTC, later than every time that was told before."""
        self._clock = max(datetime.now(timezone.utc), self._clock + timedelta(microseconds=1))
        return self._clock.isoformat(timespec="microseconds")

    # --- writing

    @contextmanager
    def write(self) -> Iterator[None]:
        """One transaction, committed when the block ends. Blocks may nest; the outermost one counts."""
        if self._writing:
            yield
            return
        self._db.execute("BEGIN")
        self._writing = True
        try:
            yield
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('seq', ?)", (str(self._seq),))
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        else:
            self._db.execute("COMMIT")
        finally:
            self._writing = False

    def make(self, table: type[R], **values: Any) -> R:
        """A new row, in memory only: `add` keeps it."""
        return table(*self.mint(table.TYPE), **values)

    def add(self, *rows: Row, ordered: bool = True) -> None:
        """Keep new rows, in SQLite and among their relatives."""
        by_table: dict[type[Row], list[Row]] = {}
        for row in rows:
            by_table.setdefault(type(row), []).append(row)
        with self.write():
            for table, members in by_table.items():
                names = _names(table)
                marks = ", ".join("?" * (names.count(",") + 1))
                self._db.executemany(
                    f'INSERT INTO "{table.TYPE}" ({names}) VALUES ({marks})',
                    [row.record() for row in members],
                )
        touched = [order for row in rows for order in self._link(row)]
        if ordered:
            for siblings, key in touched:
                siblings.sort(key=key)
        else:  # many rows: sort each list once
            for siblings, key in {id(siblings): (siblings, key) for siblings, key in touched}.values():
                siblings.sort(key=key)

    def change(self, row: Row, **values: Any) -> None:
        """Set columns of a row, in SQLite and in memory, and put it in its place among its siblings."""
        moved = {"project", "session", "date", "name"} & values.keys()
        with self.write():
            sets = ", ".join(f'"{name}" = ?' for name in values)
            self._db.execute(f'UPDATE "{row.TYPE}" SET {sets} WHERE id = ?', (*values.values(), row.id))
        if moved:
            self._unlink(row)
        for name, value in values.items():
            setattr(row, name, value)
        if moved:
            for siblings, key in self._link(row):
                siblings.sort(key=key)

    def delete(self, row: Row) -> list[Row]:
        """Delete a row and all that is below it; returns every row that was deleted."""
        deleted = list({member.id: member for member in below(row)}.values())
        with self.write():
            for member in deleted:
                self._db.execute(f'DELETE FROM "{member.TYPE}" WHERE id = ?', (member.id,))
        for member in deleted:
            self._unlink(member)
        for member in deleted:  # last: a member finds its siblings through its parent
            self.rows.pop(member.id, None)
        return deleted

    # --- finding

    def node(self, id: str | None) -> Any:
        """The row of an id that `node(id:)` may return, or None."""
        row = self.rows.get(id) if id else None
        return row if row is not None and row.IS_NODE else None

    def of(self, table: type[R], id: str | None) -> R | None:
        """The row of an id if it belongs to that table."""
        row = self.rows.get(id) if id else None
        return row if isinstance(row, table) else None

    def project(self, id_or_name: str | None) -> Any:
        """A project by its id or its name."""
        found = self.of(Project, id_or_name)
        if found is None and id_or_name:
            found = next((project for project in self.projects if project.name == id_or_name), None)
        return found

    def session_at(self, project: Any, path: str | None) -> Session | None:
        """The session that a clip of that path belongs to: of several with the same names the newest."""
        names = tuple(split(path)[:2])
        if len(names) < 2:
            return None
        found = [session for session in project.sessions if session.names == names]
        return max(found, key=lambda session: session.seq) if found else None

    # --- relatives

    def _load(self) -> None:
        touched: dict[int, Any] = {}
        for table in TABLES:
            columns = columns_of(table)
            for id, seq, *values in self._db.execute(
                f'SELECT {_names(table)} FROM "{table.TYPE}" ORDER BY seq'
            ):
                row = table(id, seq, **dict(zip(columns, values, strict=True)))
                touched.update({id_of(siblings): (siblings, key) for siblings, key in self._link(row)})
        for siblings, key in touched.values():
            siblings.sort(key=key)

    def _relatives(self, row: Any) -> Iterable[tuple[list[Any], Any]]:
        """The lists that a row belongs to, with the key of their order."""
        get = self.rows.__getitem__
        if isinstance(row, Project):
            yield self.projects, by_name
        elif isinstance(row, Subject):
            yield get(row.project).subjects, by_name
        elif isinstance(row, Session):
            yield get(row.project).sessions, by_date
            if row.subject and row.subject in self.rows:
                yield get(row.subject).sessions, by_date
        elif isinstance(row, Clip):
            yield get(row.project).clips, by_creation
            for parent in (row.session, row.norm):
                if parent is not None and parent in self.rows:
                    yield get(parent).clips, by_creation
        elif isinstance(row, (DataFile, Comment)):
            clip = get(row.clip)
            yield (clip.files if isinstance(row, DataFile) else clip.comments), by_creation
        elif isinstance(row, Report):
            for parent in (row.subject, row.session):
                if parent is not None and parent in self.rows:
                    yield get(parent).reports, by_creation
        elif isinstance(row, (Norm, Dataset, Configuration)):
            project = get(row.project)
            link = {Norm: "norms", Dataset: "datasets", Configuration: "configurations"}[type(row)]
            yield getattr(project, link), by_creation

    def _link(self, row: Row) -> list[tuple[list[Any], Any]]:
        self.rows[row.id] = row
        found = list(self._relatives(row))
        for siblings, _ in found:
            siblings.append(row)
        return found

    def _unlink(self, row: Row) -> None:
        for siblings, _ in self._relatives(row):
            # rows compare by identity; a parent that went first may have taken its lists along
            if row in siblings:
                siblings.remove(row)


def _names(table: type[Row]) -> str:
    """The columns of a table by their names: a folder of another version may hold them in another order."""
    return ", ".join(f'"{name}"' for name in ("id", "seq", *columns_of(table)))


def by_creation(row: Any) -> int:
    return int(row.seq)


id_of = id
