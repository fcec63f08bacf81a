"""`.gait` of an xarray DataArray of cycles: figures and checks by the methods of the array itself."""

from __future__ import annotations

from typing import Any

import xarray as xr

from .extra import numeric


@xr.register_dataarray_accessor("gait")  # type: ignore[no-untyped-call,unused-ignore]
class GaitAccessor:
    """What `curves.gait` offers for an array of cycles (dims stride, channel, percent).

    Drawing and checking live in modules of their own, which are imported when first used: reading curves does not need
    matplotlib.
    """

    def __init__(self, curves: xr.DataArray) -> None:
        self._curves = curves

    def plot(self, *args: Any, **kwargs: Any) -> Any:
        """Draw the curves: the same as `moveshelf.gait.plot(curves, …)`, whose arguments it takes. Sends no request.

        >>> curves.gait.plot(by="condition", norm=moveshelf.gait.schwartz2008("free"))  # doctest: +SKIP
        """
        return numeric(".figures", __package__).plot(self._curves, *args, **kwargs)

    def check(self, *args: Any, **kwargs: Any) -> Any:
        """Strides that look wrong: the same as `moveshelf.gait.check.check(curves, …)`. Sends no request.

        >>> curves.gait.check()  # doctest: +SKIP
        """
        return numeric(".check", __package__).check(self._curves, *args, **kwargs)
