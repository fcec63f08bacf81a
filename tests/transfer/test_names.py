"""Hostile names stay inside, and never meet."""

from __future__ import annotations

import os
import pathlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moveshelf.transfer.names import (
    LONGEST,
    RESERVED,
    find_name,
    is_marked,
    local_paths,
    of_one_name,
    original_name,
    safe_name,
    same_on_disk,
    sibling_names,
)

HOSTILE = [
    "../../x", "/etc/x", "C:\\x", "CON", "con.txt", "a/b", "a\0b", "x" * 300, "é" * 200 + ".c3d", "", ".", "..", "...",
    "x.", "x ", " ", "aux .txt", "COM1", "lpt9.csv", "a\nb", "%2F", "%", "\ud800", "NUL.tar.gz", "\\\\host\\share",
    "~", "-rf", ".moveshelf-00.part", "a:b", "a<<<cycle-0>>>.json", "😀" * 100, "x\u2028y", "%00", "a" * 252 + "%/",
]  # fmt: skip
ANY = st.one_of(st.sampled_from(HOSTILE), st.text(alphabet=st.characters(codec=None), max_size=300))


@given(ANY)
def test_a_safe_name_is_one_component_that_stays(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe.encode()) <= LONGEST
    assert not set(safe) & set('<>:"/\\|?*')
    assert min(safe) >= " "
    assert safe not in (".", "..")
    assert safe[-1] not in ". "
    assert not RESERVED.match(safe)
    assert not safe.startswith(".moveshelf-")
    for flavour in (pathlib.PurePosixPath, pathlib.PureWindowsPath):
        path = flavour("to") / safe
        assert path.parent == flavour("to")
        assert path.name == safe


@given(ANY, ANY)
@example("a/b", "a%2Fb")
@example("%", "%25")
@example("", "%")
@example(".", "%2E")
@example("x" * 300, "x" * 301)
def test_different_names_stay_different(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Trial-1.c3d", "Trial-1.c3d"),
        ("100 % sûr (2).json", "100 % sûr (2).json"),
        ("../../x", "..%2F..%2Fx"),
        ("/etc/x", "%2Fetc%2Fx"),
        ("C:\\x", "C%3A%5Cx"),
        ("CON", "%43ON"),
        ("..", "%2E%2E"),
        ("x.", "x%2E"),
        ("a\0b", "a%00b"),
    ],
)
def test_what_becomes_of_them(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_a_long_name_keeps_its_extension() -> None:
    safe = safe_name("x" * 300 + ".c3d")
    assert safe.endswith(".c3d")
    assert len(safe) == LONGEST


def test_the_file_system_takes_them(tmp_path: pathlib.Path) -> None:
    paths = local_paths([(number, name)] for number, name in enumerate(HOSTILE))
    for number, (name,) in enumerate(paths):
        (tmp_path / name).write_text(str(number))
    assert len(os.listdir(tmp_path)) == len(HOSTILE)
    for number, (name,) in enumerate(paths):
        assert (tmp_path / name).read_text() == str(number)


@given(st.lists(st.one_of(ANY, st.sampled_from(["a.c3d", "A.c3d", "Å", "A\u030a", "ﬁ", "fi"])), max_size=12))
def test_siblings_never_meet_and_run_again_the_same(names: list[str]) -> None:
    entries = [[("clip", "Trial-1"), (number, name)] for number, name in enumerate(names)]
    paths = local_paths(entries)
    keys = {same_on_disk(path[-1]) for path in paths}
    assert len(keys) == len(names)
    assert all(path[0] == "Trial-1" and len(path[-1].encode()) <= LONGEST for path in paths)
    assert local_paths(entries) == paths
    # one more at the end moves nobody
    assert local_paths([*entries, [("clip", "Trial-1"), ("new", "a.C3D")]])[:-1] == paths


def test_the_first_keeps_its_name() -> None:
    paths = local_paths([[("1", "a.c3d")], [("2", "A.c3d")], [("3", "a.c3d")], [("1", "a.c3d")]])
    assert paths[0] == paths[3] == ("a.c3d",)
    assert paths[1][0].startswith("A~")
    assert paths[1][0].endswith(".c3d")
    assert paths[2][0].startswith("a~")
    assert paths[2][0].endswith(".c3d")


def test_a_folder_and_a_file_of_one_name_do_not_meet() -> None:
    clip_folder = [("c", "Walk"), ("t1", "Trial"), ("f1", "x.c3d")]
    bare_clip = [("t2", "walk"), ("f2", "x.c3d")]
    one, two = local_paths([clip_folder, bare_clip])
    assert one[0] != two[0]
    assert same_on_disk(one[0]) != same_on_disk(two[0])


# back


@given(ANY)
def test_a_name_comes_back(name: str) -> None:
    local = safe_name(name)
    original = original_name(local)
    assert original in (name, None)
    assert find_name(local, ["another", name]) == name or original is not None
    if len(name.encode("utf-8", "surrogatepass")) < 80:
        assert original == name


@given(
    st.lists(
        st.one_of(ANY, st.sampled_from(["a.c3d", "A.c3d", "a~0123456789.c3d", "a~-0123456789.c3d"])),
        max_size=8,
    )
)
def test_marked_names_come_back(names: list[str]) -> None:
    for (local,), name in zip(local_paths([[(n, name)] for n, name in enumerate(names)]), names, strict=True):
        original = original_name(local)
        assert original in (name, None)
        if original is None:
            assert find_name(local, ["another", name]) == name
            assert find_name(local, ["another"]) is None


@pytest.mark.parametrize(
    ("local", "name"),
    [
        ("Walk 1.c3d", "Walk 1.c3d"),
        ("a%2Fb", "a/b"),
        ("gait%20cycle.csv", "gait%20cycle.csv"),  # a blank is not encoded: it is called so
        ("gait%2520cycle.csv", "gait%20cycle.csv"),
        ("left%3Aright.csv", "left:right.csv"),
        ("d_gen.%25b5", "d_gen.%b5"),
        ("100%.csv", "100%.csv"),
        ("%", ""),
        ("%FF.csv", "%FF.csv"),
        ("same~0123456789.csv", "same.csv"),
        ("same%7E0123456789.csv", "same~0123456789.csv"),
        ("same~abc.csv", "same~abc.csv"),
        ("long~-0123456789.csv", None),
        ("long~-0123456789~9876543210.csv", None),
    ],
)
def test_what_they_stand_for(local: str, name: str | None) -> None:
    assert original_name(local) == name


def test_unicode_forms_are_one_name_when_it_is_looked_for() -> None:
    composed, decomposed = "Müller.csv", "Mu\u0308ller.csv"
    assert find_name(decomposed, [composed]) == composed
    assert find_name(composed, [decomposed]) == decomposed


def test_those_that_are_preferred_keep_their_names() -> None:
    entries = [[("1", "a.c3d")], [("2", "a.c3d")], [("3", "b.c3d")]]
    paths = local_paths(entries, preferred=[False, True, False])
    assert paths[1:] == [("a.c3d",), ("b.c3d",)]
    assert paths[0][0].startswith("a~")


def test_siblings_get_the_mark_that_is_theirs() -> None:
    names = sibling_names([("1", "a.json", "id1"), ("2", "A.json", "id2"), ("3", "a.json", None)])
    assert names[:2] == ["a.json", "A~id2.json"]
    assert names[2].startswith("a~")
    assert names[2] == local_paths([[("1", "a.json")], [("3", "a.json")]])[1][0]
    assert sibling_names([("1", "a", "id1"), ("2", "a", "id2")], [False, True]) == ["a~id1", "a"]
    assert len(set(sibling_names([("1", "a", "x"), ("2", "a~x", "y"), ("3", "a", "x")]))) == 3


def test_those_that_are_kept_apart_are_called_the_same_in_any_order_and_company() -> None:
    one, other, third = (
        (("id-1", "Doe"), ("f", "x.csv")),
        (("id-2", "Doe"), ("f", "x.csv")),
        (("id-3", "Roe"), ("f", "x")),
    )
    apart = of_one_name([path[0] for path in (one, other, third)])
    assert apart == {"id-1", "id-2"}
    first = local_paths([one, other, third], apart=apart)
    assert local_paths([other, third, one], apart=apart) == [first[1], first[2], first[0]]
    folders = [path[0] for path in first]
    assert len(set(folders)) == 3
    assert folders[2] == "Roe"
    assert [is_marked(folder) for folder in folders] == [True, True, False]
    assert [original_name(folder) for folder in folders] == ["Doe", "Doe", "Roe"]
    assert sibling_names([("a", "Doe", "id-1"), ("b", "doe", "id-2")], apart={"a", "b"}) == [
        "Doe~id-1",
        "doe~id-2",
    ]
    assert of_one_name([("a", "Doe"), ("b", "DOE"), ("c", "Roe"), ("c", "Roe")]) == {"a", "b"}
