"""Curves, series, parameters and events of trials, read from the service: what comes back, for whom, at what cost."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr

import moveshelf
from moveshelf import BudgetError, ValidationError
from moveshelf.gait.content import GaitFileWarning

if TYPE_CHECKING:
    from moveshelf import Clip, Moveshelf, Project
    from moveshelf.sandbox import Sandbox


@pytest.fixture
def own(sandbox: Sandbox) -> Iterator[tuple[Sandbox, Moveshelf]]:
    """A sandbox of this test alone, and a client of it."""
    with sandbox.connect() as client:
        yield sandbox, client


def put(clip: Clip, folder: Path, name: str, content: object) -> None:
    """Upload a file with that content to a trial."""
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    clip.upload(path, existing="replace-different", progress=False)
    path.unlink()


def knee(*values: float) -> dict[str, Any]:
    """A cycle file of left knee flexion with these values, evenly spaced."""
    step = 100 / (len(values) - 1)
    rows = [{"perc": n * step, "cycle-0": value} for n, value in enumerate(values)]
    return {"data": [{"label": "LKneeAngles-x", "context": "Left", "values": rows}]}


def by_hand(clip: Clip, name: str = "angles_normalized.json") -> dict[tuple[str, str], list[float]]:
    """Knee flexion of a trial's file in Vicon's labels, by side and cycle: without anything of the library's."""
    found = {}
    for item in clip.files[name].json()["data"]:
        if item["label"] in ("LKneeAngles-x", "RKneeAngles-x"):
            for cycle in item["cycles"]:
                side = "left" if item["label"][0] == "L" else "right"
                found[side, cycle] = [row[cycle] for row in item["values"]]
    return found


def test_curves_are_those_of_the_files(project: Project) -> None:
    subject = project.subjects["P-001"]
    curves = subject.cycles("angles", points=51)
    assert curves.dims == ("stride", "channel", "percent")
    assert curves.dtype == np.float64
    assert curves["percent"].values.tolist() == list(range(0, 101, 2))
    assert curves["unit"].sel(channel="knee_flexion").item() == "deg"
    assert curves.attrs["problems"] == []
    count = 0
    for session in subject.sessions:
        for clip in session.clips:
            for (side, cycle), values in by_hand(clip).items():
                mine = (curves["clip"] == clip.id) & (curves["side"] == side) & (curves["cycle"] == cycle)
                (stride,) = np.flatnonzero(mine.values)
                one = curves.isel(stride=stride)
                assert one.sel(channel="knee_flexion").values.tolist() == values
                assert one["subject"].item() == "P-001"
                assert one["session"].item() == session.name
                assert one["session_id"].item() == session.id
                assert one["subject_id"].item() == subject.id
                assert one["date"].values == np.datetime64(str(session.date))
                assert one["trial"].item() == clip.title
                assert clip.condition is not None
                assert one["condition"].item() == clip.condition.name
                count += 1
    assert count == curves.sizes["stride"] == 108


def test_every_object_with_trials_has_them(project: Project) -> None:
    subject = project.subjects["P-002"]
    session = subject.sessions[0]
    condition = session.conditions["Barefoot"]
    clip = condition.clips[0]
    expected = clip.cycles()
    assert expected.sizes["stride"] == 6
    for owner, trials in (
        (clip.files, 1),
        (condition.clips[:1], 1),
        (condition, 3),
        (condition.clips, 3),
        (session.conditions, 6),
        (session, 6),
        (session.clips, 6),
        (subject.sessions, 12),
        (subject, 12),
        (project.subjects[1:2], 12),
    ):
        curves = owner.cycles()
        assert curves.sizes["stride"] == 6 * trials, owner
        xr.testing.assert_identical(
            curves.isel(stride=curves["clip"] == clip.id).drop_attrs(), expected.drop_attrs()
        )
        assert len(set(owner.parameters()["clip"])) == trials
        assert len(set(owner.events()["clip"])) == trials


def test_trials_without_a_session_are_not_mixed_with_patients(project: Project) -> None:
    curves = project.cycles(channels="knee_flexion")
    assert "Norms" not in curves["subject"].values
    assert set(curves["session_id"].values) == set(project.sessions.ids())
    assert [text for text in curves.attrs["problems"] if "in no session" in text] == [
        "3 trials in no session left out: Norms/Slow/Norm slow, Norms/Free/Norm free, Norms/Fast/Norm fast"
    ]
    assert "Norms" in project.clips.cycles(channels="knee_flexion")["subject"].values


def test_a_norm_has_curves_and_is_a_reference(project: Project) -> None:
    norm = project.norms["Own laboratory"].cycles()
    assert set(norm["clip"].values) == set(project.norms["Own laboratory"].clips.ids())
    scores = moveshelf.gait.gps(project.subjects["P-003"].cycles(), norm)
    assert np.isfinite(scores).all()
    assert (scores > 0).all()
    published = project.norms["Typically developing, free"].cycles(points=51)
    table = moveshelf.gait.schwartz2008("free")["mean"].sel(channel=published["channel"])
    np.testing.assert_allclose(published.isel(stride=0), table, atol=5e-3)


def test_many_trials(own: tuple[Sandbox, Moveshelf]) -> None:
    """More than a batch of any kind: of objects, of URLs, of contents under way."""
    sandbox, ms = own
    project = ms.projects[sandbox.generate(subjects=12, sessions=2, clips=10, files=1)]
    sandbox.requests.clear()
    curves = project.cycles("angles", "knee_flexion")
    assert len(set(curves["clip"].values)) == 240
    assert curves.sizes["stride"] == 6 * 240
    assert len(sandbox.requests.of("GET")) == 240
    assert len(sandbox.requests) <= 240 + 12


def test_few_requests_wherever_one_begins(demo: Sandbox) -> None:
    with demo.connect() as first:
        clips = first.projects["lab/demo"].clips[3:60].ids()
    with demo.connect() as ms:
        ms.projects.load()
        before = ms.stats.requests
        ms.projects["lab/demo"].clips[3:60].cycles(channels="knee_flexion")
        assert ms.stats.requests - before <= 8
    with demo.connect() as ms:
        curves = ms.clip(clips[0]).cycles(channels="knee_flexion")
        assert curves["subject"].values[0] == "P-001"
        assert ms.stats.requests <= 8


def test_subjects_of_one_name_stay_apart(own: tuple[Sandbox, Moveshelf], tmp_path: Path) -> None:
    sandbox, ms = own
    project = ms.project(sandbox.add_project("lab/twins"))
    clips = []
    for number in range(2):
        made = ms.execute(
            'mutation($p: String!) { createPatient(projectId: $p, name: "Twin") { patient { id } } }',
            {"p": project.id},
        )
        subject = ms.subject(made["createPatient"]["patient"]["id"])
        clip = subject.create_session("2024-01-02").create_clip("Walk", "Barefoot")
        put(clip, tmp_path, "angles_normalized.json", knee(number, number))
        clips.append((subject.id, clip.session.id, clip.id))
    project.refresh()
    with sandbox.connect() as fresh:
        for curves in (
            fresh.project(project.id).cycles(points=2),
            fresh.project(project.id).clips.cycles(points=2),
        ):
            names = ("subject_id", "session_id", "clip")
            told = {
                tuple(row[name].item() for name in names): float(row[0, 0])
                for row in (curves.isel(stride=n) for n in range(curves.sizes["stride"]))
            }
            assert told == {clips[0]: 0.0, clips[1]: 1.0}


def test_what_cannot_be_read_is_said_and_no_number(own: tuple[Sandbox, Moveshelf], tmp_path: Path) -> None:
    sandbox, ms = own
    project = ms.projects[sandbox.generate(subjects=1, sessions=1, clips=4, files=1)]
    first, second, third, fourth = project.sessions[0].clips
    put(first, tmp_path, "angles_normalized.json", "<html>")
    second.files[0].delete()
    third._create_file({"dataType": "data", "crc32c": "AAAAAA==", "filename": "late.angles.json"})
    third.refresh()
    project.refresh()
    with pytest.warns(GaitFileWarning) as caught:
        curves = project.cycles()
    problems = "\n".join(curves.attrs["problems"])
    assert set(curves["clip"].values) == {third.id, fourth.id}
    assert "Trial-1: angles_normalized.json: not read: it is not JSON" in problems
    assert "late.angles.json: not read: its upload is not complete" in problems
    assert all(one.filename == __file__ for one in caught)
    assert len(caught) == 2


def test_trials_without_such_a_file_are_named(own: tuple[Sandbox, Moveshelf], tmp_path: Path) -> None:
    sandbox, ms = own
    session = ms.projects[sandbox.generate(subjects=1, sessions=1, clips=2, files=1)].sessions[0]
    put(session.clips[0], tmp_path, "moments_normalized.json", knee(1, 2))
    curves = session.refresh().cycles("moments")
    assert set(curves["clip"].values) == {session.clips[0].id}
    (problem,) = [text for text in curves.attrs["problems"] if "have no file" in text]
    assert problem.startswith("1 of 2 trials have no file of cycles of 'moments': ")
    with pytest.warns(
        GaitFileWarning, match="no trial has a file of cycles of 'powrs'; there are files of .*moments"
    ):
        assert session.cycles("powrs").sizes["stride"] == 0
    with pytest.warns(GaitFileWarning, match="there are no trials with files"):
        assert session.subject.create_session("2031-01-01").cycles().sizes["stride"] == 0


def test_a_file_that_the_store_lost_is_said(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    clip = ms.projects[sandbox.generate(subjects=1, sessions=1, clips=1, files=1)].clips[0]
    sandbox.fail("GET", corrupt=True, rate=1.0)
    with pytest.warns(GaitFileWarning, match=r"angles_normalized\.json: not read: "):
        curves = clip.cycles()
    assert curves.sizes["stride"] == 0
    assert len(curves.attrs["problems"]) == 1


def test_no_connection_is_an_error_not_an_empty_array(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    session = ms.projects[sandbox.generate(subjects=1, sessions=1, clips=2, files=1)].sessions[0]
    session.load("clips.files", "clips.original_name", "subject")
    with ms.no_fetch(), pytest.raises(BudgetError):
        session.cycles()


def test_arguments_are_checked_before_any_request(reader: Moveshelf) -> None:
    session = reader.session("U2Vzc2lvbrVV6FTMUc")
    with reader.no_fetch():
        for call in (
            lambda: session.cycles(points=1),
            lambda: session.cycles(""),
            lambda: session.series(3),  # type: ignore[arg-type]
        ):
            with pytest.raises(ValidationError):
                call()


def test_series(project: Project) -> None:
    session = project.subjects["P-001"].sessions[0]
    every = session.series("angles")
    assert list(every) == session.clips.ids()
    clip = session.clips[0]
    one = clip.series("angles")
    xr.testing.assert_identical(one, every[clip.id])
    rows = next(item for item in clip.files["angles.json"].json()["data"] if item["label"] == "LKneeAngles-x")
    key = next(name for name in rows["values"][0] if name != "time")
    left = one["knee_flexion"].sel(side="left").dropna("time")
    assert left["time"].values.tolist() == [row["time"] for row in rows["values"]]
    assert left.values.tolist() == [row[key] for row in rows["values"]]
    assert one["session_id"].item() == session.id


def test_parameters_and_events(project: Project) -> None:
    clip = project.subjects["P-001"].sessions[0].clips[0]
    table = clip.parameters()
    raw = clip.files["gait_params.json"].json()["data"]
    assert table[table["label"] != "from events"]["mean"].tolist() == [one["values"]["mean"] for one in raw]
    assert set(table["session_id"]) == {clip.session.id}
    from_events = table[table["label"] == "from events"]
    assert {"Single Support", "Double Support"} <= set(from_events["name"])
    assert from_events["subject_id"].tolist() == [clip.session.subject.id] * len(from_events)
    events = clip.events()
    assert events["time"].tolist() == [one["time"] for one in clip.files["event.json"].json()["events"]]


def test_c3d_of_a_file(project: Project) -> None:
    file, content = next(project.subjects["P-002"].read("*.c3d"))
    record = file.c3d()
    assert record.name == file.name
    assert record.points.shape[1:] == (10, 3)
    assert record.points.shape == moveshelf.gait.c3d.parse(content).points.shape
    with pytest.raises(ValidationError, match=r"event\.json"):
        project.subjects["P-002"].sessions[0].clips[0].files["event.json"].c3d()


def test_parameters_need_no_events(own: tuple[Sandbox, Moveshelf], tmp_path: Path) -> None:
    sandbox, ms = own
    clip = ms.projects[sandbox.generate(subjects=1, sessions=1, clips=1, files=1)].clips[0]
    put(
        clip,
        tmp_path,
        "gait_params.json",
        {"data": [{"label": "Speed", "unit": "m/s", "values": {"mean": 1.2}}]},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = clip.refresh().parameters()
    assert table[["name", "mean", "unit"]].values.tolist() == [["Speed", 1.2, "m/s"]]
    assert "no trial has a file of gait events" in table.attrs["problems"]
    with pytest.warns(GaitFileWarning, match="no trial has a file of gait events"):
        assert len(clip.events()) == 0
