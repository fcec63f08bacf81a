"""The cache: one object per id, and what our own writes do to what was read."""

from __future__ import annotations

import gc
import weakref
from functools import partial
from typing import TYPE_CHECKING

from support.racing import overtake

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox


def test_one_object_per_id_is_held_weakly(demo: Sandbox) -> None:
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        subject = project.subjects[0]
        assert ms.subject(subject.id) is subject
        assert subject.sessions[0].subject is subject
        assert subject.sessions[0].project is project
        assert ms.session(subject.sessions[0].id) is subject.sessions[0]
        file = ms.projects["lab/demo"].subjects[1].sessions[0].clips[0].files[0]
        reference = weakref.ref(project)
        gc.disable()
        try:
            del project, subject
            ms._account.refresh()
            assert reference() is None
            assert file.clip.session.subject.project.name == "lab/demo"
        finally:
            gc.enable()


def test_everything_is_freed_without_the_cycle_collector(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=20, sessions=3, clips=3, files=2)
    gc.collect()
    gc.disable()
    try:
        ms = sandbox.connect()
        refs = []
        for subject in ms.projects[name].subjects:
            refs.append(weakref.ref(subject))
            assert subject.metadata is not None
            for session in subject.sessions:
                refs.append(weakref.ref(session))
                assert session.subject is subject
                for clip in session.clips:
                    refs.append(weakref.ref(clip))
                    refs += [weakref.ref(file) for file in clip.files]
        for session in ms.projects[name].sessions:
            assert session.subject.name
        assert all(ref() is not None for ref in refs)
        assert len(refs) == 20 + 60 + 180 + 360
        engine = weakref.ref(ms._engine)
        del subject, session, clip
        ms.close()
        del ms
        assert sum(ref() is not None for ref in refs) == 0
        assert engine() is None
    finally:
        gc.enable()


def test_a_response_older_than_a_write_does_not_replace_its_value(
    shared: Sandbox, ms: Moveshelf, empty_project: Project
) -> None:
    subject = empty_project.create_subject("A")
    session = subject.create_session("s")
    clip = session.create_clip("t", "Barefoot")
    for text in ("one", "two"):
        new = {"description": text}
        ms._engine.cache.unload(subject, type(subject).fields["stored"])
        ms._engine.cache.unload(session, type(session).fields["stored"])
        ms._engine.cache.unload(clip, type(clip).fields["description"])
        of_subject, of_session = {"subject-notes": text}, {"session-clinician": text}
        assert overtake(
            shared,
            partial(subject.update_metadata, of_subject, True),
            SubjectStored=lambda: subject.metadata,
        ) == [of_subject]
        assert overtake(
            shared,
            partial(session.update_metadata, of_session, True),
            SessionStored=lambda: session.metadata,
        ) == [of_session]
        assert overtake(shared, partial(clip.update, **new), ClipDescription=lambda: clip.description) == [
            text
        ]


def test_a_listing_older_than_a_write_does_not_hide_a_new_member(
    shared: Sandbox, ms: Moveshelf, empty_project: Project
) -> None:
    subject = empty_project.create_subject("A")
    session = subject.create_session("s")
    ms._engine.cache.unload(empty_project, type(empty_project).fields["subjects"])

    def another(n: int) -> None:
        ms.execute(
            "mutation($p: String!, $n: String!) { createPatient(projectId: $p, name: $n) { patient { id } } }",
            {"p": empty_project.id, "n": f"B{n}"},
        )
        ms._engine.cache.invalidate((empty_project.id, "subjects"))

    assert overtake(shared, lambda: another(1), ProjectSubjects=empty_project.subjects.names) == [["A", "B1"]]
    ms._engine.cache.unload(session, type(session).fields["clips"])
    made = session.create_clip("t", "Barefoot")
    ms._engine.cache.unload(session, type(session).fields["clips"])
    paths = overtake(
        shared, lambda: session.rename("renamed"), SessionClips=lambda: [one.path for one in session.clips]
    )
    assert paths == [["/A/renamed/Barefoot/"]]
    assert made.path == "/A/renamed/Barefoot/"


def test_a_listing_of_a_project_older_than_a_write(
    shared: Sandbox, ms: Moveshelf, empty_project: Project
) -> None:
    session = empty_project.create_subject("A").create_session("s")
    first = session.create_clip("first", "Barefoot")
    titles = overtake(
        shared,
        lambda: session.create_clip("second", "Barefoot"),
        ProjectClips=lambda: empty_project.clips.names(),
    )
    assert titles == [["first", "second"]]
    ms._engine.cache.unload(empty_project, type(empty_project).fields["clips"])
    assert overtake(shared, first.delete, ProjectClips=lambda: empty_project.clips.names()) == [["second"]]
