"""How a server is found: by the command line, else as every program of Temporal (TEMPORAL_ADDRESS, TEMPORAL_API_KEY, TLS, profiles)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError, RPCStatusCode

if TYPE_CHECKING:
    from collections.abc import Callable

PASSING = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.UNKNOWN,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.ABORTED,
    }
)
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 5.0


class EngineError(Exception):
    """The engine cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is; empty words were not said."""

    target: str = ""
    namespace: str = ""


async def connect(address: Address, seconds: float, say: Callable[[str], None]) -> Client:
    """Connect, and wait so long for a server that is just starting. Raises EngineError."""
    try:
        config = ClientConfig.load_client_connect_config()
    except (ValueError, RuntimeError, OSError) as error:
        raise EngineError(f"Temporal's settings: {error}") from error
    if address.target:
        config["target_host"] = address.target
    if address.namespace:
        config["namespace"] = address.namespace
    target = config.setdefault("target_host", "localhost:7233")
    end, wait = time.monotonic() + seconds, _FIRST_WAIT
    while True:
        try:
            return await Client.connect(**config)
        except (RuntimeError, RPCError) as error:  # RuntimeError: no connection at all
            if time.monotonic() + wait > end or (isinstance(error, RPCError) and error.status not in PASSING):
                raise EngineError(f"no Temporal server at {target}: {' '.join(str(error).split())[:300]}") from error
        if wait == _FIRST_WAIT:
            say(f"waits for the Temporal server at {target}")
        await asyncio.sleep(wait)
        wait = min(_LONGEST_WAIT, 2 * wait)
