"""Files around Python: what starts the code, on what it depends, which schema it meets.

One file in, one frozen `AuxFacts` out. Nothing here raises: what cannot be read becomes a `Problem`.

Keys of the settings, by kind of file:

- dockerfile: `stage.<name>.` + `from`, `env.<NAME>`, `workdir`, `user`, `stopsignal`, `healthcheck`, `copy:<target>` (value: source)
- shell: `shell.shebang`, `shell.set`, `shell.trap.<SIGNAL>` (value: the handler; a function's body). For a `sh -c` text of a
  manifest they follow `<owner>.<role>.`
- compose: `services.<name>.` + `name`, `image`, `build.context|dockerfile|target`, `stop_grace_period`, `stop_signal`, `init`,
  `restart`, `deploy.replicas`, `healthcheck.test`, `volume` (bind mounts), `env.<NAME>`
- kubernetes: `<Kind>/<name>.` + `kind`, `replicas`, `strategy`, `label.<key>`, `terminationGracePeriodSeconds`, `concurrencyPolicy` …;
  `<Kind>/<name>/<container>.` + `name`, `image`, `readinessProbe`, `livenessProbe`, `startupProbe`, `preStop`, `env.<NAME>`;
  `Service/<name>.selector.<key>`
- openapi: `operation.<METHOD> <path>` (value: the dotted name of the function that answers it)
- systemd: `unit.<Key>`, `unit.env.<NAME>`; supervisor: `program:<name>.<key>`
- config: the file's own dotted keys (`[section]` or table first); env files: the bare name
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts.around.kinds import kind_of

if TYPE_CHECKING:
    from roadworthy.facts.schema import AuxFacts

__all__ = ["extract_around", "wants"]


def wants(path: str) -> bool:
    """Is this a file that `extract_around` may have something to say about? Judged by the name alone."""
    return kind_of(path) != ""


def extract_around(path: str, data: bytes) -> AuxFacts | None:
    """The facts of one file, or None where it turns out to be of no interest. Never raises."""
    from roadworthy.facts.around.reading import (
        read_around,  # a review whose facts are all kept does not wait for the readers
    )

    return read_around(path, data)
