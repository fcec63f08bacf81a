"""Labels of subjects, sessions and trials: those of one name are told apart by the day or the id, others stay."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from moveshelf.gait.same_names import labels_apart

FEW = st.sampled_from("ab")


def test_names_that_are_one_persons_stay() -> None:
    known = {"subject_id": ["1", "1", "2"], "condition": ["x", "y", "y"]}
    assert labels_apart("subject", ["A", "A", "B"], known.get) == ["A", "A", "B"]
    assert labels_apart("condition", ["x", "y", "y"], known.get) == ["x", "y", "y"]
    assert labels_apart("subject", ["A", "A", "A"], {}.get) == ["A", "A", "A"], "without ids names are all"


def test_sessions_of_one_name_get_their_day_or_their_id() -> None:
    known = {
        "subject_id": ["1"] * 3,
        "session_id": ["p", "q", "p"],
        "date": ["2020-01-01", "2021-01-01", "2020-01-01"],
    }
    labels = ["Gait"] * 3
    assert labels_apart("session", labels, known.get) == [f"Gait ({day})" for day in known["date"]]
    one_day = {**known, "date": ["2020-01-01"] * 3}
    assert labels_apart("session", labels, one_day.get) == ["Gait (p)", "Gait (q)", "Gait (p)"]
    no_day = {**known, "date": ["NaT", "2021-01-01", "NaT"]}
    assert labels_apart("session", labels, no_day.get) == ["Gait (p)", "Gait (q)", "Gait (p)"]
    two_people = {**known, "subject_id": ["1", "2", "1"]}
    assert labels_apart("session", labels, two_people.get) == labels


def test_trials_of_one_title_in_one_condition() -> None:
    known = {
        "clip": ["c", "d", "e"],
        "session_id": ["s"] * 3,
        "condition": ["Barefoot", "Barefoot", "Braced"],
    }
    labels = ["Trial-1"] * 3
    assert labels_apart("trial", labels, known.get) == ["Trial-1 (c)", "Trial-1 (d)", "Trial-1"]


@given(st.lists(st.tuples(FEW, FEW, FEW), max_size=8))
def test_no_two_subjects_share_a_label(rows: list[tuple[str, str, str]]) -> None:
    names, ids = [name for name, *_ in rows], ["-".join(row) for row in rows]
    labels = labels_apart("subject", names, {"subject_id": ids}.get)
    assert len(set(zip(ids, labels, strict=True))) == len(set(ids)) == len(set(labels))
    assert all(label.startswith(name) for name, label in zip(names, labels, strict=True))
