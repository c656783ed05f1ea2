"""ComfyKit's title markers: parameters and outputs that a workflow's author named in node titles.

A title is a list of parts between commas; a part that starts with ``$`` is a marker::

    $[~]name[.[~]field][!][:description]

``~`` says that the value is a file to upload, ``!`` that it is required. A title that starts with
``$output.`` names the node's output instead, with all that follows.

Source: ComfyKit 0.1.12, ``workflow_parser.py`` and docs/en/dsl. Two departures from its code, where the
code drops what its documentation promises: a node that saves files may carry parameters, too, and a
marker on a node without ``inputs`` is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

_OUTPUT = "$output."


@dataclass(frozen=True, slots=True)
class Marker:
    """A parameter named in a node's title.

    ``explicit`` tells ``$name.field`` from ``$name``, whose field is assumed to have the parameter's name.
    """

    name: str
    field: str
    upload: bool = False
    required: bool = False
    description: str = ""
    explicit: bool = False


def output_name(title: str) -> str | None:
    """Return the output's name if the title marks one, else None: ``"$output.cover"`` gives ``"cover"``."""
    if title.startswith(_OUTPUT) and len(title) > len(_OUTPUT):
        return title[len(_OUTPUT) :]
    return None


def parameter_markers(title: str) -> list[Marker]:
    """Return the parameters that a node's title marks, in order; none if it marks an output."""
    if output_name(title) is not None:
        return []
    parts = (part.strip() for part in title.split(","))
    return [_parse(part) for part in parts if part.startswith("$")]


def plain_title(title: str) -> str:
    """Return a title without its markers, as people read it; "" if it is nothing else."""
    if title.startswith("$output"):
        return ""
    return ", ".join(part.strip() for part in title.split(",") if part.strip() and not part.strip().startswith("$"))


def _parse(part: str) -> Marker:
    text, _, description = part[1:].partition(":")
    required = text.endswith("!")
    if required:
        text = text[:-1]
    upload = text.startswith("~")
    if upload:
        text = text[1:]
    name, dot, field = text.partition(".")
    if field.startswith("~"):
        upload, field = True, field[1:]
    return Marker(name, field if dot else name, upload, required, description.strip(), bool(dot))
