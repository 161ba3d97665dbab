"""A reviewer of the example service with its answers written down: what docs/agent-session.md shows, without a key or a network."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.provider import Asked, Calls, Provider, report, serving
from roadworthy.agent.run import Options, review_with_agent
from roadworthy.config import Settings
from roadworthy.engine import STAGES, survey
from roadworthy.engine.run import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from roadworthy.findings.finding import Review

EXAMPLE = Path(__file__).parents[2] / "examples" / "orders"
MODEL = "openai-chat:scripted"


def cite(path: str, line: int, quote: str) -> dict[str, Any]:
    return {"path": path, "line": line, "quote": quote}


HOOKS = "orders/routes/webhooks.py"
ROUTES = "orders/routes/orders.py"
PUT = cite("orders/shipping.py", 28, '_session.put(\n        f"{settings.carrier_url}/shipments/{order.id}",')
BOOK = cite("orders/workflows.py", 33, "label = shipping.book(order)")
WINDOW = cite(
    "orders/tasks.py",
    69,
    "select(Order).where(Order.status == OrderStatus.PAID, Order.created_at > now() - timedelta(hours=2))",
)
HOURLY = cite("orders/tasks.py", 22, '"post-to-ledger": {"task": "orders.tasks.post_paid_orders", "schedule": 3600.0},')
CANCEL = cite(ROUTES, 59, 'await run_in_background(RefundOrder.run, str(order.id), id=f"refund-{order.id}")')
CANCELLED = cite(ROUTES, 54, "if order.status not in (OrderStatus.PENDING, OrderStatus.PAID):")
NO_PAYMENT = cite("orders/workflows.py", 47, "if payment is not None:")
PAID = cite(HOOKS, 43, "order.status = OrderStatus.PAID")
EVERY = cite(
    "orders/tasks.py", 21, '"expire-unpaid-orders": {"task": "orders.tasks.expire_unpaid_orders", "schedule": 300.0},'
)


def claim(
    pillar: str, anti_pattern: str, title: str, issue: str, impact: str, fix: str, *evidence: dict[str, Any]
) -> dict[str, Any]:
    return {
        "pillar": pillar, "severity": "HIGH", "anti_pattern": anti_pattern, "title": title, "issue": issue, "impact": impact, "fix": fix,
        "evidence": list(evidence),
    }  # fmt: skip


REFUND = claim(
    "durability",
    "missing-compensation",
    "`refund_payment` finds no payment yet and ends; the one that settles later is kept",
    "`cancel_order` starts `RefundOrder` for an order whose charge is still on its way. `refund_payment` sees no `Payment` and does nothing; when "
    "the webhook comes, `payment_settled` sets the cancelled order to PAID without looking at its status.",
    "A customer who cancels within the seconds between charge and webhook is charged, gets no refund, and the cancelled order is fulfilled.",
    "In `payment_settled`, when the order is CANCELLED or EXPIRED, keep that status, store the payment, and start `RefundOrder` with the id "
    "`refund-{order.id}` through `run_in_background()`, as `cancel_order` does.",
    NO_PAYMENT, PAID, CANCELLED,
)  # fmt: skip

FINDINGS: dict[str, list[dict[str, Any]]] = {
    HOOKS: [
        claim(
            "durability",
            "dual-write",
            "`cancel_order` commits CANCELLED and starts the refund afterwards; nothing starts it again",
            "Between `session.commit()` and `run_in_background()` the process may die; a repeated request then answers 409.",
            "A deploy at that moment leaves a paid order cancelled and never refunded, and the client cannot ask again.",
            "Start `RefundOrder` before the commit: its id is deterministic, so a repetition is harmless; let the workflow set the status.",
            CANCEL, CANCELLED,
        ),
    ],
    "orders/workflows.py": [
        REFUND,
        claim(
            "idempotency",
            "missing-retry-guard",
            "`book_shipment` books at the carrier again when Temporal repeats the activity",
            "The activity calls the carrier and then writes; a failure between the two repeats the call up to twenty times.",
            "A lost connection to the database after the booking books the same parcel a second time.",
            "Store the booking's number before the call, and send it as the key of the request.",
            BOOK,
        ),
    ],
    "orders/tasks.py": [
        claim(
            "durability",
            "window-without-mark",
            "`post_paid_orders` posts orders created in the last two hours; one that is paid later is never posted",
            "The job selects by `created_at` and remembers nothing of what the ledger has; it runs every hour.",
            "An order that is paid more than two hours after it was placed, or an outage of the ledger or of beat of two hours, leaves orders out "
            "of the ledger for ever, and nobody sees it.",
            "Select paid orders that have no mark of being posted, and set the mark after the ledger's answer: its PUT is safe to repeat.",
            WINDOW, HOURLY,
        ),
    ],
}  # fmt: skip

REFUTED = {
    "`book_shipment` books at": (
        "refuted",
        "the call is a PUT under the order's own number, so booking again gives the same label, and the insert ignores a conflict",
        PUT,
    )
}
CHANGED = {
    ("swallowed-exception", "orders/tasks.py"): (
        "MEDIUM",
        "the job comes again every five minutes and takes the same orders, so a passing failure heals itself; what is lost is the trace",
        EVERY,
    )
}


def mind(asked: Asked) -> Calls:
    """Look first, then answer."""
    return {"triage": triage, "explore": explore, "refute": refute}[asked.kind](asked)


def triage(asked: Asked) -> Calls:
    """Read the place and what the engine believes; confirm with the line itself unless something else is written down."""
    found = re.search(r"(?m)^(?:HIGH|MEDIUM|LOW) \w+ (.+?):(\d+) ([\w-]+): ", asked.task)
    assert found
    path, line, rule = found[1], int(found[2]), found[3]
    if not asked.results:
        return Calls(
            (
                ("Read", {"path": path, "line": max(1, line - 12), "count": 30}),
                ("Paths", {"function": f"{path}:{line}"}),
            )
        )
    if (rule, path) in CHANGED:
        severity, reason, proof = CHANGED[rule, path]
        return report({"verdict": "severity-changed", "severity": severity, "reason": reason, "evidence": [proof]})
    row = re.search(rf"(?m)^ *{line}\t(.*)$", asked.results[0])
    assert row
    reason = "the code is as the finding says, and nothing on its path prevents the harm"
    return report({"verdict": "confirmed", "reason": reason, "evidence": [cite(path, line, row[1].strip())]})


def explore(asked: Asked) -> Calls:
    """Read every file of the group; report what is written down for them."""
    paths = re.findall(r"(?m)^- (\S+\.py)$", asked.task)
    if not asked.results:
        return Calls(tuple(("Read", {"path": path}) for path in paths))
    return report({"findings": [one for path in paths for one in FINDINGS.get(path, ())]})


def refute(asked: Asked) -> Calls:
    """Look at the places of the claim and at the history, then stand by it unless something else is written down."""
    places = re.findall(r"(?m)^- (\S+?):(\d+) `", asked.task)
    if not asked.results:
        reads = [
            ("Read", {"path": path, "line": max(1, int(line) - 5), "count": 20}) for path, line in dict.fromkeys(places)
        ]
        return Calls(
            (*reads, ("Grep", {"pattern": "unique|on_conflict|first_delivery|idempoten", "ignore_case": True}))
        )
    for start, (verdict, reason, proof) in REFUTED.items():
        if start in asked.task:
            return report({"verdict": verdict, "reason": reason, "evidence": [proof]})
    quotes = re.findall(r"(?ms)^- (\S+?):(\d+) `(.*?)`$", asked.task)
    path, line, quote = quotes[0]
    reason = "no constraint, look-up, key or compensation was found on the way"
    return report({"verdict": "stands", "reason": reason, "evidence": [cite(path, int(line), quote)]})


@dataclass(frozen=True)
class Session:
    """What came of it."""

    review: Review
    provider: Provider


@contextmanager
def recorded(folder: Path, setenv: Callable[[str, str], object]) -> Iterator[Session]:
    """Review a copy of the example against the scripted provider."""
    root = folder / "orders"
    shutil.copytree(EXAMPLE, root)
    (root / "pyproject.toml").write_text("")
    with serving(mind) as provider:
        for name, value in provider.environment.items():
            setenv(name, value)
        project = survey([root])
        static = judge(project, Settings(), STAGES)
        yield Session(review_with_agent(project, static, Settings(), Options(MODEL, folder / "state")), provider)
