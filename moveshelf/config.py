"""Where the key and the address come from: argument, then environment, then files as people keep them today.

No network here. The rule that matters: a key found in one place is never sent to an address found in
another, unless that address is Moveshelf's own or this machine. Otherwise a file left in a shared folder
could collect keys.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from moveshelf.errors import ConfigError

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
        if not isinstance(value, str):
            raise ConfigError(f"a key is text, not {type(value).__name__}")
        if not value:
            raise ConfigError(f"the key is empty. {_HOW}")
        if not all("!" <= letter <= "~" for letter in value):
            raise ConfigError(
                "the key holds spaces, control characters or letters that no key has: copy it again"
            )
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


@dataclass(frozen=True, slots=True)
class Config:
    """Address and key, and in words where each came from."""

    api_url: str
    secret: Secret
    url_source: str
    key_source: str


@dataclass(frozen=True, slots=True)
class _Found:
    """A value, where it was found in words, and its places: argument, environment, folders."""

    value: Any
    source: str
    places: frozenset[str]


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
    """Find address and key: arguments, then `environ`, then the files in `cwd`, its parents and `user_dir`.

    Sends nothing. Raises ConfigError when there is no key, when a file cannot be read (it names the file
    and what is wrong in it), or when key and address were found in different places and the address is
    neither Moveshelf's nor this machine's.
    """
    environ = os.environ if environ is None else environ
    start = Path(cwd) if cwd is not None else Path.cwd()
    last = Path(user_dir) if user_dir is not None else user_config_dir(environ)
    folders = list(_folders(start, last))
    key = _key_from_caller(api_key_file, api_key, environ, start) or _key_from_files(folders)
    if key is None:
        raise ConfigError(
            f"no key found: not given, not in MOVESHELF_API_KEY or MOVESHELF_API_KEY_FILE, and no "
            f"{CONFIG_FILE} or {KEY_FILE} in {start.absolute()} or a folder above it, nor in {last}. {_HOW}"
        )
    url = _url_from_caller(api_url, region, environ)
    if url is None:
        beside = [Path(place) for place in key.places if place not in (_ARGUMENT, _ENVIRONMENT)]
        url = _url_from_files([*beside, *folders]) or _Found(DEFAULT_URL, "the default", frozenset())
    address = check_url(url.value, url.source)
    if not (key.places & url.places or is_trusted(address)):
        raise ConfigError(
            f"the key ({key.source}) and the address {address} ({url.source}) were found in different "
            f"places, and the address is not Moveshelf's: the key is not sent there. If they belong "
            f"together, pass both to connect(), put both into the environment, or both into one folder."
        )
    return Config(address, key.value, url.source, key.source)


def user_config_dir(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """The folder of this user's own settings for this library, as the platform has it. It need not exist."""
    environ = os.environ if environ is None else environ
    home = Path(environ.get("USERPROFILE" if platform == "win32" else "HOME") or os.path.expanduser("~"))
    if platform == "win32":
        return Path(environ.get("APPDATA") or home / "AppData" / "Roaming") / "moveshelf"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "moveshelf"
    base = environ.get("XDG_CONFIG_HOME", "")
    return (
        Path(base) if base.startswith("/") else home / ".config"
    ) / "moveshelf"  # the standard ignores relative ones


# -- addresses


def check_url(url: str, source: str = "the address") -> str:
    """`url` in one spelling, without surprises; raises ConfigError where no key may be sent to it.

    https everywhere but on the loopback; no user or password in it. An address without a path gets
    `/graphql`.
    """

    def refuse(why: str, advice: str = f"It looks like {DEFAULT_URL}.") -> NoReturn:
        raise ConfigError(f"{source}: {url!r} is no address of a service: {why}. {advice}")

    if not isinstance(url, str):
        refuse("it is not text")
    text = url.strip()
    # what two URL parsers read differently must not get as far as either
    if not text.isascii() or any(letter <= " " or letter in '\\"<>^`{|}\x7f' for letter in text):
        refuse("it holds letters that an address has not")
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
            f"{source}: leave user and password out of the address; the key alone opens the service."
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
    """Whether the address is Moveshelf's own or this machine: there a key may go wherever it was found."""
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
        path = start / os.path.expanduser(os.fspath(api_key_file))
        return _Found(_read_key(path), str(path), frozenset({_ARGUMENT, _place(path.parent)}))
    if environ.get("MOVESHELF_API_KEY"):
        value = _secret(environ["MOVESHELF_API_KEY"], "MOVESHELF_API_KEY")
        return _Found(value, "MOVESHELF_API_KEY", frozenset({_ENVIRONMENT}))
    if environ.get("MOVESHELF_API_KEY_FILE"):
        path = start / os.path.expanduser(environ["MOVESHELF_API_KEY_FILE"])
        value = _read_key(path, " (named by MOVESHELF_API_KEY_FILE)")
        return _Found(
            value, f"{path} (MOVESHELF_API_KEY_FILE)", frozenset({_ENVIRONMENT, _place(path.parent)})
        )
    return None


def _url_from_caller(api_url: str | None, region: str | None, environ: Mapping[str, str]) -> _Found | None:
    if region is not None:
        chosen = REGIONS.get(region.strip().lower()) if isinstance(region, str) else None
        if chosen is None:
            raise ConfigError(f"region is 'eu' or 'us', not {region!r}; for any other address pass api_url")
        if api_url is not None and check_url(api_url, "api_url") != chosen:
            raise ConfigError(f"region {region!r} is {chosen}, and api_url is {api_url!r}: pass one of them")
        return _Found(chosen, f"region {region!r}", frozenset({_ARGUMENT}))
    if api_url is not None:
        return _Found(api_url, "the argument api_url", frozenset({_ARGUMENT}))
    if environ.get("MOVESHELF_API_URL"):
        return _Found(environ["MOVESHELF_API_URL"], "MOVESHELF_API_URL", frozenset({_ENVIRONMENT}))
    return None


def _secret(value: str, source: str) -> Secret:
    if not isinstance(value, str):
        raise ConfigError(f"{source}: a key is text, not {type(value).__name__}")
    try:
        return Secret(value.strip())
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None


# -- from files


def _folders(start: Path, last: Path) -> Iterator[Path]:
    here = Path(os.path.abspath(start))
    yield here
    yield from here.parents
    yield last


def _place(folder: Path) -> str:
    return os.path.realpath(folder)


def _key_from_files(folders: list[Path]) -> _Found | None:
    for folder in folders:
        settings, source = _settings(folder)
        name = _text_in(settings, "apiKeyFileName", source)
        if name is not None:
            path = folder / os.path.expanduser(name)
            value = _read_key(path, f" (named by {source})")
            return _Found(
                value, f"{path} (named by {source})", frozenset({_place(folder), _place(path.parent)})
            )
        path = folder / KEY_FILE
        if path.is_file():
            return _Found(_read_key(path), str(path), frozenset({_place(folder)}))
    return None


def _url_from_files(folders: list[Path]) -> _Found | None:
    for folder in folders:
        settings, source = _settings(folder)
        url = _text_in(settings, "apiUrl", source)
        if url is not None:
            return _Found(url, source, frozenset({_place(folder)}))
    return None


def _settings(folder: Path) -> tuple[dict[str, Any], str]:
    """The folder's settings, personal ones over shared ones, and the names of the files they come from."""
    paths = [path for path in (folder / SPEC_FILE, folder / CONFIG_FILE) if path.is_file()]
    merged: dict[str, Any] = {}
    for path in paths:
        # an override that says nothing (null, "") overrides nothing
        merged.update({key: value for key, value in _read_object(path).items() if value not in (None, "")})
    return merged, " and ".join(map(str, paths))


def _text_in(settings: dict[str, Any], name: str, source: str) -> str | None:
    value = settings.get(name)
    if value is None or isinstance(value, str):
        return value
    raise ConfigError(f"{source}: {name} must be text in quotes, not {json.dumps(value)[:50]}")


def _read_key(path: Path, named: str = "") -> Secret:
    content = _read_object(path, named)
    if "secretKey" not in content:
        raise ConfigError(
            f"{path}{named} holds no secretKey: it is not the file that Moveshelf hands out. Download it "
            f"again from your profile page."
        )
    return _secret(content["secretKey"], f"{path}, secretKey")


def _read_object(path: Path, named: str = "") -> dict[str, Any]:
    """A JSON object from a file. What is wrong with one is told without quoting it: it may hold a key."""
    try:
        with open(path, "rb") as file:
            raw = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}{named}. {_HOW}") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path}{named} cannot be read: {why}") from None
    if len(raw) > _LARGEST:
        raise ConfigError(f"{path}{named} is far too large for what it should be: choose another file")
    problem = ""
    content: Any = None
    try:
        # editors on Windows write UTF-16, or a mark in front of UTF-8
        content = json.loads(raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"))
    except json.JSONDecodeError as error:
        problem = f"is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
    except UnicodeDecodeError:
        problem = "is not a text file in UTF-8"
    except (RecursionError, ValueError):
        problem = "is not JSON that a settings file could hold"
    if not problem and not isinstance(content, dict):
        problem = 'must hold one JSON object, {"name": "value", ...}'
    if problem:
        raise ConfigError(f"{path}{named} {problem}. Correct it, or download it again.")
    assert isinstance(content, dict)
    return content


def site_url(api_url: str) -> str:
    """Where people see what is at `api_url`: the API's host without its leading `api.` (a).

    The service documents the paths of its pages, and that sites have hosts of their own; this is the one place that
    guesses the host.
    """
    parts = urlsplit(api_url)
    return f"{parts.scheme}://{parts.netloc.removeprefix('api.')}"
