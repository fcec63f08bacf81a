"""The one door to the service."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from support.racing import lose
from support.schema import check_valid

import moveshelf
from moveshelf.errors import NotFoundError, OutcomeUnknownError, QueryError, RequestError
from moveshelf.lazy.cache import Cache
from moveshelf.lazy.registry import ENTITIES
from moveshelf.lazy.selection import basic
from moveshelf.operations import commands, queries
from moveshelf.operations.service import (
    COMMAND_ATTEMPTS,
    COMMANDS_A_REQUEST,
    OBJECTS_A_REQUEST,
    Service,
    failure,
)
from moveshelf.sandbox import Sandbox
from moveshelf.wire import Response

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox


def test_an_unknown_outcome_unloads_what_may_have_changed(
    shared: Sandbox, ms: Moveshelf, empty_project: Project
) -> None:
    len(empty_project.subjects)
    lose(shared, "createPatient")
    with pytest.raises(moveshelf.OutcomeUnknownError):
        empty_project.create_subject("A")
    shared.clear_faults()
    assert empty_project.subjects.names() == ["A"]
    subject = empty_project.create_subject("A", exist_ok=True)
    assert subject.metadata == {}
    shared.fail("updatePatient", drop="after")
    shared.fail("SubjectStored", status=403)
    with pytest.raises(moveshelf.OutcomeUnknownError):
        subject.update_metadata({"subject-sex": "Male"})
    shared.clear_faults()
    assert subject.metadata == {"subject-sex": "Male"}
    session = subject.create_session("s")
    shared.fail("updateSession", drop="after")
    shared.fail("SessionPath", status=403)
    with pytest.raises(moveshelf.OutcomeUnknownError):
        session.rename("t")
    shared.clear_faults()
    assert session.name == "t"


def test_every_request_of_a_tour_is_valid(demo: Sandbox) -> None:
    demo.requests.clear()
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        project.find_subjects({"subject-sex": "Male"}, {"min": 1})
        project.find_sessions(
            "2023-01-01", where={"session-type": "Gait"}, subject_where={"subject-sex": "Male"}
        )
        project.subject_by_ehr_id("4237")
        len(project.clips)
        ms.find(project.norms[0].id)
        project.subjects.load("sessions.clips.files", "metadata", "sessions.reports")
        project.load("sessions", "template", "norms.clips")
        project.subjects[0].sessions[0].download("nowhere", dry_run=True)
    assert len(demo.requests) > 8
    for request in demo.requests.graphql:
        assert request.status == 200
        assert request.operation, "every request has a name"
        check_valid(request.query or "")
        assert re.search(r"\b(n0|a[0-9a-f]{8}): ", request.query or ""), "every query has aliases of its own"


# the service alone -----------------------------------------------------------------------------------------------------
class Arrived:
    """A response, or why there is none, as a future that is done."""

    def __init__(self, response: Response | Exception) -> None:
        self.response = response

    def result(self, timeout: float | None = None) -> Response:
        if isinstance(self.response, Exception):
            raise self.response
        return self.response

    def add_done_callback(self, function: Callable[[Any], object]) -> None:
        function(self)


class Sender:
    """Sends by a function from variables to data, or to a Response, or to an exception; checks as a wire does."""

    def __init__(self, respond: Callable[[str, Mapping[str, Any]], Any]) -> None:
        self.respond = respond
        self.requests: list[tuple[str | None, Mapping[str, Any]]] = []

    def submit(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        operation: str | None = None,
        halve: bool = False,
        check: Callable[[dict[str, Any]], object] | None = None,
    ) -> Arrived:
        self.requests.append((operation, variables or {}))
        found = self.respond(query, variables or {})
        if isinstance(found, dict):
            try:
                if check is not None:
                    check(found)
            except RequestError as error:
                return Arrived(error)
            found = Response(found, [], None, 0, 200)
        return Arrived(found)


def service_of(respond: Callable[[str, Mapping[str, Any]], Any]) -> tuple[Service, Sender]:
    sender = Sender(respond)
    retry = SimpleNamespace(first=0.0, cap=0.0)
    wire: Any = SimpleNamespace(url="https://api.moveshelf.com/graphql", room=lambda: 3, retry=retry)
    return Service(wire, Cache(), sender), sender


def subject(identity: str) -> dict[str, Any]:
    return {"id": identity, "name": identity.upper(), "externalId": None, "updated": None}


def test_objects_are_named_a_hundred_to_a_request() -> None:
    ids = [f"s{n}" for n in range(250)]
    service, sender = service_of(
        lambda query, variables: {f"n{n}": subject(one) for n, one in enumerate(variables.values())}
    )
    kind = ENTITIES["Subject"]
    found = service.values(kind, [*ids, *ids[:10]], basic(kind))
    assert list(found) == ids
    assert [one["name"] for one in found.values() if isinstance(one, dict)] == [one.upper() for one in ids]
    assert [len(variables) for _, variables in sender.requests] == [OBJECTS_A_REQUEST, OBJECTS_A_REQUEST, 50]


def test_objects_fail_alone() -> None:
    data = {"n0": subject("a"), "n1": None, "n2": {}, "n3": None}
    errors = [{"message": "no", "path": ["n3"]}]
    service, _ = service_of(lambda query, variables: Response(data, errors, "r1", 0, 200))
    kind = ENTITIES["Subject"]
    found = service.values(kind, ["a", "b", "c", "d"], basic(kind))
    assert found["a"] == subject("a")
    assert isinstance(found["b"], NotFoundError)
    assert "not the id of a subject" in str(found["c"])
    assert isinstance(found["d"], QueryError)
    assert found["d"].request_id == "r1"


def test_an_error_of_the_whole_query_is_raised() -> None:
    service, _ = service_of(lambda query, variables: Response(None, [{"message": "no"}], None, 0, 200))
    with pytest.raises(QueryError, match="the service refused SubjectName: no"):
        service.node(basic(ENTITIES["Subject"]), "a")


def test_a_single_object() -> None:
    kind = ENTITIES["Subject"]
    for node in (None, {}, subject("a")):
        service, _ = service_of(lambda query, variables, node=node: {"n0": node})
        assert service.node(basic(kind), "a") == node
    service, _ = service_of(lambda query, variables: {"n0": subject("b")})
    with pytest.raises(RequestError, match="the object 'a' was requested, and 'b' came"):
        service.node(basic(kind), "a")


def test_rows_of_a_listing() -> None:
    service, sender = service_of(
        lambda query, variables: {"n0": {"id": "p", "patients": [subject("a"), None, subject("b")]}}
    )
    assert service.rows(queries.SUBJECTS, "p", {}) == [subject("a"), None, subject("b")]
    assert sender.requests == [("ProjectPatients", {"projectId": "p"})]
    service, _ = service_of(lambda query, variables: {"n0": None})
    with pytest.raises(NotFoundError, match="no project with id 'p'"):
        service.rows(queries.SUBJECTS, "p", {})


def test_kinds() -> None:
    nodes: dict[str, Any] = {
        "a": {"id": "a", "__typename": "Patient"},
        "b": None,
        "c": {"id": "c", "__typename": "X"},
    }
    service, _ = service_of(lambda query, variables: {"n0": nodes[variables["id"]]})
    assert [service.kind_of(one) for one in "abc"] == [ENTITIES["Subject"], None, None]


def test_many_commands_are_sent_fifty_to_a_request_and_come_back_in_order() -> None:
    def respond(query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        ids = [value for name, value in variables.items() if name.startswith("patientId")]
        return {f"n{n}": {"deleted": int(one) % 2 == 0} for n, one in enumerate(ids)}

    service, sender = service_of(respond)
    outcomes = service.run_many(commands.DELETE_SUBJECT, [{"patientId": str(n)} for n in range(120)])
    assert [one["deleted"] for one in outcomes if isinstance(one, Mapping)] == [
        n % 2 == 0 for n in range(120)
    ]
    assert [len(variables) for _, variables in sender.requests] == [
        COMMANDS_A_REQUEST,
        COMMANDS_A_REQUEST,
        20,
    ]


def test_one_refused_command_of_many_fails_alone() -> None:
    data = {"n0": {"deleted": True}, "n1": None, "n2": {"deleted": True}}
    errors = [{"message": "not this one", "path": ["n1", "deleted"]}]
    service, _ = service_of(lambda query, variables: Response(data, errors, None, 0, 200))
    outcomes = service.run_many(commands.DELETE_SUBJECT, [{"patientId": str(n)} for n in range(3)])
    assert [failure(one) is None for one in outcomes] == [True, False, True]
    assert "not this one" in str(outcomes[1])


def test_a_lost_request_of_several_leaves_the_others() -> None:
    def respond(query: str, variables: Mapping[str, Any]) -> Any:
        if query.startswith("query"):
            return RequestError("nobody can look")
        if "50" in variables.values():
            return OutcomeUnknownError("the connection was lost")
        return {f"n{n}": {"deleted": True} for n in range(len(variables))}

    service, _ = service_of(respond)
    outcomes = service.run_many(commands.DELETE_SUBJECT, [{"patientId": str(n)} for n in range(120)])
    lost = [n for n, one in enumerate(outcomes) if isinstance(one, OutcomeUnknownError)]
    assert lost == list(range(50, 100))
    assert len({id(outcomes[n]) for n in lost}) == 50, "each row has an exception of its own"


@pytest.mark.parametrize("payload", [{}, {"deleted": "yes"}, [True], "text", {"deleted": {"a": 1}}])
def test_a_malformed_payload_is_an_unknown_outcome_and_unloads(payload: Any) -> None:
    def respond(query: str, variables: Mapping[str, Any]) -> Any:
        if query.startswith("query"):
            return RequestError("nobody can look")
        return Response({"n0": payload}, [], "r1", 0, 200)

    service, _ = service_of(respond)
    cache = service.cache
    kind = ENTITIES["Subject"]
    obj = cache.get(kind, "s")
    cache.put(obj, kind.fields["name"], "P")
    (outcome,) = service.run_many(commands.DELETE_SUBJECT, [{"patientId": "s"}])
    assert isinstance(outcome, OutcomeUnknownError)
    assert outcome.message.startswith("DeleteSubject was sent, and the response to DeleteSubject h")
    assert (outcome.operation, outcome.request_id) == ("DeleteSubject", "r1")
    assert not obj.is_loaded("name")


def test_a_refused_command_unloads_nothing() -> None:
    service, _ = service_of(
        lambda query, variables: Response({"n0": None}, [{"message": "You may not."}], None, 0, 200)
    )
    kind = ENTITIES["Subject"]
    obj = service.cache.get(kind, "s")
    service.cache.put(obj, kind.fields["name"], "P")
    with pytest.raises(QueryError, match="You may not"):
        service.run(commands.DELETE_SUBJECT, {"patientId": "s"})
    assert obj.is_loaded("name")


def test_an_interrupt_of_a_command_unloads_what_may_have_changed() -> None:
    def interrupt(query: str, variables: Mapping[str, Any]) -> Any:
        raise KeyboardInterrupt

    service, _ = service_of(interrupt)
    kind = ENTITIES["Subject"]
    obj = service.cache.get(kind, "s")
    service.cache.put(obj, kind.fields["name"], "P")
    with pytest.raises(KeyboardInterrupt):
        service.run(commands.DELETE_SUBJECT, {"patientId": "s"})
    assert not obj.is_loaded("name")


def test_complaints_and_the_stored_state() -> None:
    state = {"id": "s", "name": "P", "metadata": None, "updated": None}
    kind = ENTITIES["Subject"]
    tabs = [("subjectMetadata", {"a": "1"}), ("interventionMetadata", [])]

    def data(query: str, *complaints: Any) -> dict[str, Any]:
        return dict(zip(re.findall(r"\b(a[0-9a-f]{8}): ", query), complaints, strict=True))

    service, sender = service_of(
        lambda query, variables: {
            "n0": state,
            **data(query, {"validationErrors": ["a"]}, {"validationErrors": ["b"]}),
        }
    )
    assert service.state(kind, "s", tabs) == (state, ["a", "b"])
    assert sender.requests[0][1]["metadata0"] == '{"a": "1"}'
    service, _ = service_of(lambda query, variables: {"n0": None, **data(query, None, None)})
    assert service.state(kind, "s", tabs) == (None, [])
    service, _ = service_of(lambda query, variables: data(query, {"validationErrors": []}))
    assert service.complaints(kind, "s", "subjectMetadata", {}) == []


def test_what_a_service_tells_of_itself() -> None:
    service, _ = service_of(lambda query, variables: {})
    assert service.url.endswith("/graphql")
    assert service.room() == 3
    assert not service.is_replaced


# many at once ----------------------------------------------------------------------------------------------------------
def test_a_request_that_is_refused_whole_is_sent_in_halves() -> None:
    """400: nothing of it was carried out, and one row may be why."""

    def respond(query: str, variables: Mapping[str, Any]) -> Any:
        names = [value for name, value in variables.items() if name.startswith("name")]
        if "bad" in names:
            return RequestError("no", status=400)
        return {f"n{n}": {"patient": patient(name)} for n, name in enumerate(names)}

    def patient(name: str) -> dict[str, Any]:
        return {"id": f"id-{name}", "name": name, "externalId": None, "updated": None, "metadata": None}

    service, sender = service_of(respond)
    names = [*(str(n) for n in range(9)), "bad"]
    rows = [{"projectId": "p", "name": name} for name in names]
    outcomes = service.run_many(commands.CREATE_SUBJECT, rows)
    assert [failure(one) is None for one in outcomes] == [*[True] * 9, False]
    assert [one["patient"]["id"] for one in outcomes[:9] if isinstance(one, Mapping)] == [
        f"id-{n}" for n in range(9)
    ]
    assert len(sender.requests) == 7  # of 10, 5, 5, 3, 2, 1 and 1 rows


def test_trials_travel_as_a_list_and_come_back_in_order(
    shared: Sandbox, ms: Moveshelf, empty_project: Project
) -> None:
    session = empty_project.create_subject("P").create_session("s")
    rows = [
        {
            "input": {
                "project": empty_project.id,
                "clips": [{"clientId": "0", "metadata": {"title": f"T{n}", "projectPath": session.path}}],
            }
        }
        for n in range(COMMANDS_A_REQUEST + 3)
    ]
    shared.requests.clear()
    outcomes = ms._service.run_many(commands.CREATE_CLIPS, rows)
    assert len(shared.requests) == 2
    titles = [one["response"][0]["mocapClip"]["title"] for one in outcomes if isinstance(one, Mapping)]
    assert titles == [f"T{n}" for n in range(COMMANDS_A_REQUEST + 3)]


def test_complaints_on_many_records(shared: Sandbox, ms: Moveshelf, empty_project: Project) -> None:
    kind = ENTITIES["Subject"]
    identity = empty_project.create_subject("P").id
    good, bad = '{"subject-sex": "Male"}', '{"subject-sex": "Mle"}'
    rows = [(kind, identity, "subjectMetadata", text) for text in (good, bad, good)]
    rows.append((kind, "nobody", "subjectMetadata", good))
    shared.requests.clear()
    first, second, third, fourth = ms._service.complaints_of(rows)
    assert len(shared.requests) == 1
    check_valid(shared.requests.graphql[0].query or "")
    assert (first, third) == ([], [])
    assert isinstance(second, list)
    assert len(second) == 1
    assert isinstance(fourth, QueryError)
    shared.fail("CheckMany", status=413)
    assert ms._service.complaints_of(rows[:3]) == [first, second, third]
    assert len(shared.requests) == 4
    shared.fail("CheckMany", status=403)
    assert all(isinstance(one, RequestError) for one in ms._service.complaints_of(rows))


def test_values_of_which_some_cannot_be_had(shared: Sandbox, ms: Moveshelf, empty_project: Project) -> None:
    kind = ENTITIES["Subject"]
    ids = [empty_project.create_subject(f"P{n}").id for n in range(4)]
    selection = basic(kind)
    found = ms._service.values(kind, [*ids, "nobody"], selection)
    assert [one["name"] for one in found.values() if isinstance(one, Mapping)] == ["P0", "P1", "P2", "P3"]
    assert isinstance(found["nobody"], NotFoundError)
    shared.requests.clear()
    shared.fail("SubjectName", status=413)
    again = ms._service.values(kind, ids, selection)
    assert list(again) == ids
    assert len(shared.requests) == 3
    shared.fail("SubjectName", status=403)
    assert all(isinstance(one, RequestError) for one in ms._service.values(kind, ids, selection).values())


def test_lost_responses_are_looked_for_together(
    shared: Sandbox, ms: Moveshelf, empty_project: Project
) -> None:
    rows = [{"projectId": empty_project.id, "name": f"P{n:02}"} for n in range(40)]
    shared.fail("createPatient", drop="after")
    shared.requests.clear()
    outcomes = ms._service.run_many(commands.CREATE_SUBJECT, rows)
    assert [one["patient"]["name"] for one in outcomes if isinstance(one, Mapping)] == [
        row["name"] for row in rows
    ]
    assert [one.operation for one in shared.requests] == ["CreateSubject", "ProjectSubjects"]


def test_lost_deletes_of_many_are_looked_for_in_one_request(
    shared: Sandbox, ms: Moveshelf, empty_project: Project
) -> None:
    session = empty_project.create_subject("P").create_session("s")
    clips = [session.create_clip(f"T{n}") for n in range(20)]
    rows = [{"clipId": clip.id} for clip in clips]
    shared.fail("DeleteClip", drop="after")
    shared.requests.clear()
    outcomes = ms._service.run_many(commands.DELETE_CLIP, rows)
    assert outcomes == [{"ok": True}] * 20
    assert [len(one.variables) for one in shared.requests] == [20, 20]
    assert not session.refresh().clips


def test_trials_of_a_tree_whose_response_is_lost_are_created_once(
    shared: Sandbox, empty_project: Project, tmp_path: Path
) -> None:
    for number in range(3):
        path = tmp_path / "P" / "2024-01-02" / f"Trial-{number}" / "angles.json"
        path.parent.mkdir(parents=True)
        path.write_text(str(number))
    for name in ("createPatient", "createSession", "createClips"):
        shared.fail(name, drop="after", times=1)
    empty_project.upload_tree(
        tmp_path, layout="{subject}/{session}/{trial}/{file}", progress=False
    ).raise_for_errors()
    (subject,) = empty_project.refresh().subjects
    (session,) = subject.sessions
    assert [(clip.title, clip.files[0].json()) for clip in session.clips] == [
        (f"Trial-{number}", number) for number in range(3)
    ]


def test_a_row_of_another_object_is_the_only_one_that_is_unknown() -> None:
    """A response of which one row is not what it must be says nothing about the others."""

    def respond(query: str, variables: Mapping[str, Any]) -> Any:
        if query.startswith("query"):
            return RequestError("nobody can look")
        rows: list[Any] = [{"deleted": True}, {"deleted": "yes"}, {"deleted": True}]
        return Response({f"n{n}": one for n, one in enumerate(rows)}, [], "r1", 0, 200)

    service, _ = service_of(respond)
    outcomes = service.run_many(commands.DELETE_SUBJECT, [{"patientId": str(n)} for n in range(3)])
    assert [isinstance(one, OutcomeUnknownError) for one in outcomes] == [False, True, False]


def test_what_was_carried_out_at_the_last_attempt_is_found() -> None:
    sent = []

    def respond(query: str, variables: Mapping[str, Any]) -> Any:
        if query.startswith("query"):
            return {"n0": None if len(sent) == COMMAND_ATTEMPTS else {"id": "s"}}
        sent.append(query)
        return OutcomeUnknownError("the connection was lost")

    service, _ = service_of(respond)
    assert service.run(commands.DELETE_SUBJECT, {"patientId": "s"}) == {"deleted": True}
    assert len(sent) == COMMAND_ATTEMPTS
