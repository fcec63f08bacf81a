"""Where the key and the URL come from: argument, then environment, then files as people keep them today.

No network here. The rule that matters: a key goes only to the URL that was found in the same place as the file the key
really lies in, unless that URL is Moveshelf's own or this machine. Otherwise a file left in a shared folder, or in an
archive, could collect keys. No error holds a key: neither in its text nor in the variables of its frames.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import stat
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import attrs

from moveshelf.errors import ConfigError, ValidationError

REGIONS = {"eu": "https://api.moveshelf.com/graphql", "us": "https://api.us.moveshelf.com/graphql"}
DEFAULT_URL = REGIONS["eu"]

KEY_FILE = "mvshlf-api-key.json"
CONFIG_FILE = "mvshlf-config.json"
SPEC_FILE = "mvshlf-config.spec.json"
"""Older than CONFIG_FILE: what a team shares; a CONFIG_FILE beside it overrides it for one person."""

_HOW = (
    f"Make a key on your profile page on Moveshelf and save it as {KEY_FILE} in your working folder, or put "
    f"it into the environment variable MOVESHELF_API_KEY, or pass api_key or api_key_file."
)
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_LARGEST = 1 << 20


class Secret:
    """The access key. Neither its repr nor its text shows it, and it refuses to be pickled."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        problem = _problem_of_key(value)
        if problem:
            del value  # the error keeps this frame
            raise ConfigError(problem)
        self._value = value

    def reveal(self) -> str:
        """The key itself: for the Authorization header, and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('...')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a key is never pickled or copied")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self


def _problem_of_key(value: object) -> str:
    """Why a value cannot be a key; "" for one that can."""
    if not isinstance(value, str):
        return f"a key is text, not {type(value).__name__}"
    if not value:
        return f"the key is empty. {_HOW}"
    if not all("!" <= letter <= "~" for letter in value):
        return "the key holds spaces, control characters or letters that no key has: copy it again"
    return ""


class ConfigWarning(UserWarning):
    """A settings or key file was ignored because others could have written it."""


class KeyFileSyntaxError(ConfigError, json.JSONDecodeError):
    """A key file is no JSON: also the json.JSONDecodeError that scripts expect. `doc` stays empty: it is secret."""

    def __init__(self, message: str, reason: str = "", pos: int = 0, lineno: int = 1, colno: int = 1) -> None:
        ValueError.__init__(self, message)
        self.message = message
        self.msg, self.doc, self.pos, self.lineno, self.colno = reason, "", pos, lineno, colno


class KeyFileContentError(ConfigError, KeyError):
    """A key file holds no `secretKey`: also the KeyError that scripts expect."""


@attrs.frozen
class Config:
    """URL and key, and in words where each came from."""

    api_url: str
    secret: Secret
    url_source: str
    key_source: str
    #: whether the key itself was an argument, so that no other process finds it by itself
    key_is_argument: bool = False


@attrs.frozen(eq=False)
class _Found:
    """A value, where it was found in words, and its places: argument, environment, folders."""

    value: Any
    source: str
    places: frozenset[str]
    near: tuple[Path, ...] = ()
    """Folders in which the URL of a key is looked for first."""


def resolve(
    api_key_file: str | os.PathLike[str] | None = None,
    api_url: str | None = None,
    *,
    api_key: str | None = None,
    region: str | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    user_dir: str | os.PathLike[str] | None = None,
) -> Config:
    """Find URL and key: arguments, then `environ`, then the files in `cwd`, its parents and the user's config folder.

    Files that others could have written (another owner; a file or folder that everybody may write) are ignored with a
    ConfigWarning that names them; files that the arguments or the environment name are read whatever their owner. Sends
    nothing. Raises ConfigError when there is no key, when a file cannot be read (it names the file and what is wrong in
    it), or when key and URL were found in different places and the URL is neither Moveshelf's nor this machine's.
    """
    try:
        return _resolve(api_key_file, api_url, api_key, region, environ, cwd, user_dir)
    except ConfigError as error:
        problem = _without_frames(error)
    # arguments that may be a key, also one that was passed as something else
    api_key_file = api_url = api_key = region = environ = None
    raise problem


def _resolve(
    api_key_file: str | os.PathLike[str] | None,
    api_url: str | None,
    api_key: str | None,
    region: str | None,
    environ: Mapping[str, str] | None,
    cwd: str | os.PathLike[str] | None,
    user_dir: str | os.PathLike[str] | None,
) -> Config:
    environ = os.environ if environ is None else environ
    start = Path(cwd) if cwd is not None else Path.cwd()
    user = None if user_dir is None else Path(user_dir)
    files = _Files()
    key = _key_from_caller(api_key_file, api_key, environ, start) or _key_from_files(
        _folders(start, user), files
    )
    if key is None:
        left_out = "".join(f" {path} was ignored: {why}." for path, why in files.ignored.items())
        raise ConfigError(
            f"no key found: not given, not in MOVESHELF_API_KEY or MOVESHELF_API_KEY_FILE, and no "
            f"{CONFIG_FILE} or {KEY_FILE} in {start.absolute()} or a folder above it, nor in "
            f"{' or '.join(map(str, _user_folders(user)))}.{left_out} {_HOW}"
        )
    url = _url_from_caller(api_url, region, environ)
    if url is None:
        found = _url_from_files(chain(key.near, _folders(start, user)), files)
        url = found or _Found(DEFAULT_URL, "the default", frozenset())
    address = check_url(url.value, url.source)
    if not (key.places & url.places or is_trusted(address)):
        raise ConfigError(
            f"the key ({key.source}) and the URL {address} ({url.source}) were found in different "
            f"places, and the URL is not Moveshelf's: the key is not sent there. If they belong "
            f"together, pass both to connect(), put both into the environment, or both files into one folder."
        )
    return Config(address, key.value, url.source, key.source, key_is_argument=api_key is not None)


def read_key_file(path: str | os.PathLike[str]) -> str:
    """The secret key in a key file, as the flat client reads it. No request.

    Raises ConfigError, which names the file and what to do: a KeyFileSyntaxError (also a json.JSONDecodeError) where it is
    no JSON, a KeyFileContentError (also a KeyError) where it holds no `secretKey`.
    """
    try:
        advice = f"save it in a file {KEY_FILE}, and pass that file's path"
        return _read_key(_path_of(path, Path(), "api_key_file", advice)).reveal()
    except ConfigError as error:
        problem = _without_frames(error)
    path = ""  # it may be a key that was passed as a path
    raise problem


def _without_frames(error: ConfigError) -> ConfigError:
    """The error without its frames, whose variables hold what was read, and without the errors it came of."""
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error


# -- folders of the user's own


def config_folder() -> Path:
    """The folder of this user's own settings for this library, as the platform has it. It need not exist."""
    import platformdirs  # costs more than the rest of this module

    # Windows: the profile that travels with the user, as before
    return Path(platformdirs.user_config_dir("moveshelf", appauthor=False, roaming=True))


def state_folder(*, create: bool = False) -> Path:
    """The folder for what is neither settings nor cache, such as journals of uploads: MOVESHELF_STATE_DIR, or the platform's.

    `create`: it is created where it is missing, for this user alone.
    """
    chosen = os.environ.get("MOVESHELF_STATE_DIR")
    if chosen:
        folder = Path(os.path.expanduser(chosen))
        if folder.parts[0].startswith("~") and not os.path.lexists(folder):
            raise ValidationError(
                f"MOVESHELF_STATE_DIR is {chosen!r}: this computer has no user {folder.parts[0][1:]!r}; for a folder of "
                f"that name write './{chosen}'"
            )
    else:
        import platformdirs

        folder = Path(platformdirs.user_state_dir("moveshelf", appauthor=False))
        former = _former_state_folder()
        if not folder.exists() and former.exists():
            folder = former
    if create and not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _config_folders() -> list[Path]:
    """The user's config folder, and the one that releases before 0.2 used where that is another."""
    home = Path.home()
    if sys.platform == "win32":
        former = Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        former = home / "Library" / "Application Support"
    else:
        former = home / ".config"
    return list(dict.fromkeys([config_folder(), former / "moveshelf"]))


def _former_state_folder() -> Path:
    """Where releases before 0.2 kept journals."""
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "moveshelf"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "moveshelf"
    return Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state") / "moveshelf"


# -- URLs


def check_url(url: str, source: str = "the URL") -> str:
    """`url` in one spelling, without surprises; raises ConfigError where no key may be sent to it.

    https everywhere but on the loopback; no user or password in it. A URL without a path gets `/graphql`.
    """

    def refuse(why: str, advice: str = f"It looks like {DEFAULT_URL}.") -> NoReturn:
        raise ConfigError(f"{source}: {_shown(url)} is no URL of a service: {why}. {advice}")

    if not isinstance(url, str):
        refuse("it is not text")
    text = url.strip()
    # what two URL parsers read differently must not get as far as either
    if not text.isascii() or any(letter <= " " or letter in '\\"<>^`{|}\x7f' for letter in text):
        refuse("it holds letters that a URL has not")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        refuse(str(error))
    if parts.scheme not in ("http", "https"):
        refuse("it does not begin with https://")
    if "@" in parts.netloc:
        # not shown: it may be a password
        raise ConfigError(
            f"{source}: leave user and password out of the URL; the key alone opens the service."
        )
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            refuse("its host is no IPv6 address")
    elif not _NAME.fullmatch(host):
        refuse("it names no host")
    shown = f"[{host}]" if ":" in host else host
    if parts.netloc.lower() not in (shown, f"{shown}:{port}"):
        refuse(
            "its host and port do not read as such"
        )  # `[::1].example.com`, of which Python sees the first half
    if parts.fragment:
        refuse("it has a #fragment")
    if parts.scheme == "http" and not is_loopback(host):
        refuse("the key would travel in the clear", f"Use https://{host}…; http:// is for this machine only.")
    number = "" if port is None or port == {"http": 80, "https": 443}[parts.scheme] else f":{port}"
    path = parts.path if parts.path not in ("", "/") else "/graphql"
    return f"{parts.scheme}://{shown}{number}{path}{'?' + parts.query if parts.query else ''}"


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by its name alone (nothing is looked up)."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_trusted(url: str) -> bool:
    """Whether the URL is Moveshelf's own or this machine: there a key may go wherever it was found."""
    host = urlsplit(url).hostname or ""
    return host == "moveshelf.com" or host.endswith(".moveshelf.com") or is_loopback(host)


# -- from the caller and the environment

_ARGUMENT = "argument"
_ENVIRONMENT = "environment"


def _key_from_caller(
    api_key_file: str | os.PathLike[str] | None, api_key: str | None, environ: Mapping[str, str], start: Path
) -> _Found | None:
    if api_key is not None:
        if api_key_file is not None:
            raise ConfigError("pass api_key or api_key_file, not both")
        return _Found(_secret(api_key, "api_key"), "the argument api_key", frozenset({_ARGUMENT}))
    if api_key_file is not None:
        path = _path_of(api_key_file, start, "api_key_file", "pass it as api_key=...")
        return _found_key(path, _read_key(path), str(path), _ARGUMENT)
    if environ.get("MOVESHELF_API_KEY"):
        value = _secret(environ["MOVESHELF_API_KEY"], "MOVESHELF_API_KEY")
        return _Found(value, "MOVESHELF_API_KEY", frozenset({_ENVIRONMENT}))
    if environ.get("MOVESHELF_API_KEY_FILE"):
        named = environ["MOVESHELF_API_KEY_FILE"]
        path = _path_of(named, start, "MOVESHELF_API_KEY_FILE", "put it into MOVESHELF_API_KEY")
        value = _read_key(path, " (named by MOVESHELF_API_KEY_FILE)")
        return _found_key(path, value, f"{path} (MOVESHELF_API_KEY_FILE)", _ENVIRONMENT)
    return None


def _url_from_caller(api_url: str | None, region: str | None, environ: Mapping[str, str]) -> _Found | None:
    if region is not None:
        chosen = REGIONS.get(region.strip().lower()) if isinstance(region, str) else None
        if chosen is None:
            raise ConfigError(f"region is 'eu' or 'us', not {_shown(region)}; for any other URL pass api_url")
        if api_url is not None and check_url(api_url, "api_url") != chosen:
            raise ConfigError(f"region {region!r} is {chosen}, and api_url is {api_url!r}: pass one of them")
        return _Found(chosen, f"region {region!r}", frozenset({_ARGUMENT}))
    if api_url is not None:
        return _Found(api_url, "the argument api_url", frozenset({_ARGUMENT}))
    if environ.get("MOVESHELF_API_URL"):
        return _Found(environ["MOVESHELF_API_URL"], "MOVESHELF_API_URL", frozenset({_ENVIRONMENT}))
    return None


def _secret(value: object, source: str) -> Secret:
    # editors and secret stores leave a line end, or a byte order mark, at either end
    trimmed = value.strip(_AROUND) if isinstance(value, str) else value
    problem = _problem_of_key(trimmed)
    if problem or not isinstance(trimmed, str):
        raise ConfigError(f"{source}: {problem}")
    return Secret(trimmed)


_AROUND = " \t\r\n\v\f\ufeff"
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{32,}")
_MIXED = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9_+=/.~-]{32,}")


def looks_like_key(value: object) -> bool:
    """Whether a text may be a key, or the content of a key file, passed as something else: then it is not shown."""
    if not isinstance(value, str):
        return False
    text = value.strip(_AROUND).removeprefix("Bearer ")
    if _HEXADECIMAL.fullmatch(text) or "secretKey" in text or text.startswith("{"):
        return True
    return _MIXED.fullmatch(text) is not None and not re.search(r"^[.~]?/|\.[A-Za-z]{1,5}$", text)


def _shown(value: object) -> str:
    """A value for a message; not one that may be a key."""
    return "a text that looks like a key" if looks_like_key(value) else repr(value)


def _path_of(name: str | os.PathLike[str], folder: Path, source: str, advice: str) -> Path:
    path = folder / os.path.expanduser(os.fspath(name))
    if looks_like_key(os.fspath(name)) and not os.path.lexists(path):
        raise ConfigError(
            f"{source} is the path of a file, and what it is given looks like a key itself (it is not shown here): "
            f"if it is one, {advice}"
        )
    return path


# -- from files


def _folders(start: Path, user: Path | None) -> Iterator[Path]:
    """Where files are looked for; those of the user last, which are sought only where nothing was found before."""
    here = Path(os.path.abspath(start))
    yield here
    yield from here.parents
    yield from _user_folders(user)


def _user_folders(user: Path | None) -> list[Path]:
    return _config_folders() if user is None else [user]


def _place(path: Path) -> str:
    """The folder in which a file really lies."""
    return os.path.dirname(os.path.realpath(path))


def _found_key(path: Path, secret: Secret, source: str, *places: str) -> _Found:
    """A key with its places: those given, and where its file really lies.

    A file with several names (hard links) may lie somewhere else as well, so that its folder says nothing.
    """
    alone = os.stat(path).st_nlink <= 1
    return _Found(
        secret,
        source,
        frozenset((*places, _place(path)) if alone else places),
        (path.parent, Path(_place(path))),
    )


class _Files:
    """The files of one search: each is read once, and left out with a warning where others could have written it."""

    def __init__(self) -> None:
        self.ignored: dict[Path, str] = {}
        self._settings: dict[Path, dict[str, tuple[Any, Path]]] = {}

    def usable(self, path: Path, *, named: bool = False) -> bool:
        """Whether there is such a file, which nobody else could have written. `named`: its owner does not matter."""
        if path in self.ignored or not path.is_file():
            return False
        why = _written_by_others(path, any_owner=named)
        if why is None:
            return True
        self.ignored[path] = why
        warnings.warn(
            f"{path} is ignored: {why}. If it is yours, make it so that only you can write it, or name it yourself "
            f"(api_key_file, api_url, or the environment).",
            ConfigWarning,
            stacklevel=2,
        )
        return False

    def settings(self, folder: Path) -> dict[str, tuple[Any, Path]]:
        """The folder's settings, each with its file: personal ones over shared ones."""
        known = self._settings.get(folder)
        if known is None:
            known = self._settings[folder] = {}
            for path in (folder / SPEC_FILE, folder / CONFIG_FILE):
                if self.usable(path):
                    # an override that says nothing (null, "") overrides nothing
                    content = _read_object(path)
                    known.update(
                        {name: (value, path) for name, value in content.items() if value not in (None, "")}
                    )
        return known

    def text(self, folder: Path, name: str) -> tuple[str, Path] | None:
        """A setting that must be text, and its file."""
        value, path = self.settings(folder).get(name, (None, folder))
        if value is None:
            return None
        if not isinstance(value, str):
            raise ConfigError(f"{path}: {name} must be text in quotes, not {type(value).__name__}")
        return value, path


def _written_by_others(path: Path, *, any_owner: bool) -> str | None:
    """Why a file may not be what this user, or the administrator, has put there. None where it is; on Windows always."""
    if os.name != "posix":
        return None
    trusted = {0, os.geteuid()}
    try:
        link, file = os.lstat(path), os.stat(path)
        folders = [os.stat(folder) for folder in {str(path.parent), _place(path)}]
    except OSError:
        return None  # reading it will say why
    if not any_owner and not {link.st_uid, file.st_uid} <= trusted:
        return "it belongs to another user"
    if file.st_mode & stat.S_IWOTH:
        return "everybody may write it"
    for folder in folders:
        # with the sticky bit, others can neither replace nor remove what is ours
        protected = folder.st_mode & stat.S_ISVTX and folder.st_uid in trusted
        if folder.st_mode & stat.S_IWOTH and not protected:
            return "it lies in a folder that everybody may write"
    return None


def _key_from_files(folders: Iterable[Path], files: _Files) -> _Found | None:
    for folder in folders:
        found = files.text(folder, "apiKeyFileName")
        if found is not None:
            name, source = found
            path = _path_of(name, folder, f"{source}: apiKeyFileName", f"save it in a file {KEY_FILE}")
            # what does not exist is an error of its own below
            if not path.is_file() or files.usable(path, named=True):
                secret = _read_key(path, f" (named by {source})")
                place, home = _place(path), _place(source)
                within = place == home or place.startswith(home.rstrip(os.sep) + os.sep)
                key = _found_key(path, secret, f"{path} (named by {source})")
                places = key.places | {home} if within and key.places else key.places
                return attrs.evolve(key, places=places, near=(folder, *key.near))
        path = folder / KEY_FILE
        if files.usable(path):
            return _found_key(path, _read_key(path), str(path))
    return None


def _url_from_files(folders: Iterable[Path], files: _Files) -> _Found | None:
    for folder in folders:
        found = files.text(folder, "apiUrl")
        if found is not None:
            url, path = found
            return _Found(url, str(path), frozenset({_place(path)}))
    return None


def _read_key(path: Path, named: str = "") -> Secret:
    content = _read_object(path, named, of_key=True)
    key = content.get("secretKey")
    if not isinstance(key, str) or not key.strip(_AROUND):
        raise KeyFileContentError(
            f"{path}{named} has no secretKey: it is not the file that Moveshelf hands out. Download it "
            f"again from your profile page."
        )
    return _secret(key, f"{path}, secretKey")


def _read_object(path: Path, named: str = "", *, of_key: bool = False) -> dict[str, Any]:
    """A JSON object from a file. Errors say what is wrong without quoting it: it may hold a key."""
    shown = f"{path}{named}"
    try:
        with open(path, "rb") as file:
            raw = file.read(_LARGEST + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        seen_from = "" if path.is_absolute() else f" (from {os.getcwd()})"
        raise ConfigError(f"there is no key file {shown}{seen_from}. {_HOW}") from None
    except (OSError, ValueError) as error:
        if os.path.isdir(path):  # as Windows says it
            raise ConfigError(f"there is no key file {shown}: it is a folder. {_HOW}") from None
        raise ConfigError(f"{shown} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > _LARGEST:
        raise ConfigError(f"{shown} is far too large for what it should be: choose another file")
    content: Any = None
    where: tuple[int, int, int] = (0, 1, 1)
    problem = ""
    try:
        # editors on Windows write UTF-16, or a mark in front of UTF-8
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
        content = json.loads(text.strip(_AROUND))
    except json.JSONDecodeError as error:
        where = (error.pos, error.lineno, error.colno)
        problem = f"is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
    except UnicodeDecodeError:
        problem = "is not a text file in UTF-8"
    except (RecursionError, ValueError):
        problem = "is not JSON that a settings file could hold"
    if problem:
        message = f"{shown} {problem}. Correct it, or download it again from your profile page."
        raise KeyFileSyntaxError(message, problem, *where) if of_key else ConfigError(message)
    if not isinstance(content, dict):
        message = (
            f'{shown} must hold one JSON object, {{"name": "value", ...}}. Correct it, or download it again.'
        )
        raise KeyFileContentError(message) if of_key else ConfigError(message)
    return content


def site_url(api_url: str) -> str:
    """Where people see what is at `api_url`: the API's host without its leading `api.` (a).

    The service documents the paths of its pages, and that sites have hosts of their own; this is the one place that
    guesses the host.
    """
    parts = urlsplit(api_url)
    return f"{parts.scheme}://{parts.netloc.removeprefix('api.')}"
