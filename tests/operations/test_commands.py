"""Commands: valid by the schema, built for one and for many, and checked."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.responses import changed, json_values, objects, scalars
from support.schema import MUTATIONS, check_valid
from support.trees import engine_of

from moveshelf.lazy.registry import ENTITIES
from moveshelf.operations import commands
from moveshelf.operations.commands import COMMANDS, Command, Result
from moveshelf.operations.responses import InvalidResponseError


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_valid(name: str) -> None:
    command = COMMANDS[name]
    values = {variable: "x" for _, _, variable in command.variables()}
    for count in (1, 3):
        text, variables = command.build([values] * count)
        check_valid(text)
        assert len(variables) == count * len(values)


def test_all_mutations_have_a_command() -> None:
    assert len(MUTATIONS) == 15
    assert {one.field for one in COMMANDS.values()} == set(MUTATIONS)


# building --------------------------------------------------------------------------------------------------------------
def test_one_row_keeps_the_names_of_its_variables() -> None:
    text, variables = commands.CREATE_SUBJECT.build([{"projectId": "p", "name": "P"}])
    assert variables == {"projectId": "p", "name": "P"}
    assert text.startswith("mutation CreateSubject($projectId: String!, $name: String!) { n0: createPatient(")


def test_several_rows_have_variables_and_aliases_of_their_own() -> None:
    text, variables = commands.CREATE_SUBJECT.build(
        [{"projectId": "p", "name": "P"}, {"projectId": "p", "name": "Q"}]
    )
    assert variables == {"projectId0": "p", "name0": "P", "projectId1": "p", "name1": "Q"}
    assert "n1: createPatient(projectId: $projectId1, name: $name1)" in text
    check_valid(text)


def test_absent_values_are_not_sent_and_null_is() -> None:
    rows = [
        {"sessionId": "s", "sessionName": "n"},
        {"sessionId": "t", "sessionName": "n", "sessionDate": None},
    ]
    text, variables = commands.UPDATE_SESSION.build(rows)
    check_valid(text)
    assert "sessionDate0" not in variables
    assert variables["sessionDate1"] is None


def test_arguments_inside_an_input_of_unknown_type() -> None:
    text, _ = commands.CREATE_COMMENT.build([{"clipId": "c", "comment": "x"}])
    assert "createComment(inputs: {clipId: $clipId, comment: $comment})" in text


# checking --------------------------------------------------------------------------------------------------------------
@st.composite
def payloads(draw: st.DrawFn, command: Command) -> Any:
    """A payload as the service sends it."""

    def row() -> dict[str, Any]:
        return {one.name: draw(_result(one)) for one in command.results}

    if command.list_name:
        return {command.list_name: [row() for _ in range(draw(st.integers(0, 3)))]}
    return row()


def _result(one: Result) -> st.SearchStrategy[Any]:
    return objects(one.selection()) if one.kind else scalars(one.types)


#: Values with which no command's response is about another object, whatever it says.
ANYTHING = {name: attrs.evolve(one, matches=lambda values, payload: True) for name, one in COMMANDS.items()}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_valid_payload_is_accepted(name: str) -> None:
    @given(payloads(COMMANDS[name]))
    def check(payload: Any) -> None:
        assert ANYTHING[name].check({}, payload) is payload

    check()


VALUES: dict[str, Any] = {
    "projectId": "p",
    "name": "P",
    "projectPath": "/P/s/",
    "clipId": "c",
    "input": {"id": "c", "clips": [{"clientId": "0"}, {"clientId": "1"}]},
}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_changed_payload_is_accepted_or_refused_by_our_error(name: str) -> None:
    @given(st.data())
    def check(data: st.DataObject) -> None:
        command = COMMANDS[name]
        payload = data.draw(json_values | changed(data.draw(payloads(command))))
        try:
            found = command.check(VALUES, payload)
        except InvalidResponseError as error:
            found, text = None, str(error)
        if found is None:
            assert name in text
            return
        assert found is payload
        rows = found[command.list_name] if command.list_name else [found]
        for row in rows:
            for one in command.results:
                assert row[one.name]["id"] if one.kind else type(row[one.name]) in one.types

    check()


def node(kind: str, **values: Any) -> dict[str, Any]:
    """An object of a command's result, with nulls but for the values."""
    results = [one for command in COMMANDS.values() for one in command.results if one.kind == kind]
    names = {item.wire for one in results for item in one.selection().items}
    return {"id": "x", **dict.fromkeys(names), **values}


@pytest.mark.parametrize(
    ("command", "values", "payload", "fits"),
    [
        (commands.CREATE_SUBJECT, {"name": "P"}, {"patient": node("Subject", name="P")}, True),
        (commands.CREATE_SUBJECT, {"name": "P "}, {"patient": node("Subject", name="P")}, True),
        (commands.CREATE_SUBJECT, {"name": "P"}, {"patient": node("Subject", name="Q")}, False),
        (commands.CREATE_SESSION, {"projectPath": "/P/s/"}, {"session": node("Session", projectPath="/P/s")}, True),
        (commands.CREATE_SESSION, {"projectPath": "/P/s/"}, {"session": node("Session", projectPath="/P/t/")}, False),
        (commands.UPDATE_CLIP, {"input": {"id": "x"}}, {"clip": node("Clip")}, True),
        (commands.UPDATE_CLIP, {"input": {"id": "y"}}, {"clip": node("Clip")}, False),
        (commands.CREATE_COMMENT, {"clipId": "x"}, {"clip": node("Clip")}, True),
        (commands.CREATE_COMMENT, {"clipId": "y"}, {"clip": node("Clip")}, False),
    ],
)  # fmt: skip
def test_a_payload_about_another_object_is_refused(
    command: Command, values: Any, payload: Any, fits: bool
) -> None:
    if fits:
        assert command.check(values, payload) is payload
    else:
        with pytest.raises(InvalidResponseError, match="about another object"):
            command.check(values, payload)


@given(st.permutations(["0", "1", "2"]))
def test_clips_may_come_in_any_order_and_must_all_come(order: list[str]) -> None:
    values = {"input": {"clips": [{"clientId": one} for one in ("0", "1", "2")]}}
    rows = [{"clientId": one, "uploadUrl": None, "mocapClip": node("Clip")} for one in order]
    assert commands.CREATE_CLIPS.check(values, {"response": rows})
    for broken in (rows[:2], [*rows, rows[0]], [*rows[:2], {**rows[2], "clientId": "9"}], []):
        with pytest.raises(InvalidResponseError):
            commands.CREATE_CLIPS.check(values, {"response": broken})


# what is touched -------------------------------------------------------------------------------------------------------
def test_touching_needs_no_object_in_memory() -> None:
    """Every command's effects are looked up in an empty cache, too."""
    engine = engine_of(None)
    values = dict.fromkeys(["projectId", "patientId", "sessionId", "clipId", "id"], "unknown")
    for command in COMMANDS.values():
        given_values = {**values, "input": {"id": "c", "clipId": "c", "project": "p", "clips": []}}
        assert [one for one, _ in command.touches(engine.cache, given_values) if one is not None] == []


def test_a_new_clip_touches_the_sessions_whose_folder_it_lies_in() -> None:
    engine = engine_of(None)
    cache = engine.cache
    kind = ENTITIES["Session"]
    sessions = [cache.get(kind, name) for name in "abc"]
    for one, path in zip(sessions, ["/P/s/", "/P/s2/", "/P/other/"], strict=True):
        cache.put(one, kind.fields["path"], path)
    touched = commands.CREATE_CLIPS.touches(
        cache, {"input": {"project": "p", "clips": [{"metadata": {"projectPath": "/P/s/Barefoot"}}]}}
    )
    assert [(one, list(names)) for one, names in touched if one is not None] == [(sessions[0], ["clips"])]


def test_a_project_is_found_by_its_name_too() -> None:
    engine = engine_of(None)
    project: Any = engine.cache.get(ENTITIES["Project"], "p")
    engine.cache.put(project, ENTITIES["Project"].fields["name"], "lab/demo")
    assert commands.known(engine.cache, "p") is project
    assert commands.known(engine.cache, "lab/demo") is project
    for unknown in ("lab/other", None, 5):
        assert commands.known(engine.cache, unknown) is None


def test_a_brief_command_selects_the_ids_of_objects_only() -> None:
    brief = commands.UPDATE_CLIP.brief()
    values = {"input": {"id": "c1", "metadata": {"title": "x"}}}
    text, variables = brief.build([values])
    assert text.endswith("{ n0: updateClip(clipData: $input) { clip { id } } }")
    assert variables == values
    assert brief.check(values, {"clip": {"id": "c1"}}) == {"clip": {"id": "c1"}}
    with pytest.raises(InvalidResponseError, match="another object"):
        brief.check(values, {"clip": {"id": "c2"}})
    assert brief is commands.UPDATE_CLIP.brief()
    assert brief.touches is commands.UPDATE_CLIP.touches
