"""Everything that a rule may use, and nothing more.

A rule module holds a docstring (its documentation), `RULE = Rule(...)` and one function decorated with `@RULE.check`
that takes the model and yields findings. It imports nothing of roadworthy but this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from roadworthy.advice import again as advise_again
from roadworthy.advice import database as advise_database
from roadworthy.advice import inserts as advise_inserts
from roadworthy.advice import keys as advise_keys
from roadworthy.advice import recipes as advise
from roadworthy.advice import stopping
from roadworthy.advice.asides import let_fail_alone, rearm, statement_of
from roadworthy.advice.batches import keep_inside
from roadworthy.advice.imports import with_imports
from roadworthy.advice.layout import laid_out
from roadworthy.facts import schema as expr
from roadworthy.findings.finding import (
    Audience,
    Confidence,
    Finding,
    Location,
    Pillar,
    RuleInfo,
    Severity,
    Step,
)
from roadworthy.knowledge.vocabulary import Delivery, Effect, EntryKind, GuardKind, Repeat
from roadworthy.project import flow
from roadworthy.project.ackedfailures import acked_failures
from roadworthy.project.acks import EarlyAck, EarlyJobs, early_acks, early_jobs
from roadworthy.project.adapters import Narrow, Unused, narrow_adapters, unused_lists
from roadworthy.project.answers import ANSWERS, Promise, promise_of
from roadworthy.project.arguments import argument, arguments, has_spread
from roadworthy.project.asides import Aside, Asides
from roadworthy.project.askedtwice import CaughtRetry, caught_retries
from roadworthy.project.attemptloops import SetBack, goes_on_after_success, set_back
from roadworthy.project.attempts import Attempts, all_losses, is_remote, lone_connections, passed_by
from roadworthy.project.attempts import Loss as Dropped
from roadworthy.project.background import (
    Spawned,
    durable_branch,
    is_listened_to,
    is_on_thread,
    is_run_at_start,
    keeps_its_tasks,
    lives_on,
    spawned_work,
    unresolved_tasks,
)
from roadworthy.project.bareclients import Bare, bare_clients
from roadworthy.project.batches import (
    Fragile,
    ended_by,
    fragile_loops,
    is_given_by_hand,
    is_heard_outside,
    is_run_again,
    leaves_nobody,
    raised_again,
)
from roadworthy.project.blocking import (
    Blocked,
    blocked_coroutines,
    has_loop_for_itself,
    is_name_lookup,
    is_run_by_itself,
    loop_mates,
    never_waits,
)
from roadworthy.project.boundaries import (
    RetryOver,
    comes_again,
    entries_again,
    entries_around,
    feeding_entries,
    is_self_retry,
    retries_around,
    retries_every_failure,
    retries_over,
    runs_over_again,
)
from roadworthy.project.buffers import Buffered, buffered_work
from roadworthy.project.byvalue import is_shut_out
from roadworthy.project.calls import DELIVERED, DETACHED, INLINE, Edge
from roadworthy.project.cancellation import Caught, caught_cancellations, dropped_outcomes, tells_anyway
from roadworthy.project.clients import RetryVerdict, TimeoutVerdict
from roadworthy.project.cooldowns import Bypass, Uncached, bypasses, uncached_failures
from roadworthy.project.cutdrains import CutDrain, cut_drains
from roadworthy.project.cutoff import (
    HANDOFFS,
    Loss,
    answered,
    hands_off,
    is_bookkeeping,
    is_done_again,
    is_telemetry,
    losses,
    must_complete,
)
from roadworthy.project.database.access import DELETE, INSERT, PROMISE, READ, UPDATE, UPSERT, Access, Through
from roadworthy.project.database.arrivals import (
    comes_with_the_event,
    entered_tables,
    ids_of_unknown_table,
    is_code,
    is_gated,
    is_link,
    is_meant_to_append,
    is_natural_key,
    is_one_of_many,
    key_from_outside,
    outside_ids,
)
from roadworthy.project.database.checks import Check as RowCheck
from roadworthy.project.database.claims import Claim
from roadworthy.project.database.conditions import Match
from roadworthy.project.database.documentindexes import is_indexed
from roadworthy.project.database.limits import Limit, limits
from roadworthy.project.database.multiplicity import (
    asks_for_one,
    found_by_more,
    inserted_unasked,
    is_constant,
    lists_rows,
    many_by_design,
    several_expected,
)
from roadworthy.project.database.mutations import Mutation
from roadworthy.project.database.numbering import Numbering, numberings
from roadworthy.project.database.passedtargets import PassedTarget, passed_targets
from roadworthy.project.database.presence import Presence
from roadworthy.project.database.promises import promised_keys
from roadworthy.project.database.rivals import written_at_once
from roadworthy.project.database.stored import DocumentRace, document_races
from roadworthy.project.database.tables import Column, Table, UniqueKey
from roadworthy.project.database.unread import UnreadAnswer
from roadworthy.project.dedup import Dedup, dedup_before, is_guarded, is_keyed
from roadworthy.project.deployment import Hop, StartedProcess, Workload
from roadworthy.project.deployment import Reach as SignalReach
from roadworthy.project.deployment.draining import ShortGrace, Unwarned, short_graces, unwarned_servers
from roadworthy.project.documents import DefaultId, default_ids, is_index_write
from roadworthy.project.doubling import Doubled, raises_value, unguarded_effects
from roadworthy.project.effects import EffectAt
from roadworthy.project.entry import Entry
from roadworthy.project.exceptions import Handler
from roadworthy.project.failures import Outcome
from roadworthy.project.fanout import FanOut, fan_outs, unbounded_effects
from roadworthy.project.filekeys import replaces
from roadworthy.project.files import (
    FileAccess,
    asked_before,
    early_syncs,
    fetched_from,
    is_named_by_user,
    read_back,
    taken_for_whole,
)
from roadworthy.project.files import accesses as file_accesses
from roadworthy.project.finalfailures import Final, final_failures
from roadworthy.project.freed import is_freed_after_work
from roadworthy.project.fresh import is_made_again, is_made_anew, is_source
from roadworthy.project.giveups import GiveUp, given_up
from roadworthy.project.growth import Growth
from roadworthy.project.guarantees import WeakSetting, may_be_lost, weak_settings
from roadworthy.project.guard import Guard
from roadworthy.project.halfcaught import HalfCaught, half_caught
from roadworthy.project.handoffs import Handoff, handoff_to, is_on_loop, uncovered_way, waiting_top
from roadworthy.project.handovers import Handover, Handovers
from roadworthy.project.hashcolumns import hash_columns
from roadworthy.project.identities import Identity, Write, identified_writes, identities
from roadworthy.project.idleretries import IdleRetry, idle_retries
from roadworthy.project.impatient import Impatient, impatient_clients
from roadworthy.project.inside import writes as transaction_writes
from roadworthy.project.invain import InVain, limits_in_vain
from roadworthy.project.jobloss import Unsaved, killed_jobs, unsaved_jobs
from roadworthy.project.keys import KeyUse, key_uses, key_value
from roadworthy.project.leaving import Leaving
from roadworthy.project.lifecycles import Forgotten, InertStop, Lifecycles
from roadworthy.project.lifetime import Lifetime, Run, lifetime_of
from roadworthy.project.loops import Loop
from roadworthy.project.marks import Mark, marks
from roadworthy.project.meanings import asked_by, meant, names_a_creation
from roadworthy.project.minting import Minted, Minting, is_seeded
from roadworthy.project.model import Coverage, Exposure, Model
from roadworthy.project.nested import Layer, Nested, nested_retries
from roadworthy.project.newrows import lookup_here, made_by_run, meets_itself
from roadworthy.project.origins import Origin
from roadworthy.project.orphanrows import DeletedFirst, OrphanRows
from roadworthy.project.partial import (
    Partial,
    blind_retries,
    is_for_throttles,
    list_of,
    partial_handlers,
    partial_retries,
)
from roadworthy.project.permanent import (
    BroadRetry,
    Cause,
    all_but_one,
    broad_self_retries,
    causes_in,
    predicates_of,
    repeated_blocks,
    repeats_everything,
    whole_batches,
)
from roadworthy.project.phrases import is_error_answer, says_closing, says_probe, sounds_like_report
from roadworthy.project.plugins import plugin_loops, uneven_loops
from roadworthy.project.processes import first_process, is_alone_in_its_process, unstoppable
from roadworthy.project.producers import (
    Fed,
    brings_batches,
    changes_state_before,
    fed_again,
    in_loop,
    polls,
    selects_by_state,
    sweeps,
)
from roadworthy.project.purpose import (
    acts,
    connects_to_itself,
    drives_program,
    ends_at_once,
    is_aside,
    is_by_hand,
    is_called_by_nobody,
    is_limited_itself,
    only_looks,
    program_of,
    reads_setting,
    runs_nearby,
    runs_remote,
)
from roadworthy.project.reach import unwind
from roadworthy.project.readthrough import ReadThrough, read_throughs
from roadworthy.project.rearming import Rearmed, rearmed_late
from roadworthy.project.refused import Refused, repeated_refusals
from roadworthy.project.refusedagain import is_refused_again
from roadworthy.project.remedies import bound_by, by_repair, only_setting, owner_of
from roadworthy.project.repeats import (
    goes_on_after,
    in_handler,
    is_framework_retry,
    leaves_doubt,
    not_repeatable,
    repeated_by,
    write_retrying_clients,
)
from roadworthy.project.replaced import empties_first, joins_itself
from roadworthy.project.replay import Replayed, is_engine_call, is_replayed, replayed_effects
from roadworthy.project.retries import Retried
from roadworthy.project.rounds import is_marked_done
from roadworthy.project.schedules import comes_at_once, is_sent_again, only_scheduled
from roadworthy.project.settled import is_fed_by_consumer
from roadworthy.project.shutdown import Resource, Shutdown
from roadworthy.project.signals import Registration
from roadworthy.project.silence import (
    Silence,
    answers_yes_or_no,
    cannot_speak,
    covers,
    expects_failure,
    is_best_effort,
    is_told_elsewhere,
    logger_near,
    matters_little,
    silences,
)
from roadworthy.project.sizebuffers import Sized, sized_buffers
from roadworthy.project.spins import Skipped, Spin, asks_another, can_be_stopped, skipped_pauses, spins
from roadworthy.project.stable import content_at_hand, given_ids, own_ids, source_at_hand, stable_ids
from roadworthy.project.state import (
    Held,
    Lifetimes,
    Planned,
    held_state,
    holds_waiters,
    is_filled_at_import,
    is_refreshed,
    paces,
    planned_in_memory,
)
from roadworthy.project.statuses import Refusal, refusals
from roadworthy.project.statuslists import StatusList, status_lists
from roadworthy.project.subscriptions import is_subscription
from roadworthy.project.switchedoff import SwitchedOff, switched_off
from roadworthy.project.switches import is_off_from, let_in
from roadworthy.project.symbols import CallSite, ClassInfo, Function
from roadworthy.project.toldabove import callers_tell
from roadworthy.project.transactions import Open as OpenTransaction
from roadworthy.project.transactions import Transactions
from roadworthy.project.transients import Transients
from roadworthy.project.unasked import Unasked, tells_its_failures, unasked_work
from roadworthy.project.unread import Untold, untold_failures
from roadworthy.project.unready import carries_new, found_early, is_marked_before, only_tells
from roadworthy.project.unseen import Unseen, unseen_answers
from roadworthy.project.usedup import LeftUndone, UsedUp, left_undone, used_up
from roadworthy.project.uses import only_told, steers
from roadworthy.project.values import (
    ClassValue,
    Container,
    FunctionValue,
    Instance,
    Library,
    LibraryObject,
    Literal,
)
from roadworthy.project.voidtests import VoidTest, void_tests
from roadworthy.project.waits import Poll, Wait, endless_polls, endless_waits, serves_in_turn, who_waits
from roadworthy.project.watchdogs import killed_after
from roadworthy.rules import wording as say
from roadworthy.rules.doers import doer

__all__ = [
    "ANSWERS",
    "DELETE",
    "DELIVERED",
    "DETACHED",
    "HANDOFFS",
    "INLINE",
    "INSERT",
    "PROMISE",
    "READ",
    "UPDATE",
    "UPSERT",
    "Access",
    "Aside",
    "Asides",
    "Attempts",
    "Audience",
    "Bare",
    "Blocked",
    "BroadRetry",
    "Buffered",
    "Bypass",
    "CallSite",
    "Callable",
    "Caught",
    "CaughtRetry",
    "Cause",
    "Claim",
    "ClassInfo",
    "ClassValue",
    "Column",
    "Confidence",
    "Container",
    "Coverage",
    "CutDrain",
    "Dedup",
    "DefaultId",
    "DeletedFirst",
    "Delivery",
    "DocumentRace",
    "Doubled",
    "Dropped",
    "EarlyAck",
    "EarlyJobs",
    "Edge",
    "Effect",
    "EffectAt",
    "Entry",
    "EntryKind",
    "Exposure",
    "FanOut",
    "Fed",
    "FileAccess",
    "Final",
    "Finding",
    "Forgotten",
    "Fragile",
    "Function",
    "FunctionValue",
    "GiveUp",
    "Growth",
    "Guard",
    "GuardKind",
    "HalfCaught",
    "Handler",
    "Handoff",
    "Handover",
    "Handovers",
    "Held",
    "Hop",
    "Identity",
    "IdleRetry",
    "Impatient",
    "InVain",
    "InertStop",
    "Instance",
    "Iterable",
    "Iterator",
    "KeyUse",
    "Layer",
    "Leaving",
    "LeftUndone",
    "Library",
    "LibraryObject",
    "Lifecycles",
    "Lifetime",
    "Lifetimes",
    "Limit",
    "Literal",
    "Location",
    "Loop",
    "Loss",
    "Mark",
    "Match",
    "Minted",
    "Minting",
    "Model",
    "Mutation",
    "Narrow",
    "Nested",
    "Numbering",
    "OpenTransaction",
    "Origin",
    "OrphanRows",
    "Outcome",
    "Partial",
    "PassedTarget",
    "Pillar",
    "Planned",
    "Poll",
    "Presence",
    "Promise",
    "ReadThrough",
    "Rearmed",
    "Refusal",
    "Refused",
    "Registration",
    "Repeat",
    "Replayed",
    "Resource",
    "Retried",
    "RetryOver",
    "RetryVerdict",
    "RowCheck",
    "Rule",
    "Run",
    "SetBack",
    "Severity",
    "ShortGrace",
    "Shutdown",
    "SignalReach",
    "Silence",
    "Sized",
    "Skipped",
    "Spawned",
    "Spin",
    "StartedProcess",
    "StatusList",
    "Step",
    "SwitchedOff",
    "Table",
    "Through",
    "TimeoutVerdict",
    "Transactions",
    "Transients",
    "Unasked",
    "Uncached",
    "UniqueKey",
    "UnreadAnswer",
    "Unsaved",
    "Unseen",
    "Untold",
    "Unused",
    "Unwarned",
    "UsedUp",
    "VoidTest",
    "Wait",
    "WeakSetting",
    "Workload",
    "Write",
    "acked_failures",
    "acts",
    "advise",
    "advise_again",
    "advise_database",
    "advise_inserts",
    "advise_keys",
    "all_but_one",
    "all_losses",
    "answered",
    "answers_yes_or_no",
    "argument",
    "arguments",
    "asked_before",
    "asked_by",
    "asks_another",
    "asks_for_one",
    "bare_clients",
    "blind_retries",
    "blocked_coroutines",
    "bound_by",
    "brings_batches",
    "broad_self_retries",
    "buffered_work",
    "by_repair",
    "bypasses",
    "callers_tell",
    "can_be_stopped",
    "cannot_speak",
    "carries_new",
    "caught_cancellations",
    "caught_retries",
    "causes_in",
    "changes_state_before",
    "comes_again",
    "comes_at_once",
    "comes_with_the_event",
    "connects_to_itself",
    "content_at_hand",
    "covers",
    "cut_drains",
    "dedup_before",
    "default_ids",
    "document_races",
    "doer",
    "drives_program",
    "dropped_outcomes",
    "durable_branch",
    "early_acks",
    "early_jobs",
    "early_syncs",
    "empties_first",
    "ended_by",
    "endless_polls",
    "endless_waits",
    "ends_at_once",
    "entered_tables",
    "entries_again",
    "entries_around",
    "expects_failure",
    "expr",
    "fan_outs",
    "fed_again",
    "feeding_entries",
    "fetched_from",
    "file_accesses",
    "final_failures",
    "finding",
    "first_process",
    "flow",
    "found_by_more",
    "found_early",
    "fragile_loops",
    "given_ids",
    "given_up",
    "goes_on_after",
    "goes_on_after_success",
    "half_caught",
    "handoff_to",
    "hands_off",
    "has_loop_for_itself",
    "has_spread",
    "hash_columns",
    "held_state",
    "holds_waiters",
    "identified_writes",
    "identities",
    "idle_retries",
    "ids_of_unknown_table",
    "impact_weight",
    "impatient_clients",
    "in_handler",
    "in_loop",
    "inserted_unasked",
    "is_alone_in_its_process",
    "is_aside",
    "is_best_effort",
    "is_bookkeeping",
    "is_by_hand",
    "is_called_by_nobody",
    "is_code",
    "is_constant",
    "is_done_again",
    "is_engine_call",
    "is_error_answer",
    "is_fed_by_consumer",
    "is_filled_at_import",
    "is_for_throttles",
    "is_framework_retry",
    "is_freed_after_work",
    "is_gated",
    "is_given_by_hand",
    "is_guarded",
    "is_heard_outside",
    "is_index_write",
    "is_indexed",
    "is_keyed",
    "is_limited_itself",
    "is_link",
    "is_listened_to",
    "is_made_again",
    "is_made_anew",
    "is_marked_before",
    "is_marked_done",
    "is_meant_to_append",
    "is_name_lookup",
    "is_named_by_user",
    "is_natural_key",
    "is_off_from",
    "is_on_loop",
    "is_on_thread",
    "is_one_of_many",
    "is_refreshed",
    "is_refused_again",
    "is_remote",
    "is_replayed",
    "is_run_again",
    "is_run_at_start",
    "is_run_by_itself",
    "is_seeded",
    "is_self_retry",
    "is_sent_again",
    "is_shut_out",
    "is_source",
    "is_subscription",
    "is_telemetry",
    "is_told_elsewhere",
    "joins_itself",
    "keep_inside",
    "keeps_its_tasks",
    "key_from_outside",
    "key_uses",
    "key_value",
    "killed_after",
    "killed_jobs",
    "leaves_doubt",
    "leaves_nobody",
    "left_undone",
    "let_fail_alone",
    "let_in",
    "lifetime_of",
    "limits",
    "limits_in_vain",
    "list_of",
    "lists_rows",
    "lives_on",
    "logger_near",
    "lone_connections",
    "lookup_here",
    "loop_mates",
    "losses",
    "made_by_run",
    "many_by_design",
    "marks",
    "matters_little",
    "may_be_lost",
    "meant",
    "meets_itself",
    "must_complete",
    "names_a_creation",
    "narrow_adapters",
    "nested_retries",
    "never_waits",
    "not_repeatable",
    "numberings",
    "only_looks",
    "only_scheduled",
    "only_setting",
    "only_tells",
    "only_told",
    "outside_ids",
    "own_ids",
    "owner_of",
    "paces",
    "partial_handlers",
    "partial_retries",
    "passed_by",
    "passed_targets",
    "planned_in_memory",
    "plugin_loops",
    "polls",
    "predicates_of",
    "program_of",
    "promise_of",
    "promised_keys",
    "raised_again",
    "raises_value",
    "read_back",
    "read_throughs",
    "reads_setting",
    "rearm",
    "rearmed_late",
    "refusals",
    "repeated_blocks",
    "repeated_by",
    "repeated_refusals",
    "repeats_everything",
    "replaces",
    "replayed_effects",
    "retries_around",
    "retries_every_failure",
    "retries_over",
    "runs_nearby",
    "runs_over_again",
    "runs_remote",
    "say",
    "says_closing",
    "says_probe",
    "selects_by_state",
    "serves_in_turn",
    "set_back",
    "several_expected",
    "short_graces",
    "silences",
    "sized_buffers",
    "skipped_pauses",
    "sounds_like_report",
    "source_at_hand",
    "spawned_work",
    "spins",
    "stable_ids",
    "statement_of",
    "status_lists",
    "steers",
    "stopping",
    "sweeps",
    "switched_off",
    "taken_for_whole",
    "tells_anyway",
    "tells_its_failures",
    "transaction_writes",
    "unasked_work",
    "unbounded_effects",
    "uncached_failures",
    "uncovered_way",
    "uneven_loops",
    "unguarded_effects",
    "unresolved_tasks",
    "unsaved_jobs",
    "unseen_answers",
    "unstoppable",
    "untold_failures",
    "unused_lists",
    "unwarned_servers",
    "unwind",
    "used_up",
    "void_tests",
    "waiting_top",
    "weak_settings",
    "who_waits",
    "whole_batches",
    "write_retrying_clients",
    "written_at_once",
]  # fmt: skip

Check = Callable[[Model], Iterable[Finding]]


@dataclass(eq=False)
class Rule:
    """One rule. `id` is the file's stem with hyphens; the pillar comes from the folder, the summary from the documentation."""

    id: str
    anti_pattern: str
    doc: str | None
    since: str = "0.1"
    pillar: Pillar = Pillar.RESILIENCE  # set by the registry
    _check: Check | None = field(default=None, repr=False)

    def check(self, function: Check) -> Check:
        """Register the function that finds the violations."""
        self._check = function
        return function

    def run(self, model: Model) -> Iterator[Finding]:
        """All findings of this rule."""
        if self._check is not None:
            for found in self._check(model):
                yield replace(found, fix=with_imports(model, found.at.path, found.at.line, found.fix))

    @property
    def info(self) -> RuleInfo:
        """What reports may say about the rule."""
        doc = self.doc or ""
        return RuleInfo(self.id, self.anti_pattern, self.pillar, doc.strip().partition("\n")[0], doc, self.since)


def finding(
    rule: Rule,
    at: Location,
    severity: Severity,
    *,
    title: str,
    issue: str,
    impact: str,
    fix: str,
    related: Iterable[Location] = (),
    steps: Iterable[Step] = (),
    confidence: Confidence = Confidence.HIGH,
    subject: str = "",
    audience: Audience = Audience.REGULAR,
    weight: int = 0,
) -> Finding:
    """Build a finding. `subject` is a stable text (callee, table, key) that tells equal findings of one function apart."""
    return Finding(
        rule.id, rule.anti_pattern, rule.pillar, severity, confidence, at, title, issue, impact, laid_out(fix), tuple(related), tuple(steps),
        audience, subject or title, weight=weight,
    )  # fmt: skip


_WEIGHTS = {
    Effect.CHARGE: 50,
    Effect.EMAIL: 30,
    Effect.SMS: 30,
    Effect.NOTIFY: 15,
    Effect.SQL_INSERT: 20,
    Effect.SQL_INCREMENT: 25,
}


def impact_weight(exposure: Exposure, effects: Iterable[EffectAt] = ()) -> int:
    """Blast radius: entries reached, money and people first, then data, then availability."""
    serving = sum(1 for reached in exposure.entries if reached.entry.serves_others)
    return min(serving, 40) + max(
        (_WEIGHTS.get(e.effect, 10 if e.effect.word.persists else 0) for e in effects), default=0
    )
