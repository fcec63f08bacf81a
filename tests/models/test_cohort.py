"""Cohorts of a project: who is chosen, by what conditions and filters, at what cost, and what comes of the curves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openpyxl
import pytest

import moveshelf
from moveshelf import Subject, ValidationError
from moveshelf.gait.cohort import Procedure

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox

HAMSTRINGS = "Hamstrings/Lengthening"


@pytest.fixture(scope="module")
def client(demo: Sandbox) -> Iterator[Moveshelf]:
    with demo.connect() as ms:
        yield ms


@pytest.fixture
def study(client: Moveshelf) -> Project:
    return client.projects["lab/study"]


def by_hand(study: Project) -> dict[str, tuple[str, str]]:
    """Subjects with lengthened hamstrings, their last session before and first one 9 to 36 months after: a plain loop."""
    found = {}
    for subject in study.subjects:
        for one in subject.interventions:
            if any(p["location"] == "Hamstrings" for p in one["procedures"]):
                day = np.datetime64(one["date"])
                apart = [
                    (session, (np.datetime64(session.date) - day).astype(int)) for session in subject.sessions
                ]
                before = [session for session, days in apart if -730 < days <= 0]
                after = [session for session, days in apart if 275 < days < 1095]
                if before and after:
                    found[subject.name] = (before[-1].id, after[0].id)
    return found


def test_pairs_of_a_study(study: Project) -> None:
    cohort = study.cohort(procedure=HAMSTRINGS)
    chosen = {pair.subject.name: (pair.pre.id, pair.post.id) for pair in cohort}
    expected = by_hand(study)
    assert len(chosen) == len(cohort) > 10
    assert chosen == expected
    assert set(cohort.sessions.ids()) == {one for pair in expected.values() for one in pair}
    mentioned = {one.subject for one in cohort.left_out} | set(chosen)
    assert mentioned == set(study.subjects.names()), "nobody is left out without a word"
    assert all(one.why for one in cohort.left_out)
    assert cohort.to_frame()["why"].str.len().min() > 20


@pytest.mark.parametrize(
    "options",
    [{}, {"procedure": HAMSTRINGS, "condition": "Barefoot", "session_where": {"session-type": "Gait"}}],
)
def test_it_takes_few_requests(demo: Sandbox, options: dict[str, object]) -> None:
    with demo.connect() as ms:
        cohort = ms.projects["lab/study"].cohort(**options)  # type: ignore[arg-type]
        assert len(cohort.to_frame()) > 10
        assert ms.stats.requests <= 12


def test_a_filter_that_the_template_does_not_know_is_refused_before_the_listing_or_sent_with_check_false(
    demo: Sandbox,
) -> None:
    with demo.connect() as ms:
        study = ms.projects["lab/study"]
        before = ms.stats.requests
        with pytest.raises(
            ValidationError, match=r"^session_where: sessions have no field 'session-kind'.*check=False"
        ):
            study.cohort(procedure=HAMSTRINGS, session_where={"session-kind": "Gait"})
        assert ms.stats.requests == before + 1, "the template"
        with pytest.raises(ValidationError, match=r"^where: subjects have no field 'sex'"):
            study.cohort({"sex": "Male"}, HAMSTRINGS)
        nobody = study.cohort(procedure=HAMSTRINGS, session_where={"session-kind": "Gait"}, check=False)
        assert not len(nobody)
        assert "it does not fit session_where" in {one.why for one in nobody.left_out}


def test_the_service_filters_subjects_and_sessions(study: Project) -> None:
    boys = study.cohort({"subject-sex": "Male"}, HAMSTRINGS)
    names = {subject.name for subject in study.subjects if subject.metadata["subject-sex"] == "Male"}
    assert {pair.subject.name for pair in boys} == names & set(by_hand(study))
    none = study.cohort(procedure=HAMSTRINGS, session_where={"session-type": "Running"})
    assert len(none) == 0
    assert {one.why for one in none.left_out if one.what == "session"} == {"it does not fit session_where"}


def test_a_callable_chooses_procedures(study: Project) -> None:
    def right_only(one: Procedure) -> bool:
        return one.location == "Hamstrings" and one.sides == ("right",)

    cohort = study.cohort(procedure=right_only)
    assert {pair.sides for pair in cohort} == {("right",)}


def test_only_sessions_with_the_condition_are_chosen(study: Project) -> None:
    cohort = study.cohort(procedure=HAMSTRINGS, condition="Barefoot")
    assert len(cohort) == len(study.cohort(procedure=HAMSTRINGS))
    assert set(cohort.cycles(channels="knee_flexion")["condition"].values) == {"Barefoot"}

    braced = study.cohort(procedure=HAMSTRINGS, condition="Braced")
    assert len(braced) < len(cohort)
    assert "it has no trial in condition 'Braced'" in {one.why for one in braced.left_out}


@pytest.mark.parametrize("condition", ["barefoot", ["Barefoot", "Barefot"], "Swimming"])
def test_a_condition_that_no_session_has_is_a_typing_error(study: Project, condition: Any) -> None:
    with pytest.raises(
        ValidationError, match=r"no session of these subjects has a condition '.*'; .*'Barefoot'"
    ):
        study.cohort(procedure=HAMSTRINGS, condition=condition)


def test_curves_and_parameters_know_their_phase(study: Project) -> None:
    cohort = study.cohort(procedure=HAMSTRINGS, condition="Barefoot")
    curves = cohort.cycles("angles", ["knee_flexion"])
    pre = {pair.pre.id for pair in cohort}
    assert set(curves["session_id"].values) == set(cohort.sessions.ids())
    assert ((curves["phase"] == "pre") == np.isin(curves["session_id"], list(pre))).all()
    sides = {pair.subject.name: pair.sides for pair in cohort}
    assert all(
        operated == (side in sides[subject])
        for operated, side, subject in zip(
            curves["operated"].values, curves["side"].values, curves["subject"].values, strict=True
        )
    )
    # lengthened hamstrings straighten the knee at mid-stance: the data are made so
    mid = curves.isel(stride=curves["operated"].values).sel(channel="knee_flexion", percent=40)
    assert float(mid[mid["phase"] == "pre"].mean() - mid[mid["phase"] == "post"].mean()) > 8
    table = cohort.parameters()
    assert set(table["phase"]) == {"pre", "post"}
    assert set(table["session_id"]) == set(cohort.sessions.ids())
    assert table.attrs["problems"] == []


def test_figure_and_workbook(study: Project, tmp_path: Path) -> None:
    cohort = study.cohort({"subject-sex": "Male"}, HAMSTRINGS, condition="Barefoot")
    figure = cohort.plot("knee_flexion", norm=moveshelf.gait.schwartz2008("free"))
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert any(text.startswith("Before, left (n = ") for text in legend)
    assert any(text.startswith("After, right (n = ") for text in legend)
    counted = cohort.cycles(channels="knee_flexion")
    operated = counted.isel(stride=counted["operated"].values)
    left = ((operated["side"] == "left") & (operated["phase"] == "pre")).sum().item()
    assert f"Before, left (n = {left})" in legend, "sides that were not operated on are not drawn"
    path = tmp_path / "cohort.xlsx"
    cohort.to_excel(path)
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Curves", "Parameters"]
    assert book["Curves"].max_row > 11 * len(cohort)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"before": (24, 0)}, "before is two whole numbers"),
        ({"after": 9}, "after is two whole numbers"),
        ({"procedure": ""}, "procedure is empty"),
        ({"procedure": 3}, "procedure is a text"),
        ({"condition": ""}, "condition is a condition's name"),
        ({"condition": []}, "names no condition"),
        ({"between": "ignore"}, "between is"),
    ],
)
def test_arguments_are_checked_before_any_request(
    client: Moveshelf, options: dict[str, object], text: str
) -> None:
    project = client.project("UHJvamVjdABCDEF")
    with client.no_fetch(), pytest.raises(ValidationError, match=text):
        project.cohort(**options)  # type: ignore[arg-type]


def test_a_procedure_that_nobody_had_names_close_ones(study: Project) -> None:
    with pytest.raises(ValidationError, match="Hamstrings/Lengthening"):
        study.cohort(procedure="Hamstring/Lengthening")


def test_procedures_spelled_nearly_alike_are_warned_of(
    study: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = Subject.interventions.fget
    assert stored is not None
    first = study.subjects["C-001"].id

    def interventions(self: Subject) -> list[dict[str, Any]]:
        text = json.dumps(stored(self))
        return json.loads(text.replace("Hamstrings", "Hamstring") if self.id == first else text)  # type: ignore[no-any-return]

    monkeypatch.setattr(Subject, "interventions", property(interventions))
    with pytest.warns(UserWarning, match="spelled nearly like") as caught:
        study.cohort(procedure=HAMSTRINGS)
    assert [one.filename for one in caught] == [__file__]


def test_a_subject_whose_metadata_is_no_object_is_left_out(
    study: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = study.subjects["C-001"].id

    def interventions(self: Subject) -> list[dict[str, Any]]:
        if self.id == broken:
            raise ValidationError("what is stored is no object")  # the sandbox refuses to store such metadata
        return stored(self)

    stored = Subject.interventions.fget
    assert stored is not None
    monkeypatch.setattr(Subject, "interventions", property(interventions))
    cohort = study.cohort()
    assert "C-001" not in {pair.subject.name for pair in cohort}
    (left,) = [one for one in cohort.left_out if one.subject == "C-001"]
    assert left.why == "its metadata cannot be read: what is stored is no object"


def test_keys_are_checked_unless_told_otherwise(project: moveshelf.Project) -> None:
    with pytest.raises(ValidationError, match="did you mean 'subject-sex'"):
        project.cohort({"sex": "Male"})
    assert len(project.cohort({"sex": "Male"}, check=False)) == 0
