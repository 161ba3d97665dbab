"""Sources of a value are found in bounded work, however many ways lead to them."""

from __future__ import annotations

from roadworthy.engine import model_of

_HELPERS = "\n".join(
    f"def f{level}(a, b, c):\n    if a:\n        return f{level + 1}(a + b, b + c, a + c)\n    return f{level + 1}(c + a, a + b, b + c)\n"
    for level in range(12)
)


def test_helpers_that_call_helpers_do_not_multiply() -> None:
    """Each level passes three arguments made of two each, twice: millions of ways to three sources."""
    source = f"{_HELPERS}\ndef f12(a, b, c):\n    return a + b + c\n\ndef top(x, y, z):\n    return f0(x, y, z)\n"
    model = model_of({"app/work.py": source})
    top = next(function for function in model.functions if function.name == "top")
    value = top.scope.leaves[0].value
    assert value is not None
    found = {origin.kind for origin in model.origin(value, top, top.scope.leaves[0].order)}
    assert found <= {"argument", "unknown"}
