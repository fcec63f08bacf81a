"""Gait curves: reading, published references, scores and figures.

    import moveshelf
    curves = project.cycles("angles")
    scores = moveshelf.gait.gps(curves, moveshelf.gait.schwartz2008("free"))

This package computes on values that it is handed and sends no request. It needs the extra `gait`
(`pip install 'moveshelf[gait]'`: numpy, pandas, xarray, matplotlib, openpyxl), whose packages are imported when a name of
it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .extra import MissingExtraError, numeric

if TYPE_CHECKING:
    from .channels import CHANNELS, GPS_CHANNELS
    from .figures import plot, plot_map, plot_parameters
    from .norms import schwartz2008
    from .scores import dimensionless, gdi, gdi_basis, gdi_star, gps, gvs, symmetry

_HOME = {
    "CHANNELS": "channels",
    "GPS_CHANNELS": "channels",
    "dimensionless": "scores",
    "gdi": "scores",
    "gdi_basis": "scores",
    "gdi_star": "scores",
    "gps": "scores",
    "gvs": "scores",
    "plot": "figures",
    "plot_map": "figures",
    "plot_parameters": "figures",
    "schwartz2008": "norms",
    "symmetry": "scores",
}
_MODULES = frozenset(
    {"accessor", "c3d", "channels", "check", "cohort", "figures", "norms", "reading", "scores"}
)

__all__ = [
    "CHANNELS",
    "GPS_CHANNELS",
    "MissingExtraError",
    "dimensionless",
    "gdi",
    "gdi_basis",
    "gdi_star",
    "gps",
    "gvs",
    "plot",
    "plot_map",
    "plot_parameters",
    "schwartz2008",
    "symmetry",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return numeric(f".{name}", __name__)
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(numeric(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
