"""DataFrames of collections. pandas is imported when a frame is asked for, and comes with the extra `pandas`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..lazy.fields import BASIC, Many, Scalar
from ..lazy.state import NOT_LOADED, peek

if TYPE_CHECKING:
    import pandas as pd


def frame(rows: Iterable[Mapping[str, Any]], columns: list[str] | None = None) -> pd.DataFrame:
    """The rows as a DataFrame. Raises ConfigError, which says how to install it, without pandas."""
    try:
        import pandas
    except ImportError:
        raise ConfigError("tables need pandas: pip install 'moveshelf[pandas]'") from None
    made: pd.DataFrame = pandas.DataFrame(list(rows), columns=columns)
    return made


def collection_frame(collection: Any) -> pd.DataFrame:
    """One row a member: id, name, what a listing brings, and what else is loaded.

    Metadata, where it is loaded for any member, has a column a field (`metadata.<key>`); loaded collections count.
    """
    kind = collection._type
    columns = ["id", "name"]
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
                row.update({f"metadata.{key}": item for key, item in one.metadata.items()})
            elif isinstance(field, Scalar):
                row[field.name] = value
        columns += [name for name in row if name not in columns]
        rows.append(row)
    if not rows:
        columns += [field.name for field in listed]
    return frame(rows, columns)
