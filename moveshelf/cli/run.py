"""From the shell's words to an exit code: every failure ends as one line on stderr and a number that means something."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

OK, FAILED, USAGE, NOT_FOUND, AUTHENTICATION, SERVICE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

# where each command lives: none is imported before it is used or helped with
_COMMANDS = {
    "demo": "demo",
    "download": "bytes",
    "info": "read",
    "ls": "read",
    "projects": "read",
    "rm": "bytes",
    "sandbox": "demo",
    "tree": "read",
    "upload": "bytes",
}


class _Commands(click.Group):
    """A group that knows its commands by name and imports a command's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        room = _COMMANDS.get(cmd_name)
        if room is None:
            return None
        module = importlib.import_module(f".{room}", __package__)
        command: click.Command = getattr(module, cmd_name)
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
    epilog="PATH is org/project:subject/session/condition/trial/file, as many of its parts as you mean, or the "
    "address of a page of the web site. Exit codes: 0 done, 1 something failed, 2 usage, 3 not found, 4 key or "
    "configuration, 5 service or network, 130 interrupted.",
)
@click.option(
    "--key-file", metavar="FILE", help="The key file (else MOVESHELF_API_KEY and the usual places)."
)
@click.option(
    "--url", metavar="URL", help="The GraphQL endpoint (else MOVESHELF_API_URL and the usual places)."
)
@click.option("--region", type=click.Choice(["eu", "us"]), help="Moveshelf's endpoint in that region.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
)
@click.pass_context
def command(ctx: click.Context, key_file: str | None, url: str | None, region: str | None) -> None:
    """Moveshelf's motion-capture projects from the shell. New here? `moveshelf demo` needs no account."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    ctx.obj = {"api_key_file": key_file, "api_url": url, "region": region}


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


def _say(text: str) -> None:
    click.echo(f"moveshelf: {text}", err=True)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    _printable()
    if "_MOVESHELF_COMPLETE" in os.environ:
        from . import completion  # noqa: F401  it registers itself
    try:
        result: Any = command.main(arguments, prog_name="moveshelf", standalone_mode=False)
        return result if isinstance(result, int) else OK
    except click.ClickException as error:
        error.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        _say("stopped.")
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read us (head, less) has seen enough; closing stdout again would only complain
        sys.stdout = None
        return OK
    except Exception as error:
        from ..errors import MoveshelfError

        if isinstance(error, MoveshelfError):
            _say(str(error))
            return code_of(error)
        if isinstance(error, OSError):
            _say(str(error))
            return FAILED
        raise


def _printable() -> None:
    """A name that the terminal's encoding lacks is shown with a question mark; it is no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
