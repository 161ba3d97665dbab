"""Configuration: what it may say, and how exactly it is told what it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine_fakes import info
from roadworthy.config import ConfigError, Settings, load_settings
from roadworthy.config.load import parse_fail_on
from roadworthy.findings.finding import Pillar, Severity
from roadworthy.text.source import Role

if TYPE_CHECKING:
    from pathlib import Path

RULES = [
    info("hang", Pillar.RESILIENCE, "missing-timeout"),
    info("twice", Pillar.IDEMPOTENCY),
    info("lost", Pillar.DURABILITY),
]


def load(root: Path, start: str = ".") -> Settings:
    """Load what holds at a folder of the root."""
    return load_settings((root / start).resolve(), root.resolve(), RULES)


def own(root: Path, text: str, name: str = "roadworthy.toml") -> Path:
    """Write a configuration."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)
    return root


def error(root: Path, text: str, name: str = "roadworthy.toml") -> str:
    """The message that a configuration earns."""
    with pytest.raises(ConfigError) as caught:
        load(own(root, text, name))
    return str(caught.value)


FULL = """
exclude = ["legacy/", "*.gen.py"]
select = ["resilience", "twice"]
ignore = ["missing-timeout"]
fail-on = "never"
pedantic = true
libraries = ["knowledge"]

[severity]
hang = "LOW"
durability = "HIGH"

[[paths]]
path = "jobs/**"
ignore = ["twice"]
severity = { lost = "MEDIUM" }

[[paths]]
path = ["tests/live/"]
role = "production"
"""


def test_everything(tmp_path: Path) -> None:
    """Each key, read once."""
    (tmp_path / "knowledge").mkdir()
    settings = load(own(tmp_path, FULL))
    assert settings.select == ("resilience", "twice")
    assert settings.ignore == ("missing-timeout",)
    assert (settings.fail_on, settings.pedantic) == (None, True)
    assert settings.libraries == ((tmp_path / "knowledge").resolve(),)
    assert settings.severity == {"hang": Severity.LOW, "durability": Severity.HIGH}
    assert [patterns.match("legacy/a.py") for patterns in settings.exclude] == [True]
    jobs, live = settings.paths
    assert (jobs.paths.match("jobs/a/b.py"), jobs.ignore, jobs.severity) == (
        True,
        ("twice",),
        {"lost": Severity.MEDIUM},
    )
    assert (live.paths.match("tests/live/a.py"), live.role) == (True, Role.PRODUCTION)


def test_nothing(tmp_path: Path) -> None:
    """No file, or a file that does not speak of us: the defaults."""
    assert load(tmp_path) == Settings()
    own(tmp_path, "[project]\nname = 'x'\n", "pyproject.toml")
    assert load(tmp_path) == Settings()
    own(tmp_path, "this is [ not TOML", "pyproject.toml")
    assert load(tmp_path) == Settings()


def test_shared_file(tmp_path: Path) -> None:
    """`[tool.roadworthy]` in `pyproject.toml`."""
    own(tmp_path, "[tool.roadworthy]\nselect = 'hang'\n", "pyproject.toml")
    assert load(tmp_path).select == ("hang",)


def test_the_nearest_file_holds(tmp_path: Path) -> None:
    """Its patterns speak of its folder; the search ends at the root."""
    own(tmp_path, "select = ['hang']\n")
    own(tmp_path, "exclude = ['/old/']\n", "svc/roadworthy.toml")
    assert load(tmp_path, "svc").select == ()
    assert [patterns.match("svc/old/a.py") for patterns in load(tmp_path, "svc").exclude] == [True]
    assert load(tmp_path).select == ("hang",)
    (tmp_path / "svc" / "inner").mkdir()
    assert load_settings((tmp_path / "svc/inner").resolve(), (tmp_path / "svc/inner").resolve(), RULES) == Settings()


def test_extend(tmp_path: Path) -> None:
    """Lists add up, tables merge, single values replace where they are given."""
    own(
        tmp_path,
        "ignore = ['hang']\nfail-on = 'LOW'\npedantic = true\n[severity]\nhang = 'LOW'\ntwice = 'LOW'\n",
        "base/roadworthy.toml",
    )
    own(tmp_path, "extend = 'base/roadworthy.toml'\nignore = ['lost']\npedantic = false\n[severity]\ntwice = 'HIGH'\n")
    settings = load(tmp_path)
    assert (settings.ignore, settings.fail_on, settings.pedantic) == (("hang", "lost"), Severity.LOW, False)
    assert settings.severity == {"hang": Severity.LOW, "twice": Severity.HIGH}


def test_extend_several(tmp_path: Path) -> None:
    """What an earlier one says stays when a later one is silent about it."""
    own(tmp_path, "fail-on = 'LOW'\npedantic = true\n", "one.toml")
    own(tmp_path, "ignore = ['lost']\n", "two.toml")
    own(tmp_path, "extend = ['one.toml', 'two.toml']\n")
    settings = load(tmp_path)
    assert (settings.fail_on, settings.pedantic, settings.ignore) == (Severity.LOW, True, ("lost",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("selct = []\n", "roadworthy.toml:1: key selct: is unknown; did you mean select?"),
        ("\n\nx-y = 1\n", "roadworthy.toml:3: key x-y: is unknown"),
        (
            "select = ['hagn']\n",
            "roadworthy.toml:1: key select: 'hagn' is no rule, anti-pattern or pillar; did you mean hang?",
        ),
        ("select = 3\n", "roadworthy.toml:1: key select: must be a list of strings, not 3"),
        ("\nignore = ['hang', 3]\n", "roadworthy.toml:2: key ignore: must hold non-empty strings, not 3"),
        ("exclude = ['']\n", "roadworthy.toml:1: key exclude: must hold non-empty strings, not ''"),
        ("exclude = ['!']\n", "roadworthy.toml:1: key exclude: '!' is no path pattern"),
        ("pedantic = 'yes'\n", "roadworthy.toml:1: key pedantic: must be true or false, not 'yes'"),
        ("fail-on = 'Hihg'\n", "roadworthy.toml:1: key fail-on: must be one of HIGH, MEDIUM, LOW, never, not 'Hihg'"),
        ("fail-on = [1]\n", "roadworthy.toml:1: key fail-on: must be one of HIGH, MEDIUM, LOW, never, not [1]"),
        ("severity = 'LOW'\n", "roadworthy.toml:1: key severity: must be a table, not 'LOW'"),
        (
            "[severity]\nhang = 'LOW'\ntwcie = 'LOW'\n",
            "roadworthy.toml:3: key severity.twcie: is unknown; did you mean twice?",
        ),
        (
            "[severity]\n\nhang = 'low'\n",
            "roadworthy.toml:3: key severity.hang: must be one of HIGH, MEDIUM, LOW, not 'low'",
        ),
        (
            "severity = { hang = 'x' }\n",
            "roadworthy.toml:1: key severity.hang: must be one of HIGH, MEDIUM, LOW, not 'x'",
        ),
        ("paths = 1\n", "roadworthy.toml:1: key paths: must be tables, written [[paths]]"),
        ("[[paths]]\npath = 'a'\n\n[[paths]]\nrole = 'test'\n", "roadworthy.toml:4: key paths[1].path: is missing"),
        (
            "[[paths]]\npath = 'a'\n[[paths]]\npath = 'b'\nrole = 'prod'\n",
            "roadworthy.toml:5: key paths[1].role: must be one of production",
        ),
        (
            "[[paths]]\npath = 'a'\n[paths.severity]\nhagn = 'LOW'\n",
            "roadworthy.toml:4: key paths[0].severity.hagn: is unknown",
        ),
        ("[[paths]]\npat = 'a'\n", "roadworthy.toml:2: key paths[0].pat: is unknown; did you mean path?"),
        ("libraries = ['none.toml']\n", "roadworthy.toml:1: key libraries: none.toml does not exist"),
        ("extend = 'none.toml'\n", "roadworthy.toml:1: key extend: none.toml does not exist"),
        ("extend = 'roadworthy.toml'\n", "roadworthy.toml:1: key extend: goes round in a circle"),
        ("select = [\n", "roadworthy.toml:2: is not TOML: "),
        ("select = ['hang'\nignore = []\n", "roadworthy.toml:2: is not TOML: "),
        ("a = " + "[" * 100_000, "roadworthy.toml: is nested too deeply"),
    ],
)
def test_errors(tmp_path: Path, text: str, message: str) -> None:
    """File, line, key, what is wrong, the nearest valid name."""
    assert error(tmp_path, text).startswith(message)


def test_errors_in_the_shared_file(tmp_path: Path) -> None:
    """Keys are written from the top."""
    text = "[project]\nname = 'x'\n\n[tool.other]\nselect = 1\n\n[tool.roadworthy]\nexclude = []\nselekt = []\n"
    assert error(tmp_path, text, "pyproject.toml").startswith(
        "pyproject.toml:9: key tool.roadworthy.selekt: is unknown; did you mean select?"
    )
    broken = "[tool.roadworthy]\nselect = [\n"
    assert error(tmp_path, broken, "pyproject.toml").startswith("pyproject.toml:")


def test_errors_in_an_extended_file(tmp_path: Path) -> None:
    """They name that file."""
    own(tmp_path, "\nbad = 1\n", "base/shared.toml")
    assert error(tmp_path, "extend = 'base/shared.toml'\n").startswith("base/shared.toml:2: key bad: is unknown")


def test_two_files_are_one_too_many(tmp_path: Path) -> None:
    """Nobody should have to know which one wins."""
    own(tmp_path, "[tool.roadworthy]\n", "pyproject.toml")
    assert error(tmp_path, "") == "roadworthy.toml and pyproject.toml both hold settings: keep one"


@pytest.mark.parametrize("data", [b"\xff\xfe", b"select = ['\x00']", b"x = 1\n" * 300_000])
def test_hostile_files(tmp_path: Path, data: bytes) -> None:
    """Not text, not TOML, too large: an error, never a traceback."""
    (tmp_path / "roadworthy.toml").write_bytes(data)
    with pytest.raises(ConfigError, match=r"^roadworthy\.toml"):
        load(tmp_path)


def test_fail_on() -> None:
    """In any case of letters."""
    assert [parse_fail_on(word) for word in ("high", "LOW", "Never")] == [Severity.HIGH, Severity.LOW, None]
    with pytest.raises(ValueError, match="NOW"):
        parse_fail_on("now")
