"""The referee: the published clients and ours give the same results. See flat_referee.py."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import flat_calls
import flat_published
import flat_referee
import pytest

from moveshelf.api import MoveshelfApi


def _python(version: str) -> str:
    try:
        return flat_published.python_of(version)
    except flat_published.NotAvailable as error:
        pytest.skip(str(error))


def test_newest_version_gives_the_same_results() -> None:
    """Every method on ordinary data and on edges: results, key order, exceptions, mutations, number of requests."""
    _python(flat_published.NEWEST)
    wrong = []
    with flat_referee.court(flat_published.NEWEST) as (theirs, ours, ids):
        calls = flat_calls.calls(ids)
        for call in calls:
            for line in flat_referee.complaints(theirs.run(call), ours.run(call), newest=True):
                wrong.append(f"{call['call']}{call['args']}: theirs {line}")
    assert not wrong, "\n".join(wrong)
    assert len(calls) > 350


@pytest.mark.parametrize("version", flat_published.OLDER)
def test_older_versions_find_their_keys(version: str) -> None:
    """Each key of an older version's result is in ours, and equal; what its scripts pass is accepted."""
    _python(version)
    wrong = []
    with flat_referee.court(version) as (theirs, ours, ids):
        for call in flat_calls.older_calls(ids, version):
            for line in flat_referee.complaints(theirs.run(call), ours.run(call), newest=False):
                wrong.append(f"{call['call']}{call['args']}: theirs {line}")
    assert not wrong, "\n".join(wrong)


def test_all_methods_are_called() -> None:
    ids = dict.fromkeys(_Ids(), "x")
    called = {call["call"].removeprefix("api.") for call in flat_calls.calls(_Ids(ids))}
    public = {name for name in dir(MoveshelfApi) if not name.startswith("_")}
    ours_alone = {"api_url", "client", "close", "getsubjectContext", "http"}
    assert public - called == ours_alone


class _Ids(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return name


def test_referee_sees_differences() -> None:
    """The comparison itself can fail."""
    plain: dict[str, Any] = {
        "value": {"a": 1, "b": [True]},
        "odd": [],
        "raised": [],
        "text": "",
        "requests": 1,
        "mutations": [],
        "blobs": [],
    }
    for change in (
        {"value": {"b": [True], "a": 1}},
        {"value": {"a": 1, "b": [1]}},
        {"value": {"a": 1.0, "b": [True]}},
        {"odd": ["/a:Text"]},
        {"raised": ["TypeError", "Exception"]},
        {"requests": 2},
        {"mutations": [[["deleteClip"], {}]]},
        {"blobs": [["PUT", 1, True]]},
    ):
        assert flat_referee.complaints(plain, {**plain, **change}, newest=True), change
    failed = {**plain, "raised": ["TypeError", "Exception"]}
    assert flat_referee.complaints(failed, plain, newest=True)
    assert flat_referee.complaints(failed, {**plain, "raised": ["KeyError", "Exception"]}, newest=True)
    assert not flat_referee.complaints(failed, {**plain, "raised": ["Ours", "TypeError"]}, newest=True)
    assert flat_referee.complaints(plain, {**plain, "value": {"a": 1}}, newest=False)
    assert not flat_referee.complaints(plain, {**plain, "value": {"b": [True], "a": 1, "c": 2}}, newest=False)


_SIGNATURES = """
import inspect, json, moveshelf_api.api as a, moveshelf_api.util as u, moveshelf_api.utils.hash as h
def show(f):
    return [[p.name, p.kind.name, repr(p.default) if p.default is not p.empty else "-"]
            for p in inspect.signature(f).parameters.values()]
found = {}
for home in (a.MoveshelfApi, a.BearerTokenAuth, a.GraphQlException):
    for name, f in inspect.getmembers(home, inspect.isfunction):
        if f.__module__.startswith("moveshelf"):
            found[home.__name__ + "." + name] = show(f)
for home in (u, h):
    for name, f in inspect.getmembers(home, inspect.isfunction):
        if f.__module__ == home.__name__:
            found[name] = show(f)
found["rates"] = [[r.name, "-", repr(r.value)] for r in a.TimecodeFramerate]
found["Metadata"] = [[k, "-", "-"] for k in a.Metadata.__annotations__]
found["Timecode"] = [[k, "-", "-"] for k in a.Timecode.__annotations__]
print(json.dumps(found))
"""


def test_signatures_are_those_of_the_newest() -> None:
    """Names, order, kinds and defaults of every parameter of every function, private ones too."""
    import moveshelf_api.api
    import moveshelf_api.util
    import moveshelf_api.utils.hash

    python = _python(flat_published.NEWEST)
    done = subprocess.run(
        [python, "-W", "ignore", "-c", _SIGNATURES],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(python).parent,
    )
    theirs = json.loads(done.stdout)
    assert len(theirs) > 60
    for name, parameters in theirs.items():
        if name == "rates":
            assert parameters == [[r.name, "-", repr(r.value)] for r in moveshelf_api.api.TimecodeFramerate]
            continue
        if name in ("Metadata", "Timecode"):
            ours = list(getattr(moveshelf_api.api, name).__annotations__)
            assert [key for key, _, _ in parameters] == ours[: len(parameters)]
            continue
        place: Any = moveshelf_api.api
        if "." not in name:
            place = moveshelf_api.util if hasattr(moveshelf_api.util, name) else moveshelf_api.utils.hash
        for part in name.split("."):
            place = getattr(place, part)
        mine = [
            [p.name, p.kind.name, "-" if p.default is p.empty else repr(p.default)]
            for p in inspect.signature(place).parameters.values()
        ]
        assert mine == parameters, name


def test_import_needs_no_more_than_the_standard_library() -> None:
    """What makes importing the flat client quick: nothing of the wire, the models or anybody else's comes along."""
    code = (
        "import sys; before = set(sys.modules); import moveshelf_api.api, moveshelf_api.util; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new - set(sys.stdlib_module_names))); "
        "print([name for name in sys.modules if name.startswith(('moveshelf.wire', 'moveshelf.models', 'asyncio', 'ctypes'))])"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=flat_referee.ROOT
    )
    assert done.stdout.split("\n")[0] == "['moveshelf', 'moveshelf_api']"
    assert done.stdout.split("\n")[1] == "[]"
