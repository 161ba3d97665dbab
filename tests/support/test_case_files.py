"""Case files: headings, file names, errors that name the place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.cases import Case, CaseError, load_cases

if TYPE_CHECKING:
    from pathlib import Path

TWO_FILES = """\
# some-rule

Words before the first case.

## Through a helper

Why it matters.

`app/client.py`:

```python
def f():
    g()  # finding: some-rule
```

### A deeper heading is prose

`Dockerfile`:
```dockerfile
# finding: some-rule
CMD python app.py
```

## One file
```python
# ## not a heading
f()
```
```text
not a file
```
"""


def _load(tmp_path: Path, text: str) -> list[Case]:
    file = tmp_path / "some-rule.md"
    file.write_text(text)
    return load_cases(file, "some-rule.md")


def test_a_case_file_is_read(tmp_path: Path) -> None:
    """Headings are cases, named blocks are files, an unnamed Python block is app.py."""
    first, second = _load(tmp_path, TWO_FILES)
    assert first.title == "Through a helper"
    assert first.slug == "through-a-helper"
    assert first.files == {"app/client.py": "def f():\n    g()\n", "Dockerfile": "#\nCMD python app.py\n"}
    assert second.files == {"app.py": "# ## not a heading\nf()\n"}


def test_places_lead_back_to_the_markdown(tmp_path: Path) -> None:
    """A failure names the line of the case file that one has to edit."""
    first, _ = _load(tmp_path, TWO_FILES)
    for marker in first.markers:
        line = int(first.place(marker.path, marker.line).rpartition(":")[2])
        assert TWO_FILES.splitlines()[line - 1].strip().startswith(("g()", "CMD"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("## A\n```python\nf()\n", "never closed"),
        ("## A\nno file\n", "has no file"),
        ("```python\nf()\n```\n", "belongs to no"),
        ("## A\n```python\nf()\n```\n```python\ng()\n```\n", "there twice"),
        ("## A\n```ini\na=1\n```\n", "needs a file name"),
        ("## A\n```python\nf()  # findings: r\n```\n", "some-rule.md:3: `findings:` is no marker"),
        ("## A\n```python\nf()\n```\n## a!\n```python\nf()\n```\n", "same heading"),
    ],
)
def test_a_wrong_case_file_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    """No block and no marker is left out without a word."""
    with pytest.raises(CaseError, match=message):
        _load(tmp_path, text)
