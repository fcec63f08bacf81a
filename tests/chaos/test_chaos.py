"""A short campaign with a fixed seed; `run.py` does long ones."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import mutate
import pytest
import run
from proxy import KINDS, draw

HERE = Path(__file__).resolve().parent
COUNTS = {"walk": 60, "tree": 6, "mutated": 150, "write": 40, "bulk": 8, "together": 11}

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="its processes are forked")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    file = tmp_path_factory.mktemp("chaos") / "results.json"
    options = ["--trials", COUNTS["walk"], "--trees", COUNTS["tree"], "--mutations", COUNTS["mutated"]]
    options += [
        "--writes",
        COUNTS["write"],
        "--bulk",
        COUNTS["bulk"],
        "--together",
        COUNTS["together"],
        "--seed",
        1,
        "--json",
        file,
    ]
    command = [sys.executable, str(HERE / "run.py"), *map(str, options)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert file.exists(), f"the campaign has failed:\n{ended.stdout}\n{ended.stderr}"
    print(ended.stdout)
    found: list[dict[str, Any]] = json.loads(file.read_text())
    return found


@pytest.mark.parametrize("kind", COUNTS)
def test_nothing_is_wrong_hangs_or_leaks(results: list[dict[str, Any]], kind: str) -> None:
    own = [result for result in results if result["kind"] == kind]
    assert len(own) == COUNTS[kind]
    problems = run.report(own, seed=1)
    assert not problems, f"\n{run.table(own)}\n{problems}"


def test_the_campaign_has_disturbed_something(results: list[dict[str, Any]]) -> None:
    """A proxy that lets everything pass would find nothing."""
    faults = Counter(result["kind"] for result in results if result["faults"])
    assert faults["walk"] > COUNTS["walk"] / 2
    assert faults["write"] > COUNTS["write"] / 2
    assert sum(bool(result["mutations"]) for result in results) > COUNTS["mutated"] / 2
    deaths = [note for result in results for note in result["notes"] if "died of 9" in note]
    assert len(deaths) > COUNTS["tree"] / 2  # a run may end before its death is due
    kinds = {fault.split()[0] for result in results for fault in result["faults"]}
    assert len(kinds) > 15, sorted(kinds)


def test_a_seed_means_one_plan() -> None:
    for aim in KINDS:
        plans = [[draw(random.Random(7), aim, nth) for nth in range(1, 50)] for _ in range(2)]
        assert plans[0] == plans[1]


def test_a_seed_means_one_mutation() -> None:
    body = json.dumps(
        {"data": {"n0": {"id": "a", "subjects": [{"id": "b", "name": "B"}]}, "n1": {"id": "c"}}}
    ).encode()
    seen = set()
    for seed in range(200):
        first, again = (mutate.mutated(body, random.Random(seed)) for _ in range(2))
        assert first == again
        assert first[1], "nothing was changed"
        seen.update(what.split()[1] for what in first[1])
    assert seen == {kind.__name__ for kind in (*mutate.BROKEN, *mutate.PLAUSIBLE)}


def test_the_detectors_detect(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    only = [word for number in range(13) for word in ("--only", f"detector:{number}")]
    ended = subprocess.run(
        [sys.executable, str(HERE / "run.py"), *only, "--json", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    found = {one["number"]: one for one in json.loads(file.read_text())}
    leaks = dict.fromkeys((*range(2, 9), 12), "leak")
    wanted = {0: "wrong", 1: "wrong", **leaks, 9: "hang", 10: "right", 11: "clean error"}
    assert {number: one["outcome"] for number, one in found.items()} == wanted
    assert "in detector" in found[9]["details"][0], "the stacks of the hanging process"
