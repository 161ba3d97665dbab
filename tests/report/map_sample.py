"""A review with a map, some of its words nasty."""

from __future__ import annotations

from dataclasses import replace

from report.sample import EMPTY, NASTY, REVIEW
from roadworthy.findings.finding import Review, Step
from roadworthy.findings.servicemap import Deed, Ends, MapEntry, Protection, ServiceMap, Survives

_WAY = (
    Step("app/api.py", 20, "create_order", "POST /orders"),
    Step("app/api.py", 24, "create_order", "calls charge"),
    Step("app/billing.py", 31, "charge", "self._http.post"),
)

CREATE = MapEntry(
    "http-handler", "POST /orders", "app/api.py", 20, "create_order", "fastapi.FastAPI.post", "client-retry", False, 1, Survives.NO,
    "nothing runs it again",
    (
        Deed("http-request", "Client.post", _WAY, (("app/billing.py", 31), ("app/billing.py", 44)), ends=Ends.NO, repeat="only-with-key"),
        Deed(
            "sql-insert", "Order", _WAY[:1], (("app/api.py", 26),), persists=True, repeat="no",
            protections=(
                Protection("catch", "Exception", "app/api.py", 22, everywhere=False),
                Protection("transaction", "atomic", "app/api.py", 25),
                Protection("unique-key", "number", "app/models.py", 4),
            ),
        ),
        Deed("email", "EmailMessage.send", _WAY[:1], (("app/mail.py", 9),), runs="thread", ends=Ends.YES, persists=True, repeat="no"),
    ),
)  # fmt: skip
IMPORT = MapEntry(
    "job", "import_prices", "app/tasks.py", 8, "import_prices", "celery.shared_task", "at-least-once", True, 4, Survives.YES,
    "acknowledged after the work",
    (
        Deed(
            "charge", "PaymentIntent.create", _WAY[:1], (("app/tasks.py", 12),), ends=Ends.YES, persists=True, repeat="only-with-key",
            protections=(
                Protection("timeout", "80 s (default)"), Protection("retry", "3x, growing delay (retry)", "app/tasks.py", 7),
                Protection("idempotency-key", "passed", "app/tasks.py", 12),
            ),
        ),
        Deed("publish", "Producer.send", _WAY[:1], (("app/tasks.py", 15),), ends=Ends.UNKNOWN, persists=True, repeat="no"),
        Deed("file-write", "Path.write_text", _WAY[:1], (("app/tasks.py", 16),), ends=Ends.PLAIN, persists=True),
    ),
)  # fmt: skip
WEIRD = MapEntry(
    "command", NASTY, "app/we`ird|<name>\udce9 %,:\n.py", 3, NASTY, NASTY, "rerun", False, "forever", Survives.RERUN, NASTY,
    (Deed("sql", NASTY, (Step("a b.py", 1, NASTY, NASTY),), (("a|b.py", 1),), protections=(Protection("catch", NASTY, NASTY, 1),)),),
)  # fmt: skip
IDLE = MapEntry(
    "startup", "warm_up", "app/main.py", 4, "warm_up", "fastapi", "rerun", False, 1, Survives.RERUN, "the next run"
)

MAP = ServiceMap((CREATE, IMPORT, WEIRD, IDLE))
MAPPED: Review = replace(EMPTY, map=MAP, problems=REVIEW.problems)
EXCERPTS = {
    ("app/api/orders.py", 20): "async def create_order(order: Order) -> Answer:",
    ("app/clients/billing.py", 31): f"self._http.post({NASTY!r})",
    ("app/models.py", 90): "<b>INSERT</b>",
}
REVIEWED: Review = replace(REVIEW, map=MAP, excerpts=EXCERPTS)
NOTHING: Review = replace(EMPTY, map=ServiceMap(()))


def crowd(count: int) -> Review:
    """A map with so many entries, for pages that must stay usable."""
    kinds = ("http-handler", "job", "queue-consumer")
    made = tuple(
        replace(
            (CREATE, IMPORT, IDLE)[n % 3],
            kind=kinds[n % 3],
            name=f"entry_{n}",
            path=f"services/shop_{n % 7}/a_rather_long_folder/handlers_{n % 13}.py",
        )
        for n in range(count)
    )
    return replace(EMPTY, root="shop", map=ServiceMap(made))
