"""Skeletons for what is added most often.

    python tools/new.py rule resilience/call-without-timeout
    python tools/new.py library dramatiq

Each file says TODO where something is to be written; a test fails as long as one is left.
"""

from __future__ import annotations

import argparse
import datetime
import re
import sys

from rulebook import PILLARS, ROOT

_ID = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")

RULE = '''\
"""TODO: one sentence that says what is reported.

## Why it fails in production

TODO: which ordinary fault, which harm.

## What is reported

TODO: the conditions, in the words of the vocabulary.

## What is not reported

TODO: one line for each named predicate below.

## Bad

```python
def run():
    todo()  # finding: {id}
```

## Good

```python
def run():
    done()
```
"""

from __future__ import annotations

from roadworthy.rules.api import Finding, Iterator, Model, Rule, Severity, finding

RULE = Rule(id="{id}", anti_pattern="TODO", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """TODO: the question that is asked of the model."""
    for site in model.sites():
        if model.callee_text(site) != "TODO":
            continue
        yield finding(
            RULE,
            model.place(site),
            Severity.MEDIUM,
            title="TODO: one fact about this code, in its own names",
            issue="TODO: what the code does wrong",
            impact="TODO: which fault, at which entry, does which harm",
            fix="TODO: what to write here",
        )
'''

CASE = """\
# {id}

## TODO: the plainest form

```python
def run():
    todo()  # finding: {id}
```

## TODO: through a helper in another file

`app/client.py`:

```python
def create():
    todo()
```

`app/tasks.py`:

```python
from app.client import create

def run():
    create()  # finding: {id}
```

## TODO: the protected form is silent

```python
def run():
    done()
```
"""

LIBRARY = """\
# How to write this file: README.md in this folder.
library = "{id}"
modules = ["{module}"]
docs = "TODO"
checked = {today}  # when a person last compared this file with the docs
checked_version = "TODO"
role = []

[[call]]
names = ["{module}.TODO"]
effects = []
source = "TODO"
example = "{module}.TODO()"
"""


def main() -> None:
    """Write the skeletons and say what was written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["rule", "library"])
    parser.add_argument("name", help="PILLAR/RULE-ID, or the library's name on the package index")
    options = parser.parse_args()
    files = rule(options.name) if options.kind == "rule" else library(options.name)
    if there := [path for path in files if (ROOT / path).exists()]:
        sys.exit(f"{there[0]} is there already")
    for path, text in files.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
        print(path)


def rule(name: str) -> dict[str, str]:
    """The three files of a new rule."""
    pillar, _, rule_id = name.partition("/")
    if pillar not in PILLARS or not _ID.fullmatch(rule_id):
        sys.exit(
            f"`{name}` is not PILLAR/RULE-ID, with a pillar of {', '.join(PILLARS)} and an id like call-without-timeout"
        )
    return {
        f"src/roadworthy/rules/{pillar}/{rule_id.replace('-', '_')}.py": RULE.format(id=rule_id),
        f"tests/cases/{rule_id}.md": CASE.format(id=rule_id),
        f"changelog.d/{rule_id}.rule.md": f"`{rule_id}`: TODO\n",
    }


def library(name: str) -> dict[str, str]:
    """The two files of a new library."""
    if not _ID.fullmatch(name.lower().replace("_", "-")):
        sys.exit(f"`{name}` is no name of a distribution")
    module = name.lower().replace("-", "_")
    text = LIBRARY.format(id=name, module=module, today=datetime.datetime.now(tz=datetime.UTC).date())
    return {
        f"src/roadworthy/knowledge/libraries/{module}.toml": text,
        f"changelog.d/{name.lower()}.library.md": f"`{name}`: TODO\n",
    }


if __name__ == "__main__":
    main()
