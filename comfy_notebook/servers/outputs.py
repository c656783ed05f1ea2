"""Sorts what a server reports as outputs into media and texts, by kind and by name; nothing is dropped.

A node's output is a mapping of lists, of anything. Whatever names a file, under whatever key, becomes a
media; the strings under ``text`` become texts; the rest stays in the raw outputs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from comfy_notebook.media import Media, MediaList

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from comfy_notebook.media import Origin

_LISTS = {"image": "images", "video": "videos", "audio": "audios", "file": "files"}
# Preview3D names its file as a path below the output folder, or as "x.glb [temp]".
_MODEL_FILE = re.compile(
    r"(?P<path>.+\.(?:glb|gltf|obj|fbx|stl|ply|k?splat|usdz))(?: \[(?P<folder>output|input|temp)\])?", re.IGNORECASE
)
_NAMED_FILE = re.compile(r"(?P<path>.+) \[(?P<folder>output|input|temp)\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the files are and how they are named.

    ``names`` is node id → output name; ``display_nodes`` is node id as run → id in the workflow; ``made`` holds the
    media made so far by node and URL, so that what is learnt of one by fetching it early is known when it is shown.
    """

    base_url: str
    origin: Origin
    names: Mapping[str, str]
    display_nodes: Mapping[str, str]
    made: dict[tuple[str, str], Media] = field(default_factory=dict)

    def place(self, node_id: str) -> tuple[str, str]:
        """Return (the workflow's node id, the output's name) of a node as run."""
        shown = self.display_nodes.get(node_id, node_id)
        return shown, self.names.get(shown, shown)


def collect(outputs: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """Return the result's lists (``images``, ``images_by_var``, ..., ``texts``, ``texts_by_var``) by name.

    Parameters
    ----------
    outputs
        Node id → output, as ``/history`` has it.
    source
        Where they come from.
    """
    lists: dict[str, Any] = {name: MediaList() for name in _LISTS.values()}
    lists |= {f"{name}_by_var": {} for name in _LISTS.values()}
    lists |= {"texts": [], "texts_by_var": {}}
    for node_id, output in outputs.items():
        if not isinstance(output, dict):
            continue
        _, var = source.place(node_id)
        for media in media_of(node_id, output, source):
            name = _LISTS[media.kind]
            lists[name].append(media)
            lists[f"{name}_by_var"].setdefault(var, MediaList()).append(media)
        for text in _texts(output.get("text")):
            lists["texts"].append(text)
            lists["texts_by_var"].setdefault(var, []).append(text)
    return lists


def view_url(base_url: str, filename: str, subfolder: str, folder: str) -> str:
    """Return the URL of a file: every part encoded, whatever characters it holds."""
    query = {"filename": filename, "subfolder": subfolder, "type": folder}
    return f"{base_url}/view?{urlencode({key: value for key, value in query.items() if value})}"


def named_file(name: str, source: Source) -> Media:
    """Return a file by the name that nodes know it by: ``"folder/a.png"``, or ``"a.png [output]"``."""
    match = _NAMED_FILE.fullmatch(name)
    path, folder = (match["path"], match["folder"]) if match else (name, "input")
    subfolder, _, filename = path.replace("\\", "/").rpartition("/")
    url = view_url(source.base_url, filename, subfolder, folder)
    return Media(url, filename=filename, subfolder=subfolder, type=folder, origin=source.origin)


def media_of(node_id: str, output: Mapping[str, Any], source: Source) -> Iterator[Media]:
    """Yield the files that one node reports, each once."""
    shown, var = source.place(node_id)
    seen = set()
    for filename, subfolder, folder in _files(output):
        if (filename, subfolder, folder) not in seen:  # one node may list a file under two keys
            seen.add((filename, subfolder, folder))
            url = view_url(source.base_url, filename, subfolder, folder)
            media = source.made.get((shown, url))
            if media is None or media.var != var:
                media = source.made[shown, url] = Media(
                    url,
                    filename=filename,
                    subfolder=subfolder,
                    type=folder,
                    var=var,
                    node_id=shown,
                    origin=source.origin,
                )
            yield media


def _files(output: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (file name, subfolder, folder) of every file that a node's output names."""
    for key, items in output.items():
        for item in items if isinstance(items, list) else [items]:
            if isinstance(item, dict) and isinstance(item.get("filename"), str) and item["filename"]:
                yield item["filename"], str(item.get("subfolder") or ""), str(item.get("type") or "output")
            elif key == "result" and isinstance(item, str) and (model := _MODEL_FILE.fullmatch(item)):
                subfolder, _, filename = model["path"].replace("\\", "/").rpartition("/")
                yield filename, subfolder, model["folder"] or "output"


def _texts(value: Any) -> Iterable[str]:
    if value is None:
        return []
    return [item if isinstance(item, str) else str(item) for item in value] if isinstance(value, list) else [str(value)]
