"""The fsspec filesystem `moveshelf://`: projects, subjects, sessions and trials as folders, for pandas, Dask and others.

    moveshelf://<owner>/<project>/<subject>/<session>/<condition>/<trial>/<file>

Levels are those of `moveshelf ls`, and what lies at each is named as `download` names it on the disk: what a path cannot hold
is percent-encoded (`a/b` is `a%2Fb`), and of names that a disk would take for one the later get `~` and their id before the
extension; subjects who share a name have it all, so that no path stands for one patient now and for another one later. A
trial outside of any condition lies directly in its session's folder. Trials that are in no session have no place
in this tree: `project.clips` has them, and `project.download()` brings them.

Installed with the extra `fsspec`; fsspec finds the class by the protocol:

    >>> import fsspec
    >>> with fsspec.open("moveshelf://lab/demo/P-001/2023-01-20 pre-op/Barefoot/Trial-1/event.json") as file:
    ...     content = file.read()
"""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import hmac
import io
import os
import secrets
import sys
import tempfile
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast
from weakref import WeakValueDictionary

import attrs

from .client import Moveshelf, connect
from .config import check_url, looks_like_key
from .display import label, near_misses
from .errors import (
    ConfigError,
    ConflictError,
    DeletedError,
    NotFoundError,
    RequestError,
    ValidationError,
)
from .gait.extra import MissingExtraError
from .lazy.peers import Named
from .models import Clip, Condition, Project, Session, Subject
from .models.base import service_of
from .models.collection import nfc
from .models.datafile import OriginalFile
from .operations import commands, contents, downloads, files, uploads
from .operations.content_cache import read_through
from .operations.deletion import mark_deleted
from .operations.downloads import LocatedFile
from .operations.folders import condition_name
from .operations.paths import unescape
from .operations.uploads import WantedFile
from .operations.validation import checked_file_name
from .transfer.layout import data_type
from .transfer.names import of_one_name, original_name, safe_name, sibling_names
from .transfer.run import JOBS, checked_jobs
from .values import UploadStatus
from .wire.thread import ProcessLock

if TYPE_CHECKING:
    from .operations.service import Service
    from .transfer.download import Content
    from .transfer.ranges import RangeFile
    from .transfer.source import Source

try:
    from fsspec.callbacks import DEFAULT_CALLBACK
    from fsspec.compression import compr
    from fsspec.core import get_compression
    from fsspec.spec import AbstractFileSystem
    from fsspec.utils import isfilelike, tokenize
except ModuleNotFoundError as missing:
    raise MissingExtraError(
        f"moveshelf.fs needs the package {(missing.name or '').partition('.')[0]}, which is not installed: "
        "pip install 'moveshelf[fsspec]'"
    ) from None

__all__ = ["MoveshelfFileSystem"]

URLS = 64
"""Signed URLs in one request."""
URL_SECONDS = 300.0
"""Seconds after which a signed URL is requested anew, since the service does not say how long one is good."""
LISTINGS = 512
"""Listings of which the names are kept: they are computed from all members."""
SPOOL = 8 << 20
"""Bytes of a new file that are kept in memory until it is closed; more go to a temporary file."""

# options of fsspec's own that change nothing here: the client keeps the listings
_OF_FSSPEC = frozenset(("use_listings_cache", "listings_expiry_time", "max_paths", "asynchronous", "loop"))
_SECRET = ("api_key", "key", "token", "secret", "password", "secretKey", "auth")
_SALT = secrets.token_bytes(16)

#: (process, surroundings, options) -> the client that all filesystems of these options share
_CLIENTS: WeakValueDictionary[tuple[Any, ...], Moveshelf] = WeakValueDictionary()


# what a path leads to -------------------------------------------------------------------------------------------------
@attrs.frozen
class Entry:
    """What a path leads to.

    `kind` is "root", "owner", "project", "subject", "session", "condition", "trial" or "file"; `target` the object, for an
    owner the beginning of the projects' names.
    """

    kind: str
    target: Any = None

    @property
    def is_file(self) -> bool:
        return self.kind == "file"


#: The kinds whose folders hold one kind of object each, from the top, and the attributes that list them.
_LISTED = {"project": ("subjects", "subject"), "subject": ("sessions", "session")}
#: What to load below an object of a kind, level by level.
_LEVELS = {
    "project": ("subjects", "sessions", "clips", "clips", "files"),
    "subject": ("sessions", "clips", "clips", "files"),
    "session": ("clips", "clips", "files"),
    "condition": ("clips", "files"),
    "trial": ("files",),
}
_KINDS: dict[str, type[Any]] = {"project": Project, "subject": Subject, "session": Session, "trial": Clip}
#: Kinds of which a pattern's names are worth a look before what is below them is fetched.
_LARGE = ("owner", "project", "subject", "session")


@attrs.frozen
class NewTrial:
    """A trial that is to be created where the first file is put into it."""

    session: Session
    condition: str | None
    title: str


@attrs.frozen
class Target:
    """Where a new file goes: its path, its trial, and its name on the service."""

    path: str
    trial: Clip | NewTrial
    name: str


# instances ------------------------------------------------------------------------------------------------------------
class _Instances(type(AbstractFileSystem)):  # type: ignore[misc]  # fsspec has no types
    """How instances are made and kept: by fsspec's rules, and by what `connect` would find now.

    fsspec keeps an instance for each set of options and hands it out again. Options of `connect` do not say which account
    is meant; the environment and the working folder do.
    """

    def __call__(cls, *args: Any, **options: Any) -> Any:
        client = options.get("client")
        if client is None:
            return super().__call__(*args, **options)
        # two clients look the same as text: an instance for one must never be handed out for the other
        found = super().__call__(*args, **{**options, "skip_instance_cache": True})
        kept = {name: value for name, value in found.storage_options.items() if name != "client"}
        found.storage_options = {**kept, "expects": client.url}
        found._fs_token_ = tokenize(found._fs_token_, id(client))
        return found

    @property
    def _surroundings(cls) -> tuple[Any, ...]:
        """What `connect` goes by beside its arguments; of a key only a digest that no other process can compute."""
        key = os.environ.get("MOVESHELF_API_KEY", "")
        digest = hmac.new(_SALT, key.encode(), hashlib.sha256).hexdigest() if key else ""
        try:
            folder = os.getcwd()
        except OSError:  # the folder was removed
            folder = ""
        environment = [os.environ.get(name) for name in ("MOVESHELF_API_URL", "MOVESHELF_API_KEY_FILE")]
        return (folder, *environment, digest)


class MoveshelfFileSystem(AbstractFileSystem, metaclass=_Instances):  # type: ignore[misc]  # fsspec has no types
    """Moveshelf's projects as a filesystem of fsspec's, `moveshelf://owner/project/subject/session/condition/trial/file`.

    See the module for names and levels. Nothing is fetched until it is used, and stays until `invalidate_cache()`: a listing
    is one request, `find`, `glob` and `walk` fetch several levels, of many objects, in one. Whole files are verified by size
    and checksum, on the way up and down, by the same code as `read`, `download` and `upload`.

    Options (`storage_options=` of pandas and Dask), all by name:

    - `api_key_file`, `api_url`, `region`: as of `moveshelf.connect`, by whose rules the client is found when it is first
      needed; in a process all filesystems of the same options share one. A key is never an option, since options end up in
      pickles and logs: put it into the environment or a key file.
    - `client`: a `Moveshelf` to use instead. It does not travel: a pickle, or `to_json`, of the filesystem holds the address
      (`expects`), and the copy connects by `connect`'s rules, to that address or not at all (ConfigError).
    - `overwrite`: whether files may be replaced where a call does not say so (False).
    - `auto_mkdir`: whether a trial that does not exist is created where a file is put into it (False).

    Raises ValidationError for other options, ConfigError for what may be a key; nothing is sent.

    >>> fs = fsspec.filesystem("moveshelf", region="us")  # doctest: +SKIP
    >>> fs.ls("lab/demo", detail=False)  # doctest: +SKIP
    ['lab/demo/P-001', 'lab/demo/P-002']
    >>> fs.glob("lab/demo/*/*/Barefoot/*/event.json")  # doctest: +SKIP
    >>> pandas.read_json("moveshelf://lab/demo/P-001/2023-01-20 pre-op/Barefoot/Trial-1/event.json")  # doctest: +SKIP
    """

    protocol = "moveshelf"
    root_marker = ""
    _extra_tokenize_attributes: ClassVar[tuple[str, ...]] = ("_surroundings",)

    def __init__(
        self,
        *,
        api_key_file: str | os.PathLike[str] | None = None,
        api_url: str | None = None,
        region: str | None = None,
        client: Moveshelf | None = None,
        overwrite: bool = False,
        auto_mkdir: bool = False,
        expects: str | None = None,
        **options: Any,
    ) -> None:
        if getattr(self, "_is_ready", False):
            return
        _check_options(options, api_key_file)
        if api_url is not None:
            check_url(api_url, "api_url")
        if client is not None and not isinstance(client, Moveshelf):
            raise ValidationError(f"client is what moveshelf.connect() returns, not {type(client).__name__}")
        if client is not None and any(one is not None for one in (api_key_file, api_url, region)):
            raise ValidationError(
                "client has a key and an address already: leave api_key_file, api_url and region out"
            )
        super().__init__(**options)
        self._options = {"api_key_file": api_key_file, "api_url": api_url, "region": region}
        self._client = client
        self._expects = expects
        self.overwrite = bool(overwrite)
        self.auto_mkdir = bool(auto_mkdir)
        self._listings: OrderedDict[Any, tuple[Any, dict[str, Entry]]] = OrderedDict()
        self._folders: set[tuple[str, str]] = (
            set()
        )  # conditions that `mkdir` was called for: session's id, name
        self._contents: dict[str, Content] = {}  # sizes and checksums of files, by id
        self._urls = _Urls(self._service)
        self._has_opened = False
        self._is_ready = True

    # the client -----------------------------------------------------------------------------------------------------
    @property
    def client(self) -> Moveshelf:
        """The client that everything goes through. No request; connects when first used.

        Raises ConfigError where `connect` finds no key or no address, or another address than a copy expects.
        """
        if self._client is None:
            key = (os.getpid(), type(self)._surroundings, *map(str, self._options.values()))
            found = _CLIENTS.get(key)
            if found is None or found._wire.closed:
                found = _CLIENTS[key] = connect(**self._options)  # type: ignore[arg-type]
            if self._expects is not None and found.url != self._expects:
                raise ConfigError(
                    f"this filesystem is a copy of one at {self._expects}, and the key found here is for {found.url}: "
                    "give this process the former's key and address (MOVESHELF_API_KEY and MOVESHELF_API_URL, or a key file)"
                )
            self._client = found
        return self._client

    def _service(self) -> Service:
        return service_of(self.client._engine)

    @property
    def fsid(self) -> str:
        """What two filesystems of one service have in common: its address."""
        return f"moveshelf-{self.client.url}"

    # paths ----------------------------------------------------------------------------------------------------------
    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        found = super()._strip_protocol(path)
        return found if isinstance(found, list) else found.lstrip("/")

    def _entry(self, path: str) -> Entry:
        """What a path leads to. Raises FileNotFoundError with near misses, NotADirectoryError below a file.

        One request for a level that is not loaded.
        """
        entry = Entry("root")
        for name in _parts(path):
            if entry.is_file:
                raise NotADirectoryError(errno.ENOTDIR, f"{label(entry.target)} is a file", path)
            children = self._children(entry)
            found = children.get(name) or self._by_other_name(children, name, path)
            if found is None:
                raise self._missing(entry, name, children, path)
            self._picked(entry, found)
            entry = found
        return entry

    def _by_other_name(self, children: Mapping[str, Entry], name: str, path: str) -> Entry | None:
        """A member by its name as it is on the service, its id, or name and id; None where there is none."""
        plain = nfc(unescape(name))
        clean = nfc(name)
        fits = [
            one
            for shown, one in children.items()
            if nfc(shown) == clean or plain == nfc(_name(one)) or _id(one) == name
        ]
        if not fits:
            fits = [one for one in children.values() if _marked(one) == name]
        if len(fits) > 1:
            shown = ", ".join(repr(key) for key, one in children.items() if one in fits)
            raise FileNotFoundError(
                errno.ENOENT, f"{len(fits)} are named {name!r} here: write one of {shown}", path
            )
        return fits[0] if fits else None

    def _missing(
        self, entry: Entry, name: str, children: Mapping[str, Entry], path: str
    ) -> FileNotFoundError:
        what = {"root": "owner or project", "owner": "project", "session": "condition or trial"}
        below = {"project": "subject", "subject": "session", "condition": "trial", "trial": "file"}
        kind = what.get(entry.kind) or below[entry.kind]
        where = "" if entry.kind in ("root", "owner") else f" in {_label(entry)}"
        text = f"no {kind} {name!r}{where}"
        near = near_misses(name, list(children))
        if near:
            text += f"; did you mean {' or '.join(map(repr, near))}?"
        elif not children:
            text += ", which has none" if where else ", and the key opens none"
        else:
            shown = ", ".join(map(repr, list(children)[:5]))
            text += f"; there {'is' if len(children) == 1 else 'are'} {shown}{', ...' if len(children) > 5 else ''}"
        return FileNotFoundError(errno.ENOENT, text, path)

    def _picked(self, above: Entry, found: Entry) -> None:
        """Let the engine know that one object was picked, so that others that are picked next are fetched together."""
        target = found.target
        if above.kind in _LISTED:
            collection: Any = getattr(above.target, _LISTED[above.kind][0])
        elif found.kind == "trial":
            collection = above.target.clips
        else:
            return
        collection._picked(target, Named(nfc(str(target.name))))

    # listings -------------------------------------------------------------------------------------------------------
    def _children(self, entry: Entry) -> dict[str, Entry]:
        """What lies in a folder, by the names that paths have for it. At most one request; two for a trial."""
        if entry.kind in ("root", "owner"):
            members = self.client.projects._members()
            key: Any = (entry.kind, entry.target)
        elif entry.kind in _LISTED:
            members = getattr(entry.target, _LISTED[entry.kind][0])._members()
            key = (entry.kind, entry.target.id)
        elif entry.kind == "session":
            members = entry.target.clips._members()
            key = (entry.kind, entry.target.id)
        elif entry.kind == "condition":
            return _placed([("trial", clip) for clip in entry.target.clips._members()])
        else:
            return self._files(entry.target)
        state = (self.client._engine.cache.clock, len(members))
        known = self._listings.get(key)
        if known is not None and known[0][0] is members and known[0][1] == state:
            return known[1]
        children = _sorted_below(entry, members)
        self._listings[key] = ((members, state), children)
        while len(self._listings) > LISTINGS:
            self._listings.popitem(last=False)
        return children

    def _files(self, clip: Clip) -> dict[str, Entry]:
        if not (clip.is_loaded("files") and clip.is_loaded("original_name")) and not self._has_opened:
            clip.load("files", "original_name")  # one request for what would be two
            self._has_opened = True
        original = [clip.original] if clip.original is not None else []
        return _placed([("file", one) for one in (*original, *clip.files._members())])

    def _load(self, entries: Sequence[Entry], levels: int | None) -> None:
        """Load so many levels below all of these, many objects to a request; None for all."""
        engine = self.client._engine
        for kind in dict.fromkeys(one.kind for one in entries):
            targets = [one.target for one in entries if one.kind == kind]
            if kind not in _LEVELS:
                continue
            names = _LEVELS[kind][:levels]
            if kind == "condition":
                kind, targets = "session", [one.session for one in targets]
                names = ("clips", *names) if names else names
            path = ".".join(dict.fromkeys(names))
            if not path:
                continue
            paths = [path]
            if path.endswith("files"):
                paths.append(path[: -len("files")] + "original_name")
            engine.load(targets, _KINDS[kind], paths)

    def _below(
        self, start: Entry, path: str, depth: int | None, patterns: Sequence[str] = ()
    ) -> Iterator[tuple[str, Entry]]:
        """Path and entry of all below a folder, level by level; where `patterns` are given, each for the names of one level,
        only what fits, and what is below that."""
        level = [(path, start)]
        at = 0
        while level and (depth is None or at < depth):
            folders = [(where, one) for where, one in level if not one.is_file]
            for kind in dict.fromkeys(one.kind for _, one in folders):
                group = [one for _, one in folders if one.kind == kind]
                self._load(group, self._reach(kind, at, depth, patterns))
            level = []
            for where, one in folders:
                for name, child in self._children(one).items():
                    if at < len(patterns) and not fnmatch.fnmatchcase(name, patterns[at]):
                        continue
                    found = (f"{where}/{name}" if where else name, child)
                    level.append(found)
                    yield found
            at += 1

    def _reach(self, kind: str, at: int, depth: int | None, patterns: Sequence[str]) -> int | None:
        """How many levels to load at once below folders of a kind: down to the first level that a pattern makes smaller."""
        order = [*_LARGE]
        if kind not in order:
            return None if depth is None else depth - at
        for number, below in enumerate(order[order.index(kind) + 1 :], 1):
            step = at + number - 1
            if step < len(patterns) and patterns[step] != "*" and below != "owner":
                return number
        return None if depth is None else depth - at

    # looking --------------------------------------------------------------------------------------------------------
    def ls(self, path: str, detail: bool = True, refresh: bool = False, **kwargs: Any) -> list[Any]:
        """What lies in a folder: dictionaries as of `info`, but for sizes that are not known yet; or paths.

        One request where it is not loaded; `refresh` loads it anew. Raises FileNotFoundError with near misses.
        """
        path = self._strip_protocol(path)
        if refresh:
            self.invalidate_cache(path)
        with _as_os_errors(path):
            entry = self._found(path)
            if entry is None:
                return []
            if entry.is_file:
                found = [self._described(path, entry)]
            else:
                found = [
                    self._described(f"{path}/{name}" if path else name, one)
                    for name, one in self._children(entry).items()
                ]
        return found if detail else sorted(one["name"] for one in found)

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """What is known of a file or folder: name, type, size, and id; of a file also data_type, upload_status, crc32c.

        The size of a file is the store's: a request for a signed URL and a HEAD, the first time; None for a file whose upload
        is not complete. Raises FileNotFoundError with near misses.
        """
        path = self._strip_protocol(path)
        with _as_os_errors(path):
            entry = self._found(path)
            if entry is None:
                return {"name": path, "size": 0, "type": "directory", "kind": "condition"}
            if entry.is_file:
                self._measure([entry])
            return self._described(path, entry)

    def _found(self, path: str) -> Entry | None:
        """What a path leads to; None for a condition that `mkdir` was called for and that has no trial yet."""
        try:
            return self._entry(path)
        except FileNotFoundError:
            if self._is_new_condition(path):
                return None
            raise

    def _is_new_condition(self, path: str) -> bool:
        if not self._folders:
            return False
        above, _, name = path.rpartition("/")
        try:
            session = self._entry(above)
        except OSError:
            return False
        return session.kind == "session" and (session.target.id, name) in self._folders

    def _described(self, path: str, entry: Entry) -> dict[str, Any]:
        found: dict[str, Any] = {"name": path, "size": 0, "type": "directory", "kind": entry.kind}
        if _id(entry):
            found["id"] = _id(entry)
        if entry.is_file:
            one = entry.target
            known = self._contents.get(_content_key(one))
            found.update(type="file", size=None if known is None else known.size)
            found["data_type"] = (
                data_type(one.name) if isinstance(one, OriginalFile) else _text(one.data_type)
            )
            found["upload_status"] = _text(one.upload_status)
            if known is not None:
                found["crc32c"] = known.crc32c
        return found

    def exists(self, path: str, **kwargs: Any) -> bool:
        """Whether there is a file or folder; what keeps the service from telling is raised, and is no "no"."""
        return self._kind(path) is not None

    def isfile(self, path: str) -> bool:
        """Whether there is a file; as `exists` for errors."""
        return self._kind(path) == "file"

    def isdir(self, path: str) -> bool:
        """Whether there is a folder; as `exists` for errors."""
        return self._kind(path) not in (None, "file")

    def _kind(self, path: str) -> str | None:
        path = self._strip_protocol(path)
        try:
            with _as_os_errors(path):
                entry = self._found(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return "condition" if entry is None else entry.kind

    def sizes(self, paths: list[str]) -> list[int | None]:
        """The sizes in bytes, of many files at once: a request for 64 signed URLs, and a HEAD for each file."""
        found = []
        for path in paths:
            with _as_os_errors(path):
                found.append((self._strip_protocol(path), self._found(self._strip_protocol(path))))
        with _as_os_errors(None):
            self._measure([one for _, one in found if one is not None and one.is_file])
        return [0 if one is None else self._described(path, one)["size"] for path, one in found]

    def du(
        self,
        path: str,
        total: bool = True,
        maxdepth: int | None = None,
        withdirs: bool = False,
        **kwargs: Any,
    ) -> int | dict[str, int | None]:
        """Bytes of all files below, or a dictionary by path; requests as of `find` and `sizes`."""
        found = self.find(path, maxdepth=maxdepth, withdirs=withdirs)
        sizes = dict(zip(found, self.sizes(found), strict=True))
        return sum(size or 0 for size in sizes.values()) if total else sizes

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **kwargs: Any,
    ) -> Any:
        """The paths of all files below, sorted; with `detail` a dictionary of them, as of `ls`.

        Fetches several levels of many objects in a request: a project of thirty sessions takes at most five. Nothing below
        a path that does not exist; what keeps the service from telling is raised.
        """
        if maxdepth is not None and maxdepth < 1:
            raise ValueError("maxdepth must be at least 1")
        path = self._strip_protocol(path)
        out: dict[str, Entry | None] = {}
        with _as_os_errors(path):
            try:
                start: Entry | None = self._found(path)
            except (FileNotFoundError, NotADirectoryError):
                return {} if detail else []
            if start is None or start.is_file:
                if withdirs or start is not None:
                    out[path] = start
            else:
                if withdirs and path:
                    out[path] = start
                for where, below in self._below(start, path, maxdepth, kwargs.get("_patterns", ())):
                    if withdirs or below.is_file:
                        out[where] = below
        names = sorted(out)
        self._urls.expect(
            [one.target for one in (out[name] for name in names) if one is not None and one.is_file]
        )
        if not detail:
            return names
        folder = {"size": 0, "type": "directory", "kind": "condition"}
        return {
            name: {"name": name, **folder} if (one := out[name]) is None else self._described(name, one)
            for name in names
        }

    def glob(self, path: str, maxdepth: int | None = None, **kwargs: Any) -> Any:
        """The paths that fit a pattern, by fsspec's rules (`*`, `?`, `[abc]`, `**`), sorted; requests as of `find`.

        What does not fit is not looked into: `lab/*/P-001/**` fetches what is below P-001 alone.
        """
        pattern = self._strip_protocol(path)
        parts = pattern.split("/")
        first = next((at for at, part in enumerate(parts) if any(one in part for one in "*?[")), len(parts))
        last = next((at for at, part in enumerate(parts) if "**" in part), len(parts))
        return super().glob(path, maxdepth=maxdepth, _patterns=tuple(parts[first:last]), **kwargs)

    def expand_path(
        self,
        path: Any,
        recursive: bool = False,
        maxdepth: int | None = None,
        assume_literal: bool = False,
        **kwargs: Any,
    ) -> list[str]:
        """As fsspec's, but that a path that exists means itself, also where its name has brackets."""
        found: set[str] = set()
        for one in [path] if isinstance(path, (str, os.PathLike)) else path:
            name = self._strip_protocol(one)
            is_literal = assume_literal or ("[" in name and not {"*", "?"} & set(name) and self.exists(name))
            found.update(
                super().expand_path(
                    [name], recursive=recursive, maxdepth=maxdepth, assume_literal=is_literal, **kwargs
                )
            )
        return sorted(found)

    def walk(
        self,
        path: str,
        maxdepth: int | None = None,
        topdown: bool = True,
        on_error: Any = "omit",
        **kwargs: Any,
    ) -> Iterator[tuple[str, Any, Any]]:
        """Folder, names of folders and names of files, for each folder below, as `os.walk`.

        Folders that are taken out of the list are not looked into. Below a project several levels are fetched in one
        request. `on_error` is for a path that does not exist; other errors are raised.
        """
        if maxdepth is not None and maxdepth < 1:
            raise ValueError("maxdepth must be at least 1")
        path = self._strip_protocol(path)
        detail = kwargs.pop("detail", False)
        try:
            with _as_os_errors(path):
                start = self._entry(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            if on_error == "raise":
                raise
            if callable(on_error):
                on_error(error)
            return
        if start.is_file:
            shown = {"": self._described(path, start)}
            yield path, {} if detail else [], shown if detail else [""]
            return
        with _as_os_errors(path):
            self._load([start], 1 if start.kind == "project" else maxdepth)
        yield from self._walk(path, start, maxdepth, topdown, detail)

    def _walk(
        self, path: str, entry: Entry, depth: int | None, topdown: bool, detail: bool
    ) -> Iterator[tuple[str, Any, Any]]:
        with _as_os_errors(path):
            children = self._children(entry)
        folders = {name: one for name, one in children.items() if not one.is_file}
        shown = {
            name: self._described(f"{path}/{name}" if path else name, one) for name, one in children.items()
        }
        kept: Any = {name: shown[name] for name in folders} if detail else list(folders)
        inside: Any = {name: shown[name] for name in children if name not in folders}
        inside = inside if detail else list(inside)
        if topdown:
            yield path, kept, inside
        if depth is None or depth > 1:
            rest = None if depth is None else depth - 1
            chosen = [name for name in (kept if topdown else folders) if name in folders]
            with _as_os_errors(path):
                # projects one by one: each may be large
                self._load([folders[name] for name in chosen if folders[name].kind != "project"], rest)
            for name in chosen:
                below = f"{path}/{name}" if path else name
                yield from self._walk(below, folders[name], rest, topdown, detail)
        if not topdown:
            yield path, kept, inside

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forget what was fetched, of everything or of what a path leads to and all below it. No request.

        The objects of the same client forget it as well. Signed URLs and sizes are always forgotten.
        """
        super().invalidate_cache(path)
        self._urls.forget()
        self._contents.clear()
        self._listings.clear()
        if self._client is None:
            return
        entry = Entry("root")
        for name in _parts("" if path is None else self._strip_protocol(path)):
            if entry.is_file or not _is_listed(entry, self.client):
                break
            children = self._children(entry)
            found = children.get(name) or next(
                (one for one in children.values() if name in (_name(one), _id(one), _marked(one))), None
            )
            if found is None:
                break  # it may have been created since the folder was listed
            entry = found
        target = entry.target
        if entry.is_file:
            target = target.clip
        elif entry.kind == "condition":
            target = target.session
        engine = self.client._engine
        if isinstance(target, Project):
            engine.forget(target, "subjects")
        elif isinstance(target, Subject):
            engine.forget(target, "sessions")
        elif isinstance(target, Session):
            engine.forget(target, "clips")
        elif isinstance(target, Clip):
            engine.forget(target, "files", "original_name")
        else:
            self.client.refresh()

    # reading --------------------------------------------------------------------------------------------------------
    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | str | None = None,
        cache_options: Any = None,
        compression: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """A file object: "rb" and "r" read, "wb", "w", "xb" and "x" put a new file into a trial when it is closed.

        Reading fetches the parts that are read, at least `block_size` bytes at a time. `compression` is a name of fsspec's, or
        "infer" to tell it from the path. What is written is uploaded as a whole, verified; not at all where an exception ends
        its `with` block, or where it is never closed. Raises FileNotFoundError, IsADirectoryError, FileExistsError, and
        ValueError for other modes. Text takes `encoding`, `errors` and `newline` too.
        """
        if "b" in mode and "r" not in mode:
            packing = compr[get_compression(path, compression)]
            file = super().open(path, mode, block_size, cache_options, **kwargs)
            return file if packing is compr[None] else CompressedFile(packing(file, mode=mode[0]), file)
        return super().open(path, mode, block_size, cache_options, compression, **kwargs)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | str | None = None,
        autocommit: bool = True,
        cache_options: Any = None,
        overwrite: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """What `open` leads to: `ReadFile` for "rb", `WriteFile` for "wb" and "xb"."""
        if mode == "rb":
            entry = self._file_at(path)
            return ReadFile(self, path, entry, block_size)
        if mode not in ("wb", "xb"):
            raise ValueError(
                f"mode {mode!r} is not possible: files on the service are read ('rb') or put there as a whole ('wb', 'xb')"
            )
        replaces = False if mode == "xb" else self.overwrite if overwrite is None else bool(overwrite)
        with _as_os_errors(path):
            target = self._target(path, self.auto_mkdir)
            self._refuse_known([target], replaces)
        return WriteFile(self, target, replaces, autocommit)

    def _file_at(self, path: str) -> Entry:
        """The file that a path leads to. Raises FileNotFoundError, IsADirectoryError."""
        path = self._strip_protocol(path)
        with _as_os_errors(path):
            entry = self._found(path)
        if entry is None or not entry.is_file:
            raise IsADirectoryError(
                errno.EISDIR, f"this is a {'condition' if entry is None else entry.kind}, and no file", path
            )
        return entry

    def _range_file(self, path: str, entry: Entry, block_size: int | str | None = None) -> RangeFile:
        from .transfer.ranges import BLOCK, RangeFile

        service = self._service()
        one = entry.target

        def url(renew: bool) -> str:
            with _as_os_errors(path):
                return self._urls.get(one, renew)

        block = BLOCK if block_size in (None, "default") else max(int(block_size), 1)
        return RangeFile(service.wire, url, one.name, service.wire.retry, block)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        """The content of a file, verified by size and checksum; or, with `start` and `end`, a part of it.

        Parts have no checksum of their own, so that a part is not verified; but all parts of one call are of one object (by
        its entity tag and the store's checksum), and TransferError is raised where it was replaced meanwhile. Two requests,
        or one where a URL is known: those of files that a `find` or `glob` found are requested 64 at a time.
        """
        entry = self._file_at(path)
        with _as_os_errors(path):
            if start is None and end is None:
                return self._read(entry)
            with ReadFile(self, path, entry) as file:
                return _part(file, start, end)

    def _read(self, entry: Entry) -> bytes:
        """All of a file, verified."""
        service = self._service()
        one = entry.target

        async def work() -> bytes:
            import asyncio

            async def url(renew: bool) -> str:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(None, self._urls.get, one, renew)

            blobs = await service.wire.blob_session()
            return await read_through(
                service.contents, _url_key(one), blobs, url, one.name, retry=service.wire.retry
            )

        return service.wire.run(work).result()

    def cat(self, path: Any, recursive: bool = False, on_error: str = "raise", **kwargs: Any) -> Any:
        """The contents of one file, or of several as a dictionary by path, verified, many at a time.

        Patterns and lists as fsspec has them; `recursive`: of all files below. `on_error` is "raise", "omit" or "return" (the
        error in place of the content). A request for every 64 signed URLs, and one for each file.
        """
        paths = self.expand_path(path, recursive=recursive)
        is_single = len(paths) == 1 and not isinstance(path, list) and paths[0] == self._strip_protocol(path)
        if is_single and (not recursive or self.isfile(paths[0])):
            return self.cat_file(paths[0], **kwargs)
        if kwargs.get("start") is not None or kwargs.get("end") is not None:
            starts, ends = [kwargs.get("start")] * len(paths), [kwargs.get("end")] * len(paths)
            parts = self.cat_ranges(paths, starts, ends, on_error="return")
            return _collected(zip(paths, parts, strict=True), on_error)
        found: dict[str, Entry] = {}
        failed: dict[str, Any] = {}
        for one in paths:
            try:
                found[one] = self._file_at(one)
            except IsADirectoryError as error:
                if not recursive:
                    failed[one] = error
            except FileNotFoundError as error:
                failed[one] = error
            if one in failed and on_error == "raise":
                raise failed[one]
        located = [entry.target._located() for entry in found.values()]
        results = (one.result for one in contents.contents(self._service(), located))
        pairs = {one: _result(result, one) for one, result in zip(found, results, strict=True)} | failed
        return _collected(((one, pairs[one]) for one in paths if one in pairs), on_error)

    def cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> list[Any]:
        """Parts of files, as of `cat_file`, several files at a time; parts of one file are of one object."""
        if max_gap is not None:
            raise NotImplementedError("max_gap is not possible here: leave it out")
        if not isinstance(paths, list):
            raise TypeError(f"paths is a list, not {type(paths).__name__}")
        begins = starts if isinstance(starts, list) else [starts] * len(paths)
        stops = ends if isinstance(ends, list) else [ends] * len(paths)
        if not len(paths) == len(begins) == len(stops):
            raise ValueError(f"{len(paths)} paths have {len(begins)} starts and {len(stops)} ends")
        out: list[Any] = [None] * len(paths)
        numbers: dict[str, list[int]] = {}
        for number, path in enumerate(paths):
            numbers.setdefault(path, []).append(number)

        def read(path: str) -> None:
            try:
                with ReadFile(self, path, self._file_at(path)) as file:
                    for number in numbers[path]:
                        out[number] = _part(file, begins[number], stops[number])
            except Exception as error:
                for number in numbers[path]:
                    if out[number] is None:
                        out[number] = error

        if numbers:
            with ThreadPoolExecutor(min(len(numbers), checked_jobs(JOBS))) as pool:
                list(pool.map(read, numbers))
        if on_error != "return":
            for one in out:
                if isinstance(one, Exception):
                    raise one
        return out

    def _measure(self, entries: Sequence[Entry]) -> None:
        """Find out size and checksum of those files that are complete and not known yet."""
        wanted = {
            _content_key(one.target): one.target
            for one in entries
            if _content_key(one.target) not in self._contents
            and one.target.upload_status == UploadStatus.COMPLETE
        }
        if not wanted:
            return
        self._contents.update(_contents_of(self._service(), self._urls, wanted))

    # to the disk ----------------------------------------------------------------------------------------------------
    def get_file(
        self,
        rpath: str,
        lpath: Any = None,
        callback: Any = DEFAULT_CALLBACK,
        outfile: Any = None,
        **kwargs: Any,
    ) -> None:
        """Download one file to a path, verified, in place of what is there; it appears whole or not at all.

        `outfile`, or a file object as `lpath`: what to write it to instead, after all of it was verified in memory.
        """
        batch: list[tuple[str, Any]] | None = kwargs.get("_batch")
        if batch is not None:
            batch.append((rpath, lpath))
            return
        outfile = lpath if outfile is None and isfilelike(lpath) else outfile
        if outfile is not None:
            content = self.cat_file(rpath)
            callback.set_size(len(content))
            outfile.write(content)
            callback.relative_update(len(content))
            return
        self._get([(rpath, lpath)], callback, single=True)

    def get(
        self,
        rpath: Any,
        lpath: Any,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Download files, or with `recursive` folders, to the disk, many at a time, in place of what is there.

        Each is verified by size and checksum and appears whole or not at all; one that broke off goes on where it was. A
        request for every 64 signed URLs, and one for each file. A file that fails stops no other: what failed is raised at
        the end, and the same call does what is missing and the rest again.
        """
        _check_lists(rpath, lpath)
        batch: list[tuple[str, str]] = []
        super().get(rpath, lpath, recursive=recursive, maxdepth=maxdepth, _batch=batch, **kwargs)
        self._get(batch, callback)

    def _get(self, batch: Sequence[tuple[str, Any]], callback: Any, single: bool = False) -> None:
        wanted: list[tuple[LocatedFile, Path]] = []
        shown: list[tuple[str, str]] = []
        places: dict[str, str] = {}
        for remote, local in batch:
            path = self._strip_protocol(remote)
            with _as_os_errors(path):
                entry = self._found(path)
            if entry is None or not entry.is_file:
                os.makedirs(local, exist_ok=True)
                continue
            target = Path(os.fspath(local))
            first = places.setdefault(os.path.abspath(target), path)
            if first != path:
                raise ValidationError(f"{first} and {path} would both become {target}: nothing was fetched")
            target.parent.mkdir(parents=True, exist_ok=True)
            located = attrs.evolve(entry.target._located(), parts=((_url_key(entry.target), path),))
            wanted.append((located, target))
            shown.append((remote, local))
        if not single:
            callback.set_size(len(batch))
            callback.relative_update(len(batch) - len(wanted))
        if not wanted:
            return
        turn = threading.Lock()

        def arrived(number: int, size: int) -> None:
            with turn:
                if single:
                    callback.set_size(size)
                    callback.relative_update(size)
                    return
                with callback.branched(*shown[number]) as child:
                    child.set_size(size)
                    child.relative_update(size)
                callback.relative_update(1)

        result = downloads.download_to(self._service(), wanted, "get", arrived=arrived)
        with _as_os_errors(shown[0][0] if len(shown) == 1 else None):
            result.raise_for_errors()

    # writing --------------------------------------------------------------------------------------------------------
    def _target(self, path: str, creates: bool) -> Target:
        """Where a new file of that path would lie. Raises what says why it cannot."""
        parts = _parts(path)
        above = "/".join(parts[:-1])
        if not parts:
            raise IsADirectoryError(errno.EISDIR, "this is the root, and no file", path)
        name = original_name(parts[-1])
        if name is None:
            raise ValidationError(f"{parts[-1]!r} stands for a name that was too long: give the whole name")
        name = checked_file_name(name)
        try:
            trial: Clip | NewTrial = self._trial_at(above, path)
        except FileNotFoundError as error:
            new = self._new_trial(above)
            if new is None:
                if self._kind(above.rpartition("/")[0]) == "trial":
                    raise PermissionError(errno.EACCES, "a trial holds files and no folders", path) from None
                raise
            if not creates:
                text = (
                    f"{error.strerror}. A file needs a trial: makedirs({above!r}) creates it, and so does the option "
                    "auto_mkdir=True"
                )
                raise FileNotFoundError(errno.ENOENT, text, path) from None
            trial = new
        if isinstance(trial, Clip):
            # a path that leads to a file that is there means that one, whatever mark its name has
            children = self._files(trial)
            there = children.get(parts[-1]) or self._by_other_name(children, parts[-1], path)
            if there is not None:
                name = there.target.name
        return Target(path, trial, name)

    def _trial_at(self, above: str, path: str) -> Clip:
        entry = self._found(above)
        if entry is not None and entry.kind == "trial":
            return cast("Clip", entry.target)
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, f"no trial {above.rpartition('/')[2]!r}", path)
        if entry.is_file:
            raise NotADirectoryError(errno.ENOTDIR, "a part of the path is a file", path)
        raise PermissionError(
            errno.EACCES, f"files are put into trials, and {_label(entry) or 'this'} is a {entry.kind}", path
        )

    def _new_trial(self, path: str) -> NewTrial | None:
        """The trial that a path would be, in a session that exists; None where it would be none."""
        above, _, last = path.rpartition("/")
        title = original_name(last)
        if not title:
            return None
        try:
            entry = self._found(above)
        except FileNotFoundError:
            further, _, condition = above.rpartition("/")
            try:
                session = self._entry(further)
            except OSError:
                return None
            plain = original_name(condition)
            return NewTrial(session.target, plain, title) if session.kind == "session" and plain else None
        if entry is None:
            session = self._entry(above.rpartition("/")[0])
            return NewTrial(session.target, original_name(above.rpartition("/")[2]), title)
        if entry.kind == "session":
            return NewTrial(entry.target, None, title)
        if entry.kind == "condition":
            return NewTrial(entry.target.session, entry.target.name, title)
        return None

    def _create(self, new: NewTrial) -> Clip:
        """Create a trial, unless it was created meanwhile. One request."""
        found = new.session.create_clip(new.title, new.condition, exist_ok=True)
        if new.condition is not None:
            self._folders.discard((new.session.id, safe_name(new.condition)))
        return found

    def _refuse_known(self, targets: Sequence[Target], overwrite: bool) -> None:
        """Raise FileExistsError for what is known to be there, PermissionError for a trial's own file."""
        for one in targets:
            if not isinstance(one.trial, Clip):
                continue
            for there in self._files(one.trial).values():
                if nfc(there.target.name) != nfc(one.name):
                    continue
                if isinstance(there.target, OriginalFile) and overwrite:
                    raise PermissionError(
                        errno.EACCES,
                        "this is what the trial itself was uploaded as, and cannot be replaced",
                        one.path,
                    )
                if not overwrite and there.target.upload_status in uploads.ARRIVED:
                    raise FileExistsError(
                        errno.EEXIST,
                        "there already, and nothing was sent (overwrite=True replaces it)",
                        one.path,
                    )

    def _upload(self, wanted: Sequence[tuple[Target, Source, int]], overwrite: bool) -> None:
        """Create the trials that are missing, and upload all, verified, many at a time."""
        with _as_os_errors(wanted[0][0].path if len(wanted) == 1 else None):
            clips: dict[Any, Clip] = {}
            given = []
            for target, source, size in wanted:
                trial = target.trial
                if isinstance(trial, NewTrial):
                    key = (trial.session.id, trial.condition, trial.title)
                    if key not in clips:
                        clips[key] = self._create(trial)
                    trial = clips[key]
                given.append(
                    WantedFile(target.path, source, trial.id, target.name, data_type(target.name), size)
                )
            result = uploads.upload_files(self._service(), given, "put", overwrite, progress=False)
            for entry in result:
                if entry.file is not None:
                    self._contents.pop(entry.file.id, None)
            result.raise_for_errors()

    def pipe_file(self, path: str, value: Any, mode: str | None = None, **kwargs: Any) -> None:
        """Put bytes into a new file of a trial. A name that is there is refused (FileExistsError).

        `overwrite=True`, or mode "overwrite", replaces it; mode "create" never does. Requests as of `trial.upload`.
        """
        self._pipe({path: value}, self._may_overwrite(mode, kwargs.get("overwrite")))

    def pipe(self, path: Any, value: Any = None, **kwargs: Any) -> None:
        """Put bytes into a new file, or those of a dictionary {path: bytes} into several at a time; as `pipe_file`.

        What is refused is refused before anything is sent.
        """
        if not isinstance(path, (str, dict)):
            raise ValueError("path must be str or dict")
        given = path if isinstance(path, dict) else {path: value}
        self._pipe(given, self._may_overwrite(kwargs.get("mode"), kwargs.get("overwrite")))

    def _may_overwrite(self, mode: str | None, overwrite: bool | None) -> bool:
        if mode not in (None, "create", "overwrite"):
            raise ValueError(f"mode is 'create' or 'overwrite', not {mode!r}")
        if mode is not None:
            return mode == "overwrite"
        return self.overwrite if overwrite is None else bool(overwrite)

    def _pipe(self, given: Mapping[str, Any], overwrite: bool) -> None:
        from .transfer.source import StreamSource

        wanted: list[tuple[Target, Source, int]] = []
        for path, value in given.items():
            stripped = self._strip_protocol(path)
            with _as_os_errors(stripped):
                target = self._target(stripped, self.auto_mkdir)
                self._refuse_known([target], overwrite)
            size = memoryview(value).nbytes
            wanted.append((target, StreamSource(io.BytesIO(value), target.path), size))
        if wanted:
            self._upload(wanted, overwrite)

    def put_file(
        self,
        lpath: str,
        rpath: str,
        callback: Any = DEFAULT_CALLBACK,
        mode: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Upload one file of the disk to a trial; as `pipe_file` for what is there already. A folder: `makedirs`."""
        batch: list[tuple[str, str]] | None = kwargs.get("_batch")
        if batch is not None:
            batch.append((lpath, rpath))
            return
        self._put(
            [(lpath, rpath)], self._may_overwrite(mode, kwargs.get("overwrite")), callback, self.auto_mkdir
        )

    def put(
        self,
        lpath: Any,
        rpath: Any,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        mode: str | None = None,
        overwrite: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Upload files, or with `recursive` folders, of the disk to trials, many at a time, verified.

        Names that are there are refused before anything is sent (FileExistsError), or with `overwrite=True` replaced where
        their content differs. A trial that does not exist is created for a folder that is uploaded, and with the option
        `auto_mkdir` for any file; its session has to exist. What is no trial's (a folder in a trial, a file in a session) is
        refused before anything is sent. A file that fails stops no other; what failed is raised at the end.
        """
        replaces = self._may_overwrite(mode, overwrite)
        _check_lists(lpath, rpath)
        batch: list[tuple[str, str]] = []
        super().put(lpath, rpath, recursive=recursive, maxdepth=maxdepth, _batch=batch, **kwargs)
        self._put(batch, replaces, callback, self.auto_mkdir or recursive)

    def _put(self, batch: Sequence[tuple[str, str]], overwrite: bool, callback: Any, creates: bool) -> None:
        from .transfer.source import FileSource, regular_file

        wanted: list[tuple[Target, Source, int]] = []
        folders: list[str] = []
        for local, remote in batch:
            path = self._strip_protocol(remote)
            if os.path.isdir(local):
                folders.append(path)
                continue
            with _as_os_errors(path):
                target = self._target(path, creates)
                self._refuse_known([target], overwrite)
            size = regular_file(Path(local)).st_size
            wanted.append((target, FileSource(local), size))
        holding = {one.path.rpartition("/")[0] for one, _, _ in wanted}
        empty = [one for one in folders if not any(f"{path}/".startswith(f"{one}/") for path in holding)]
        for path in empty:
            self.makedirs(path, exist_ok=True)
        callback.set_size(len(batch))
        if wanted:
            self._upload(wanted, overwrite)
        callback.relative_update(len(batch))

    def mkdir(self, path: str, create_parents: bool = True, **kwargs: Any) -> None:
        """Create a trial in a session that exists; one request. FileExistsError for what is there.

        A condition is there as soon as it has a trial: until then this instance alone knows it, and nothing is sent. Subjects
        and sessions are not created here (PermissionError names the methods that do).
        """
        path = self._strip_protocol(path)
        with _as_os_errors(path):
            if self._kind(path) is not None:
                raise FileExistsError(errno.EEXIST, "there already", path)
            above, _, last = path.rpartition("/")
            parent = self._kind(above)
            if parent == "session":
                session = self._entry(above).target
                self._folders.add((session.id, last))
                return
            new = self._new_trial(path)
            if new is not None:
                self._create(new)
                return
            if parent == "trial":
                raise PermissionError(errno.EACCES, "a trial holds files and no folders", path)
            if parent == "file":
                raise NotADirectoryError(errno.ENOTDIR, "a part of the path is a file", path)
            raise PermissionError(
                errno.EACCES,
                "only trials are created here: create_subject(name) of a project and create_session(name) of a subject do the "
                "rest",
                path,
            )

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """As `mkdir`, with the condition of a trial; what is there is no error with `exist_ok`."""
        if exist_ok and self._kind(path) is not None:
            if self._kind(path) == "file":
                raise FileExistsError(errno.EEXIST, "there already, and a file", path)
            return
        self.mkdir(path)

    def touch(self, path: str, truncate: bool = True, **kwargs: Any) -> None:
        """Create an empty file in a trial. What is there is refused, unless `overwrite=True` empties it, or `truncate` is
        False, which leaves it as it is."""
        if not truncate and self.exists(path):
            return
        self.pipe_file(path, b"", **kwargs)

    def copy(
        self,
        path1: Any,
        path2: Any,
        recursive: bool = False,
        maxdepth: int | None = None,
        on_error: str | None = None,
        mode: str | None = None,
        overwrite: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Copy files, or with `recursive` folders, into trials, by way of this computer: the service has no copy.

        As `get` and then `put`: what is there already, or cannot be put there, is refused before anything is sent. With
        `on_error="ignore"` sources that do not exist are left out. Raises ValidationError for lists of different lengths.
        """
        replaces = self._may_overwrite(mode, overwrite)
        self._copy(self._pairs(path1, path2, recursive, maxdepth), replaces, on_error or "raise", recursive)

    def _pairs(self, path1: Any, path2: Any, recursive: bool, maxdepth: int | None) -> list[tuple[str, str]]:
        """What is copied where, by fsspec's rules for targets that are folders. Sends no file."""
        _check_lists(path1, path2)
        batch: list[tuple[str, str]] = []
        super().copy(path1, path2, recursive=recursive, maxdepth=maxdepth, _batch=batch)
        return [(self._strip_protocol(one), self._strip_protocol(other)) for one, other in batch]

    def _copy(
        self, batch: Sequence[tuple[str, str]], overwrite: bool, on_error: str, recursive: bool
    ) -> None:
        creates = self.auto_mkdir or recursive
        with tempfile.TemporaryDirectory(prefix="moveshelf-") as folder:
            files: list[tuple[str, str]] = []
            sent: list[tuple[str, str]] = []
            for source, path in batch:
                try:
                    with _as_os_errors(source):
                        entry = self._found(source)
                except FileNotFoundError:
                    if on_error == "ignore":
                        continue
                    raise
                if entry is None or not entry.is_file:
                    sent.append((folder, path))
                    continue
                with _as_os_errors(path):
                    self._refuse_known([self._target(path, creates)], overwrite)
                local = os.path.join(folder, str(len(files)))
                files.append((source, local))
                sent.append((local, path))
            self._get(files, DEFAULT_CALLBACK)
            self._put(sent, overwrite, DEFAULT_CALLBACK, creates)

    def cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        """Copy a file into a trial, as of `copy`. A folder: `makedirs`."""
        batch: list[tuple[str, str]] | None = kwargs.get("_batch")
        if batch is not None:
            batch.append((path1, path2))
            return
        replaces = self._may_overwrite(kwargs.get("mode"), kwargs.get("overwrite"))
        pair = (self._strip_protocol(path1), self._strip_protocol(path2))
        self._copy([pair], replaces, "raise", False)

    def mv(
        self, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any
    ) -> None:
        """Copy files, then delete them where they were; a file that is its own target stays as it is.

        PermissionError for a folder (a trial has more than its files) and for the file that a trial itself was uploaded as,
        ValidationError where two files would become one, or one would replace another that is moved too: before anything is
        copied. Nothing is deleted unless all was copied.
        """
        for one in path1 if isinstance(path1, list) else [path1]:
            if any(self.isdir(found) for found in self.expand_path(one)):
                raise PermissionError(
                    errno.EACCES,
                    "only files are moved here; update(title=..., condition=...) of a trial renames and moves it with "
                    "all that belongs to it",
                    self._strip_protocol(one),
                )
        moved = self._moved(self._pairs(path1, path2, False, maxdepth))
        if moved:
            replaces = self._may_overwrite(kwargs.get("mode"), kwargs.get("overwrite"))
            self._copy([(source, path) for source, path, _ in moved], replaces, "raise", False)
            with _as_os_errors(None):
                self._delete({source: entry for source, _, entry in moved}, {})

    def _moved(self, batch: Sequence[tuple[str, str]]) -> list[tuple[str, str, Entry]]:
        """Path, new path and file of each that has to be moved. Raises where moving would lose one of them."""
        sources: dict[str, str] = {}
        targets: dict[tuple[Any, str], str] = {}
        found: list[tuple[str, str, Entry]] = []
        places: list[tuple[str, str | None]] = []
        for source, path in batch:
            entry = self._file_at(source)
            with _as_os_errors(path):
                target = self._target(path, self.auto_mkdir)
                there = self._id_at(path)
            if isinstance(entry.target, OriginalFile):
                raise _not_deleted_here(entry, source)
            sources[entry.target.id] = source
            place = (target.trial.id if isinstance(target.trial, Clip) else target.trial, nfc(target.name))
            other = targets.setdefault(place, source)
            if other != source:
                raise ValidationError(f"{other} and {source} would both become {path}: nothing was moved")
            if there != entry.target.id:
                found.append((source, path, entry))
                places.append((path, there))
        for path, there in places:
            if there in sources:
                raise ValidationError(
                    f"{path} is moved too ({sources[there]}): move one after the other; nothing was moved"
                )
        return found

    def _id_at(self, path: str) -> str | None:
        """The id of the file that a path leads to; None where there is none."""
        try:
            entry = self._entry(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _id(entry) if entry.is_file else None

    def rm_file(self, path: str) -> None:
        """Delete one file of a trial. One request. PermissionError for the file that a trial itself was uploaded as."""
        self.rm(path)

    def _rm(self, path: str) -> None:
        self.rm(path)

    def rmdir(self, path: str) -> None:
        """Delete a trial without files. OSError (ENOTEMPTY) where it has some, PermissionError for other folders."""
        path = self._strip_protocol(path)
        with _as_os_errors(path):
            entry = self._found(path)
            if entry is None:
                self._forget_folder(path)
                return
            if entry.is_file:
                raise NotADirectoryError(errno.ENOTDIR, "this is a file", path)
            if entry.kind != "trial":
                raise _not_deleted_here(entry, path)
            if self._files(entry.target):
                raise OSError(
                    errno.ENOTEMPTY, "the trial has files; rm(path, recursive=True) deletes them too", path
                )
            entry.target.delete()

    def _forget_folder(self, path: str) -> None:
        above, _, name = path.rpartition("/")
        self._folders.discard((self._entry(above).target.id, name))

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Delete files, and with `recursive` trials and conditions with all that belongs to them.

        Subjects, sessions and projects are refused (PermissionError), and a trial or condition without `recursive`
        (IsADirectoryError), before anything is deleted. With `maxdepth` only the files down to there. One request for every
        fifty files or trials of a condition, one for each trial. One failure does not stop the others.
        """
        given = path if isinstance(path, list) else [path]
        every = [self._strip_protocol(one) for one in given]
        new = [one for one in every if self._is_new_condition(one) and not self._is_listed_at(one)]
        for one in new:
            self._forget_folder(one)
        rest = [one for one in every if one not in new]
        if not rest:
            return
        found: dict[str, Entry] = {}
        for one in self.expand_path(rest, recursive=recursive, maxdepth=maxdepth):
            with _as_os_errors(one):
                found[one] = self._entry(one)
        folders = {one: entry for one, entry in found.items() if not entry.is_file}
        for one, entry in folders.items():
            if entry.kind not in ("trial", "condition"):
                raise _not_deleted_here(entry, one)
            if not recursive:
                raise IsADirectoryError(errno.EISDIR, f"a {entry.kind}: recursive=True deletes it", one)
        for one, entry in found.items():
            if isinstance(entry.target, OriginalFile) and one.rpartition("/")[0] not in folders:
                raise _not_deleted_here(entry, one)
        if maxdepth is not None:
            folders = {}
        with _as_os_errors(None):
            self._delete(found, folders)

    def _is_listed_at(self, path: str) -> bool:
        try:
            self._entry(path)
        except FileNotFoundError:
            return False
        return True

    def _delete(self, found: Mapping[str, Entry], folders: Mapping[str, Entry]) -> None:
        service = self._service()
        single = [
            (one, entry)
            for one, entry in found.items()
            if entry.is_file and not any(one.startswith(f"{folder}/") for folder in folders)
        ]
        failures: list[str] = []
        if single:
            rows = [{"id": entry.target.id} for _, entry in single]
            outcomes = service.run_many(commands.DELETE_FILE, rows)
            deleted = []
            for (one, entry), outcome in zip(single, outcomes, strict=True):
                if isinstance(outcome, Exception) and not isinstance(outcome, NotFoundError):
                    failures.append(f"{one}: {outcome}")
                elif not isinstance(outcome, Exception) and outcome.get("ok") is False:
                    failures.append(f"{one}: the service did not delete it")
                else:
                    deleted.append(entry.target)
            mark_deleted(service.cache, deleted)
        for one, entry in folders.items():
            above = one.rpartition("/")[0]
            if entry.kind == "condition":
                entry.target.delete_clips()
            elif above not in folders:
                entry.target.delete()
        if failures:
            raise RequestError(f"{len(failures)} files were not deleted: {'; '.join(failures[:5])}")


# files that are open --------------------------------------------------------------------------------------------------
class ReadFile(io.BufferedReader):
    """A file that is open for reading: seekable, fetching the parts that are read by range requests.

    All parts are of one object, which the store vouches for by its entity tag (If-Range), size and checksum: a read raises
    TransferError where it was replaced meanwhile. Read from its first to its last byte, the content is compared with the
    checksum (ChecksumError); a part alone cannot be.
    """

    def __init__(
        self, fs: MoveshelfFileSystem, path: str, entry: Entry, block_size: int | str | None = None
    ) -> None:
        super().__init__(fs._range_file(path, entry, block_size), buffer_size=1 << 16)
        self.fs = fs
        self.path = path
        self._entry = entry

    @property
    def size(self) -> int:
        """Bytes of the whole. One request, where nothing was read yet."""
        return cast("RangeFile", self.raw).size

    @property
    def mode(self) -> str:
        """ "rb"."""
        return "rb"

    @property
    def blocksize(self) -> int:
        """There is none: what keeps single blocks on the disk (`blockcache::`) reads one that failed as zeros."""
        raise AttributeError(
            "blocks of files are not kept on the disk here (blockcache::), since one that failed would be read as zeros: "
            "filecache:: and simplecache:: keep whole files, verified"
        )

    def info(self) -> dict[str, Any]:
        """As `fs.info(path)`."""
        found: dict[str, Any] = self.fs.info(self.path)
        return found

    def __reduce__(self) -> Any:
        raise TypeError("an open file cannot be pickled or copied: open it where it is needed")


class WriteFile(io.BufferedIOBase):
    """A new file: what is written is kept until it is closed, then uploaded, verified.

    Where an exception ends its `with` block it is not uploaded, with a warning; neither is one that was never closed.
    In a transaction of fsspec's it is uploaded with the others.
    """

    mode = "wb"

    def __init__(
        self, fs: MoveshelfFileSystem, target: Target, overwrite: bool, autocommit: bool = True
    ) -> None:
        super().__init__()
        self._spool: Any = tempfile.SpooledTemporaryFile(max_size=SPOOL, prefix="moveshelf-")  # noqa: SIM115
        self.fs = fs
        self.path = target.path
        self.autocommit = autocommit
        self._target = target
        self._overwrite = overwrite
        self._before = sys.exc_info()[1]
        self._is_abandoned = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Add bytes; how many."""
        if self.closed:
            raise ValueError(f"{self.path} is closed")
        view = memoryview(data)
        self._spool.write(view)
        return view.nbytes

    def tell(self) -> int:
        """How many bytes were written."""
        if self.closed:
            raise ValueError(f"{self.path} is closed")
        return int(self._spool.tell())

    def close(self) -> None:
        """Upload what was written. Raises FileExistsError, TransferError and others of an upload."""
        if self.closed:
            return
        error = sys.exc_info()[1]
        super().close()
        if self._is_abandoned:
            self.discard()
            warnings.warn(f"{self.path} was not uploaded: it was never closed", stacklevel=2)
        elif error is not None and error is not self._before:
            self.discard()
            warnings.warn(
                f"{self.path} was not uploaded: {type(error).__name__} came up before it was closed",
                stacklevel=2,
            )
        elif self.autocommit:
            self.commit()

    def commit(self) -> None:
        """Upload what was written: what `close` does, and the end of a transaction."""
        from .transfer.source import StreamSource

        size = self._spool.tell()
        self._spool.seek(0)
        try:
            self.fs._upload([(self._target, StreamSource(self._spool, self.path), size)], self._overwrite)
        finally:
            self._spool.close()

    def discard(self) -> None:
        """Drop what was written."""
        self._spool.close()

    def __reduce__(self) -> Any:
        raise TypeError("an open file cannot be pickled or copied: open it where it is needed")

    def __del__(self) -> None:
        if not self.closed and hasattr(self, "_is_abandoned"):
            self._is_abandoned = True
            self.close()

    def _dealloc_warn(self, source: Any) -> None:
        """A text file around this one is closed by the garbage collector, which calls this before: nobody closed it."""
        self._is_abandoned = True


class CompressedFile(io.BufferedIOBase):
    """A new file whose content is packed on the way: closed, it closes the file around which it is.

    The packing of fsspec's leaves that one open, so that it would never be uploaded.
    """

    mode = "wb"

    def __init__(self, packing: Any, file: WriteFile) -> None:
        super().__init__()
        self._packing = packing
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Add bytes; how many."""
        if self.closed:
            raise ValueError(f"{self._file.path} is closed")
        self._packing.write(data)
        return memoryview(data).nbytes

    def close(self) -> None:
        """Upload what was written; as of `WriteFile`."""
        if self.closed:
            return
        super().close()
        try:
            self._packing.close()
        finally:
            self._file.close()

    def __reduce__(self) -> Any:
        raise TypeError("an open file cannot be pickled or copied: open it where it is needed")

    def __del__(self) -> None:
        if not self.closed and hasattr(self, "_file"):
            self._file._is_abandoned = True
            self.close()

    def _dealloc_warn(self, source: Any) -> None:
        self._file._dealloc_warn(source)


# signed URLs ----------------------------------------------------------------------------------------------------------
class _Urls:
    """Signed URLs of files that are opened one by one, fetched for those that a listing found after it as well.

    They are kept for minutes, in memory only.
    """

    def __init__(self, service: Callable[[], Service]) -> None:
        self._service = service
        self._lock = ProcessLock()  # held while requests are on their way
        self._known: dict[str, tuple[str, float]] = {}
        self._order: list[str] = []
        self._place: dict[str, int] = {}

    def expect(self, found: Sequence[Any]) -> None:
        """These files may be opened next, in this order."""
        if len(found) < 2:
            return
        order = [_url_key(one) for one in found if one.upload_status == UploadStatus.COMPLETE]
        with self._lock:
            self._order = order
            self._place = {one: number for number, one in enumerate(order)}

    def get(self, file: Any, renew: bool = False) -> str:
        """The URL of a file. One request, or none. Raises what the service says in its place."""
        key = _url_key(file)
        with self._lock:
            now = time.monotonic()
            url, since = self._known.get(key, ("", 0.0))
            if url and not renew and now - since < URL_SECONDS:
                return url
            wanted = [key] if renew else self._together(key, now)
            service = self._service()
            results = service.wire.run(files.DataFiles(service).download_urls, wanted).result()
            for one, result in zip(wanted, results, strict=True):
                if isinstance(result, str):
                    self._known[one] = (result, now)
            return files.url_of(results[:1], file.name)

    def _together(self, key: str, now: float) -> list[str]:
        """The file first, and those of its part of the listing whose URL is not known.

        Parts are fixed, so that files that are opened in several threads, in any order, need no request each.
        """
        at = self._place.get(key)
        if at is None:
            return [key]
        begin = at - at % URLS
        others = (one for one in self._order[begin : begin + URLS] if one != key)
        return [
            key,
            *(one for one in others if now - self._known.get(one, ("", -URL_SECONDS))[1] >= URL_SECONDS),
        ]

    def forget(self) -> None:
        """Drop all."""
        with self._lock:
            self._known.clear()
            self._order, self._place = [], {}


def _contents_of(service: Service, urls: _Urls, wanted: Mapping[str, Any]) -> dict[str, Content]:
    """Size and checksum of each, from the store: a HEAD each, several at a time."""
    from .transfer.download import content_of

    async def work() -> dict[str, Content]:
        import asyncio

        blobs = await service.wire.blob_session()
        room = asyncio.Semaphore(checked_jobs(JOBS))
        loop = asyncio.get_running_loop()

        async def one(file: Any) -> Content:
            async def url(renew: bool) -> str:
                return await loop.run_in_executor(None, urls.get, file, renew)

            async with room:
                return await content_of(blobs, url, file.name, retry=service.wire.retry)

        found = await asyncio.gather(*map(one, wanted.values()))
        return dict(zip(wanted, found, strict=True))

    if len(wanted) > 1:
        urls.expect(list(wanted.values()))
    return service.wire.run(work).result()


# small parts ----------------------------------------------------------------------------------------------------------
def _check_options(options: Mapping[str, Any], api_key_file: Any) -> None:
    """Raise for options that there are not, and for a key among them, which is not shown."""
    for name in options:
        if name in _OF_FSSPEC:
            continue
        if name in _SECRET or looks_like_key(options[name]):
            raise ConfigError(
                f"{name!r} is no option of moveshelf://: options end up in pickles and logs, and may hold no key. Put the key "
                "into MOVESHELF_API_KEY or a key file (api_key_file=...), or pass client=moveshelf.connect(...)"
            )
        known = ("api_key_file", "api_url", "region", "client", "overwrite", "auto_mkdir")
        near = near_misses(name, known)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        raise ValidationError(f"moveshelf:// has no option {name!r}; {hint}")
    if api_key_file is not None:
        path = os.fspath(api_key_file)
        if looks_like_key(path) and not os.path.lexists(os.path.expanduser(path)):
            raise ConfigError(
                "api_key_file is the path of a file, and what it is given looks like a key itself (it is not shown here): put "
                "it into MOVESHELF_API_KEY, or save it in a file"
            )


@contextmanager
def _as_os_errors(path: str | None) -> Iterator[None]:
    """Raise the errors that callers of a filesystem expect, with the library's own as their cause."""
    try:
        yield
    except OSError:
        raise
    except (NotFoundError, DeletedError) as error:
        raise _os_error(FileNotFoundError, errno.ENOENT, error, path) from error
    except ConflictError as error:
        raise _os_error(FileExistsError, errno.EEXIST, error, path) from error


def _result(found: bytes | Exception, path: str) -> bytes | Exception:
    """Bytes, or the error that callers of a filesystem expect in their place."""
    if isinstance(found, Exception):
        try:
            with _as_os_errors(path):
                raise found
        except Exception as error:
            return error
    return found


def _os_error(kind: type[OSError], number: int, error: Exception, path: str | None) -> OSError:
    return kind(number, str(error)) if path is None else kind(number, str(error), path)


def _not_deleted_here(entry: Entry, path: str) -> PermissionError:
    if isinstance(entry.target, OriginalFile):
        text = "this is what the trial itself was uploaded as: rm(trial, recursive=True) deletes it with the trial"
    elif entry.kind in ("subject", "session"):
        text = f"a {entry.kind} is not deleted here, since more than files belongs to it: delete() of the object does"
    else:
        text = "projects are not deleted here"
    return PermissionError(errno.EACCES, text, path)


def _is_listed(entry: Entry, client: Moveshelf) -> bool:
    """Whether what lies in a folder is loaded."""
    target = entry.target
    if entry.kind in ("root", "owner"):
        return client.projects._is_loaded()
    if entry.kind in _LISTED:
        return bool(target.is_loaded(_LISTED[entry.kind][0]))
    if entry.kind == "trial":
        return bool(target.is_loaded("files") and target.is_loaded("original_name"))
    session = target.session if entry.kind == "condition" else target
    return bool(session.is_loaded("clips") and session.is_loaded("path"))


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _sorted_below(entry: Entry, members: Sequence[Any]) -> dict[str, Entry]:
    if entry.kind in _LISTED:
        kind = _LISTED[entry.kind][1]
        return _placed([(kind, one) for one in members])
    if entry.kind == "session":
        session = entry.target
        names = {clip: condition_name(clip.path, session.path) for clip in members}
        found: list[tuple[str, Any]] = [
            ("condition", Condition(session, name, True)) for name in dict.fromkeys(names.values()) if name
        ]
        return _placed([*found, *(("trial", clip) for clip, name in names.items() if not name)])
    above: tuple[str, ...] = entry.target or ()
    owners: dict[tuple[str, ...], None] = {}
    projects: list[tuple[str, Any]] = []
    for project in members:
        names_of = tuple(_parts(project.name or project.id))
        if names_of[: len(above)] != above or len(names_of) <= len(above):
            continue
        if len(names_of) == len(above) + 1:
            projects.append(("project", project))
        else:
            owners[names_of[: len(above) + 1]] = None
    return _placed([*(("owner", one) for one in owners), *projects])


def _placed(found: Sequence[tuple[str, Any]]) -> dict[str, Entry]:
    """The entries of a folder by the names that paths have for them."""
    entries = [Entry(kind, target) for kind, target in found]
    complete = [not one.is_file or one.target.upload_status == UploadStatus.COMPLETE for one in entries]
    # two patients of one name: whichever is listed first must not be the one that the name alone stands for
    apart = of_one_name((_key(one), _name(one)) for one in entries if one.kind == "subject")
    names = sibling_names([(_key(one), _name(one), _id(one)) for one in entries], complete, apart)
    return dict(zip(names, entries, strict=True))


def _key(entry: Entry) -> Any:
    return (entry.kind, entry.target if entry.kind == "owner" else _id(entry) or entry.target.name)


def _name(entry: Entry) -> str:
    """The name that an entry has on the service."""
    if entry.kind == "owner":
        return str(entry.target[-1])
    if entry.kind == "project":
        return (_parts(entry.target.name or "") or [entry.target.id])[-1]
    return str(entry.target.name or _id(entry) or "")


def _id(entry: Entry) -> str | None:
    """The id of an entry's object; None for a condition and an owner, which have none."""
    if entry.kind in ("root", "owner", "condition"):
        return None
    target = entry.target
    return str(target.clip.id if isinstance(target, OriginalFile) else target.id)


def _marked(entry: Entry) -> str | None:
    """The name of an entry with its id, whether it needs that or not."""
    identity = _id(entry)
    if identity is None:
        return None
    name = _name(entry)
    return sibling_names([("", name, None), (identity, name, identity)])[1]


def _label(entry: Entry) -> str:
    target = entry.target
    if entry.kind == "condition":
        return f"condition {target.name!r}"
    return "/".join(target or ()) if entry.kind in ("root", "owner") else label(target)


def _url_key(file: Any) -> str:
    """The id by which the URL of a file is requested."""
    return str(file.clip.id if isinstance(file, OriginalFile) else file.id)


_content_key = _url_key


def _check_lists(sources: Any, targets: Any) -> None:
    """Raise where two lists do not fit: what has no partner would be left out silently."""
    if isinstance(sources, list) and isinstance(targets, list) and len(sources) != len(targets):
        raise ValidationError(f"{len(sources)} paths cannot go to {len(targets)}: give as many of both")


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _part(file: ReadFile, start: int | None, end: int | None) -> bytes:
    """Bytes as of a slice; negative numbers count from the end."""
    begin = 0 if start is None else start if start >= 0 else max(file.size + start, 0)
    stop = end if end is None or end >= 0 else file.size + end
    file.seek(begin)
    return file.read() if stop is None else file.read(max(stop - begin, 0))


def _collected(pairs: Iterable[tuple[str, Any]], on_error: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for path, value in pairs:
        if isinstance(value, Exception):
            if on_error == "raise":
                raise value
            if on_error == "omit":
                continue
        out[path] = value
    return out
