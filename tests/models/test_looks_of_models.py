"""What every object shows of itself: text, HTML, trees, completion. Never a request, never a secret."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from moveshelf.display import tree

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox


class Balanced(HTMLParser):
    """HTML whose tags are all closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert tag not in ("script", "img", "b-tag")
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def html_of(obj: Any) -> str:
    parser = Balanced()
    parser.feed(obj._repr_html_())
    parser.close()
    assert parser.open == []
    return parser.text


def everything(ms: Moveshelf, project: Project) -> list[Any]:
    subject = project.subjects[0]
    session = subject.sessions[0]
    clip = session.clips[0]
    return [
        project,
        subject,
        session,
        clip,
        clip.files[0],
        project.norms[0],
        subject.sessions[2].reports[0],
        project.subjects,
        subject.sessions,
        session.clips,
        clip.files,
        project.norms,
        project.sessions,
        session.conditions,
        ms.projects,
        project.subjects[:2],
        project.find_subjects({"subject-sex": "nobody"}),
    ]


def test_looks(reader: Moveshelf, project: Project) -> None:
    things = everything(reader, project)
    for load in (False, True):
        if load:
            project.load(
                "template", "datasets", "configuration", "description", "subjects.metadata", "norms.clips"
            )
            project.subjects.load("sessions.clips.files", "sessions.metadata", "reports")
        with reader.no_fetch():
            for thing in things:
                text = repr(thing)
                assert "\n" not in text
                assert len(text) < 400
                assert html_of(thing)
                assert tree(thing)
                for secret in (reader._config.secret.reveal(), "downloadUri", "Signature", "storage"):
                    assert secret not in text
                    assert secret not in thing._repr_html_()
            assert "metadata" in html_of(things[1])
            assert "stored" not in html_of(things[1])


def test_text_of_each_kind(reader: Moveshelf, project: Project) -> None:
    subject = project.subjects["P-001"]
    session = subject.sessions[0]
    clip = session.clips[0]
    len(clip.files)
    with reader.no_fetch():
        assert repr(project) == f"<Project 'lab/demo' id='{project.id}' subjects=12>"
        assert repr(subject) == f"<Subject 'P-001' id='{subject.id}' sessions=3>"
        assert repr(session) == f"<Session '2023-01-20 pre-op' id='{session.id}' clips=6>"
        assert repr(clip) == f"<Clip 'Trial-1' id='{clip.id}' files=4>"
        assert repr(clip.files["event.json"]).startswith("<DataFile 'event.json' id=")
        assert repr(subject.sessions) == (
            "<3 sessions: '2023-01-20 pre-op', '2023-07-22 post-op', '2024-02-23 follow-up'>"
        )
        assert repr(project.subjects).endswith("'P-010', ...>")
        assert "not loaded" in repr(session.reports)
        assert "(not loaded)" in repr(reader.subject("unknown-1"))
        assert "angles.json" in tree(project, 6)
        assert tree(project, 1).count("\n") == 12


def test_names_from_the_service_are_escaped(shared: Sandbox, ms: Moveshelf) -> None:
    project = ms.projects["lab/practice"]
    subject = project.create_subject("<b-tag>&\"'")
    subject.update_metadata({"subject-notes": "<script>alert(1)<\\script>"}, validate=False)
    with ms.no_fetch():
        for thing in (subject, project.subjects):
            assert "<b-tag>&\"'" in html_of(thing).replace("\\'", "'")
