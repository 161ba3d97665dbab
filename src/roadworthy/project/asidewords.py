"""What work beside the purpose is called, and what those are called whose purpose it is."""

from __future__ import annotations

import re
from typing import Literal

Family = Literal["notification", "mail", "measurement", "search index", "hook"]

WORDS: dict[Family, re.Pattern[str]] = {
    "notification": re.compile(
        r"notify|notif\w*|slack|discord|msteams|mattermost|pagerduty|welcome|newsletter|mailing|mailinglists?|webhooks?|crm|hubspot|mailchimp|intercom|zapier|klaviyo"
    ),
    "measurement": re.compile(r"telemetry|analytics?|metrics?|statsd|mixpanel|posthog|amplitude|statistics"),
    "search index": re.compile(r"index|indexer|reindex|search"),
}  # fmt: skip
"""What such work is called."""

PURPOSE: dict[Family, re.Pattern[str]] = {
    "notification": re.compile(
        r"notify|notif\w*|slack|discord|msteams|mattermost|pagerduty|telegram|alerts?|alerting|messages?|messaging|send|sends|sending|sender|chat|bot"
        r"|push|webhooks?|e?mails?|mailer|invit\w*|contact|remind\w*|digests?|broadcast|publish|deliver\w*|escalat\w*|test|welcome|newsletter"
        r"|forward|relay|dispatch\w*|mailing|announce\w*|feedback|reset|verif\w*|verification|confirm\w*|code|otp|magic|login|resend|sms"
    ),
    "measurement": re.compile(
        r"telemetry|analytics?|metrics?|statsd?|mixpanel|posthog|amplitude|statistics|track|tracking|usage|collect\w*|measure\w*|report\w*|evaluat\w*"
    ),
    "search index": re.compile(r"index\w*|reindex\w*|search\w*|sync\w*|embed\w*|ingest\w*|crawl\w*|import\w*|elastic\w*|opensearch|vector\w*|documents?|docs?"),
    "hook": re.compile(r"hooks?"),
}  # fmt: skip
"""Entries and functions with these words are about that work: there it is no aside."""
