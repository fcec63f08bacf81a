"""`moveshelf completion`: the script that makes Tab complete."""

from __future__ import annotations

import click

from . import show


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands and names with Tab.

    \b
    bash: eval "$(moveshelf completion bash)"      in ~/.bashrc
    zsh:  eval "$(moveshelf completion zsh)"       in ~/.zshrc
    fish: moveshelf completion fish | source       in ~/.config/fish/config.fish
    """
    from .shells import Bash, Fish, Zsh

    kind = {"bash": Bash, "zsh": Zsh, "fish": Fish}[shell]
    show.out(kind(ctx.find_root().command, {}, "moveshelf", "_MOVESHELF_COMPLETE").source().rstrip())
