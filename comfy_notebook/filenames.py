"""Names for files: portable ones, whatever a server calls them, and those that a user's pattern makes."""

from __future__ import annotations

import re
import string
import unicodedata
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LONGEST = 130  # bytes of a name: encrypted home directories take 143, and a number may follow
_LONGEST_VALUE = 80  # bytes of one text in a pattern, so that what follows it is not cut off
_LONGEST_SUFFIX = 16
_FORBIDDEN = frozenset('<>:"/\\|?*')  # on Windows, and slashes everywhere
_DEVICES = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])", re.IGNORECASE)


def portable(name: str, otherwise: str = "file") -> str:
    r"""Return a file name that every system takes, as like ``name`` as can be.

    Only what follows its last slash or backslash counts. Characters that Windows does not take become ``_``;
    invisible ones (controls, directions, zero widths) go; device names (``CON``, ``nul.txt``) get a ``_`` in front;
    dots in front, which hide a file, and dots and spaces behind go; it is in Unicode's composed form (NFC). It is
    no longer than 130 bytes in UTF-8, of which the suffix is kept.

    Parameters
    ----------
    name
        Anything, as a server sends it.
    otherwise
        What it is called when nothing is left.
    """
    name = _visible(re.split(r"[/\\]", name)[-1])
    stem, suffix = _split(name.rstrip(". ").lstrip(". "))
    stem = _fitting(stem, suffix) or otherwise
    if _DEVICES.fullmatch((stem + suffix).partition(".")[0].rstrip(" ")):
        stem = _fitting(f"_{stem}", suffix)
    return stem + suffix


def numbered(name: str) -> Iterator[str]:
    """Yield ``name``, then ``name (2)``, ``name (3)``, ... with its suffix behind."""
    yield name
    stem, suffix = _split(name)
    number = 2
    while True:
        yield f"{stem} ({number}){suffix}"
        number += 1


def same(name: str) -> str:
    """Return what two names have in common that some file systems take for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def suffix_of(name: str) -> str:
    """Return the suffix of a file name, portable: ``".png"``, or ``""``."""
    return _split(portable(name))[1]


def stem_of(name: str) -> str:
    """Return a file name without its suffix, portable."""
    return _split(portable(name))[0]


def fill(pattern: str, fields: Mapping[str, Any], hint: str | None = None) -> list[str]:
    """Return the portable names of a path that a pattern makes: folders, then the file.

    A slash in the pattern makes a folder, a slash in a value does not. Values are formatted as ``str.format`` does
    it, but nothing inside them can be reached: ``{a.b}`` is the field of that name.

    Parameters
    ----------
    pattern
        Such as ``"{var}_{index:03}"``.
    fields
        The values by name.
    hint
        What else to say to someone who names a field that is not there.

    Raises
    ------
    ParameterError
        If it names an unknown field, or formats one in a way that it does not take.
    """
    path = ""
    try:
        for literal, field, spec, conversion in string.Formatter().parse(pattern):
            path += literal.replace("\\", "/")
            if field is not None:
                path += _formatted(field, fields, spec or "", conversion, hint)
    except ValueError as error:
        raise ParameterError(f"The pattern {pattern!r} cannot be read: {error}.") from None
    parts = [part for part in path.split("/") if part.strip(" .")]
    return [portable(part) for part in parts] or ["file"]


def _formatted(field: str, fields: Mapping[str, Any], spec: str, conversion: str | None, hint: str | None) -> str:
    if field not in fields:
        raise ParameterError(f"A file's name has no field {field!r}. It has: {', '.join(fields)}.", hint=hint)
    value = fields[field]
    try:
        text = format(string.Formatter().convert_field(value, conversion), spec)
    except (ValueError, TypeError) as error:
        raise ParameterError(f"{field!r}, {value!r}, cannot be formatted as {spec!r}: {error}.") from None
    return _cut(re.sub(r"[/\\]", "_", text), _LONGEST_VALUE) if isinstance(value, str) else re.sub(r"[/\\]", "_", text)


def _visible(name: str) -> str:
    shown = "".join(_shown(character) for character in unicodedata.normalize("NFC", name))
    return unicodedata.normalize("NFC", shown)


def _shown(character: str) -> str:
    """Return what stands for a character in a file name."""
    category = unicodedata.category(character)
    if character in "\t\n\r" or category in ("Zs", "Zl", "Zp"):
        return " "
    if category in ("Cc", "Cf"):
        return ""
    return "_" if character in _FORBIDDEN or category in ("Cs", "Cn", "Co") else character


def _split(name: str) -> tuple[str, str]:
    stem, dot, suffix = name.rpartition(".")
    if not stem or not suffix or len(suffix.encode()) > _LONGEST_SUFFIX or " " in suffix:
        return name, ""
    return stem, dot + suffix


def _fitting(stem: str, suffix: str) -> str:
    return _cut(stem, LONGEST - len(suffix.encode())).rstrip(" " if suffix else " .")


def _cut(text: str, size: int) -> str:
    """Return the beginning of a text, at most ``size`` bytes of UTF-8 long; lone surrogates count, too."""
    return text.encode("utf-8", "surrogatepass")[:size].decode("utf-8", "ignore")
