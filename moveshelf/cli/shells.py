"""Tab in bash, zsh and fish: names with blanks, commas and slashes, and no blank after `:` or `/`.

Imported only when the shell completes, or its script is printed.
"""

from __future__ import annotations

import os
import re
from typing import Any

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n'
    local response completion type value
    response=$(env COMP_LINE="${COMP_LINE:0:$COMP_POINT}" %(complete_var)s=bash_complete "$1")
    COMPREPLY=()
    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        if [[ $type == 'dir' ]]; then
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            compopt -o default
        else
            COMPREPLY+=("$value")
        fi
    done
}
complete -o nosort -o nospace -F %(complete_func)s %(prog_name)s
"""
_ZSH = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local -a done open
    local line type value
    (( ! $+commands[%(prog_name)s] )) && return 1
    for line in "${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \
%(complete_var)s=zsh_complete %(prog_name)s)}"; do
        type=${line%%%%,*} value=${line#*,}
        case $type in
            dir) _path_files -/ ;;
            file) _path_files -f ;;
            plain)
                if [[ $value == *[:/] ]]; then open+=("$value"); else done+=("$value"); fi ;;
        esac
    done
    (( $#open )) && compadd -U -V names -S '' -a open
    (( $#done )) && compadd -U -V names -a done
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef %(complete_func)s %(prog_name)s
fi
"""
_FISH = """\
function %(complete_func)s
    set -l response (env COMP_WORDS=(commandline -cp | string collect) COMP_CWORD=(commandline -ct) \
%(complete_var)s=fish_complete %(prog_name)s)
    for completion in $response
        set -l parts (string split -m 1 "," -- $completion)
        switch $parts[1]
            case dir
                __fish_complete_directories (commandline -ct)
            case file
                __fish_complete_path (commandline -ct)
            case plain
                echo $parts[2]
        end
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""
_SPECIAL = re.compile(r"([\s\"'\\$`&|;<>()*?\[\]!#~{}])")


def open_quote(line: str) -> str:
    """The quotation mark that is open at the end of a command line, or nothing."""
    mark, letters = "", iter(line)
    for letter in letters:
        if letter == "\\" and mark != "'":
            next(letters, "")
        elif letter == mark:
            mark = ""
        elif not mark and letter in "\"'":
            mark = letter
    return mark


@add_completion_class
class Bash(BashComplete):
    """Completes words as the shell understands them, and returns what bash puts in place of its own last word."""

    source_template = _BASH

    def source(self) -> str:
        # click's own looks for a bash to complain of an old one; the script may be made where none is
        return ShellComplete.source(self)

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_LINE"]
        self._quote = open_quote(line)
        words = split_arg_string(line)
        begun = line.endswith(self._quote) if self._quote else re.search(r"(?<!\\)\s$", line)
        if begun:  # a new word, of which nothing is typed
            words.append("")
        self._typed = words[-1] if len(words) > 1 else ""
        return words[1:-1], self._typed

    def format_completion(self, item: CompletionItem[Any]) -> str:
        value: Any = item.value
        if item.type == "plain":
            if not self._quote:
                # bash replaces what stands behind the last colon, and reads what it gets as if it were typed
                value = _SPECIAL.sub(r"\\\1", value[self._typed.rfind(":") + 1 :])
            if not value.endswith((":", "/")):
                value += self._quote + " "
        return f"{item.type},{value}"


@add_completion_class
class Zsh(ZshComplete):
    """A line a completion; zsh quotes them itself."""

    source_template = _ZSH

    def format_completion(self, item: CompletionItem[Any]) -> str:
        return f"{item.type},{item.value}"


@add_completion_class
class Fish(FishComplete):
    """A line a completion, with its help behind a tab; names may hold commas."""

    source_template = _FISH

    def get_completion_args(self) -> tuple[list[str], str]:
        words = split_arg_string(os.environ["COMP_WORDS"])[1:]
        token = os.environ["COMP_CWORD"]
        begun = (split_arg_string(token) or [""])[0] if token else ""
        return (words[:-1] if token else words), begun
