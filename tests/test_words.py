"""The words of the library: plain standard English, one term for each concept.

Names, comments, docstrings and texts of `moveshelf` are read word by word (`_ask_first` has the words "ask" and "first"),
and the words below are not among them. Where the service, a standard or another library says such a word, it is on the
list of exceptions, with the reason.
"""

from __future__ import annotations

import ast
import io
import keyword
import re
import tokenize
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[1]

#: Word -> what to say in its place.
FORBIDDEN = {
    "ask": "request, or call",
    "asks": "requests, or calls",
    "asked": "requested",
    "asking": "requesting",
    "question": "query",
    "questions": "queries",
    "answer": "response, or result",
    "answers": "responds, or returns",
    "answered": "responded, or returned",
    "answering": "responding",
    "bury": "mark deleted",
    "buries": "marks deleted",
    "buried": "marked deleted",
    "wrote": "invalidate, or the name of what was written",
    "whoever": "the name of who does it",
    "desk": "file service",
    "making": "create, or bulk create",
    "moving": "transfer, or move",
    "keeper": "cache",
    "thing": "the name of what it is",
    "things": "the name of what they are",
    "straight": "directly, or connection takeover",
    "both": "the names of the two",
    "farewell": "close, or closing time",
    "patience": "timeout",
    "glance": "check",
}
#: Plain words in a sentence, which say too little as the name of a function, a variable or a module.
IN_NAMES_ONLY = frozenset(("both", "making", "moving", "straight", "wrote"))
#: The same for two words in a row.
FORBIDDEN_PAIRS = {
    ("put", "away"): "populate",
    ("puts", "away"): "populates",
}


@attrs.frozen
class Allowed:
    """A text in which a word is allowed, and why."""

    word: str
    #: the end of the file's path, or "" for every file
    file: str
    #: what the line must hold
    text: str
    reason: str


ALLOWED = (
    Allowed("both", "display.py", '"both"', "a side of the body, as metadata has it"),
    Allowed("both", "gait/cohort.py", '"both', "a side of the body, as metadata has it"),
    Allowed("both", "tables/typed.py", '"both"', "a side of the body, as metadata has it"),
    Allowed("both", "tables/excel.py", "|both|", "a side of the body, as metadata has it"),
    Allowed("both", "sandbox/demo.py", '"Both"', "a side of the body, as metadata has it"),
    Allowed("both", "sandbox/study.py", '"Both"', "a side of the body, as metadata has it"),
    Allowed("both", "sandbox/template.py", '"Both"', "a side of the body, as metadata has it"),
    Allowed(
        "questions", "sandbox/demo.py", "questions", "the field session-questions of the demo's metadata"
    ),
    Allowed(
        "questions", "sandbox/study.py", "questions", "the field session-questions of the demo's metadata"
    ),
    Allowed(
        "questions", "sandbox/template.py", "uestions", "the field session-questions of the demo's metadata"
    ),
    Allowed("question", "", "question mark", "the name of the character"),
)


@attrs.frozen
class Finding:
    """A forbidden word in a file."""

    line: int
    word: str
    instead: str
    where: str


_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def words_of(text: str) -> list[str]:
    """The words of a text or a name, in lower case: `_askFirst` and `ask_first` are "ask" and "first"."""
    return [word.lower() for word in _WORD.findall(text)]


def forbidden_in(text: str) -> Iterator[tuple[str, str]]:
    """The forbidden words of a text, and what to say in their place."""
    words = words_of(text)
    for word in words:
        if word in FORBIDDEN:
            yield word, FORBIDDEN[word]
    for pair in pairwise(words):
        if pair in FORBIDDEN_PAIRS:
            yield " ".join(pair), FORBIDDEN_PAIRS[pair]


def texts_of(source: str) -> Iterator[tuple[int, str, str]]:
    """Line, kind and text of every name, comment and string literal; the texts in f-strings, too.

    Strings are read line by line, so that a finding has the line of the word.
    """
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
            yield token.start[0], "name", token.string
        elif token.type == tokenize.COMMENT:
            yield token.start[0], "comment", token.string
    # from the tree: tokens of f-strings are one string before Python 3.12 and several after it
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for number, line in enumerate(node.value.split("\n")):
                yield min(node.lineno + number, node.end_lineno or node.lineno), "text", line
        elif isinstance(node, ast.JoinedStr):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name):
                    yield inner.lineno, "name", inner.id
                elif isinstance(inner, ast.Attribute):
                    yield inner.lineno, "name", inner.attr


def findings(source: str, file: str = "") -> list[Finding]:
    """The forbidden words of a module, but for the exceptions."""
    lines = source.splitlines()
    found = []
    for number, kind, text in texts_of(source):
        for word, instead in forbidden_in(text):
            if kind != "name" and word in IN_NAMES_ONLY:
                continue
            line = lines[number - 1] if number <= len(lines) else ""
            if not any(
                one.word == word and file.endswith(one.file) and (one.text in line or one.text in text)
                for one in ALLOWED
            ):
                found.append(Finding(number, word, instead, f"{kind} {text.strip()[:60]!r}"))
    return sorted(set(found), key=lambda one: (one.line, one.word))


MODULES = [
    path
    for path in sorted((ROOT / "moveshelf").rglob("*.py"))
    # the demo's data are the words of a laboratory
    if "data" not in path.relative_to(ROOT).parts
]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_plain_words(path: Path) -> None:
    file = path.relative_to(ROOT).as_posix()
    found = findings(path.read_text(encoding="utf-8"), file)
    assert not found, "\n".join(
        f"{file}:{one.line}: {one.word!r} in {one.where}: say {one.instead}" for one in found
    )


def test_names_of_modules() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {word!r}: say {instead}"
        for path in MODULES
        for word, instead in forbidden_in(path.stem)
    ]
    assert not found, "\n".join(found)


def test_every_exception_is_needed() -> None:
    """An exception that allows nothing any more is taken off the list."""
    sources = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").splitlines() for path in MODULES
    }
    for one in ALLOWED:
        assert one.reason
        assert any(
            one.text in line and one.word in words_of(line)
            for file, lines in sources.items()
            if file.endswith(one.file)
            for line in lines
        ), f"nothing is left of {one.text!r}"


@pytest.mark.parametrize(
    "source",
    [
        "def ask(): ...",
        "def _ask_first(): ...",
        "class AskFirst: ...",
        "x = asked = 1",
        "f(question=1)",
        "x.answers",
        "def f(thing): ...",
        "# nobody asks",
        "'the answer'",
        'f"the answer is {1}"',
        'f"{1} asked it"',
        'f"{answer}"',
        'f"{x.question:>5}"',
        '"""First line.\n\nWhoever it is.\n"""',
        "from .straight import take",
        "# put away",
    ],
)
def test_the_rule_sees_every_place(source: str) -> None:
    assert findings(source)


@pytest.mark.parametrize(
    "source",
    [
        "task = basket = mask = 1",
        "answerable = 1",
        "# shown as a question mark",
        "# nothing, something, everything",
        "import removing, straightened",
        "'bothersome'",
        "x = put; away = x",
    ],
)
def test_the_rule_reads_whole_words(source: str) -> None:
    assert not findings(source)


def test_a_finding_has_the_line_of_the_word() -> None:
    source = 'x = 1\n\n"""First.\n\nThe answer.\n"""\n'
    assert [(one.line, one.word) for one in findings(source)] == [(5, "answer")]


@given(
    st.lists(st.sampled_from(["a", "first", "value", "of", "put", "x1"]), min_size=0, max_size=4),
    st.sampled_from(sorted(FORBIDDEN)),
    st.lists(st.sampled_from(["a", "last", "value", "of", "away"]), min_size=0, max_size=4),
)
def test_a_forbidden_word_in_any_name(before: list[str], word: str, after: list[str]) -> None:
    parts = [*before, word, *after]
    for name in ("_".join(parts), "".join(part.capitalize() for part in parts), "__".join(["", *parts])):
        assert word in [one.word for one in findings(f"{name} = 1")], name
