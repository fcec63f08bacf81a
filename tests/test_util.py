"""The helpers of the flat client: metadata of a subject, conditions of a session, the next trial."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.errors import ValidationError
from moveshelf.util import addOrGetTrial, getConditionsFromSession, getPatientMetadata


class TestConditions:
    def session(self, *paths: str, norms: Any = None) -> dict[str, Any]:
        clips = [{"id": str(n), "title": f"Trial-{n}", "projectPath": path} for n, path in enumerate(paths)]
        session: dict[str, Any] = {"projectPath": "/s/1/", "clips": clips, "project": {"name": "lab"}}
        if norms is not None:
            session["norms"] = norms
        return session

    def test_groups(self) -> None:
        found = getConditionsFromSession(self.session("/s/1/a/", "/s/1/b/", "/s/1/a/", "/s/1/"))
        assert [list(one) for one in found] == [["path", "fullPath", "clips"]] * 2
        assert [(one["path"], one["fullPath"], [c["id"] for c in one["clips"]]) for one in found] == [
            ("a/", "/s/1/a/", ["0", "2"]),
            ("b/", "/s/1/b/", ["1"]),
        ]

    def test_adds_to_a_given_list(self) -> None:
        given_list: list[dict[str, Any]] = [{"path": "a/", "fullPath": "/s/1/a/", "clips": []}]
        found = getConditionsFromSession(self.session("/s/1/a/", "/s/1/c/"), given_list)
        assert found is given_list
        assert [(one["path"], len(one["clips"])) for one in found] == [("a/", 1), ("c/", 1)]

    @pytest.mark.parametrize("path", [None, "", "/elsewhere/a/", "/s/1", "/s/", "/s/11/a/"])
    def test_survives_other_paths(self, path: Any) -> None:
        session = self.session("/s/1/a/")
        session["clips"].append({"id": "x", "title": "y", "projectPath": path})
        assert [one["path"] for one in getConditionsFromSession(session)] == ["a/"]

    def test_fills_norms(self) -> None:
        norms = [
            {"id": "n1", "projectPath": "/s/1/a/"},
            {"id": "n2", "projectPath": "/s/1/z/"},
            {"id": "n3", "projectPath": None},
        ]
        found = getConditionsFromSession(self.session("/s/1/a/", "/s/1/b/", norms=norms))
        assert [(one["path"], len(one["clips"]), [n["id"] for n in one["norms"]]) for one in found] == [
            ("a/", 1, ["n1"]),
            ("b/", 1, []),
            ("z/", 0, ["n2"]),
        ]

    class Api:
        def __init__(self) -> None:
            self.made: list[Any] = []

        def createClip(self, project: str, metadata: Any) -> str:
            self.made.append((project, dict(metadata)))
            return "new"

    @pytest.mark.parametrize(
        ("titles", "name"),
        [
            ([], "Trial-1"),
            (["Trial-1", "Trial-2"], "Trial-3"),
            (["Trial-9", "x-3"], "Trial-10"),
            (["Trial-2", "Running"], "Trial-3"),
            (["Running", "Walking"], "Trial-3"),
            (["Trial-1", "Trial-x"], "Trial-2"),
            (["Trial 4", "Trial_7"], "Trial-8"),
            (["2024-05-31"], "Trial-6"),
            (["IMG20240531"], "Trial-2"),
            (["Trial-", "-"], "Trial-3"),
            (["Trial - 3", None], "Trial-4"),
        ],
    )
    def test_next_trial(self, titles: list[Any], name: str) -> None:
        offline_api = self.Api()
        clips = [{"id": str(n), "title": title} for n, title in enumerate(titles)]
        assert addOrGetTrial(offline_api, self.session(), {"path": "c/", "clips": clips}) == "new"
        assert offline_api.made == [("lab", {"title": name, "projectPath": "/s/1/c/"})]

    def test_existing_trial(self) -> None:
        offline_api = self.Api()
        clips = [{"id": "1", "title": "a"}, {"id": "2", "title": "b"}]
        assert addOrGetTrial(offline_api, self.session(), {"path": "c/", "clips": clips}, "b") == "2"
        assert offline_api.made == []

    @given(st.lists(st.text(max_size=12), max_size=6))
    def test_never_a_title_that_exists(self, titles: list[str]) -> None:
        offline_api = self.Api()
        clips = [{"id": str(n), "title": title} for n, title in enumerate(titles)]
        addOrGetTrial(offline_api, self.session(), {"path": "c/", "clips": clips})
        assert offline_api.made[0][1]["title"] not in titles


class TestPatientMetadata:
    class Api:
        def __init__(self, text: Any) -> None:
            self.text = text

        def getSubjectDetails(self, subject: str) -> Any:
            return None if self.text is ... else {"metadata": self.text}

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('{"a": true, "b": null}', {"a": True, "b": None}),
            ("{'a': True, 'b': None}", {"a": True, "b": None}),
            (" {'a': ['x', 1.5]}", {"a": ["x", 1.5]}),
        ],
    )
    def test_reads(self, text: str, expected: Any) -> None:
        assert getPatientMetadata(self.Api(text), "id") == expected

    @pytest.mark.parametrize(
        "text", ["__import__('os').getcwd()", "{'a': open('x')}", "", "{'a'", "print(1)"]
    )
    def test_never_runs_code(self, text: str) -> None:
        with pytest.raises(ValidationError, match="neither JSON nor"):
            getPatientMetadata(self.Api(text), "id")

    @pytest.mark.parametrize("text", [None, ...])
    def test_nothing_there(self, text: Any) -> None:
        with pytest.raises(TypeError):
            getPatientMetadata(self.Api(text), "id")
