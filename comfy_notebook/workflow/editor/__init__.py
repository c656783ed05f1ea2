"""Workflows in the editor's own format, converted to the API format as ComfyUI's page converts them."""

from comfy_notebook.workflow.editor.conversion import class_types, convert
from comfy_notebook.workflow.editor.document import Document, read_document

__all__ = ["Document", "class_types", "convert", "read_document"]
