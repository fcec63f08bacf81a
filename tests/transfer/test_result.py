"""Plans and results as people see them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from moveshelf.errors import ChecksumError, TransferError
from moveshelf.transfer.result import Entry, Plan, Step, TransferResult, size_text


def test_results_tell_what_matters_first() -> None:
    entries = [Entry(f"f{number}", 100, 0.1, "done") for number in range(30)]
    entries.append(Entry("bad", status="failed", error=TransferError("it broke")))
    entries.append(Entry("left", status="skipped", reason="already there"))
    result = TransferResult(entries, "upload of 'x'", 1.5)
    assert (len(result), len(result.done), len(result.failed), len(result.skipped)) == (32, 30, 1, 1)
    assert result.bytes == 3000
    lines = repr(result).splitlines()
    assert lines[0] == "upload of 'x': 30 done, 1 failed, 1 skipped, 3.0 kB in 1.5 s"
    assert "bad" in lines[1]
    assert "it broke" in lines[1]
    assert lines[-1] == "  … and 12 more"
    assert "it broke" in result._repr_html_()
    with pytest.raises(TransferError, match="it broke"):
        result.raise_for_errors()
    pytest.importorskip("pandas")
    frame = result.to_frame()
    assert list(frame.columns) == ["path", "bytes", "seconds", "status", "error", "reason", "local"]
    assert frame.loc[30, "error"] == "it broke"
    TransferResult(entries[:30], "fine").raise_for_errors()


def test_several_errors_are_listed() -> None:
    entries = [Entry(f"f{number}", status="failed", error=ChecksumError(f"e{number}")) for number in range(3)]
    with pytest.raises(TransferError, match=r"3 of 3 files failed(?s:.)*e0(?s:.)*e2"):
        TransferResult(entries, "x").raise_for_errors()


def test_a_plan_is_a_table() -> None:
    plan = Plan([Step("a<b", "upload", 1000), Step("c", "skip", 5, "already there")], "upload")
    assert plan.bytes == 1000
    assert repr(plan).splitlines()[0] == "Plan: upload: 1 upload, 1 skip, 1.0 kB"
    assert "a&lt;b" in plan._repr_html_()
    pytest.importorskip("pandas")
    assert list(plan.to_frame()["action"]) == ["upload", "skip"]


@pytest.mark.parametrize(
    ("size", "text"), [(None, ""), (0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (10**9 * 3, "3.0 GB"), (10**15, "1000.0 TB")]
)  # fmt: skip
def test_sizes_for_people(size: int | None, text: str) -> None:
    assert size_text(size) == text


def test_importing_costs_no_network_library() -> None:
    code = (
        "import sys, moveshelf.transfer.result, moveshelf.transfer.run, moveshelf.transfer.names, moveshelf.transfer.layout\n"
        "print([name for name in ('aiohttp', 'gql', 'pandas', 'tqdm') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
    assert json.loads(result.stdout.replace("'", '"')) == []
