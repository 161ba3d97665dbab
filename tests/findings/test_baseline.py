from dataclasses import replace

import pytest

from roadworthy.findings.baseline import BaselineError, compare, key_of, parse, prune, write
from roadworthy.findings.finding import Confidence, Finding, Location, Pillar, Severity


def finding(line: int = 3, subject: str = "requests.get") -> Finding:
    return Finding(
        "call-without-timeout",
        "missing-timeout",
        Pillar.RESILIENCE,
        Severity.HIGH,
        Confidence.HIGH,
        Location("app/a b.py", line, line, 0, "fetch"),
        "title",
        "issue",
        "impact",
        "fix",
        subject=subject,
    )


def test_a_moved_finding_is_known():
    compared = compare([finding(90)], parse(write([finding(3)])))

    assert ((), (finding(90),), ()) == (compared.new, compared.old, compared.gone)


def test_one_more_of_an_old_kind_is_new():
    compared = compare([finding(3), finding(9)], parse(write([finding(3)])))

    assert (finding(9),) == compared.new


def grouped(*lines: int) -> Finding:
    first, *others = lines
    return replace(finding(first), related=tuple(Location("app/a b.py", line, line, 0, "fetch") for line in others))


def test_one_more_place_of_an_old_cause_is_new():
    baseline = parse(write([grouped(3, 9)]))

    assert compare([grouped(3, 9, 14)], baseline).new == (grouped(3, 9, 14),)
    assert compare([grouped(3, 9, 14)], baseline).gone == ()
    assert compare([grouped(5, 11)], baseline).old == (grouped(5, 11),)


def test_one_place_less_is_gone():
    compared = compare([grouped(3)], parse(write([grouped(3, 9)])))

    assert (compared.new, compared.gone) == ((), ("call-without-timeout app/a_b.py fetch (1 gone)",))


def test_what_is_gone_is_said():
    compared = compare([], parse(write([finding(3), finding(4)])))

    assert compared.gone == ("call-without-timeout app/a_b.py fetch (2 gone)",)


def test_prune_keeps_what_is_left_and_adds_nothing():
    baseline = parse(write([finding(3), finding(4)]))
    other = finding(5, "requests.post")

    assert write([finding(3)]) == prune(baseline, [finding(3), other])


def test_severity_is_no_part_of_the_key():
    assert key_of(finding()) == key_of(replace(finding(), severity=Severity.LOW))


@pytest.mark.parametrize("line", ["x 1234567890abcdef rule", "1 short rule path", "1", "1 1234567890abcdef"])
def test_a_bad_line_is_named(line):
    with pytest.raises(BaselineError, match="line 2"):
        parse(f"# head\n{line}\n")
