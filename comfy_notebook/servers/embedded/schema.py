"""How the inputs and outputs of a node are declared, and how /object_info shows them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from comfy_notebook.servers.embedded.files import Files


@dataclass(frozen=True)
class Input:
    """One input: its type or, for an old-style combo, its options; and what else is known of it.

    ``options`` of None means that /object_info has the type alone. ``listing`` names the kind of file in
    the input folder that the combo offers; its options are then filled in when somebody asks.
    """

    type: str | Sequence[str]
    options: Mapping[str, Any] | None = None
    listing: str | None = None

    def info(self, files: Files | None = None) -> list[Any]:
        """Give the input as /object_info has it; with `files`, the combo of a listing is filled in."""
        shown: Any = self.type if isinstance(self.type, str) else list(self.type)
        if self.listing is not None:
            shown = files.listing(self.listing) if files is not None else []
        return [shown] if self.options is None else [shown, copy.deepcopy(dict(self.options))]

    def config(self, files: Files | None = None) -> list[Any]:
        """Give the input as validation errors name it: always with an options object."""
        info = self.info(files)
        return info if len(info) > 1 else [*info, {}]


@dataclass(frozen=True)
class Schema:
    """Everything /object_info says of one class of nodes.

    ``modern`` is the newer of the two ways in which ComfyUI describes its nodes; they differ in small ways.
    """

    name: str
    title: str | None
    category: str
    module: str
    required: Mapping[str, Input]
    optional: Mapping[str, Input] = field(default_factory=dict)
    outputs: Sequence[str] = ()
    output_node: bool = False
    modern: bool = False
    experimental: bool = False
    hidden: bool = False
    description: str = ""

    def inputs(self) -> dict[str, Input]:
        """Give every input that a client may fill, required ones first."""
        return {**self.required, **self.optional}

    def info(self, files: Files | None = None) -> dict[str, Any]:
        """Give the entry of /object_info; with `files`, lists of files are filled in."""
        groups: dict[str, dict[str, Any]] = {
            "required": {name: each.info(files) for name, each in self.required.items()},
        }
        if self.optional:
            groups["optional"] = {name: each.info(files) for name, each in self.optional.items()}
        if self.hidden:
            kinds = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}
            groups["hidden"] = {name: [kind] if self.modern else kind for name, kind in kinds.items()}
        entry: dict[str, Any] = {
            "input": groups,
            "input_order": {group: list(names) for group, names in groups.items()},
            "output": list(self.outputs),
            "output_is_list": [False] * len(self.outputs),
            "output_name": list(self.outputs),
            "name": self.name,
            "display_name": self.title,
            "description": self.description,
            "python_module": self.module,
            "category": self.category,
            "output_node": self.output_node,
        }
        if self.modern:
            entry["output_tooltips"] = [None] * len(self.outputs)
            entry |= {"deprecated": False, "experimental": self.experimental, "api_node": False}
        return entry


def integer(default: int | None, low: int | None, high: int | None, **more: Any) -> Input:
    """Declare a whole number; None leaves that limit (or the default) out."""
    return Input("INT", _limits(default, low, high) | more)


def number(default: float | None, low: float | None, high: float | None, **more: Any) -> Input:
    """Declare a floating-point number; None leaves that limit (or the default) out."""
    return Input("FLOAT", _limits(default, low, high) | more)


def text(default: str | None = None, **more: Any) -> Input:
    """Declare a text."""
    return Input("STRING", ({} if default is None else {"default": default}) | more)


def switch(default: bool | None = None) -> Input:
    """Declare a yes or no."""
    return Input("BOOLEAN", {} if default is None else {"default": default})


def choice(*options: str, default: str | None = None) -> Input:
    """Declare an old-style combo, whose type is the list of its options."""
    return Input(options, None if default is None else {"default": default})


def combo(*options: str, default: str | None = None) -> Input:
    """Declare a new-style combo; ComfyUI 0.3.75 does not check its value, nor do we."""
    start = {} if default is None else {"default": default}
    return Input("COMBO", {**start, "multiselect": False, "options": list(options)})


def listed(kind: str, **more: Any) -> Input:
    """Declare a combo of the files of one kind ("image", "audio" or "any") in the input folder."""
    return Input((), more, listing=kind)


def socket(kind: str) -> Input:
    """Declare an input that is only ever linked."""
    return Input(kind)


def modern_socket(kind: str) -> Input:
    """Declare an input that is only ever linked, of a node described in the newer way."""
    return Input(kind, {})


def _limits(default: float | None, low: float | None, high: float | None) -> dict[str, Any]:
    limits = {"default": default, "min": low, "max": high}
    return {name: value for name, value in limits.items() if value is not None}
