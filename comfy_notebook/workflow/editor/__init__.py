"""Workflows in the editor's own format, converted to the API format as ComfyUI's page converts them."""

from comfy_notebook.workflow.editor.conversion import class_types, convert
from comfy_notebook.workflow.editor.document import Document, is_editor_document, read_document

__all__ = ["Document", "class_types", "convert", "is_editor_document", "read_document"]
