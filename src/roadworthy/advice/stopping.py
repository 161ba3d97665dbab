"""Fixes for processes that do not stop in an orderly way, and for what they hold when they stop."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from roadworthy.advice.patterns import nearest

if TYPE_CHECKING:
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


def stop_flag(model: Model, function: Function, what: str, *, on_loop: bool) -> str:
    """End the loop between two items when SIGTERM comes."""
    own = nearest(model, "shutdown", function)
    text = f"Handle SIGTERM where {what} is started: finish the item in hand, flush and commit, then leave the loop."
    on_thread = """
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        signal.signal(signal.SIGINT, lambda *_: stop.set())
        while not stop.is_set():
            ...  # one item, as now
            stop.wait(interval)  # in place of the sleep
    """
    on_event_loop = """
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sig, stop.set)
        while not stop.is_set():
            ...  # one item, as now
    """
    return _with(text, own, on_event_loop if on_loop else on_thread)


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
