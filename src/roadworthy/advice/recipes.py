"""The fix for each kind of violation: the code base's own pattern where there is one, else a standard recipe.

Every function returns the text of **Fix**: a sentence that can be followed, a place of this code base to copy from where
there is one, and a short fenced snippet in the style of the code at hand (sync or async, its own names).
"""

from roadworthy.advice.claims import claim
from roadworthy.advice.commits import on_commit
from roadworthy.advice.durability import durable, durable_start, hand_over
from roadworthy.advice.files import atomic_write
from roadworthy.advice.idempotency import dedup, deterministic_id, idempotency_key, lock, unique, upsert
from roadworthy.advice.kept import keep_task
from roadworthy.advice.limits import timeout
from roadworthy.advice.narrowing import narrow_job, narrow_loop, raise_last, retry_around
from roadworthy.advice.partly import name_the_rest
from roadworthy.advice.repeating import (
    ask_retry,
    backoff,
    end_job,
    end_retry,
    jitter,
    narrow_retry,
    retry,
    retry_job,
    retry_question,
    space_retry,
    survive,
)
from roadworthy.advice.resilience import (
    bounded,
    isolate,
    log_and_raise,
    off_loop,
    off_loop_inside,
    plain_handler,
    read_results,
    shutdown,
)
from roadworthy.advice.silences import tell_failure

__all__ = [
    "ask_retry",
    "atomic_write",
    "backoff",
    "bounded",
    "claim",
    "dedup",
    "deterministic_id",
    "durable",
    "durable_start",
    "end_job",
    "end_retry",
    "hand_over",
    "idempotency_key",
    "isolate",
    "jitter",
    "keep_task",
    "lock",
    "log_and_raise",
    "name_the_rest",
    "narrow_job",
    "narrow_loop",
    "narrow_retry",
    "off_loop",
    "off_loop_inside",
    "on_commit",
    "plain_handler",
    "raise_last",
    "read_results",
    "retry",
    "retry_around",
    "retry_job",
    "retry_question",
    "shutdown",
    "space_retry",
    "survive",
    "tell_failure",
    "timeout",
    "unique",
    "upsert",
]
