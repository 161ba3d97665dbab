"""The server is asked by a real client over standard input and output."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("mcp")

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from roadworthy.engine.questions import PAGE, page

ROOT = Path(__file__).parents[1]


async def _ask(root: Path, questions: list[tuple[str, dict[str, object]]]) -> tuple[list[str], list[str]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    server = StdioServerParameters(command=sys.executable, args=["-m", "roadworthy", "mcp", str(root)], env=environment)
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        tools = sorted(tool.name for tool in (await session.list_tools()).tools)
        answers = []
        for name, arguments in questions:
            result = await session.call_tool(name, arguments)
            answers.append("".join(part.text for part in result.content if part.type == "text"))
        return tools, answers


@pytest.mark.slow
def test_a_client_reviews_and_asks(tmp_path):
    source = "import requests\n\ndef fetch(url):\n    return requests.get(url)\n\nif __name__ == '__main__':\n    fetch('http://a')\n"
    (tmp_path / "app.py").write_text(source)
    (tmp_path / "pyproject.toml").write_text("")

    tools, answers = asyncio.run(
        _ask(
            tmp_path,
            [
                ("review", {}),
                ("model", {"function": "app.fetch"}),
                ("explain", {"name": "call-without-timeout"}),
                ("map", {}),
                ("map", {"area": "app.py", "exposed": True}),
            ],
        )
    )

    assert tools == ["explain", "git", "map", "model", "patterns", "review"]
    assert "app.py:4 call-without-timeout" in answers[0]
    assert "requests.get" in answers[1]
    assert "## Why it fails in production" in answers[2]
    assert answers[3].startswith("1 entry points\ncommand app.py app.py:1 (")
    assert "  http-request requests.get app.py:4: time limit NONE, twice safe\n" in answers[3]
    assert answers[4] == answers[3]


def test_pages_are_bounded_and_join_to_the_whole():
    text = "".join(f"line {n}\n" for n in range(9000))
    pages, cursor = [], 0
    while True:
        answer = page(text, cursor)
        body, _, rest = answer.partition("\n(more: call again with cursor=")
        assert len(body) <= PAGE
        pages.append(body + ("\n" if rest and not body.endswith("\n") else ""))
        if not rest:
            break
        cursor = int(rest.rstrip(")"))

    assert text == "".join(pages)
