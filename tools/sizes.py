"""Sizes of files and functions: `python tools/sizes.py` prints what is too big. Budgets and their exceptions stand here."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "tests", "tools", "bench")

RULE_LINES = 260
FILE_LINES = 400
FUNCTION_LINES = 70

EXCEPTIONS: dict[str, str] = {
    "src/roadworthy/rules/api.py": "a list of names: all that a rule may import, in one place",
    "src/roadworthy/rules/durability/enqueue_inside_transaction.py": "where transactions and senders meet; that part belongs in the model",
    "src/roadworthy/rules/idempotency/check_then_insert.py": "what is told of a pair without a key, with a void one and with an unhandled one",
    "src/roadworthy/rules/idempotency/missing_unique_constraint.py": "the same for a key that is missing and one that is void",
    "src/roadworthy/facts/schema.py": "all facts side by side; 14 lines over",
    "src/roadworthy/project/model.py": "one question of a rule to one method; 10 lines over",
    "src/roadworthy/project/clients.py": "timeouts and retries of clients share the reading of constructions; to be divided there",
    "src/roadworthy/project/symbols.py": "modules, classes and functions refer to one another",
    "tests/facts/test_extract.py": "one construct of Python after the other",
}
"""`path` or `path::qualified.name` -> why it may be bigger. An exception that is no longer needed is an error."""


def oversized(root: Path = ROOT) -> dict[str, str]:
    """Everything over its budget: place -> what is wrong. Exceptions are included."""
    found: dict[str, str] = {}
    for file in sorted(f for folder in FOLDERS for f in (root / folder).rglob("*.py")):
        place = file.relative_to(root).as_posix()
        text = file.read_text(encoding="utf-8")
        limit = RULE_LINES if place.startswith("src/roadworthy/rules/") and place.count("/") == 4 else FILE_LINES
        if (lines := text.count("\n")) > limit:
            found[place] = f"{lines} lines, the limit is {limit}"
        for name, length in _functions(ast.parse(text)):
            if length > FUNCTION_LINES:
                found[f"{place}::{name}"] = f"{length} lines, the limit of a function is {FUNCTION_LINES}"
    return found


def faults(root: Path = ROOT, exceptions: dict[str, str] = EXCEPTIONS) -> list[str]:
    """One line for each thing that is too big without a reason, and for each exception that is not needed."""
    found = oversized(root)
    lines = [f"{place}: {fault}" for place, fault in found.items() if place not in exceptions]
    lines += [
        f"{place}: is listed as an exception in tools/sizes.py and needs none"
        for place in exceptions
        if place not in found
    ]
    return lines


def _functions(tree: ast.AST, prefix: str = "") -> list[tuple[str, int]]:
    """Qualified name and length of each function, without decorators; a nested one counts in the outer one too."""
    result: list[tuple[str, int]] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{node.name}"
            if not isinstance(node, ast.ClassDef):
                result.append((name, (node.end_lineno or node.lineno) - node.lineno + 1))
            result += _functions(node, f"{name}.")
        else:
            result += _functions(node, prefix)
    return result


if __name__ == "__main__":
    if complaints := faults():
        sys.exit("\n".join(complaints))
    print("all files and functions are within their budgets")
