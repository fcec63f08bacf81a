"""DataFrames. pandas is imported when a frame is made, and comes with the extra `pandas`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .extra import pandas_module

if TYPE_CHECKING:
    import pandas as pd


def frame(rows: Iterable[Mapping[str, Any]], columns: list[str] | None = None) -> pd.DataFrame:
    """The rows as a DataFrame, as they are; `columns` their order. Sends no request.

    Raises ConfigError, which says how to install it, without pandas.
    """
    made: pd.DataFrame = pandas_module().DataFrame(list(rows), columns=columns)
    return made
