"""From the shell's words to an exit code: every failure ends as one line on stderr and a number that means something."""

from __future__ import annotations

import atexit
import gc
import importlib
import keyword
import os
import re
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn, TextIO

import click

from . import show
from .place import connection_options

OK, FAILED, USAGE, NOT_FOUND, AUTHENTICATION, SERVICE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

# where each command lives: none is imported before it is used or helped with
_COMMANDS = {
    "completion": "completion",
    "demo": "demo",
    "download": "bytes",
    "import": "table",
    "info": "read",
    "login": "account",
    "ls": "read",
    "projects": "read",
    "rm": "bytes",
    "sandbox": "demo",
    "tree": "read",
    "upload": "bytes",
    "whoami": "account",
}


class _Commands(click.Group):
    """A group that knows its commands by name and imports a command's module when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        room = _COMMANDS.get(cmd_name)
        if room is None:
            return None
        module = importlib.import_module(f".{room}", __package__)
        # no function can have the name of a word of Python's
        command: click.Command = getattr(module, f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            import difflib

            near = difflib.get_close_matches(args[0], _COMMANDS, 1)
            if near:
                ctx.fail(f"no such command {args[0]!r}; did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        import moveshelf

        click.echo(f"moveshelf {moveshelf.__version__}")
        ctx.exit()


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="PATH is org/project:subject/session/condition/trial/file, as many of its parts as you mean (%2F is a slash "
    "in a name), or the URL of a page of the web site. --key-file, --url and --region may stand before or behind the "
    "command. Exit codes: 0 done, 1 something failed, 2 usage, 3 not found, 4 key or configuration, 5 service or "
    "network, 130 interrupted.",
)
@connection_options
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Moveshelf's motion-capture projects from the shell. New here? `moveshelf demo` needs no account."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def code_of(error: BaseException) -> int:
    """The exit code of an error of the library's."""
    from .. import errors

    kinds: tuple[tuple[type[BaseException], int], ...] = (
        (errors.NotFoundError, NOT_FOUND),
        (errors.AmbiguousError, NOT_FOUND),
        (errors.DeletedError, NOT_FOUND),
        (errors.ConfigError, AUTHENTICATION),
        (errors.AuthenticationError, AUTHENTICATION),
        (errors.ValidationError, USAGE),
        (errors.RequestError, SERVICE),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), FAILED)


#: Python's names in errors on key and URL, and what the shell has in their place.
_OPTIONS = {
    "api_key or api_key_file": "--key-file",
    "api_key_file": "--key-file",
    "api_url": "--url",
    "region": "--region",
    "both to connect()": "both --key-file and --url",
}
_PYTHON = re.compile(rf"(?<![\w./\\-])({'|'.join(map(re.escape, _OPTIONS))})(?![\w./\\-]*[\w/\\-])")
_KEY_ADVICE = (
    "In the shell, --key-file FILE names a key file and --url or --region the service, before or behind the command; "
    "`moveshelf login` saves a key, `moveshelf whoami` shows which one is used."
)


def _say(message: str) -> None:
    show.err(f"moveshelf: {message}")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code. The entry of a program of its own: what it sets is Python's for all."""
    # for less than a second's work the cycle collector would go through all modules eight times, thrice of them at the end
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    # what is left then is memory, which goes with the process; connections are closed after it all the same
    atexit.register(gc.freeze)
    sys.exit(run(arguments))


_OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""How many new objects start the cycle collector; Python's own figure, 700, suits small programs that run for long."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. Where the reader of the output leaves (`| head`), that is no failure."""
    _lenient()
    with warnings.catch_warnings():
        warnings.showwarning = _warned
        try:
            code = _run(sys.argv[1:] if arguments is None else list(arguments))
            if sys.stdout is not None:
                sys.stdout.flush()
            return code
        except BrokenPipeError:
            for stream in (sys.stdout, sys.stderr):
                show.drop(stream)
            return OK


def _run(arguments: list[str]) -> int:
    instruction = os.environ.get("_MOVESHELF_COMPLETE")
    if instruction:
        from click.shell_completion import shell_complete

        from . import shells  # noqa: F401  it registers them

        return shell_complete(command, {}, "moveshelf", "_MOVESHELF_COMPLETE", instruction)
    try:
        with command.make_context("moveshelf", arguments) as ctx:
            result: Any = command.invoke(ctx)
        return result if isinstance(result, int) else OK
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        if isinstance(error, click.UsageError) and error.ctx is not None:
            show.err(f"{error.ctx.get_usage()}\nTry '{error.ctx.command_path} --help' for help.\n")
        _say(error.format_message())
        return USAGE
    except (click.Abort, KeyboardInterrupt, EOFError):
        _say("stopped.")
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        from ..errors import AuthenticationError, ConfigError, MoveshelfError

        if isinstance(error, ConfigError):
            _say(_PYTHON.sub(lambda found: _OPTIONS[found[1]], str(error)))
            show.err(_KEY_ADVICE)
        elif isinstance(error, (MoveshelfError, OSError)):
            _say(str(error))
            if isinstance(error, AuthenticationError):
                show.err(_KEY_ADVICE)
        else:
            raise
        return code_of(error)


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning as people read it, without the line of Python that gave it."""
    # the library names Python's arguments
    words = str(message).replace("include=", "--include ")
    _say(f"warning: {words}")


def _lenient() -> None:
    """A name that the terminal's encoding lacks is shown with a question mark; it is no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
