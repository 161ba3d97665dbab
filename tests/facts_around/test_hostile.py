from __future__ import annotations

import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy.facts.around import extract_around, wants
from roadworthy.facts.schema import AuxFacts

PATHS = (
    "Dockerfile", "run.sh", "Procfile", "docker-compose.yml", "deploy.yaml", "x.service", "supervisord.conf", "x.sql", "requirements.txt",
    "uv.lock", "Pipfile", "Pipfile.lock", "pyproject.toml", "setup.cfg", ".env", "config.toml", "app.ini", "heroku.yml",
)  # fmt: skip

TOKENS = st.sampled_from(
    [
        "FROM x\n",
        "CMD ",
        "ENTRYPOINT ",
        "ENV A=",
        "services:\n",
        "  web:\n",
        "    command: ",
        "kind: Deployment\n",
        "spec:\n",
        "- ",
        ": ",
        "? ",
        "&a ",
        "*a",
        "<<: *a\n",
        "[",
        "]",
        "{",
        "}",
        '"',
        "'",
        "`",
        "$(",
        "${",
        ")",
        "$@",
        "|\n",
        ">-\n",
        "\n",
        "  ",
        "\t",
        "\\\n",
        "\\",
        "#",
        "if ",
        "then ",
        "fi\n",
        "case ",
        "in ",
        "esac",
        ";;",
        "f() {",
        "exec ",
        "&",
        "&&",
        "||",
        "|",
        "<<E\n",
        "E\n",
        "trap ",
        "{{",
        "}}",
        "{%",
        "%}",
        "[program:x]\n",
        "[Service]\n",
        "command=",
        "ExecStart=",
        "name = ",
        "version = ",
        "[[package]]\n",
        "==1.0",
        ">=",
        ";",
        "--",
        "=",
        "\x00",
        "é",
        "web: ",
        "---\n",
        "!!binary ",
        "%YAML",
        "0",
        "1e400",
        "\r\n",
        "\ufeff",
        "😀",
    ]
)


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=60, deadline=None)
@given(text=st.lists(TOKENS, max_size=80).map("".join))
def test_any_text_gives_serialisable_facts(path: str, text: str) -> None:
    data = text.encode()
    facts = extract_around(path, data)
    assert facts == extract_around(path, data)
    if facts is not None:
        assert facts.path == path
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(facts), type=AuxFacts) == facts
        lines = data.count(b"\n") + data.count(b"\r") + 2
        assert all(1 <= p.line <= p.end_line <= lines for p in facts.processes)
        assert all(1 <= s.line <= lines for s in facts.settings)
        assert all(process.argv for process in facts.processes)
        assert not any("could not be read" in p.message for p in facts.problems)


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_do_no_harm(path: str, data: bytes) -> None:
    extract_around(path, data)


@given(st.text(max_size=60))
def test_any_path_can_be_asked(path: str) -> None:
    wants(path)


N = 200_000
MEAN = {
    "deep block yaml": ("docker-compose.yml", "services:\n  web:\n    image: x\n" + "".join(" " * i + "a:\n" for i in range(400))),
    "deep sequence yaml": ("docker-compose.yml", "services:\n  web:\n    image: x\nx:\n  " + "- " * N),
    "deep sequence with anchors": ("docker-compose.yml", "services:\n  web:\n    image: x\nx:\n  " + "- &a " * N),
    "deep flow yaml": ("docker-compose.yml", "services:\n  web:\n    image: " + "[" * N),
    "deep flow maps": ("docker-compose.yml", "services:\n  web:\n    image: " + "{a: " * N),
    "long yaml": ("docker-compose.yml", "services:\n  web:\n    image: x\n" + "#\n" * 100_000),
    "many documents": ("k.yaml", "kind: Job\n---\n" * 20_000),
    "nested arrays of a shell": ("run.sh", "a=( " * 50_000),
    "nested subshells": ("run.sh", "( " * 100_000),
    "nested substitutions": ("run.sh", 'echo "$(' * 50_000),
    "long chain": ("run.sh", "a && " * 40_000 + "b"),
    "many functions": ("run.sh", "".join(f"f{i}() {{ f{i + 1}; f{i + 1}; }}\n" for i in range(2000)) + "f0\n"),
    "many ifs": ("run.sh", "if x; then\n" * 20_000),
    "docker continuation": ("Dockerfile", "FROM x\nCMD a \\\n" + "\\\n" * N),
    "docker heredocs": ("Dockerfile", "FROM x\n" + "RUN <<A <<B\n" * 20_000),
    "json form": ("Dockerfile", "FROM x\nCMD " + "[" * N),
    "deep toml": ("config.toml", "a = " + "[" * N),
    "dotted toml": ("config.toml", "[" + "a." * N + "a]\nb = 1\n"),
    "huge number": ("config.toml", "a = " + "9" * 100_000),
    "deep json": ("Pipfile.lock", "[" * N),
    "open comments": ("x.sql", "/* /* */ " * 100_000),
    "open quotes": ("x.sql", "'a''" * 100_000 + "e'\\" * 50_000),
    "copies": ("x.sql", "COPY a\n" * 100_000),
    "tags": ("x.sql", "".join(f"$a{i}$ " for i in range(100_000))),
    "delimiters": ("x.sql", "DELIMITER x\na x" * 20_000),
    "holes": ("k.yaml", "kind: Job\n" + "{{" * N),
    "open holes": ("k.yaml", "kind: Job\n" + "{{ a " * 50_000 + "{% " * 50_000),
    "requirement": ("requirements.txt", "a" * N + "\n" + "a[" * N + "\n" + "a>=1," * 20_000),
    "lock": ("uv.lock", "[[package]]\nname = 'a'\nversion = '1'\n" * 50_000),
    "ini": ("app.ini", "[a]\n" + "k = v\n" + " x\n" * N),
    "env": (".env", "A=" + " " * N + "x\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", MEAN)
def test_mean_files_are_read_in_bounded_time(name: str) -> None:
    path, text = MEAN[name]
    start = time.perf_counter()
    facts = extract_around(path, text.encode())
    assert time.perf_counter() - start < 8
    assert facts is None or not any("could not be read" in p.message for p in facts.problems)


def test_a_refused_document_is_told() -> None:
    path, text = MEAN["deep block yaml"]
    facts = extract_around(path, text.encode())
    assert facts is not None
    assert [p.message for p in facts.problems] == ["YAML document with too deep nesting is not read"]


def test_returning_to_the_margin_does_not_hide_the_depth() -> None:
    """The scanner's stack is not popped inside a quoted text, whatever its indentation."""
    lines = [" " * i + ('? "x\ny"' if i % 30 == 29 else "k:") for i in range(400)]
    facts = extract_around("docker-compose.yml", "\n".join(["services:", "  web:", "    image: x", *lines]).encode())
    assert facts is not None
    assert [p.message for p in facts.problems] == ["YAML document with too deep nesting is not read"]


def test_large_and_binary_files_are_told() -> None:
    large = extract_around("run.sh", b"#" * 2_000_001)
    assert large is not None
    assert [p.message for p in large.problems] == ["larger than 2 MB: not read"]
    binary = extract_around("Dockerfile", b"FROM x\n\0\0")
    assert binary is not None
    assert [p.message for p in binary.problems] == ["binary data"]
    assert extract_around("docker/start", b"\x7fELF\0\0") is None


def test_other_encodings() -> None:
    for encoding in ("utf-8-sig", "utf-16"):
        facts = extract_around("requirements.txt", "redis==5.0\r\ncelery==5.3\r\n".encode(encoding))
        assert facts is not None
        assert [(r.line, r.name) for r in facts.requirements] == [(1, "redis"), (2, "celery")]


def test_a_large_lock_is_quick() -> None:
    block = (
        '[[package]]\nname = "p{0}"\nversion = "1.{0}"\nwheels = [\n'
        + "    { url = 'https://example.org' },\n" * 30
        + "]\n"
    )
    data = "".join(block.format(i) if i < 0 else block.replace("{0}", str(i)) for i in range(8_000)).encode()
    start = time.perf_counter()
    facts = extract_around("uv.lock", data)
    assert time.perf_counter() - start < 5
    assert facts is not None
    assert len(data) > 8_000_000
    assert len(facts.requirements) == 8_000
