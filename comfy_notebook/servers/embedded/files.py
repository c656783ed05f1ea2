"""The folders input, output and temp: finding files in them, naming new ones, never leaving them."""

from __future__ import annotations

import hashlib
import itertools
import mimetypes
import os
import re
import secrets
import string
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = ("input", "output", "temp")
_ANNOTATION = re.compile(r"^(?P<name>.*) \[(?P<kind>input|output|temp)\]$", re.DOTALL)
_REFUSED_BY_WINDOWS = set('<>:"|?*')
_MEDIA = {"image": ("image",), "audio": ("audio", "video")}


class OutsideError(ValueError):
    """A name that would lead out of the folder it belongs to."""


class Files:
    """The three folders of an engine."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root))  # noqa: PTH100 - resolve() would follow links
        self.temp_prefix = "ComfyUI_temp_" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(5))
        for kind in KINDS:
            self.folder(kind).mkdir(parents=True, exist_ok=True)

    def folder(self, kind: str) -> Path:
        """Give the folder of one kind: input, output or temp; KeyError for any other."""
        if kind not in KINDS:
            raise KeyError(kind)
        return self.root / kind

    def place(self, kind: str, subfolder: str, name: str) -> Path:
        """Give the path of a file, whether it exists or not.

        Raises
        ------
        OutsideError
            If the path would lie outside the folder, or is the folder itself.
        """
        return inside(self.folder(kind), subfolder, name)

    def find(self, name: str, kind: str = "input") -> Path:
        """Give the path of a file named as nodes name them: "picture.png", "sub/picture.png [output]".

        Raises
        ------
        OutsideError
            If the name leads out of its folder.
        """
        name, annotated = split_annotation(name)
        return self.place(annotated or kind, "", name)

    def exists(self, name: str) -> bool:
        """Tell whether a file named as nodes name them is there; a name that leads outside is not."""
        try:
            return self.find(name).is_file()
        except (OutsideError, ValueError, OSError):  # a null byte, a name longer than the system takes
            return False

    def listing(self, kind: str) -> list[str]:
        """Give the sorted names of files right in the input folder that are "image", "audio" or "any"."""
        names = sorted(entry.name for entry in self.folder("input").iterdir() if entry.is_file())
        return [name for name in names if kind == "any" or _media_of(name) in _MEDIA[kind]]

    def digest(self, name: str) -> str:
        """Give what changes when the content of a file named as nodes name them does."""
        with self.find(name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def series(self, prefix: str, kind: str, size: tuple[int, int] = (0, 0)) -> Series:
        """Start a series of files to be saved under a prefix.

        Parameters
        ----------
        prefix
            May hold folders and placeholders: ``%width%``, ``%height%``, ``%year%``, ``%month%``, ``%day%``,
            ``%hour%``, ``%minute%``, ``%second%``, and ``%batch_num%``, which is filled in for each file.
        kind
            "output" or "temp".
        size
            Width and height of the pictures, for the placeholders.

        Raises
        ------
        OutsideError
            If the prefix leads out of the folder.
        """
        prefix = os.path.normpath(_filled(prefix, size))
        subfolder, stem = os.path.split(prefix)
        folder = self.folder(kind)
        first = inside(folder, subfolder, f"{stem}_00001_")
        return Series(first.parent, "" if subfolder == os.curdir else subfolder, stem, kind)


class Series:
    """Files with one prefix and running numbers."""

    def __init__(self, folder: Path, subfolder: str, stem: str, kind: str) -> None:
        self._folder = folder
        self._subfolder = subfolder
        self._stem = stem
        self._kind = kind
        self._last = 0

    def save(self, content: bytes, suffix: str, batch: int = 0) -> dict[str, str]:
        """Write the next file and give its entry for the page; no file is ever written over.

        The number is taken by creating the file, so that two runs that save at once get two numbers.
        """
        stem = self._stem.replace("%batch_num%", str(batch))
        self._folder.mkdir(parents=True, exist_ok=True)
        self._last = self._last or self._highest()
        for number in itertools.count(self._last + 1):
            name = f"{stem}_{number:05}_{suffix}"
            try:
                with (self._folder / name).open("xb") as file:
                    file.write(content)
            except FileExistsError:
                continue
            self._last = number
            return {"filename": name, "subfolder": self._subfolder, "type": self._kind}
        raise AssertionError  # the numbers do not end

    def _highest(self) -> int:
        taken = re.compile(re.escape(os.path.normcase(f"{self._stem}_")) + r"(\d+)_")
        found = (taken.match(os.path.normcase(entry.name)) for entry in self._folder.iterdir())
        return max((int(match[1]) for match in found if match), default=0)


def inside(folder: Path, subfolder: str, name: str) -> Path:
    """Join a path and make sure that it stays below `folder`.

    Raises
    ------
    OutsideError
        If it does not, or if Windows would take part of the name for something else than a name.
    """
    path = Path(os.path.abspath(folder / subfolder / name))  # noqa: PTH100 - resolve() would follow links
    if path == folder or not path.is_relative_to(folder):
        raise OutsideError(f"{os.path.join(subfolder, name)!r} lies outside the folder {folder.name!r}")  # noqa: PTH118
    if os.name == "nt" and _REFUSED_BY_WINDOWS & set(str(path.relative_to(folder))):
        raise OutsideError(f"{name!r} is no name for a file on Windows")
    return path


def split_annotation(name: str) -> tuple[str, str | None]:
    """Take "picture.png [output]" apart into the name and the folder; None if none is named."""
    match = _ANNOTATION.match(name)
    return (match["name"], match["kind"]) if match else (name, None)


def content_type(name: str) -> str | None:
    """Guess a MIME type from a file's name."""
    return mimetypes.guess_type(name, strict=False)[0]


def _media_of(name: str) -> str:
    return (content_type(name) or "").partition("/")[0]


def _filled(prefix: str, size: tuple[int, int]) -> str:
    now = time.localtime()
    values: Mapping[str, str] = {
        "width": str(size[0]),
        "height": str(size[1]),
        "year": str(now.tm_year),
        "month": f"{now.tm_mon:02}",
        "day": f"{now.tm_mday:02}",
        "hour": f"{now.tm_hour:02}",
        "minute": f"{now.tm_min:02}",
        "second": f"{now.tm_sec:02}",
    }
    return re.sub(r"%(\w+)%", lambda match: values.get(match[1], match[0]), prefix)
