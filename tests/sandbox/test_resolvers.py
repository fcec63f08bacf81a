from __future__ import annotations

import json
from typing import Any

import pytest
from graphql import GraphQLObjectType, get_named_type

from moveshelf.sandbox.schema import load_schema


@pytest.fixture
def everything(wire: Any) -> dict[str, str]:
    """One id of each type of node, with a value in each of its fields."""
    clip_path = "/P-1/2024-03-05 pre/Barefoot/"
    template = {"template": {"ehr-id": {"label": "EHR", "type": "text"}}, "sessionMetadataTabs": []}
    project = wire.sandbox.add_project("lab/full", template, description="All of it")
    subject = wire.subject("P-1", project="lab/full")
    metadata = json.dumps({"ehr-id": "77", "interventions": [{"id": 1}]})
    wire(
        "mutation($i: ID!, $m: JSONString){updatePatient(patientId: $i, metadata: $m){updated}}",
        i=subject,
        m=metadata,
    )
    session = wire(
        """mutation($j: String!, $s: ID) {createSession(projectId: $j, projectPath: "/P-1/2024-03-05 pre",
        patientId: $s, sessionDate: "2024-03-05") {session {id}}}""",
        j=project,
        s=subject,
    )["createSession"]["session"]["id"]
    wire(
        """mutation($i: ID!, $m: JSONString) {
            updateSession(sessionId: $i, sessionName: "2024-03-05 pre", sessionMetadata: $m) {updated}}""",
        i=session,
        m=json.dumps({"metadata": {"session-type": "Gait"}}),
    )
    created = wire.create_clips(
        {
            "filename": "walk.c3d",
            "metadata": {
                "title": "T",
                "description": "D",
                "projectPath": clip_path,
                "previewImageUri": "https://example.org/x.png",
                "startTimecode": {"timecode": "01:02:03;04", "framerate": "FPS_29_97"},
            },
        },
        project="lab/full",
    )[0]
    return {
        "Project": project,
        "Patient": subject,
        "Session": session,
        "MocapClip": created["mocapClip"]["id"],
        "upload": created["uploadUrl"],
    }


def test_every_field_of_every_type_is_somewhere_in_the_demo(demo_wire: Any) -> None:
    """Walk the schema from the roots: each declared field is selected, and each is somewhere not null."""
    schema = load_schema()
    selected: set[str] = set()
    filled: set[str] = set()

    def fields(named: Any, depth: int, path: tuple[str, ...]) -> str:
        if not isinstance(named, GraphQLObjectType):
            return ""
        parts = ["__typename"]
        for name, field in named.fields.items():
            inner = get_named_type(field.type)
            if isinstance(inner, GraphQLObjectType):
                if depth and inner.name not in path:
                    parts.append(f"{name} {fields(inner, depth - 1, (*path, inner.name))}")
                    selected.add(f"{named.name}.{name}")
            else:
                parts.append(name)
                selected.add(f"{named.name}.{name}")
        return "{" + " ".join(parts) + "}"

    def look(value: Any) -> None:
        if isinstance(value, list):
            for item in value:
                look(item)
        elif isinstance(value, dict):
            for name, inner in value.items():
                if inner is not None and inner != []:
                    filled.add(f"{value.get('__typename')}.{name}")
                look(inner)

    project = demo_wire.project("lab/demo")
    for type_name, ids in ids_of_every_type(demo_wire, project).items():
        object_type = schema.type_map[type_name]
        for id in ids:
            # comments lie deepest
            selection = fields(object_type, 4 if type_name == "MocapClip" else 2, (type_name,))
            query = f"query($id: ID!){{node(id: $id){{... on {type_name} {selection}}}}}"
            look(demo_wire(query, id=id))
    viewer = f"{{viewer {fields(schema.type_map['Viewer'], 1, ('Viewer',))}}}"
    look(demo_wire(viewer))
    found = demo_wire(f"{{mocapClips {fields(schema.type_map['MocapClipConnection'], 2, ())}}}")
    look(found["mocapClips"])
    check = (
        f'query($s: String!){{metadataValidator(subjectId: $s, importedMetadata: "{{\\"x\\": 1}}", '
        f'whichTabToValidate: "subjectMetadata") {fields(schema.type_map["MetadataValidation"], 1, ())}}}'
    )
    subject = demo_wire.node(project, "Project", "patientsList{id}")["patientsList"][0]["id"]
    look(demo_wire(check, s=subject)["metadataValidator"])
    payloads = {"Job", "Query", "Mutation"}
    declared = {
        f"{name}.{field}"
        for name, kind in schema.type_map.items()
        if isinstance(kind, GraphQLObjectType)
        and not name.startswith("__")
        and not name.endswith("Payload")
        and name not in payloads
        and name != "ClipCreationResponse"
        for field in kind.fields
    }
    assert declared - selected == set()
    # what only an upload of one's own, or a picture, can fill: see the next test
    assert declared - filled == {
        "MocapClip.originalDataDownloadUri",
        "MocapClip.originalFileName",
        "MocapClip.previewDataUri",
        "MocapClip.previewImageUri",
    }


def ids_of_every_type(wire: Any, project: str) -> dict[str, list[str]]:
    found = wire.node(
        project,
        "Project",
        """norms{id} projectConfiguration{id} patientsList{id reports{id} sessions{id clips{id additionalData{id}}}}""",
    )
    subjects = found["patientsList"]
    sessions = [s for subject in subjects for s in subject["sessions"]]
    clips = [c for s in sessions[:3] for c in s["clips"]]
    return {
        "Project": [project],
        "ProjectConfiguration": [found["projectConfiguration"]["id"]],
        "Norm": [norm["id"] for norm in found["norms"]],
        "Patient": [subject["id"] for subject in subjects],
        "Session": [s["id"] for s in sessions],
        "MocapClip": [c["id"] for c in clips],
        "AdditionalData": [clips[0]["additionalData"][0]["id"]],
        "Report": [report["id"] for subject in subjects for report in subject["reports"]],
    }


def test_the_fields_of_a_clip_with_a_file_of_its_own(wire: Any, everything: dict[str, str], get: Any) -> None:
    assert get(everything["upload"], "PUT", b"abc").status == 200
    fields = """title description created projectPath uploadStatus hasCharts hasVideo customOptions previewImageUri
        originalFileName originalDataDownloadUri previewDataUri project{name} comments{edges{node{comment}}}"""
    clip = wire.node(everything["MocapClip"], "MocapClip", fields)
    assert get(clip.pop("originalDataDownloadUri")).body == b"abc"
    assert get(clip.pop("previewDataUri")).body == b"abc"
    assert clip.pop("created")[:2] == "20"
    assert clip == {
        "title": "T",
        "description": "D",
        "projectPath": "/P-1/2024-03-05 pre/Barefoot/",
        "uploadStatus": "Complete",
        "hasCharts": False,
        "hasVideo": False,
        "customOptions": None,
        "previewImageUri": "https://example.org/x.png",
        "originalFileName": "walk.c3d",
        "project": {"name": "lab/full"},
        "comments": {"edges": []},
    }


def test_relatives(wire: Any, everything: dict[str, str]) -> None:
    fields = """projectPath date project{id} patient{id name externalId metadata} reports{id} norms{id}
        clips{id title}"""
    assert wire.node(everything["Session"], "Session", fields) == {
        "projectPath": "/P-1/2024-03-05 pre/",
        "date": "2024-03-05T00:00:00+00:00",
        "project": {"id": everything["Project"]},
        "patient": {
            "id": everything["Patient"],
            "name": "P-1",
            "externalId": "77",
            "metadata": '{"ehr-id": "77", "interventions": [{"id": 1}]}',
        },
        "reports": [],
        "norms": [],
        "clips": [{"id": everything["MocapClip"], "title": "T"}],
    }


def test_videos_charts_and_pictures_show_on_the_clip(wire: Any, get: Any) -> None:
    wire.subject()
    wire.session()
    clip = wire.clip()
    fields = "hasCharts hasVideo previewImageUri"
    assert wire.node(clip, "MocapClip", fields) == {
        "hasCharts": False,
        "hasVideo": False,
        "previewImageUri": None,
    }
    wire.upload(clip, b"v", "a.mp4", "video")
    wire.upload(clip, b"i", "a.png", "img")
    wire.upload(clip, b"{}", "x_angles.json", "data")
    found = wire.node(clip, "MocapClip", fields)
    assert get(found.pop("previewImageUri")).body == b"i"
    assert found == {"hasCharts": True, "hasVideo": True}


def test_additional_data_by_type(wire: Any) -> None:
    clip = wire.clip()
    for name, kind in (("a.c3d", "motion"), ("b.mp4", "video"), ("c.csv", "data")):
        wire.upload(clip, b"x", name, kind)
    query = """query($id: ID!, $f: [String]){node(id: $id){... on MocapClip{
        additionalData(dataTypeFilter: $f){originalFileName}}}}"""

    def names(wanted: Any) -> list[str]:
        found = wire(query, id=clip, f=wanted)["node"]["additionalData"]
        return [file["originalFileName"] for file in found]

    assert names(None) == names([]) == ["a.c3d", "b.mp4", "c.csv"]
    assert names(["video", "data"]) == ["b.mp4", "c.csv"]
    assert names(["doc"]) == []


def test_clips_of_a_project(wire: Any) -> None:
    ids = [wire.clip("", f"T{n}") for n in range(5)]
    query = "query($id: ID!, $n: Int){node(id: $id){... on Project{clips(first: $n){edges{node{id}}}}}}"

    def first(n: int | None) -> list[str]:
        edges = wire(query, id=wire.project(), n=n)["node"]["clips"]["edges"]
        return [edge["node"]["id"] for edge in edges]

    assert first(None) == first(10) == first(-1) == ids
    assert wire.errors(query, id=wire.project(), n=-2)
    assert first(2) == ids[:2]
    assert first(0) == []


def test_mocap_clips(wire: Any) -> None:
    walk = wire.clip("/P-1/s/Barefoot/", "Walk", allowDownload=True)
    run = wire.clip("/P-1/s/Running/", "Run")
    wire.upload(walk, b"x", "a.c3d", "motion")
    query = "query($s: String, $f: MocapClipFilterInput){mocapClips(search: $s, filter: $f){edges{node{id}}}}"

    def found(search: str | None = None, **rule: Any) -> list[str]:
        edges = wire(query, s=search, f=rule or None)["mocapClips"]["edges"]
        return [edge["node"]["id"] for edge in edges]

    assert found() == [walk, run]
    assert found("running") == [run]
    assert found("WALK") == [walk]
    assert found("nothing") == []
    assert found(fileType="C3D") == [walk]
    assert found(fileType="FBX") == []
    assert wire.post(query, {"f": {"fileType": "motion"}}).status == 400  # no word of the enum
    assert found(allowDownload=True) == [walk]
    assert found("r", allowDownload=False) == [run]


def test_comments(wire: Any) -> None:
    clip = wire.clip()
    for text in ("one", "two", "three"):
        query = (
            "mutation($i: String!, $t: String){createComment(inputs: {clipId: $i, comment: $t}){clip{id}}}"
        )
        assert wire(query, i=clip, t=text)["createComment"]["clip"]["id"] == clip
    assert wire.errors(query, i=clip, t=" ")
    assert wire.errors(query, i="unknown", t="text")
    assert wire.errors("mutation($t: String){createComment(inputs: {comment: $t}){clip{id}}}", t="text")
    query = """query($id: ID!, $o: CommentOrder, $n: Int){node(id: $id){... on MocapClip{
        comments(order: $o, last: $n){edges{node{comment author{displayName}}}}}}}"""

    def texts(order: str | None, last: int | None) -> list[str]:
        edges = wire(query, id=clip, o=order, n=last)["node"]["comments"]["edges"]
        assert all(edge["node"]["author"]["displayName"] for edge in edges)
        return [edge["node"]["comment"] for edge in edges]

    assert texts(None, None) == texts("ASCENDING", None) == ["one", "two", "three"]
    assert texts("DESCENDING", None) == ["three", "two", "one"]
    assert texts(None, 2) == ["two", "three"]
    assert texts(None, 0) == []
    assert wire.post(query, {"id": clip, "o": "newest"}).status == 400


def test_a_subject_by_its_ehr_id(demo_wire: Any) -> None:
    query = "query($e: String!, $p: String!){patient(ehrId: $e, projectId: $p){name}}"
    id = demo_wire.project("lab/demo")
    assert demo_wire(query, e="4237", p=id) == {"patient": {"name": "P-001"}}
    assert demo_wire(query, e="4237", p="lab/demo") == {"patient": {"name": "P-001"}}
    assert demo_wire(query, e="nobody", p=id) == {"patient": None}
    assert demo_wire.errors(query, e="4237", p="lab/nowhere")


# --- filters


@pytest.fixture
def dated(wire: Any) -> Any:
    """Two subjects, six sessions, one of them undated."""
    for name, values in (
        (
            "A",
            {
                "sex": "Female",
                "aids": {"value": ["Insole", "Walker"], "multiselect": True},
                "born": "2010-05-01",
            },
        ),
        (
            "B",
            {
                "sex": {"value": "Male"},
                "leg": [{"context": "left", "value": "700"}, {"context": "right", "value": "710"}],
            },
        ),
        ("C", None),
    ):
        id = wire.subject(name)
        if values:
            wire(
                "mutation($i: ID!, $m: JSONString){updatePatient(patientId: $i, metadata: $m){updated}}",
                i=id,
                m=json.dumps(values),
            )
    for path, date, kind in (
        ("/A/1/", "2024-01-01", "Gait"),
        ("/A/2/", "2024-06-30", "Running"),
        ("/A/3/", None, "Gait"),
        ("/B/1/", "2024-01-01", "Gait"),
        ("/B/2/", "2023-05-05", None),
    ):
        id = wire.session(path, None, date)
        if kind:
            wire(
                """mutation($i: ID!, $n: String!, $m: JSONString){
                    updateSession(sessionId: $i, sessionName: $n, sessionMetadata: $m){updated}}""",
                i=id,
                n=path[3],
                m=json.dumps({"metadata": {"type": {"value": kind}, "height": "150"}}),
            )
    return wire


def recent(wire: Any, **arguments: Any) -> list[str]:
    query = """query($id: ID!, $startDate: DateTime, $endDate: DateTime, $limit: Int,
        $metadataFilters: [SessionMetadataFilterInput!], $patientMetadataFilters: [PatientMetadataFilterInput!]) {
        node(id: $id) {... on Project {recentSessions(startDate: $startDate, endDate: $endDate, limit: $limit,
        metadataFilters: $metadataFilters, patientMetadataFilters: $patientMetadataFilters) {projectPath}}}}"""
    found = wire(query, id=wire.project(), **arguments)["node"]["recentSessions"]
    return [session["projectPath"].strip("/") for session in found]


def test_recent_sessions_newest_first(dated: Any) -> None:
    assert recent(dated) == ["A/2", "B/1", "A/1", "B/2", "A/3"]
    assert recent(dated, limit=2) == ["A/2", "B/1"]
    assert recent(dated, limit=0) == []


def test_recent_sessions_include_both_days(dated: Any) -> None:
    assert recent(dated, startDate="2024-01-01", endDate="2024-06-30") == ["A/2", "B/1", "A/1"]
    assert recent(dated, startDate="2024-01-02", endDate="2024-06-29") == []
    assert recent(dated, endDate="2023-05-05") == ["B/2"]
    assert recent(dated, startDate="2024-06-30T00:00:00Z", endDate="2024-06-30T00:00:00+00:00") == ["A/2"]


def test_days_without_leading_zeros(dated: Any) -> None:
    assert recent(dated, startDate="2024-1-1", endDate="2024-6-30") == ["A/2", "B/1", "A/1"]
    assert patients(dated, None, {"sessionDates": {"startDate": "2023-5-1", "endDate": "2023-5-6"}}) == {
        "B": 2
    }
    dated.subject("D")
    id = dated.session("/D/1/", None, "2022-1-1")
    assert dated.node(id, "Session", "date") == {"date": "2022-01-01T00:00:00+00:00"}
    query = "query($d: DateTime){viewer{projects{sessions(startDate: $d){id}}}}"
    for wrong in ("2022-13-1", "2022-2-30", "2022-1", "2022-1-1x", "1-1-2022"):
        assert dated.post(query, {"d": wrong}).status == 400


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"key": "type", "operator": "EQ", "value": "Gait"}, ["B/1", "A/1", "A/3"]),
        ({"key": "type", "operator": "IN", "values": ["Running", "EMG"]}, ["A/2"]),
        ({"key": "type", "operator": "ALL", "values": ["Gait"]}, ["B/1", "A/1", "A/3"]),
        ({"key": "type", "operator": "ALL", "values": ["Gait", "Running"]}, []),
        ({"key": "height", "operator": "BETWEEN", "values": ["20", "150"]}, ["A/2", "B/1", "A/1", "A/3"]),
        ({"key": "height", "operator": "BETWEEN", "values": ["151", "1500"]}, []),
        ({"key": "other", "operator": "EQ", "value": "x"}, []),
    ],
)
def test_session_metadata_filters(dated: Any, rule: dict[str, Any], expected: list[str]) -> None:
    assert recent(dated, metadataFilters=[rule]) == expected
    assert recent(dated, metadataFilters=[rule, {"key": "type", "operator": "EQ", "value": "none"}]) == []


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"key": "sex", "operator": "EQ", "value": "Male"}, ["B/1", "B/2"]),
        ({"key": "aids", "operator": "ALL", "values": ["Walker", "Insole"]}, ["A/2", "A/1", "A/3"]),
        ({"key": "aids", "operator": "EQ", "value": "Walker"}, ["A/2", "A/1", "A/3"]),
        ({"key": "leg", "operator": "BETWEEN", "values": ["705", "715"]}, ["B/1", "B/2"]),
        (
            {"key": "born", "operator": "BETWEEN", "values": ["2010-05-01", "2010-05-01"]},
            ["A/2", "A/1", "A/3"],
        ),
    ],
)
def test_subject_metadata_filters_of_sessions(dated: Any, rule: dict[str, Any], expected: list[str]) -> None:
    assert recent(dated, patientMetadataFilters=[rule]) == expected


@pytest.mark.parametrize(
    "rule",
    [
        {"key": "type", "operator": "EQ"},
        {"key": "type", "operator": "IN", "values": []},
        {"key": "type", "operator": "BETWEEN", "values": ["1"]},
    ],
)
def test_filters_that_say_too_little_are_refused(dated: Any, rule: dict[str, Any]) -> None:
    query = """query($id: ID!, $f: [SessionMetadataFilterInput!]) {node(id: $id) {... on Project {
        recentSessions(metadataFilters: $f) {id}}}}"""
    assert dated.errors(query, id=dated.project(), f=[rule])


def test_sessions_in_the_order_of_their_dates(dated: Any) -> None:
    query = """query($id: ID!, $s: DateTime, $e: DateTime){node(id: $id){... on Project{
        sessions(startDate: $s, endDate: $e){projectPath}}}}"""

    def paths(start: str | None, end: str | None) -> list[str]:
        found = dated(query, id=dated.project(), s=start, e=end)["node"]["sessions"]
        return [session["projectPath"].strip("/") for session in found]

    assert paths(None, None) == ["B/2", "A/1", "B/1", "A/2", "A/3"]
    assert paths("2024-01-01", "2024-01-01") == ["A/1", "B/1"]
    assert paths("2023-05-06", None) == ["A/1", "B/1", "A/2"]


def patients(wire: Any, metadata: Any = None, sessions: Any = None) -> dict[str, int]:
    query = """query($id: ID!, $m: BaseFilterInput, $s: SessionFilterInput){node(id: $id){... on Project{
        patients(metadataFilters: $m, sessionFilters: $s){name sessions{id}}}}}"""
    found = wire(query, id=wire.project(), m=metadata, s=sessions)["node"]["patients"]
    return {subject["name"]: len(subject["sessions"]) for subject in found}


def leaf(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "operator": "EQ", "value": value}


def group(logic: str, *filters: Any) -> dict[str, Any]:
    return {"logic": logic, "filters": list(filters)}


def test_subjects_by_nested_groups(dated: Any) -> None:
    everybody = {"A": 3, "B": 2, "C": 0}
    assert patients(dated) == everybody
    assert patients(dated, leaf("sex", "Male")) == {"B": 2}
    assert patients(dated, group("OR", leaf("sex", "Male"), leaf("sex", "Female"))) == {"A": 3, "B": 2}
    nested = group("AND", group("OR", leaf("sex", "Male"), leaf("aids", "Insole")), leaf("leg", "710"))
    assert patients(dated, nested) == {"B": 2}
    assert patients(dated, group("AND", leaf("sex", "Male"), leaf("sex", "Female"))) == {}
    assert patients(dated, group("AND")) == everybody
    assert patients(dated, group("OR")) == {}


@pytest.mark.parametrize("rule", [{}, {"key": "a"}, {**leaf("a", "b"), **group("AND")}, group("AND", {})])
def test_half_a_filter_is_refused(dated: Any, rule: dict[str, Any]) -> None:
    query = "query($id: ID!, $m: BaseFilterInput){node(id: $id){... on Project{patients(metadataFilters: $m){id}}}}"
    assert dated.errors(query, id=dated.project(), m=rule)


def test_subjects_by_their_sessions_come_with_all_of_them(dated: Any) -> None:
    def by(start: Any = None, end: Any = None, low: Any = None, high: Any = None) -> dict[str, int]:
        return patients(
            dated,
            None,
            {"sessionDates": {"startDate": start, "endDate": end}, "numSessions": {"min": low, "max": high}},
        )

    assert by("2024-01-01", "2024-01-02") == {"A": 3, "B": 2}
    assert by("2024-01-01", "2024-01-01") == {}  # the last day is excluded
    assert by("2024-06-01") == {"A": 3}
    assert by(None, "2023-05-06") == {"B": 2}
    assert by(low=3) == {"A": 3}
    assert by(high=0) == {"C": 0}
    assert by(low=2, high=2) == {"B": 2}
    assert by("2024-01-01", "2025-01-01", low=2) == {"A": 3}


# --- the validator


def complaints(wire: Any, tab: str, values: Any, **ids: Any) -> list[str]:
    query = """query($v: String!, $t: String!, $sessionId: String, $subjectId: String) {metadataValidator(
        importedMetadata: $v, whichTabToValidate: $t, sessionId: $sessionId, subjectId: $subjectId)
        {validationErrors}}"""
    text = values if isinstance(values, str) else json.dumps(values)
    return wire(query, v=text, t=tab, **ids)["metadataValidator"]["validationErrors"]


def test_the_demo_s_own_metadata_is_valid(demo_wire: Any) -> None:
    fields = "patientsList{id metadata sessions{id metadata}}"
    for subject in demo_wire.node(demo_wire.project("lab/demo"), "Project", fields)["patientsList"]:
        values = json.loads(subject["metadata"])
        interventions = values.pop("interventions", [])
        assert complaints(demo_wire, "subjectMetadata", values, subjectId=subject["id"]) == []
        assert complaints(demo_wire, "interventionMetadata", interventions, subjectId=subject["id"]) == []
        for session in subject["sessions"]:
            values = json.loads(session["metadata"] or "{}").get("metadata", {})
            assert complaints(demo_wire, "sessionMetadata", values, sessionId=session["id"]) == []


@pytest.mark.parametrize(
    ("tab", "values", "needles"),
    [
        ("subjectMetadata", {"nonsense": "x"}, ["nonsense"]),
        ("subjectMetadata", {"heading-general": "x"}, ["heading-general"]),
        ("subjectMetadata", {"subject-sex": "Maybe"}, ["Maybe"]),
        ("subjectMetadata", {"subject-sex": {"value": "Male"}}, []),
        ("subjectMetadata", {"subject-sex": None, "subject-gmfcs": ""}, []),
        ("subjectMetadata", {"subject-sex": ["Male"]}, ["subject-sex"]),
        ("subjectMetadata", {"subject-aids": {"value": ["Insole", "Wings"], "multiselect": True}}, ["Wings"]),
        ("subjectMetadata", {"subject-date-of-birth": "tomorrow"}, ["tomorrow"]),
        ("subjectMetadata", {"ehr-id": 5}, ["ehr-id"]),
        ("subjectMetadata", {"subject-leg-length": [{"context": "left", "value": "long"}]}, ["long"]),
        ("subjectMetadata", {"subject-leg-length": [{"context": "up", "value": "7"}]}, ["up"]),
        ("subjectMetadata", {"subject-sex": [{"context": "left", "value": "Male"}]}, ["subject-sex"]),
        ("subjectMetadata", {"a": 1, "b": 2}, ["a", "b"]),
        ("subjectMetadata", [], ["object"]),
        ("subjectMetadata", "{broken", ["JSON"]),
        ("subjectMetadata", {"session-type": "Gait"}, ["session-type"]),
        ("interventionMetadata", [{"id": 1, "date": "soon", "site": "S", "surgeon": "A"}], ["soon"]),
        ("interventionMetadata", [{"date": "2020-01-01", "intervention-side": "Up"}], ["intervention-side"]),
        (
            "interventionMetadata",
            [{"procedures": [{"side": "Left"}, {"side": "Up", "procedure": 3, "knee": ""}]}],
            ["Up", "3", "knee"],
        ),
        ("interventionMetadata", [{"procedures": "Lengthening"}], ["procedures"]),
        ("interventionMetadata", [{"procedures": None}], []),
        ("interventionMetadata", [3], ["1"]),
    ],
)
def test_the_validator(demo_wire: Any, tab: str, values: Any, needles: list[str]) -> None:
    subject = demo_wire.node(demo_wire.project("lab/demo"), "Project", "patientsList{id}")["patientsList"][0][
        "id"
    ]
    found = complaints(demo_wire, tab, values, subjectId=subject)
    assert len(found) == len(needles)
    assert all(needle in text for needle, text in zip(needles, found, strict=True))


def test_the_validator_of_sessions_and_its_own_arguments(demo_wire: Any) -> None:
    fields = "sessions{id}"
    session = demo_wire.node(demo_wire.project("lab/demo"), "Project", fields)["sessions"][0]["id"]
    wrong = {"session-type": "Flying", "session-height": "tall", "subject-sex": "Male"}
    assert len(complaints(demo_wire, "sessionMetadata", wrong, sessionId=session)) == 3
    query = """query($t: String!, $s: String) {metadataValidator(importedMetadata: "{}", whichTabToValidate: $t,
        sessionId: $s) {validationErrors}}"""
    assert demo_wire.errors(query, t="otherMetadata", s=session)
    assert demo_wire.errors(query, t="sessionMetadata", s=None)
    assert demo_wire.errors(query, t="sessionMetadata", s="unknown")


def test_without_a_template_everything_is_valid(wire: Any) -> None:
    assert complaints(wire, "subjectMetadata", {"anything": 1}, subjectId=wire.subject()) == []
