"""Tab in bash: its own words end at every colon and blank, a PATH does not.

Imported only when the shell asks. The other shells are click's.
"""

from __future__ import annotations

import os
import re
from typing import Any

from click.shell_completion import BashComplete, CompletionItem, add_completion_class, split_arg_string

_SOURCE = """\
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
    """Completes words as the shell understands them, and answers with what bash puts in place of its own last word."""

    source_template = _SOURCE

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_LINE"]
        self._quote = open_quote(line)
        words = split_arg_string(line)
        begun = line.endswith(self._quote) if self._quote else re.search(r"(?<!\\)\s$", line)
        if begun:  # a new word, of which nothing is typed
            words.append("")
        self._typed = words[-1] if len(words) > 1 else ""
        return words[1:-1], self._typed

    def format_completion(self, item: CompletionItem) -> str:
        value: Any = item.value
        if item.type == "plain":
            if not self._quote:
                # bash replaces what stands behind the last colon, and reads what it gets as if it were typed
                value = _SPECIAL.sub(r"\\\1", value[self._typed.rfind(":") + 1 :])
            if not value.endswith((":", "/")):
                value += self._quote + " "
        return f"{item.type},{value}"
