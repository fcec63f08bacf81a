"""DataFrames. pandas is imported when a frame is made, and comes with the extra `pandas`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..lazy.fields import BASIC, Many, Scalar
from ..lazy.state import NOT_LOADED, peek
from .extra import pandas_module
from .typed import table

if TYPE_CHECKING:
    import pandas as pd


def frame(rows: Iterable[Mapping[str, Any]], columns: list[str] | None = None) -> pd.DataFrame:
    """The rows as a DataFrame, as they are; `columns` their order. Sends no request.

    Raises ConfigError, which says how to install it, without pandas.
    """
    made: pd.DataFrame = pandas_module().DataFrame(list(rows), columns=columns)
    return made


def collection_frame(collection: Any) -> pd.DataFrame:
    """One row a member: id, name, what a listing brings, and what else is loaded.

    Metadata, where it is loaded for any member, has a column a field (`metadata.<key>`); loaded collections count.
    """
    kind = collection._type
    listed = [f for f in kind.groups[BASIC] if isinstance(f, Scalar) and f.name not in ("name", "title")]
    rows = []
    for one in collection:
        row: dict[str, Any] = {"id": one.id, "name": one.name}
        for field in listed:
            row[field.name] = field._value(one)
        for field in kind.fields.values():
            value = peek(field.read(one))
            if field in listed or value is NOT_LOADED or field.name in ("name", "title"):
                continue
            if isinstance(field, Many):
                if field.loaded(one):
                    row[field.name] = len(value)
            elif field.name == "stored":
                try:
                    row["metadata"] = one.metadata
                except ValueError:  # what is stored is no object: a cell of its own in the table
                    row["metadata"] = value
            elif isinstance(field, Scalar):
                row[field.name] = value
        rows.append(row)
    return table(rows, {}, collection._kind(), prefix="metadata.", first=("id", "name"))
