"""Rows as a pandas DataFrame, where pandas is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pandas import DataFrame


def data_frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> DataFrame:
    """Return rows as a table; MissingExtraError without pandas."""
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtraError(
            "A DataFrame takes pandas, which is not installed.", hint="pip install pandas"
        ) from None
    return pd.DataFrame(rows, columns=columns)
