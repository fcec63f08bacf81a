"""The check of responses: what is not as requested is refused, by one of our errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.responses import changed, is_valid, json_values, objects
from support.trees import engine_of

import moveshelf.models
from moveshelf.errors import NotFoundError, QueryError
from moveshelf.lazy.cache import Cache
from moveshelf.lazy.entity import Entity
from moveshelf.lazy.registry import BY_WIRE, ENTITIES
from moveshelf.lazy.selection import Selection, basic, group
from moveshelf.operations import queries, responses
from moveshelf.operations.responses import InvalidResponseError, WrongKindError, check_node, check_rows
from moveshelf.wire import Response

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


def test_ids_of_another_kind_and_unknown_ids(demo: Sandbox) -> None:
    with demo.connect() as ms:
        subject = ms.projects["lab/demo"].subjects[0]
        wrong = demo.connect().session(subject.id)
        with pytest.raises(NotFoundError, match="not the id of a session"):
            _ = wrong.path
        with pytest.raises(NotFoundError, match="no clip with id"):
            _ = ms.clip("TW9jYXBDbGlwAAAAAAAA").title
        with pytest.raises(NotFoundError, match="id of a Subject"):
            ms.session(subject.id)


# by the declarations of all classes ------------------------------------------------------------------------------------
assert moveshelf.models.__all__  # declares the classes
SELECTIONS: list[Selection] = [
    group(kind, name) for kind in BY_WIRE.values() for name in kind.groups if kind.groups[name]
]


def deep(kind: str, *names: str) -> Selection:
    """What a listing brings of a class, and of all the levels below it that are named."""
    cls = ENTITIES[kind]
    basics = list(cls.groups["basic"])
    if not names:
        return Selection.of(cls, basics)
    field: Any = cls.fields[names[0]]
    return Selection.of(cls, [*basics, field], {field: deep(field.target.__name__, *names[1:])})


SELECTIONS += [
    deep("Project", "subjects", "sessions", "clips", "files"),
    deep("Session", "clips", "files"),
    deep("Norm", "clips"),
]
NAMES = [f"{one.kind.__name__}-{'-'.join(item.wire for item in one.items)}"[:60] for one in SELECTIONS]
selections = st.sampled_from(SELECTIONS)


def is_accepted(selection: Selection, node: Any, identity: str | None) -> bool:
    """Whether the check accepts it; any error but ours fails the test."""
    try:
        check_node(selection, node, identity, "Some")
    except InvalidResponseError as error:
        text = str(error)
    else:
        return True
    assert text.startswith("the response to Some")
    assert "Nothing of it was used" in text
    return False


@pytest.mark.parametrize("selection", SELECTIONS, ids=NAMES)
def test_valid_responses_are_accepted(selection: Selection) -> None:
    @given(objects(selection, "x"))
    def check(node: dict[str, Any]) -> None:
        assert is_valid(selection, node, None if selection.kind.is_root else "x")
        assert is_accepted(selection, node, None if selection.kind.is_root else "x")

    check()


@pytest.mark.parametrize("selection", SELECTIONS, ids=NAMES)
def test_a_changed_response_is_accepted_only_while_it_is_valid(selection: Selection) -> None:
    """Refused by our error or accepted; what is accepted can be populated into objects."""
    identity = None if selection.kind.is_root else "x"

    @given(st.data())
    def check(data: st.DataObject) -> None:
        node = data.draw(changed(data.draw(objects(selection, identity))))
        accepted = is_accepted(selection, node, identity)
        assert accepted is is_valid(selection, node, identity)
        if accepted and node:
            engine = engine_of(None)
            cache = engine.cache
            obj: Entity = cache.get(selection.kind, "x")
            with cache.lock:
                selection.populate(cache, obj, node, cache.clock)

    check()


@given(selections, json_values)
def test_any_json_is_accepted_only_where_it_is_valid(selection: Selection, node: Any) -> None:
    assert is_accepted(selection, node, "x") is is_valid(selection, node, "x")


@given(selections, st.data(), st.booleans())
def test_rows_of_a_listing(selection: Selection, data: st.DataObject, edges: bool) -> None:
    rows = data.draw(st.lists(st.none() | objects(selection), max_size=3))
    value: Any = {"edges": [{"node": one} for one in rows]} if edges else rows
    if not selection.kind.is_root:
        assert check_rows(selection, value, "Some", edges) == [one for one in rows if one is not None]
    broken = data.draw(changed(value))
    try:
        found = check_rows(selection, broken, "Some", edges)
    except InvalidResponseError:
        return
    assert all(isinstance(one, dict) and isinstance(one["id"], str) for one in found)
    assert all(is_valid(selection, one) for one in found)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ([], "an object was expected, not a list"),
        ("text", "not 'text'"),
        ({"id": "y"}, "the object 'x' was requested, and 'y' came"),
        ({"name": "P"}, "the object 'x' was requested, and None came"),
        ({"id": "x", "externalId": None, "updated": None}, "'name' is absent"),
        ({"id": "x", "name": 5, "externalId": None, "updated": None}, "'name' is 5"),
        ({"id": "x", "name": {"a": 1}, "externalId": None, "updated": None}, "'name' is an object"),
        ({"id": "x", "name": ["a" * 500], "externalId": None, "updated": None}, "'name' is a list"),
    ],
)
def test_errors_tell_what_came(node: Any, words: str) -> None:
    with pytest.raises(InvalidResponseError, match=words):
        check_node(group(ENTITIES["Subject"], "basic"), node, "x", "SubjectName")


def test_errors_are_short_however_long_the_response() -> None:
    node = {"id": "x", "name": 10**500, "externalId": None, "updated": None}
    with pytest.raises(InvalidResponseError) as caught:
        check_node(group(ENTITIES["Subject"], "basic"), node, "x", "SubjectName")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("kind", "names", "value"),
    [
        ("Account", ("projects",), None),
        ("Project", ("subjects",), None),
        ("Project", ("clips",), None),
        ("Project", ("clips",), {"edges": None}),
        ("Session", ("clips",), None),
    ],
)
def test_null_is_no_empty_list(kind: str, names: tuple[str, ...], value: Any) -> None:
    """A project whose list of subjects was lost on the way has not lost its subjects."""
    selection = deep(kind, *names)
    node = {one.wire: value if one.is_list else "x" for one in selection.items} | {"id": "x"}
    with pytest.raises(InvalidResponseError, match="a list was expected, not None"):
        check_node(selection, node, None if kind == "Account" else "x", "Some")


@given(selections, st.data())
def test_what_a_replaced_method_returns_is_populated_only_if_valid(
    selection: Selection, data: st.DataObject
) -> None:
    if selection.kind.is_root:
        return
    node = data.draw(objects(selection, "x") | json_values)
    wanted = is_valid(selection, node, "x") and isinstance(node, dict) and isinstance(node.get("id"), str)
    assert responses.is_valid(selection, node, "x") is wanted


# errors in a response --------------------------------------------------------------------------------------------------
paths = st.none() | st.lists(st.sampled_from(["n0", "n1", "name", 0]), max_size=3) | st.just("n0")


@given(
    st.lists(st.fixed_dictionaries({"message": st.text(max_size=3)}, optional={"path": paths}), max_size=5)
)
def test_errors_are_sorted_by_their_aliases(errors: list[dict[str, Any]]) -> None:
    found = responses.errors_by_alias(errors)
    assert [one for part in found.values() for one in part] == sorted(
        errors, key=lambda one: list(found).index(alias_of(one))
    )
    for alias, part in found.items():
        assert {alias_of(one) for one in part} == {alias}


def alias_of(error: dict[str, Any]) -> str:
    path = error.get("path")
    return str(path[0]) if isinstance(path, list) and path else ""


def test_the_error_of_a_refused_operation() -> None:
    errors = [{"message": "one"}, {"message": "two"}, {"code": 3}]
    response = Response({"n0": None}, errors, "request-1", 0, 200)
    error = responses.query_error(errors, "SomeName", response)
    assert isinstance(error, QueryError)
    assert str(error) == "the service refused SomeName: one; two; {'code': 3}"
    assert (error.errors, error.data, error.request_id, error.operation) == (
        errors,
        {"n0": None},
        "request-1",
        "SomeName",
    )
    assert "no data" in str(responses.query_error([], "SomeName", response))


def test_what_an_empty_response_means() -> None:
    kind = ENTITIES["Clip"]
    assert type(responses.no_such(kind, "x", None)) is NotFoundError
    assert "no clip with id 'x'" in str(responses.no_such(kind, "x", None))
    wrong = responses.no_such(kind, "x", {})
    assert isinstance(wrong, WrongKindError)
    assert "'x' is not the id of a clip" in str(wrong)


def test_selections_that_were_made_for_one_request_are_forgotten() -> None:
    kind = ENTITIES["Subject"]
    for _ in range(1200):
        check_node(Selection.of(kind, kind.groups["basic"]), None, "x", "Some")
        check_node(
            Selection.of(kind, kind.groups["basic"]),
            {"id": "x", "name": "P", "externalId": None, "updated": None},
            "x",
            "Some",
        )
    assert len(responses._PARTS) <= 1002
    assert Cache().clock == 0


def test_the_response_to_another_listing_of_the_same_project_is_refused() -> None:
    query = queries.SESSIONS.query("p", {})
    query.check({"n0": {"id": "p", "sessions": []}})
    with pytest.raises(InvalidResponseError, match="has no 'sessions'"):
        query.check({"n0": {"id": "p", "recentSessions": []}})


def test_an_empty_id_is_none() -> None:
    selection = basic(ENTITIES["Subject"])
    row = {one.wire: None if type(None) in one.types else "" for one in selection.items}
    check_rows(selection, [{**row, "id": "x", "name": "P"}], "Test")
    with pytest.raises(InvalidResponseError, match="an object without an id"):
        check_rows(selection, [{**row, "id": "", "name": "P"}], "Test")
    with pytest.raises(InvalidResponseError, match="an object without an id"):
        check_node(selection, {**row, "id": "", "name": "P"}, None, "Test")
