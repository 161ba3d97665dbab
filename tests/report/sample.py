"""One review with several findings, some of them nasty."""

from __future__ import annotations

from roadworthy.findings.finding import (
    Audience,
    Confidence,
    Finding,
    Location,
    Pillar,
    Problem,
    Review,
    RuleInfo,
    Severity,
    Step,
)

NASTY = (
    "`x` | <script>alert(1)</script> & &lt; ``a`b`` \x1b[31mred\x1b[0m\nnew\r\nline \u202eeslaf \udcff\x00 "
    "[click](http://evil.test) ![i](http://evil.test/i.png) **bold** __dunder__ @octocat ]]> --> %0A::error::x ' \""
)

TIMEOUT = Finding(
    rule="call-without-timeout",
    anti_pattern="missing-timeout",
    pillar=Pillar.RESILIENCE,
    severity=Severity.HIGH,
    confidence=Confidence.HIGH,
    at=Location("app/clients/billing.py", 12, 14, 15, "BillingClient.__init__"),
    title="`httpx.Client(timeout=None)` waits for the billing service for ever",
    issue="The client is built without a time limit, and `BillingClient.charge` sends its requests with it.",
    impact="When billing hangs, each `POST /orders` holds its worker until the connection dies; eight such requests stop the service.",
    fix=(
        "Give the client a limit, as `app/clients/mail.py:9` does:\n\n"
        "```python\nself._http = httpx.Client(\n    base_url=url,\n    timeout=httpx.Timeout(5.0, connect=2.0),\n)\n```\n"
        "- the read limit bounds `charge`\n- the connect limit bounds a dead host"
    ),
    related=(
        Location("app/clients/billing.py", 31, 36, 8, "BillingClient.charge", "sends the charge"),
        Location("app/clients/billing.py", 44, 44, 8, "BillingClient.refund", "sends the refund"),
    ),
    steps=(
        Step("app/api/orders.py", 20, "create_order", "answers `POST /orders`"),
        Step("app/services/checkout.py", 58, "Checkout.pay", ""),
        Step("app/clients/billing.py", 31, "BillingClient.charge", "sends an HTTP request"),
    ),
    subject="httpx.Client",
    fingerprint="3f1c0a9d2b7e4c55",
    weight=40,
)

RETRY = Finding(
    rule="no-retry",
    anti_pattern="missing-retry",
    pillar=Pillar.RESILIENCE,
    severity=Severity.MEDIUM,
    confidence=Confidence.MEDIUM,
    at=Location("app/tasks/sync.py", 7, 7, 4, "sync"),
    title="one 503 of the search service ends the nightly sync",
    issue="`index.bulk(docs)` is tried once.",
    impact="The rest of the night's documents stay out of the index until the next run.",
    fix="Decorate `push` with `app.retry.with_backoff`, as `app/tasks/mail.py:14` does.",
    fingerprint="8a11",
    weight=3,
)

NASTY_FINDING = Finding(
    rule="random-key",
    anti_pattern="random-key",
    pillar=Pillar.IDEMPOTENCY,
    severity=Severity.HIGH,
    confidence=Confidence.LOW,
    at=Location("app/we`ird|<name>\udce9 %,:\n.py", 3, 5, 0, "f.<lambda>", NASTY),
    title=NASTY,
    issue=NASTY,
    impact=NASTY + "\n## Durability\n\n### [Severity: HIGH] forged",
    fix=NASTY + "\n\n# heading\n===\n```python\n" + NASTY + "\n````not a fence\n</pre></script>\n",
    related=(Location("a|b.py", 1, 1, 0, "<module>", NASTY),),
    steps=(Step("a b.py", 1, NASTY, NASTY), Step("c.py", 2, "g")),
    audience=Audience.PEDANTIC,
    origin="both",
    fingerprint="ff",
    weight=1,
)

CREATED = Finding(
    rule="insert-not-upsert",
    anti_pattern="insert-not-upsert",
    pillar=Pillar.IDEMPOTENCY,
    severity=Severity.LOW,
    confidence=Confidence.HIGH,
    at=Location("app/models.py", 90, 90),
    title="a second import adds the same country twice",
    issue="`INSERT INTO country` has no `ON CONFLICT`.",
    impact="Running the import again doubles the list.",
    fix="",
    fingerprint="c0",
)

RULES = (
    RuleInfo(
        "call-without-timeout",
        "missing-timeout",
        Pillar.RESILIENCE,
        "An outbound call has no time limit.",
        "An outbound call has no time limit.\n\n## Why it fails in production\nA hung peer holds the caller.\n\n```python\nget(url)\n```\n",
    ),
    RuleInfo(
        "random-key", "random-key", Pillar.IDEMPOTENCY, "A key differs at each try.", "A key differs at each try.\n"
    ),
)

REVIEW = Review(
    root=".",
    findings=(CREATED, NASTY_FINDING, RETRY, TIMEOUT),
    held_back={"low confidence": 4, "suppressed inline": 1, "baseline": 0},
    problems=(
        Problem("app/broken.py", 17, "could not be parsed: `def f(:`"),
        Problem("rules/x", 0, "rule crashed: " + NASTY),
    ),
    files=120,
    lines=35210,
    rules=RULES,
    notes=("git was not found: findings carry no age",),
)

EMPTY = Review(root=".", findings=(), files=1, lines=10)


def many(count: int) -> Review:
    """A review with so many findings, for pages that must stay usable."""
    kinds = tuple((pillar, severity) for severity in Severity for pillar in Pillar)
    made = []
    for number in range(count):
        pillar, severity = kinds[(number * 5 + number // 9) % len(kinds)]
        path = f"services/shop_{number % 7}/orders/handlers_{number % 13}.py"
        made.append(
            Finding(
                rule=f"{pillar.value}-rule-{number % 4}",
                anti_pattern="missing-retry",
                pillar=pillar,
                severity=severity,
                confidence=tuple(Confidence)[number % 3],
                at=Location(path, 10 + number, 12 + number, 4, f"Handler{number % 5}.receive"),
                title=f"`gateway.send_{number}()` is tried once while the message is already confirmed",
                issue=f"`Handler.receive` confirms message {number} and only then calls `gateway.send_{number}()`.",
                impact="When the gateway answers 503 during its daily restart, the order is lost and nobody sees it.",
                fix="Send before the confirmation:\n\n```python\nawait gateway.send(order)\nawait message.ack()\n```",
                steps=(
                    Step(path, 3, "consume", "takes from the queue `orders`"),
                    Step(path, 8 + number, f"Handler{number % 5}.receive", ""),
                    Step(path, 10 + number, "Gateway.send", "sends an HTTP request"),
                )[: number % 4],
                related=tuple(Location(path, line, line, 0, "f", "also confirms early") for line in range(number % 3)),
                fingerprint=f"{number:08x}",
                weight=number % 11,
            )
        )
    return Review(root="shop", findings=tuple(made), files=412, lines=98_113, rules=RULES)
