"""What each node of the catalogue does, and what it knows better than its schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from comfy_notebook.servers.embedded.nodes import audio, diffusion, images, text, transform, video
from comfy_notebook.servers.embedded.values import Outcome

if TYPE_CHECKING:
    from comfy_notebook.servers.embedded.files import Files
    from comfy_notebook.servers.embedded.values import Run

Action = Callable[..., Outcome]
Check = Callable[["Files", Any], str | None]
Fingerprint = Callable[["Files", Any], str]


@dataclass(frozen=True)
class Node:
    """How a class of nodes behaves.

    ``checks`` says, for an input, what is wrong with a value; it takes the place of the check against the
    schema. ``fingerprints`` gives, for an input, what changes when the same value has come to mean something
    else, such as a file that was written over.
    """

    action: Action
    checks: Mapping[str, Check] = field(default_factory=dict)
    fingerprints: Mapping[str, Fingerprint] = field(default_factory=dict)


def _pure(function: Callable[..., tuple[Any, ...]]) -> Node:
    def action(run: Run, **inputs: Any) -> Outcome:
        run.check()
        return Outcome(function(**inputs))

    return Node(action)


def _file_check(kind: str) -> Check:
    def check(files: Files, value: Any) -> str | None:
        found = isinstance(value, str) and files.exists(value)
        return None if found else f"Invalid {kind} file: {value}"

    return check


def _reading(action: Action, name: str, kind: str) -> Node:
    return Node(
        action,
        checks={name: _file_check(kind)},
        fingerprints={name: lambda files, value: files.digest(value)},
    )


NODES: Mapping[str, Node] = MappingProxyType(
    {
        "EmptyImage": _pure(images.empty_image),
        "LoadImage": _reading(images.load_image, "image", "image"),
        "LoadImageMask": _reading(images.load_image_mask, "image", "image"),
        "ImageInvert": _pure(images.image_invert),
        "ImageBatch": _pure(images.image_batch),
        "SaveImage": Node(images.save_image),
        "PreviewImage": Node(images.preview_image),
        "SaveAnimatedWEBP": Node(images.save_animated_webp),
        "SaveAnimatedPNG": Node(images.save_animated_png),
        "ImageScale": _pure(transform.image_scale),
        "ImageScaleBy": _pure(transform.image_scale_by),
        "ImageCrop": _pure(transform.image_crop),
        "ImageBlend": _pure(transform.image_blend),
        "ImageBlur": _pure(transform.image_blur),
        "CreateVideo": _pure(video.create_video),
        "SaveVideo": Node(video.save_video),
        "SaveWEBM": Node(video.save_webm),
        "EmptyAudio": _pure(audio.empty_audio),
        "LoadAudio": _reading(audio.load_audio, "audio", "audio"),
        "SaveAudio": Node(audio.save_audio),
        "SaveAudioMP3": Node(audio.save_audio_mp3),
        "SaveAudioOpus": Node(audio.save_audio_opus),
        "PreviewAny": Node(text.preview_any),
        "StringConcatenate": _pure(text.string_concatenate),
        "PrimitiveString": _pure(text.primitive),
        "PrimitiveStringMultiline": _pure(text.primitive),
        "PrimitiveInt": _pure(text.primitive),
        "PrimitiveFloat": _pure(text.primitive),
        "PrimitiveBoolean": _pure(text.primitive),
        # any name is taken, so that a workflow made for a real model runs unchanged
        "CheckpointLoaderSimple": Node(diffusion.load_checkpoint, checks={"ckpt_name": lambda *_: None}),
        "CLIPTextEncode": _pure(diffusion.encode_text),
        "EmptyLatentImage": _pure(diffusion.empty_latent),
        "KSampler": Node(diffusion.sample),
        "VAEDecode": Node(diffusion.decode),
        "VAEEncode": _pure(diffusion.encode),
        "SaveLatent": Node(diffusion.save_latent),
    },
)
