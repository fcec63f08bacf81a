"""Queries: valid by the schema, and checked against what was requested."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.responses import changed, is_valid, objects
from support.schema import check_valid

import moveshelf.models  # noqa: F401 (registers the classes)
from moveshelf.lazy.fields import BASIC
from moveshelf.lazy.registry import BY_WIRE, ENTITIES
from moveshelf.lazy.selection import group
from moveshelf.operations import queries
from moveshelf.operations.responses import InvalidResponseError
from moveshelf.operations.shapes import Shape

GROUPS = [(kind, name) for kind in BY_WIRE.values() for name in kind.groups if kind.groups[name]]


@pytest.mark.parametrize(("kind", "name"), GROUPS, ids=[f"{kind.__name__}-{name}" for kind, name in GROUPS])
def test_every_group_of_every_class_is_valid(kind: type, name: str) -> None:
    for ids in (["a"], ["a", "b", "c"]):
        check_valid(queries.nodes(group(kind, name), ids).text)


@pytest.mark.parametrize("kind", ["Subject", "Session"])
@pytest.mark.parametrize("tabs", [0, 1, 2])
@pytest.mark.parametrize("stored", [True, False])
def test_every_query_before_a_write_is_valid(kind: str, tabs: int, stored: bool) -> None:
    if tabs or stored:
        check_valid(
            queries.state_and_complaints(ENTITIES[kind], "x", [("subjectMetadata", {})] * tabs, stored).text
        )


@pytest.mark.parametrize(
    "listing", [queries.SUBJECTS, queries.SESSIONS, queries.RECENT_SESSIONS, queries.CLIPS]
)
def test_every_listing_is_valid(listing: queries.Listing) -> None:
    check_valid(listing.query("x", {}).text)
    check_valid(listing.query("x", dict.fromkeys(listing.arguments)).text)


# what is sent ----------------------------------------------------------------------------------------------------------
def test_one_object_has_a_variable_named_after_its_class() -> None:
    query = queries.nodes(group(ENTITIES["Subject"], BASIC), ["s"])
    assert query.operation == "SubjectName"
    assert query.variables == {"patientId": "s"}
    assert "n0: node(id: $patientId)" in query.text


def test_many_objects_are_aliases_of_one_fragment() -> None:
    query = queries.nodes(group(ENTITIES["Clip"], BASIC), ["a", "b", "c"])
    assert query.variables == {"id0": "a", "id1": "b", "id2": "c"}
    assert query.text.count("...Fields") == 3
    assert [(part.alias, part.id) for part in query.parts] == [("n0", "a"), ("n1", "b"), ("n2", "c")]


@given(st.lists(st.text(max_size=8), min_size=1, max_size=5))
def test_ids_travel_as_variables_only(ids: list[str]) -> None:
    """Whatever an id holds, the text of the request is the same."""
    selection = group(ENTITIES["Session"], BASIC)
    query = queries.nodes(selection, ids)
    assert query.text == queries.nodes(selection, ["x"] * len(ids)).text
    assert list(query.variables.values()) == ids


def test_a_listing_sends_the_arguments_that_are_given() -> None:
    query = queries.SESSIONS.query("p", {"endDate": None})
    assert query.variables == {"projectId": "p", "endDate": None}
    assert "$startDate" not in query.text
    assert query.operation == "ProjectSessions"
    assert "edges" in queries.CLIPS.query("p", {"first": 3}).text


# what is checked -------------------------------------------------------------------------------------------------------
SUBJECT = group(ENTITIES["Subject"], BASIC)


def subject(identity: str) -> dict[str, Any]:
    return {"id": identity, "name": "P", "externalId": None, "updated": None}


def test_a_response_to_another_request_is_refused() -> None:
    query = queries.nodes(SUBJECT, ["a", "b"])
    query.check({"n0": subject("a"), "n1": None})
    query.check({"n0": {}, "n1": subject("b"), "more": 1})
    query.check(None)
    for data in ({}, {"n0": subject("a")}, {"node": subject("a")}):
        with pytest.raises(InvalidResponseError, match=r"SubjectName lacks 'n[01]'"):
            query.check(data)
    for data in (
        {"n0": subject("b"), "n1": subject("a")},
        {"n0": subject("a"), "n1": subject("a")},
        {"n0": subject("a"), "n1": [subject("b")]},
    ):
        with pytest.raises(InvalidResponseError, match="SubjectName"):
            query.check(data)


def test_an_alias_with_an_error_is_not_checked() -> None:
    query = queries.nodes(SUBJECT, ["a", "b"])
    error = {"message": "no", "path": ["n1"]}
    query.check({"n0": subject("a"), "n1": 5}, [error])
    query.check({"n0": subject("a")}, [error])
    with pytest.raises(InvalidResponseError):
        query.check({"n0": 5, "n1": None}, [error])
    query.check({}, [{"message": "all of it failed"}])


@given(st.data())
def test_any_change_of_a_response_is_refused_or_harmless(data: st.DataObject) -> None:
    ids = ["a", "b"]
    query = queries.nodes(SUBJECT, ids)
    whole = {f"n{n}": data.draw(st.none() | objects(SUBJECT, one)) for n, one in enumerate(ids)}
    query.check(whole)
    broken = data.draw(changed(whole))
    if not isinstance(broken, dict):
        return  # the transport takes nothing else for the data of a response
    valid = all(f"n{n}" in broken and is_valid(SUBJECT, broken[f"n{n}"], one) for n, one in enumerate(ids))
    try:
        query.check(broken)
    except InvalidResponseError:
        assert not valid
    else:
        assert valid


@given(st.data(), st.sampled_from([queries.SUBJECTS, queries.CLIPS]))
def test_any_change_of_a_listing_is_refused_or_harmless(
    data: st.DataObject, listing: queries.Listing
) -> None:
    selection = group(ENTITIES[listing.kind], BASIC)
    rows = data.draw(st.lists(objects(selection), max_size=2))
    value: Any = {"edges": [{"node": one} for one in rows]} if listing.edges else rows
    query = listing.query("p", {})
    query.check({"n0": {"id": "p", listing.field: value}})
    query.check({"n0": None})
    broken = data.draw(changed({"n0": {"id": "p", listing.field: value}}))
    if isinstance(broken, dict):
        try:
            query.check(broken)
        except InvalidResponseError:
            return
        node = broken["n0"]
        assert not node or node["id"] == "p"


def test_a_listing_of_another_project_is_refused() -> None:
    query = queries.SUBJECTS.query("p", {})
    for node in ({"id": "q", "patients": []}, {"patients": []}, [1], "p"):
        with pytest.raises(InvalidResponseError, match="is not of 'p'"):
            query.check({"n0": node})


@pytest.mark.parametrize(
    "value", [{"validationErrors": "text"}, {"validationErrors": {"a": 1}}, [], "text", 5]
)
def test_complaints_that_are_no_list_are_refused(value: Any) -> None:
    with pytest.raises(InvalidResponseError, match="no list of complaints"):
        queries.complaints_in(value)


def test_complaints() -> None:
    assert queries.complaints_in({"validationErrors": ["a", 5]}) == ["a", "5"]
    assert queries.complaints_in({"validationErrors": None}) == queries.complaints_in(None) == []


def test_a_listing_in_a_shape() -> None:
    query = queries.SUBJECTS.query("p", {}, Shape("name").selection(ENTITIES["Subject"]))
    check_valid(query.text)
    query.check({"n0": {"id": "p", "patients": [{"id": "s", "name": "P"}]}})


def test_what_is_requested_by_other_values_than_an_id_takes_no_response_of_another_request() -> None:
    """Nothing in such a response could be compared with the values, so that the alias has to tell."""
    subject = {"id": "s", "name": "S-001", "externalId": "1", "updated": None}
    one, two = queries.subject_by_ehr_id("p", "1"), queries.subject_by_ehr_id("p", "2")
    one.check({one.parts[0].alias: subject})
    for other in (two.parts[0].alias, "n0"):
        with pytest.raises(InvalidResponseError, match="belongs to another request"):
            one.check({other: subject})
    kind = ENTITIES["Subject"]
    tabs = [queries.state_and_complaints(kind, "s", [("subjectMetadata", {"a": n})], False) for n in "12"]
    response = {tabs[0].parts[0].alias: {"validationErrors": []}}
    tabs[0].check(response)
    with pytest.raises(InvalidResponseError, match="belongs to another request"):
        tabs[1].check(response)


def test_the_kind_of_an_object_is_believed_of_that_object_only() -> None:
    query = queries.kind_of("s")
    query.check({"n0": {"__typename": "Patient", "id": "s"}})
    query.check({"n0": None})
    with pytest.raises(InvalidResponseError, match="is not of 's'"):
        query.check({"n0": {"__typename": "Session", "id": "t"}})
