"""Spellings of units: one for each, so that units can be compared. Nothing is converted."""

from __future__ import annotations

_SPELLINGS = {
    "deg": ("deg", "deg.", "degs", "degree", "degrees", "°", "º"),
    "rad": ("rad", "radian", "radians"),
    "N.m/kg": ("N.m/kg", "Nm/kg", "N*m/kg", "N·m/kg", "N m/kg"),
    "N.mm/kg": ("N.mm/kg", "Nmm/kg", "N*mm/kg", "N·mm/kg", "N mm/kg"),
    "W/kg": ("W/kg", "Watt/kg", "Watts/kg"),
    "%": ("%", "percent"),
    "s": ("s", "sec", "second", "seconds"),
    "ms": ("ms", "msec", "millisecond", "milliseconds"),
    "m": ("m", "meter", "meters", "metre", "metres"),
    "cm": ("cm", "centimeter", "centimeters", "centimetre", "centimetres"),
    "mm": ("mm", "millimeter", "millimeters", "millimetre", "millimetres"),
    "m/s": ("m/s", "m s-1"),
    "steps/min": ("steps/min", "step/min", "steps/minute"),
    "strides/min": ("strides/min", "stride/min", "strides/minute"),
}
_BY_SPELLING = {spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings}
# "Deg" is "deg", while "MM" and "Mm" are left alone: only words are read without regard to case
_WORDS = {
    spelling.casefold(): name
    for spelling, name in _BY_SPELLING.items()
    if all(word.isalpha() and len(word) > 2 for word in spelling.rstrip(".").split("/"))
}


def unit_name(text: str) -> str:
    """The one spelling of a unit; a unit that is not in the table stays as it is.

    >>> unit_name("degrees"), unit_name("Nm/kg"), unit_name("Steps/min"), unit_name(" km/h ")
    ('deg', 'N.m/kg', 'steps/min', 'km/h')
    """
    text = text.strip()
    return _BY_SPELLING.get(text) or _WORDS.get(text.casefold(), text)
