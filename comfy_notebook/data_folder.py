"""Where this user's runs and form values are kept: settings.DATA_FOLDER, else the user's data directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_notebook import settings

if TYPE_CHECKING:
    from pathlib import Path


def data_folder() -> Path:
    """Return the folder; it need not exist yet."""
    from pathlib import Path

    import platformdirs

    folder = settings.DATA_FOLDER.resolve()
    return Path(folder) if folder else platformdirs.user_data_path("comfy_notebook", appauthor=False)
