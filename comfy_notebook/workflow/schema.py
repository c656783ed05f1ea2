"""What a server's nodes take and give, read from its /object_info.

The shape of an input's declaration changed over the years (a combo's choices are its type, or one of its
options), and custom nodes declare what they like; whatever is not understood is simply not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

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
    step, rounding
        How the page rounds a number that comes from a primitive; ``rounding`` is False where it shall not.
    control
        Whether the page adds a "control after generate" beside it; None if the server does not say.
    force_input
        Whether it is a socket although its type has a control.
    widget_type
        The control that the page shows, where the type does not say.
    dynamic_prompts
        Whether the page resolves ``{a|b}`` in its text.
    remote
        Whether the choices of a COMBO come from another address.
    multiline
        Whether the page gives its text several lines.
    tooltip
        What the node's author says about it.
    display
        How the page shows a number: "slider", "color", "number", or "" where the server does not say.
    labels
        What the page writes beside a switch that is off, and on.
    cases
        Of a COMBO that decides which inputs follow: choice → those inputs, named without its prefix.
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
    step: float | int | None = None
    rounding: float | int | bool | None = None
    control: bool | None = None
    force_input: bool = False
    widget_type: str = ""
    dynamic_prompts: bool = False
    remote: bool = False
    multiline: bool = False
    tooltip: str = ""
    display: str = ""
    labels: tuple[str, str] = ("", "")
    cases: Mapping[str, tuple[InputSpec, ...]] = field(default_factory=dict, hash=False)

    @property
    def is_widget(self) -> bool:
        """Whether the page has a control for it: else it takes links only."""
        return self.type in _WIDGET_TYPES


@dataclass(frozen=True, slots=True)
class NodeSchema:
    """One node class, as the server declares it.

    Attributes
    ----------
    inputs
        By name, in the order in which the page shows them.
    outputs
        Their types.
    display_name
        The title of a node that nobody named.
    upload_button
        Where in the order of the inputs the page puts a button to upload a file; None where it has none.
    """

    class_type: str
    inputs: Mapping[str, InputSpec] = field(default_factory=dict)
    is_output: bool = False
    outputs: tuple[str, ...] = ()
    display_name: str = ""
    upload_button: int | None = None

    @property
    def file_inputs(self) -> list[InputSpec]:
        """The inputs whose value names a file."""
        return [spec for spec in self.inputs.values() if spec.file]


# Class → what the server says of it; None for a class that it lacks, no entry where it was not asked.
Schemas: TypeAlias = Mapping[str, NodeSchema | None]


def read_node(class_type: str, info: Mapping[str, Any]) -> NodeSchema:
    """Read one class's entry of /object_info."""
    declared = info.get("input")
    groups = declared if isinstance(declared, Mapping) else {}
    required = _read_group(class_type, info, groups, "required")
    optional = _read_group(class_type, info, groups, "optional")
    # The button joins the required inputs, but input_order, which newer servers send, does not name it.
    ordered = isinstance(info.get("input_order"), Mapping)
    return NodeSchema(
        class_type,
        {spec.name: spec for spec in (*required, *optional)},
        is_output=bool(info.get("output_node")),
        outputs=_outputs(info.get("output")),
        display_name=str(info.get("display_name") or ""),
        upload_button=len(required) + (len(optional) if ordered else 0) if _has_upload_button(groups) else None,
    )


def united(several: Iterable[Schemas]) -> Schemas:
    """Join what several servers say: every class that any of them has, with every choice that any lists."""
    joined: dict[str, NodeSchema | None] = {}
    for schemas in several:
        for name, schema in schemas.items():
            known = joined.get(name)
            joined[name] = _united(known, schema) if known and schema else known or schema
    return joined


def _united(one: NodeSchema, other: NodeSchema) -> NodeSchema:
    inputs = dict(one.inputs)
    for name, spec in other.inputs.items():
        known = inputs.get(name)
        if known is not None and known.choices is not None and spec.choices is not None:
            inputs[name] = replace(known, choices=tuple(dict.fromkeys((*known.choices, *spec.choices))))
    return replace(one, inputs=inputs)


def _read_group(class_type: str, info: Mapping[str, Any], groups: Mapping[str, Any], group: str) -> list[InputSpec]:
    entries = groups.get(group)
    if not isinstance(entries, Mapping):
        return []
    order = info.get("input_order")
    listed = order.get(group) if isinstance(order, Mapping) else None
    first = [name for name in listed if isinstance(name, str) and name in entries] if isinstance(listed, list) else []
    names = dict.fromkeys((*first, *entries))
    return [_read_input(class_type, name, entries[name], required=group == "required") for name in names]


def _outputs(declared: Any) -> tuple[str, ...]:
    if not isinstance(declared, list):
        return ()
    return tuple("COMBO" if isinstance(kind, list) else str(kind) for kind in declared)


def _has_upload_button(groups: Mapping[str, Any]) -> bool:
    entries = groups.get("required")
    options = [_split(entry)[1] for entry in entries.values()] if isinstance(entries, Mapping) else []
    return any(option.get(flag) is True for option in options for flag in _UPLOADS if flag != "file_upload")


def _read_input(class_type: str, name: str, entry: Any, *, required: bool) -> InputSpec:
    kind, options = _split(entry)
    control = options.get("control_after_generate")
    rounding = options.get("round")
    return InputSpec(
        name,
        type="COMBO" if isinstance(kind, list) else str(kind),
        required=required,
        default=options.get("default"),
        choices=_choices(kind, options),
        minimum=_number(options.get("min")),
        maximum=_number(options.get("max")),
        file=_file_kind(class_type, name, options),
        multiple=bool(options.get("multiselect") or options.get("multi_select")),
        step=_number(options.get("step")),
        rounding=rounding if isinstance(rounding, bool) else _number(rounding),
        control=None if control is None else bool(control),
        force_input=bool(options.get("forceInput")),
        widget_type=str(options.get("widgetType") or ""),
        dynamic_prompts=bool(options.get("dynamicPrompts")),
        remote=bool(options.get("remote")),
        multiline=bool(options.get("multiline")),
        tooltip=str(options.get("tooltip") or ""),
        display=str(options.get("display") or ""),
        labels=(str(options.get("label_off") or ""), str(options.get("label_on") or "")),
        cases=_cases(class_type, kind, options, required=required),
    )


def _cases(
    class_type: str, kind: Any, options: Mapping[str, Any], *, required: bool
) -> dict[str, tuple[InputSpec, ...]]:
    """Read what follows each choice of a combo of the third schema, which may nest."""
    listed = options.get("options")
    if kind != "COMFY_DYNAMICCOMBO_V3" or not isinstance(listed, list):
        return {}
    cases: dict[str, tuple[InputSpec, ...]] = {}
    for case in listed:
        if isinstance(case, Mapping) and isinstance(case.get("inputs"), Mapping):
            groups = [(group, case["inputs"].get(group)) for group in ("required", "optional")]
            cases[str(case.get("key"))] = tuple(
                _read_input(class_type, str(name), entry, required=required and group == "required")
                for group, entries in groups
                for name, entry in (entries.items() if isinstance(entries, Mapping) else ())
            )
    return cases


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
