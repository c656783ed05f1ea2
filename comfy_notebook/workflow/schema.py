"""What a server's nodes take and give, read from its /object_info.

The shape of an input's declaration changed over the years (a combo's choices are its type, or one of its
options), and custom nodes declare what they like; whatever is not understood is simply not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_WIDGET_TYPES = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"})
_UPLOADS = {
    "image_upload": "image",
    "audio_upload": "audio",
    "video_upload": "video",
    "file_upload": "file",
    "animated_image_upload": "image",
}
# Inputs that name a file, of nodes that do not say so in every version.
_FILE_INPUTS = {
    ("LoadImage", "image"): "image",
    ("LoadImageMask", "image"): "image",
    ("LoadImageOutput", "image"): "image",
    ("LoadAudio", "audio"): "audio",
    ("LoadVideo", "file"): "video",
    ("VHS_LoadVideo", "video"): "video",
    ("VHS_LoadAudioUpload", "audio"): "audio",
}


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of a node class.

    Attributes
    ----------
    name, type
        The type is ComfyUI's: INT, FLOAT, STRING, BOOLEAN, COMBO, or that of a link (IMAGE, MODEL, ...).
    choices
        What a COMBO takes, or None if that is not known.
    minimum, maximum
        Bounds of a number, both inclusive; None where there is none.
    file
        "image", "audio", "video" or "file" where the value names a file that can be uploaded, else "".
    multiple
        Whether a COMBO takes a list of its choices.
    """

    name: str
    type: str
    required: bool = True
    default: Any = None
    choices: tuple[Any, ...] | None = None
    minimum: float | int | None = None
    maximum: float | int | None = None
    file: str = ""
    multiple: bool = False

    @property
    def is_widget(self) -> bool:
        """Whether the page has a control for it: else it takes links only."""
        return self.type in _WIDGET_TYPES


@dataclass(frozen=True, slots=True)
class NodeSchema:
    """One node class, as the server declares it."""

    class_type: str
    inputs: Mapping[str, InputSpec] = field(default_factory=dict)
    is_output: bool = False

    @property
    def file_inputs(self) -> list[InputSpec]:
        """The inputs whose value names a file."""
        return [spec for spec in self.inputs.values() if spec.file]


def read_node(class_type: str, info: Mapping[str, Any]) -> NodeSchema:
    """Read one class's entry of /object_info."""
    declared = info.get("input")
    inputs: dict[str, InputSpec] = {}
    if isinstance(declared, Mapping):
        for group in ("required", "optional"):
            entries = declared.get(group)
            for name, entry in entries.items() if isinstance(entries, Mapping) else ():
                inputs[name] = _read_input(class_type, name, entry, required=group == "required")
    return NodeSchema(class_type, inputs, is_output=bool(info.get("output_node")))


def _read_input(class_type: str, name: str, entry: Any, *, required: bool) -> InputSpec:
    kind, options = _split(entry)
    choices = _choices(kind, options)
    return InputSpec(
        name,
        type="COMBO" if isinstance(kind, list) else str(kind),
        required=required,
        default=options.get("default"),
        choices=choices,
        minimum=_number(options.get("min")),
        maximum=_number(options.get("max")),
        file=_file_kind(class_type, name, options),
        multiple=bool(options.get("multiselect") or options.get("multi_select")),
    )


def _split(entry: Any) -> tuple[Any, Mapping[str, Any]]:
    """Split ``[type, options?]``."""
    if not isinstance(entry, list) or not entry:
        return "*", {}
    options = entry[1] if len(entry) > 1 and isinstance(entry[1], Mapping) else {}
    return entry[0], options


def _choices(kind: Any, options: Mapping[str, Any]) -> tuple[Any, ...] | None:
    if isinstance(kind, list):
        return tuple(kind)
    listed = options.get("options")
    return tuple(listed) if kind == "COMBO" and isinstance(listed, list) else None


def _number(value: Any) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _file_kind(class_type: str, name: str, options: Mapping[str, Any]) -> str:
    for flag, kind in _UPLOADS.items():
        if options.get(flag):
            return kind
    return file_kind(class_type, name)


def file_kind(class_type: str, name: str) -> str:
    """Return the kind of file that a well-known loader's input names, or "" (without a server to ask)."""
    return _FILE_INPUTS.get((class_type, name), "")
