from __future__ import annotations

import pytest

from moveshelf.gait.units import unit_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("deg", "deg"), ("Degrees", "deg"), ("°", "deg"), (" rad ", "rad"), ("Nm/kg", "N.m/kg"), ("N·m/kg", "N.m/kg"),
        ("Nmm/kg", "N.mm/kg"), ("mm", "mm"), ("MM", "MM"), ("S", "S"), ("sec", "s"), ("km/h", "km/h"), ("", ""),
        ("Steps/min", "steps/min"), ("step/min", "steps/min"), ("Meters", "m"), ("M", "M"), ("deg.", "deg"), ("percent", "%"),
        ("1", "1"),
    ],
)  # fmt: skip
def test_one_spelling_a_unit(text: str, name: str) -> None:
    assert unit_name(text) == name


def test_milli_and_mega_are_not_one() -> None:
    assert unit_name("N.mm/kg") != unit_name("N.m/kg")
    assert unit_name("mW/kg") != unit_name("MW/kg")
