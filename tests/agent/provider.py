"""A model provider on the loopback that misbehaves on demand: the wire formats of OpenAI (chat completions) and Anthropic (messages).

A mind is a function from what was asked to what is answered; the log holds every request that came in.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Asked:
    """One request, the same for both formats."""

    number: int  # from 0
    flavour: str  # "openai" or "anthropic"
    system: str
    task: str  # the first thing that the user said
    results: tuple[str, ...]  # what tools answered, in order
    tools: tuple[str, ...]
    body: str

    @property
    def kind(self) -> str:
        """Which of the three tasks it is."""
        starts = {"Judge this": "triage", "Read these": "explore", "Another": "refute"}
        return next(name for start, name in starts.items() if self.task.startswith(start))


@dataclass(frozen=True)
class Calls:
    """The model calls tools: (name, arguments); a string is sent as it is."""

    calls: tuple[tuple[str, dict[str, Any] | str], ...]


@dataclass(frozen=True)
class Fault:
    """The provider does something else."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hang: float = 0.0
    cut: bool = False  # the connection closes in the middle of the body
    body: bytes = b'{"error": {"type": "server_error", "message": "something broke"}}'


Answer = Calls | Fault
Mind = "Callable[[Asked], Answer]"


def call(name: str, **arguments: object) -> Calls:
    """One call of one tool."""
    return Calls(((name, arguments),))


def report(answer: dict[str, object]) -> Calls:
    """The final answer of a conversation."""
    return Calls((("report", answer),))


class Provider:
    """A running server."""

    def __init__(self, mind: Callable[[Asked], Answer]) -> None:
        self.mind = mind
        self.log: list[Asked] = []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["content-length"])).decode()
                flavour = "anthropic" if self.path.endswith("/messages") else "openai"
                with provider.lock:
                    asked = _read(len(provider.log), flavour, text)
                    provider.log.append(asked)
                answer = provider.mind(asked)
                if isinstance(answer, Fault):
                    self.misbehave(answer)
                else:
                    self.send(200, {}, json.dumps(_WRITERS[flavour](asked.number, answer)).encode())

            def misbehave(self, fault: Fault) -> None:
                provider.stopping.wait(fault.hang)
                self.send(fault.status, fault.headers, fault.body, cut=fault.cut)

            def send(self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False) -> None:
                try:
                    self.send_response(status)
                    for name, value in {"content-type": "application/json", **headers}.items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body[: len(body) // 2] if cut else body)
                except OSError:  # whoever asked has gone
                    self.close_connection = True
                if cut:
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """What makes the clients of both providers ask this one."""
        return {
            "OPENAI_BASE_URL": f"{self.address}/v1",
            "OPENAI_API_KEY": "none",
            "ANTHROPIC_BASE_URL": self.address,
            "ANTHROPIC_API_KEY": "none",
            "NO_PROXY": "127.0.0.1",
        }

    def wait_for(self, count: int, seconds: float = 20.0) -> None:
        """Until so many requests came in."""
        deadline = time.monotonic() + seconds
        while len(self.log) < count:
            assert time.monotonic() < deadline, f"{len(self.log)} requests came, not {count}"
            time.sleep(0.01)

    def close(self) -> None:
        """Stop, and let nobody hang."""
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def serving(mind: Callable[[Asked], Answer]) -> Iterator[Provider]:
    """A provider for a while."""
    provider = Provider(mind)
    try:
        yield provider
    finally:
        provider.close()


def _read(number: int, flavour: str, text: str) -> Asked:
    body = json.loads(text)
    tools = tuple(tool.get("name") or tool["function"]["name"] for tool in body.get("tools", ()))
    messages = body["messages"]
    if flavour == "openai":
        system = "".join(m["content"] for m in messages if m["role"] in ("system", "developer"))
        said = [_text(m["content"]) for m in messages if m["role"] == "user"]
        results = [_text(m["content"]) for m in messages if m["role"] == "tool"]
    else:
        system = _text(body.get("system", ""))
        parts = [part for m in messages if m["role"] == "user" for part in _parts(m["content"])]
        said = [part["text"] for part in parts if part["type"] == "text"]
        results = [_text(part["content"]) for part in parts if part["type"] == "tool_result"]
    return Asked(number, flavour, system, said[0], tuple(results), tools, text)


def _parts(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _openai(number: int, answer: Calls) -> dict[str, Any]:
    calls = [
        {
            "id": f"call_{number}_{index}",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for index, (name, given) in enumerate(answer.calls)
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    return {
        "id": f"chat_{number}",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "scripted",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
    }


def _anthropic(number: int, answer: Calls) -> dict[str, Any]:
    content = [
        {
            "type": "tool_use",
            "id": f"toolu_{number}_{index}",
            "name": name,
            "input": {} if isinstance(given, str) else given,
        }
        for index, (name, given) in enumerate(answer.calls)
    ]
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": "scripted",
        "content": content,
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 1000, "output_tokens": 100},
    }


_WRITERS = {"openai": _openai, "anthropic": _anthropic}
