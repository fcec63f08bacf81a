"""What is drawn: HTML of plain values that is closed, escaped and free of Python's reprs, and texts on one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.display import (
    NOT_LOADED_CELL,
    conditions_html,
    label,
    members_html,
    near_misses,
    object_html,
    plan_html,
    printable,
    shown_text,
    template_html,
)
from moveshelf.values import Template, TemplateField, UploadStatus

if TYPE_CHECKING:
    from moveshelf import Moveshelf
    from moveshelf.sandbox import Sandbox

TAGS = {
    "div",
    "style",
    "span",
    "strong",
    "a",
    "p",
    "code",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "details",
    "summary",
}


class Page(HTMLParser):
    """HTML taken apart: every tag must be one of ours and closed; `cells` are their texts, `links` where links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, found: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert {name for name, _ in found} <= {"class", "title", "href", "target", "rel", "open"}
        self.links += [value or "" for name, value in found if name == "href"]
        self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if self.cells and self.open and {"td", "th"} & set(self.open):
            self.cells[-1] += data


def pairs(html: str) -> dict[str, str]:
    cells = Page(html).cells
    return dict(zip(cells[::2], cells[1::2], strict=True))


@attrs.frozen
class Named:
    name: str


class Unnamed:
    pass


# values -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        ("", "–"),
        ("P-001", "P-001"),
        (UploadStatus.COMPLETE, "Complete"),
        (UploadStatus("New"), "New"),
        (True, "yes"),
        (False, "no"),
        (12, "12"),
        (12.0, "12"),
        (12.5, "12.5"),
        (1e300, "1e+300"),
        (float("nan"), "nan"),
        (date(2024, 5, 6), "2024-05-06"),
        (datetime(2024, 5, 6, 8, 30, tzinfo=timezone.utc), "2024-05-06 08:30 UTC"),
        (datetime(2024, 5, 6, 8, 30, tzinfo=timezone(timedelta(hours=2))), "2024-05-06 06:30 UTC"),
        (datetime(2024, 5, 6, 8, 30), "2024-05-06 08:30"),
        (["a", 1], "a, 1"),
        ((), "–"),
        (list(range(30)), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …"),
        ({"left": "81", "right": 82.5}, "left 81, right 82.5"),
        ({}, "–"),
        (NOT_LOADED_CELL, "·"),
        (Named("Gait"), "Gait"),
        (Named(""), "Named"),
        (Unnamed(), "Unnamed"),
        ("a\x1b[31mb\nc", "ab c"),
        (b"x", "bytes"),
    ],
)
def test_values_as_people_read_them(value: Any, text: str) -> None:
    assert shown_text(value) == text


def test_long_and_deep_values_are_cut() -> None:
    assert shown_text(10**5000) == "a number of 16610 bits"
    assert len(shown_text("x" * 10**7)) == 200
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    assert shown_text(deep) == "…"
    while deep != "x":  # taken apart by hand: the destructor would descend as deep as the list
        deep = deep[0]
    ring: dict[str, Any] = {}
    ring["a"] = ring
    assert shown_text(ring) == "a a a a …"


anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["<b>", "</td>", "'\"&", "\x1b[31m", "\u202e", "<script>alert(1)</script>"])
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(timezone.utc)),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.text() | st.just("left"), below, max_size=3)
    ),
    max_leaves=6,
)


@given(anything)
def test_any_value_is_one_line_of_text(value: Any) -> None:
    found = shown_text(value)
    assert 1 <= len(found) <= 200 or found.strip() == ""
    assert "\n" not in found
    assert printable(found) == found


# objects ----------------------------------------------------------------------------------------------------------
def test_an_object() -> None:
    html = object_html(
        "Subject",
        "P-001",
        [("EHR id", "00123"), ("updated", datetime(2024, 5, 6, 8, tzinfo=timezone.utc)), ("sessions", 3)],
        ["reports", "project"],
        "https://app.example.org/project/x?a=1&b=2",
        {"leg": {"left": 81, "right": None}, "sex": "Male", "other": ["a", "b"]},
        {"sex": TemplateField.parse("sex", {"label": "Sex"})},
    )
    page = Page(html)
    assert page.links == ["https://app.example.org/project/x?a=1&b=2"]
    assert page.cells == [
        *("EHR id", "00123", "updated", "2024-05-06 08:00 UTC", "sessions", "3"),
        *("metadata", "", "leg", "left 81, right –", "Sex", "Male", "other", "a, b"),
    ]
    assert 'title="sex"' in html
    assert page.text.startswith("Subject P-001 open its page")
    assert page.text.endswith(
        'not loaded: reports, project. Read one (.reports), or fetch several at once: .load("reports", "project").'
    )


def test_what_is_not_loaded_names_the_way() -> None:
    assert "Read one (.metadata)." in Page(object_html("Subject", "P", [], ["metadata"])).text
    assert "not loaded" not in Page(object_html("Subject", "P", [("a", 1)])).text


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "/project/x",
        "http://[x",
        " ",
    ],
)
def test_links_lead_to_pages_only(url: str | None) -> None:
    assert Page(object_html("Subject", "P", [], url=url)).links == []


def test_much_metadata_is_below_a_line_that_opens() -> None:
    page = Page(object_html("Session", "S", [], metadata={f"key-{n}": n for n in range(40)}))
    assert "28 more" in page.text
    assert [f"key-{n}" for n in range(40)] == page.cells[2::2]
    assert (
        "more" not in Page(object_html("Session", "S", [], metadata={f"key-{n}": n for n in range(12)})).text
    )


def test_metadata_that_cannot_be_read() -> None:
    assert pairs(object_html("Session", "S", [], metadata="broken[")) == {"metadata": "not readable broken["}
    assert pairs(object_html("Session", "S", [], metadata={})) == {"metadata": "–"}


@given(
    st.text(),
    st.text(),
    st.lists(st.tuples(st.text(), anything), max_size=3),
    st.none() | anything,
    st.text(),
)
def test_any_object_is_closed_and_escaped(kind: str, title: str, rows: Any, metadata: Any, url: str) -> None:
    page = Page(object_html(kind, title, rows, ["metadata"], url, metadata))
    assert printable(title) in page.text
    assert all(link.startswith("http") for link in page.links)
    assert not re.search(r"datetime\.|<\w+ object", page.text.replace(title, ""))


# collections ------------------------------------------------------------------------------------------------------
def test_members() -> None:
    rows = [["P-001", date(2024, 5, 6), NOT_LOADED_CELL], ["P-002", None, 3]]
    page = Page(members_html("subjects", ["name", "date", "sessions"], rows, 12, "newest first"))
    assert page.cells == ["name", "date", "sessions", "P-001", "2024-05-06", "·", "P-002", "–", "3"]
    assert page.text.startswith("12 subjects")
    assert "… and 10 more" in page.text
    assert 'fetch it for all 12 at once with .load("…")' in page.text
    assert page.text.endswith("newest first")
    full = Page(members_html("subjects", ["name"], [["P-001"]], 1)).text
    assert "more" not in full
    assert "not loaded" not in full


def test_a_collection_that_is_not_loaded_says_how() -> None:
    page = Page(members_html("norms", (), (), None))
    assert page.text == "normsnot loaded: len(), a loop, an index or .load() fetches them."
    assert Page(members_html("norms", ["name"], [], 0)).text == "0 norms"


def test_only_the_first_of_many_are_drawn() -> None:
    def rows() -> Iterator[list[int]]:
        number = 0
        while True:
            number += 1
            yield [number]

    page = Page(members_html("clips", ["name"], rows(), 10**6))
    assert len(page.cells) == 101
    assert "… and 999900 more" in page.text


def test_conditions() -> None:
    page = Page(conditions_html({"Barefoot": 3, "": 1}))
    assert page.cells == ["name", "trials", "Barefoot", "3", "(none)", "1"]
    assert Page(conditions_html({"Barefoot": 3})).text.startswith("1 condition")
    assert "not loaded" in Page(conditions_html(None)).text


@given(st.lists(st.lists(anything, max_size=3), max_size=4), st.lists(st.text(), max_size=3), st.text())
def test_any_members_are_closed_and_escaped(rows: list[list[Any]], columns: list[str], note: str) -> None:
    Page(members_html("things", columns, rows, len(rows), note))
    Page(plan_html(note, columns, [["upload", *row] for row in rows], note, [note]))


# templates and plans ----------------------------------------------------------------------------------------------
def test_a_template() -> None:
    data = {
        "template": {
            "sex": {"label": "Sex", "type": "select", "options": ["Male", "Female"]},
            "aids": {"label": "<Aids>", "type": "select", "multiselect": True, "options": ["Cane"]},
        },
        "subjectMetadataTabs": [
            {"name": "Interventions", "template": {"day": {"label": "Day", "type": "date"}}}
        ],
        "sessionMetadataTabs": [
            {"name": "Exam", "template": {"leg": {"label": "Leg", "type": "number", "hasContext": True}}}
        ],
    }
    page = Page(template_html(Template("Gait", data)))
    assert page.cells == [
        *("label", "key", "type", "options", "Sex", "sex", "select", "Male, Female"),
        *("<Aids>", "aids", "select, several", "Cane"),
        *("label", "key", "type", "options", "Day", "day", "date", "–"),
        *("label", "key", "type", "options", "Leg", "leg", "number, left and right", "–"),
    ]
    for text in ("subjects: General (2 fields)", "interventions (1 field)", "sessions: Exam (1 field)"):
        assert text in page.text
    assert "<details open>" in template_html(Template("Gait", data))
    many = {f"key-{n}": {"label": str(n), "type": "text"} for n in range(50)}
    assert "<details open>" not in template_html(Template("Gait", {"template": many}))


def test_a_class_of_a_program_s_own_is_drawn_like_the_one_below_it() -> None:
    class Ours(Template):
        pass

    assert Ours("Gait", {})._repr_html_() == template_html(Template("Gait", {}))


def test_a_template_without_fields() -> None:
    assert "declares no fields" in Page(template_html(Template("Gait", {}))).text
    assert (
        "not readable its data is not JSON"
        in Page(template_html(Template("x", {}, "its data is not JSON"))).text
    )


def test_a_plan() -> None:
    rows = [["upload", "a/b.c3d", "12 MB", ""], ["failed", "c\x1b[31m.c3d", None, "<not UTF-8>"]]
    page = Page(
        plan_html(
            "Upload", ["action", "file", "size", "why"], rows, "1 upload, 1 failed", ["left out: 2 links"]
        )
    )
    assert page.cells[4:] == ["failed", "c.c3d", "–", "<not UTF-8>", "upload", "a/b.c3d", "12 MB", "–"]
    assert page.text.startswith("Upload1 upload, 1 failed")
    assert page.text.endswith("left out: 2 links")
    many = Page(plan_html("Upload", ["action"], [["upload"]] * 150 + [["failed"]]))
    assert many.cells[1] == "failed"
    assert "… and 51 more: to_frame() has all of them" in many.text
    assert Page(plan_html("Upload", ["action"], [])).cells == []


# style ------------------------------------------------------------------------------------------------------------
def test_the_style_reaches_nothing_else() -> None:
    html = object_html("Subject", "P", [])
    style = html[html.index("<style>") + 7 : html.index("</style>")]
    flat = re.sub(r"@(?:media|supports) \([^{]*\)\{(.*?\})\}", r"\1", style.replace("\n", ""))
    selectors = [one for rule in re.findall(r"([^{}]+)\{", flat) for one in rule.split(",")]
    assert len(selectors) > 10
    assert all(re.match(r"(?:div)?\.moveshelf\b", one.strip()) for one in selectors), selectors
    assert "prefers-color-scheme:dark" in style
    assert "--jp-content-font-color1" in style
    assert "url(" not in style


# texts ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "names", "near"),
    [
        ("p-14", ["P-014", "P-14x", "P-140"], ["P-014"]),
        ("P-14", ["P-013", "P-014", "P-015"], ["P-014"]),
        ("p014", ["P-013", "P-014", "P-015"], ["P-014"]),
        ("barefoot ", ["Braced", "Barefoot"], ["Barefoot"]),
        ("Barfoot", ["Braced", "Barefoot"], ["Barefoot"]),
        ("trial 1", ["Trial-1", "Trial-10"], ["Trial-1"]),
        ("subject sex", ["subject-sex", "subject-age"], ["subject-sex"]),
        ("hieght", ["height", "weight"], ["height", "weight"]),
        ("zzz", ["height"], []),
        ("", ["height"], []),
        ("x", [], []),
    ],
)
def test_near_misses(key: str, names: list[str], near: list[str]) -> None:
    assert near_misses(key, names) == near


def test_nothing_of_the_service_acts_on_a_terminal(sandbox: Sandbox) -> None:
    with sandbox.connect() as ms:
        project = ms.projects["lab/practice"]
        object.__setattr__(project, "_name", "lab/\x1b[31mred\x07")
        assert label(project) == "lab/red"
        assert "\x1b" not in repr(project)


def test_objects_of_the_demo(demo: Sandbox) -> None:
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        project.load(
            "template", "datasets", "configuration", "description", "subjects.metadata", "norms.clips"
        )
        project.subjects.load("sessions.clips.files", "sessions.metadata", "reports")
        subject = project.subjects["P-001"]
        session = subject.sessions[0]
        clip = session.clips[0]
        assert clip.project is project
        assert session.conditions.names()
        with ms.no_fetch():
            found = pairs(clip._repr_html_())
            assert found["upload"] == "Complete"
            assert found["created"] == f"{clip.created:%Y-%m-%d %H:%M} UTC"
            assert found["project"] == "lab/demo"
            assert found["files"] == "4"
            assert Page(clip._repr_html_()).text.startswith("Trial Trial-1")
            assert pairs(session._repr_html_())["date"] == "2023-01-20"
            assert "Female" in Page(subject._repr_html_()).cells
            pages = everything_of(ms)
        for html in pages:
            page = Page(html)
            for cell in page.cells:
                assert not re.search(r"^'.*'$|datetime\.|<\w+|\{'|\['", cell), cell


def everything_of(ms: Moveshelf) -> list[str]:
    project = ms.projects["lab/demo"]
    subject = project.subjects[0]
    session = subject.sessions[0]
    clip = session.clips[0]
    shown: list[Any] = [project, subject, session, clip, clip.files[0], project.norms[0], ms.projects]
    shown += [
        project.subjects,
        subject.sessions,
        session.clips,
        clip.files,
        project.norms,
        session.conditions,
    ]
    shown += [ms.subject("UGF0aWVudAAAAAAA"), ms.job("Sm9iAAAAAAAA"), project.sessions]
    return [one._repr_html_() for one in shown]
