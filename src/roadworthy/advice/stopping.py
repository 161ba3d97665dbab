"""Fixes for processes that do not stop in an orderly way, and for what they hold when they stop."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from roadworthy.advice.code import GAP, callee_text, written
from roadworthy.advice.patterns import nearest
from roadworthy.facts import schema as f

if TYPE_CHECKING:
    from roadworthy.project.endless import Loop
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function


def same_handler(model: Model, function: Function, call: str, handler: str) -> str:
    """Register for SIGTERM what is registered for SIGINT."""
    own = nearest(model, "shutdown", function)
    return _with("Register the same handler for SIGTERM.", own, f"{call}(signal.SIGTERM, {handler})")


def as_interrupt(model: Model, function: Function) -> str:
    """Let SIGTERM take the way that Ctrl-C takes already."""
    own = nearest(model, "shutdown", function)
    snippet = """
        def stop(signum, frame):
            raise KeyboardInterrupt

        signal.signal(signal.SIGTERM, stop)  # before the loop starts
    """
    return _with("Let SIGTERM take the way that Ctrl-C takes already, so that the same clean-up runs.", own, snippet)


def stop_flag(model: Model, root: Function, loop: Loop, *, on_loop: bool) -> str:
    """End the loop between two items when SIGTERM comes: the loop as it is written, with the flag in its condition."""
    own = nearest(model, "shutdown", root)
    path = loop.function.path
    where = f"`{path}:{loop.line}`" if loop.function is not root else f"line {loop.line}"
    start = root.qualname if root.kind != "module" else root.path
    shown = _asking(loop)
    stops = _stopped(model, loop)
    if stops and not on_loop:
        text = (
            f"Let SIGTERM end it in order; above `{callee_text(loop.site)}()` ({where}):"
            if loop.site is not None
            else ""
        )
        return _with(text, own, f"signal.signal(signal.SIGTERM, lambda *_: {stops})")
    if not shown:
        text = f"Handle SIGTERM where `{start}` starts, so that the clean-up of what it runs ({where}) is gone through."
        return _with(text, own, "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))")
    text = f"Let SIGTERM end the loop ({where}) between two items; the signal is handled where `{start}` starts."
    kind, handle = "threading", "signal.signal(signal.SIGTERM, lambda *_: stop.set())"
    if on_loop:
        kind, handle = "asyncio", "asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)"
    brought = f"; `stop` is imported from {path}" if path != root.path else ""
    code = f"stop = {kind}.Event()  # at module level, beside the loop\n\n{handle}  # where {start} starts{brought}\n\n{shown}"
    return _with(text, own, code)


def _stopped(model: Model, loop: Loop) -> str:
    """`server.stop(grace=10)`: what the library has to end its own loop, on the object at hand; "" where it has none."""
    func = loop.site.fact.func if loop.site is not None else None
    if loop.site is None or not isinstance(func, f.Attr) or not isinstance(func.value, f.Name):
        return ""
    rows = (row for name in model.library_names(loop.site) for row in model.knowledge.calls(name))
    call = next((row.stopped_by for row in rows if row.stopped_by), "")
    return f"{func.value.id}.{call}" if call else ""


def _asking(loop: Loop) -> str:
    """A loop that asks for `stop` before each item, its body left out; "" for one that stands in a library."""
    function = loop.function
    region = next((r for r in function.scope.regions if r.kind == loop.kind and r.line == loop.line), None)
    if region is None:
        return ""
    tail = "    ...  # as it is"
    if loop.kind == "for":
        awaits = "async " if region.is_async else ""
        head = f"{awaits}for {written(region.target, function)} in {written(region.test, function)}:"
        shown = f"{head}\n    if stop.is_set():\n        break\n{tail}"
        return shown if GAP not in shown else ""
    test = region.test
    forever = test is None or (isinstance(test, f.Const) and bool(test.value))
    asked = written(test, function) if not forever else ""
    asked = f"({asked})" if isinstance(test, f.BoolOp) and test.op == "or" else asked
    shown = f"while {f'{asked} and ' if asked else ''}not stop.is_set():\n{tail}{_pause(function, loop.line, region.end_line)}"
    return shown if GAP not in shown else ""


def _pause(function: Function, first: int, last: int) -> str:
    """What becomes of the sleep in a loop."""
    sleeps = [s for s in function.calls if first < s.line <= last and callee_text(s) == "time.sleep" and s.fact.args]
    return f", with `stop.wait({written(sleeps[-1].fact.args[0], function)})` for the sleep" if sleeps else ""


def set_and_ask(handler: Function) -> str:
    """A handler that does nothing but log: it sets what the loop asks for."""
    text = f"Let `{handler.qualname}` set an event, and let the loop that it should end ask for it between two items."
    return _with(
        text,
        "",
        "stop = threading.Event()  # at module level\n\nstop.set()  # in the handler\n\nwhile not stop.is_set():\n    ...  # one item, as now",
    )


def deaf_handler(handler: Function, flag: str, *, lazy: bool) -> tuple[str, str]:
    """(what a handler does that changes nothing, the fix): a coroutine that nothing awaits, a flag that nothing reads, or only a log line."""
    if lazy:
        return "is a coroutine, and nothing awaits it", start_task(handler)
    if flag:
        return f"only sets `{flag}`, which nothing reads", read_flag(flag)
    return "does nothing but log", set_and_ask(handler)


def start_task(handler: Function) -> str:
    """A handler that is a coroutine: one that starts it as a task."""
    given = [p.name for p in handler.scope.params if p.kind == "positional" and p.name not in {"self", "cls"}]
    call = f"{'self.' if handler.is_method else ''}{handler.name}({'signal.SIGTERM, None' if len(given) == 2 else ''})"
    name = handler.name
    return _with(
        f"Register a function that starts `{name}()` as a task, and keep the task until it is done.",
        "",
        f"tasks = set()\n\ndef on_signal():\n    tasks.add(asyncio.ensure_future({call}))  # a reference, or it may be collected\n\n"
        "asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, on_signal)  # where the loop runs",
    )


def read_flag(flag: str) -> str:
    """Let the loop look at what the handler sets."""
    return _with(
        f"Let the loop end when `{flag}` is set: test it between two items, and do not sleep past it.",
        "",
        f"while not {flag}:\n    ...  # one item, as now",
    )


def close_at_end(model: Model, function: Function, name: str, closers: tuple[str, ...], *, on_loop: bool) -> str:
    """Flush and close a resource when its user ends, also by a signal."""
    own = nearest(model, "closing", function)
    word = "await " if on_loop else ""
    said = f"`{name}`"
    if not all(part.isidentifier() for part in name.split(".")):  # "the KafkaProducer": it has no name here
        said, name = name, name.rpartition(" ")[2].lower()
    if said != f"`{name}`" and function.kind == "function":
        return f"Keep {said} that `{function.qualname}()` makes in one place, and call {' and '.join(f'`{closer}()`' for closer in closers[:2])} on it when the process stops, in the shutdown hook of the server."
    body = "\n    ".join(f"{word}{name}.{closer}()" for closer in closers[:2])
    return _with(
        f"Close {said} in a `finally` (or as a context manager) around the work that uses it.",
        own,
        f"try:\n    ...  # the work, as it is\nfinally:\n    {body}",
    )


def close_member(stop: Function, members: tuple[str, ...], closers: tuple[str, ...]) -> str:
    """Flush and close forgotten members where the others are closed."""
    word = "await " if stop.is_async else ""
    lines = "\n".join(f"{word}self.{member}.{closer}()" for member in members for closer in closers[:2])
    return _with(f"Flush and close it in `{stop.name}()` as well.", "", lines)


def close_owned(owner: str, name: str, closers: tuple[str, ...]) -> str:
    """Give the owning class a way to close, and call it."""
    body = "\n    ".join(f"{name}.{closer}()" for closer in closers[:2])
    return _with(
        f"Give `{owner}` a `close()` and call it when the process stops, after the last use.",
        "",
        f"def close(self):\n    {body}",
    )


def close_at_exit(name: str, closers: tuple[str, ...]) -> str:
    """Flush an object that lives as long as the process."""
    text = f"Flush `{name}` when the process stops, in the shutdown hook of the server or at exit; `atexit` runs only if SIGTERM is handled."
    return _with(text, "", f"atexit.register({name}.{closers[0]})")


def _with(text: str, own: str, snippet: str) -> str:
    """The sentence, the place to copy from, the snippet."""
    body = dedent(snippet).strip()
    parts = [text, own] if own else [text]
    return " ".join(parts) + (f"\n```python\n{body}\n```" if body else "")


def let_cancellation_pass() -> str:
    """What to do with a handler that ends a cancellation."""
    return (
        "Let the cancellation pass: do what must be done in `finally`, or re-raise at the end of the handler.\n"
        "```python\nexcept asyncio.CancelledError:\n    ...  # what it does now\n    raise\n```"
    )
