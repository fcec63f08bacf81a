"""`.gait` of an array: registered by reading, and handing over to the modules that draw and check."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from derived_files import PERCENT_51, entry, file, wave

from moveshelf.gait.reading import cycles


def test_reading_and_norms_register_it() -> None:
    for module in ("reading", "norms", "scores"):
        code = (
            f"import warnings; warnings.simplefilter('error'); import moveshelf.gait.{module}, xarray; "
            "print(type(xarray.DataArray([1]).gait).__name__)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
        )
        assert done.stdout.strip() == "GaitAccessor", done.stderr


@pytest.mark.parametrize(("module", "name"), [("figures", "plot"), ("check", "check")])
def test_it_hands_over_the_array_and_all_arguments(
    module: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    curves = cycles([file(entry("LKneeAngles-x", {"cycle-0": wave(51)}, PERCENT_51))])
    calls: list[Any] = []
    stand_in = ModuleType(f"moveshelf.gait.{module}")
    setattr(stand_in, name, lambda *args, **kwargs: calls.append((args, kwargs)) or "drawn")
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
    assert getattr(curves.gait, name)("condition", norm=3) == "drawn"
    (args, kwargs) = calls[0]
    assert args[0].identical(curves)
    assert (args[1:], kwargs) == (("condition",), {"norm": 3})
