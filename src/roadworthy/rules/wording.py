"""How findings name things, so that all rules speak alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Delivery, EntryKind

if TYPE_CHECKING:
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite

_KIND = {
    EntryKind.HTTP_HANDLER: "the handler of",
    EntryKind.WEBHOOK_HANDLER: "the webhook handler",
    EntryKind.QUEUE_CONSUMER: "the consumer",
    EntryKind.JOB: "the job",
    EntryKind.DURABLE_WORKFLOW: "the workflow",
    EntryKind.DURABLE_ACTIVITY: "the activity",
    EntryKind.SCHEDULED: "the scheduled job",
    EntryKind.WORKER_LOOP: "the loop in",
    EntryKind.STARTUP: "the start-up hook",
    EntryKind.SHUTDOWN: "the shutdown hook",
    EntryKind.COMMAND: "the command",
    EntryKind.LAMBDA_HANDLER: "the Lambda handler",
    EntryKind.SIGNAL_RECEIVER: "the signal receiver",
    EntryKind.MIDDLEWARE: "the middleware",
    EntryKind.IMPORT_TIME: "the import of",
}


def entry(found: Entry | None) -> str:
    """`the handler of `POST /orders``, `the job `send_mail``; `its callers` for None."""
    if found is None:
        return "its callers"
    name = (
        found.label
        if "/" in found.label and found.label.startswith(("GET", "POST", "PUT", "PATCH", "DELETE", "/"))
        else found.function.qualname
    )
    if found.function.kind == "module":
        return f"the script `{found.function.path}`"
    return f"{_KIND[found.kind]} `{name}`"


def again(found: Entry) -> str:
    """Why the same input comes to this entry a second time, as the start of a sentence."""
    match found.kind:
        case EntryKind.WEBHOOK_HANDLER:
            return "The sender repeats an event until it sees a success, so after a timeout or a deploy the same event comes again"
        case EntryKind.QUEUE_CONSUMER:
            return (
                "The broker delivers a message again when the worker dies or loses its lease before the acknowledgement"
            )
        case EntryKind.JOB:
            return "The job runs again when it is retried or redelivered"
        case EntryKind.DURABLE_ACTIVITY:
            return "The engine runs an activity again after a timeout or a worker's death, also when the first run had done its work"
        case EntryKind.DURABLE_WORKFLOW:
            return "The engine replays a workflow from its history after every deploy and cache eviction"
        case EntryKind.LAMBDA_HANDLER:
            return "The platform delivers an asynchronous event again after an error or a timeout"
        case EntryKind.SCHEDULED:
            return "The schedule runs it again over the same data"
    if found.delivery is Delivery.CLIENT_RETRY:
        return "A client that saw a timeout, or a person who clicked twice, sends the request again"
    return "It is run again over the same data after a failure half-way"


def call(site: CallSite, model: Model) -> str:
    """The callee as written, with brackets: `requests.post()`."""
    return f"{model.callee_text(site)}()"


def effect(found: EffectAt, model: Model) -> str:
    """The call and what it does, for a sentence: "`session.post()` sends an HTTP request"."""
    return f"`{call(found.site, model)}` {found.effect.word.meaning}"


def joined(items: list[str], limit: int = 4) -> str:
    """`a`, `b` and 3 more."""
    shown = items[:limit]
    rest = len(items) - len(shown)
    if rest:
        return f"{', '.join(shown)} and {rest} more"
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def seconds(number: float) -> str:
    """30 s, 10 min."""
    if number >= 120:
        return f"{number / 60:.0f} min"
    return f"{number:g} s"


def told(found: Entry | None) -> str:
    """What its caller believes by then, as a sentence: "The client of `POST /orders` has its answer"."""
    if found is None:
        return "Its caller has gone on"
    name = f"`{found.label if '/' in found.label else found.function.qualname}`"
    match found.kind:
        case EntryKind.HTTP_HANDLER | EntryKind.MIDDLEWARE:
            return f"The client of {name} has its answer"
        case EntryKind.WEBHOOK_HANDLER:
            return f"{name} has told the sender that the event is taken, so it is not sent again"
        case EntryKind.QUEUE_CONSUMER:
            return f"The message that {name} was given counts as handled"
        case EntryKind.JOB:
            return f"The job {name} counts as done, and the queue does not run it again"
        case EntryKind.LAMBDA_HANDLER:
            return f"The platform takes the event of {name} as handled and freezes the process at once"
        case EntryKind.DURABLE_ACTIVITY | EntryKind.DURABLE_WORKFLOW:
            return f"The engine has recorded {name} as done"
        case EntryKind.SCHEDULED | EntryKind.WORKER_LOOP:
            return f"{entry(found)[0].upper()}{entry(found)[1:]} has gone on to its next round"
        case EntryKind.SIGNAL_RECEIVER:
            return f"Whoever made {name} run has gone on"
    return f"{entry(found)[0].upper()}{entry(found)[1:]} has gone on"


def title(text: str, shorter: str = "") -> str:
    """A title of at most 110 characters: the shorter one where the first is too long, cut where both are."""
    if len(text) <= 110:
        return text
    shorter = shorter or text
    return shorter if len(shorter) <= 110 else f"{shorter[:108].rstrip(' `')}…"


def last(name: str) -> str:
    """`run` for `Worker.run`."""
    return name.rpartition(".")[2]
