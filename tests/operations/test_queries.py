"""Queries: valid by the schema, and checked against what was requested."""

from __future__ import annotations

import pytest
from support.schema import check_valid

from moveshelf.lazy.registry import BY_WIRE, ENTITIES
from moveshelf.lazy.selection import group
from moveshelf.operations import queries

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
