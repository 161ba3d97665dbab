"""OpenAPI documents that name the Python function behind each operation: `operationId: shop.orders.create`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts.around.yamltree import Scalar

if TYPE_CHECKING:
    from roadworthy.facts.around.found import Found
    from roadworthy.facts.around.yamltree import Document, Value

_HEAD = re.compile(r"^[\"']?(?:openapi|swagger)[\"']?:", re.MULTILINE)
_NAMES_PYTHON = re.compile(
    r"\boperationId[\"']?:\s*[\"']?[A-Za-z_]\w*\.\w|\bx-(?:openapi|swagger)-router-controller\b", re.MULTILINE
)
_CONTROLLERS = ("x-openapi-router-controller", "x-swagger-router-controller")
_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


def looks_like_openapi(text: str) -> bool:
    """A document of this kind by its first key, some operation of which names a module of Python."""
    return _HEAD.search(text) is not None and _NAMES_PYTHON.search(text) is not None


def read(documents: list[Document], found: Found) -> bool:
    """One setting for each operation that names its function. False where none does."""
    seen = False
    for document in documents:
        for path, item in document.pairs(document.get(document.root, "paths")):
            for method, operation in document.pairs(item):
                target = _target(document, operation) if method.text.lower() in _METHODS else None
                if target is not None:
                    found.setting(target.line, f"operation.{method.text.upper()} {path.text}", target.text)
                    seen = True
    return seen


def _target(document: Document, operation: Value) -> Scalar | None:
    """The operation's dotted name, that of its controller in front where it has one."""
    named = document.get(operation, "operationId")
    if not isinstance(named, Scalar):
        return None
    controller = next((text for key in _CONTROLLERS if (text := document.text(operation, key))), "")
    dotted = f"{controller}.{named.text}" if controller else named.text
    return Scalar(named.line, named.end_line, dotted) if _DOTTED.fullmatch(dotted) else None
