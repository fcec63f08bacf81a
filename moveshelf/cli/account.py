"""`moveshelf login` and `moveshelf whoami`: the key, where it lies, and what it opens. The key itself is never shown."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import show, text
from .place import connection, connection_options, service_options
from .read import json_option

if TYPE_CHECKING:
    from ..config import Config

_LARGEST = 1 << 16


@click.command()
@click.option(
    "--path",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Save the key in FILE (else in the user's configuration folder, where it is found from anywhere).",
)
@click.option("--no-check", is_flag=True, help="Save the key without trying it.")
@service_options
@click.pass_context
def login(ctx: click.Context, path: str | None, no_check: bool) -> None:
    """Save your key, so that every command and script finds it.

    Type or paste the key of your Moveshelf profile page when you are prompted (it is not shown), or pipe it in: the key, or
    the key file that Moveshelf hands out. One request checks it; it is saved readable by you alone.
    """
    from ..client import Moveshelf
    from ..config import KEY_FILE, check_url, config_folder, resolve
    from ..errors import ConfigError

    given = connection(ctx)
    if given.get("api_key_file"):
        raise click.UsageError(
            "--key-file names a key that is used; login saves one: moveshelf login < FILE saves that file's key, "
            "--path says where"
        )
    if given.get("api_url"):
        check_url(given["api_url"], "--url")  # before somebody pastes a key for it
    target = Path(path).expanduser() if path is not None else config_folder() / KEY_FILE
    _refuse_other_files(target)
    config = resolve(None, given.get("api_url"), api_key=_read_key(), region=given.get("region"))
    names: list[str] | None = None
    if not no_check:
        with Moveshelf(config) as client:
            names = client.projects.names()
    written = _save(target, config, named=path is not None)
    if names is None:
        show.out(f"The key was not checked. It is for {config.api_url}.")
    else:
        show.out(f"{config.api_url} accepts the key: it sees {_projects(names)}.")
    for file in written:
        show.out(f"Saved {text.clean(str(file))}")
    try:
        used = resolve()
    except ConfigError as error:
        show.err(f"moveshelf: warning: a command without options here fails: {error}")
        return
    if used.secret != config.secret or used.api_url != config.api_url:
        named = f"; --key-file {target} uses the saved one" if path is not None else ""
        show.err(
            f"moveshelf: warning: here another key or service comes first: the key of {used.key_source}, for "
            f"{used.api_url} ({used.url_source}){named}"
        )


def _read_key() -> str:
    """The key that is typed without being shown, or that is piped in, as it is or in the service's key file."""
    if sys.stdin.isatty():
        typed: str = click.prompt("Key", hide_input=True, err=True)
        raw = typed.encode()
    else:
        raw = sys.stdin.buffer.read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        raise click.UsageError("what came in is far too long for a key")
    try:
        given = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig").strip(
            "\0 \t\r\n"
        )
    except UnicodeDecodeError:
        raise click.UsageError("what came in is neither a key nor a key file") from None
    if given.startswith("{"):
        try:
            content = json.loads(given)
        except ValueError:
            content = {}
        given = content.get("secretKey") or ""
        if not isinstance(given, str) or not given:
            raise click.UsageError("the key file that came in holds no secretKey: download it again")
    if not given:
        raise click.UsageError("no key came in: paste it, or pipe it in")
    return given


def _refuse_other_files(target: Path) -> None:
    """Only a key file is replaced by another: no file of another kind that a slip of the hand names."""
    try:
        content = json.loads(target.read_bytes())
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict) or "secretKey" not in content:
        raise click.UsageError(
            f"{target} exists and is no key file: it is left as it is; name another with --path"
        )


def _save(target: Path, config: Config, *, named: bool) -> list[Path]:
    """Write the key, and beside it the URL where that folder's settings say another; the files that were written.

    `named`: the file was chosen, so that the folder's settings need not lead to it.
    """
    from ..config import CONFIG_FILE, DEFAULT_URL, KEY_FILE, SPEC_FILE

    folder = target.parent
    shared, own = _settings(folder / SPEC_FILE), _settings(folder / CONFIG_FILE)
    now = {**shared, **{name: value for name, value in own.items() if value not in (None, "")}}
    wanted: dict[str, Any] = {}
    if (now.get("apiUrl") or DEFAULT_URL) != config.api_url:
        wanted["apiUrl"] = config.api_url
    if not named and (now.get("apiKeyFileName") or KEY_FILE) != target.name:
        wanted["apiKeyFileName"] = target.name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = [_write(target, {"secretKey": config.secret.reveal()})]
    if wanted:
        written.append(_write(folder / CONFIG_FILE, {**own, **wanted}))
    return written


def _settings(path: Path) -> dict[str, Any]:
    """What a settings file holds; nothing where there is none."""
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise click.UsageError(f"{path} is no settings file: correct or remove it; nothing was saved")
    return content


def _write(path: Path, content: dict[str, Any]) -> Path:
    """JSON into a file that its owner alone may read, whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(number, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
    return path


def _projects(names: list[str]) -> str:
    shown = ", ".join(text.clean(name) for name in names[:5])
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return f"{text.plural(len(names), 'project')}{': ' if names else ''}{shown}{more}"


@click.command()
@json_option
@connection_options
@click.pass_context
def whoami(ctx: click.Context, json_: bool) -> None:
    """Show the service that is used, which file or variable the key comes from, and the projects it sees. Never the key."""
    from ..client import Moveshelf
    from ..config import resolve
    from ..errors import RequestError

    config = resolve(**connection(ctx))
    facts = {
        "service": config.api_url,
        "service_from": config.url_source,
        "key_from": config.key_source,
    }
    try:
        with Moveshelf(config) as client:
            if not json_:
                show.prepare(client)
            names = client.projects.names()
    except RequestError:
        # which key was refused, and by which service, is what helps
        if not json_:
            _show_facts(facts)
        raise
    if json_:
        show.as_json({**facts, "projects": names})
    else:
        _show_facts(facts, names)


def _show_facts(facts: dict[str, str], names: list[str] | None = None) -> None:
    rows: list[tuple[int, str, Any]] = [(0, name.replace("_", " "), value) for name, value in facts.items()]
    if names is not None:
        rows.append((0, "projects", len(names)))
        rows += [(1, name, "") for name in names]
    show.facts(rows)
