"""In place of the process that reviews: quick, and as bad as the name of its repository says. Writes down what it was asked to review."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from roadworthy.fleet.child import end_with_the_starter
from roadworthy.fleet.messages import Answer, Failure, Reviewed, StoredFinding, decode_job, encode


def main() -> None:
    """Answer one job."""
    folder = Path(sys.argv[1])
    job = decode_job(sys.stdin.buffer.readline())
    threading.Thread(target=end_with_the_starter, daemon=True).start()
    name = Path(job.source).name
    log = Path(job.source).parent / "log"
    with log.open("a") as stream:
        stream.write(f"{'review' if job.commit else 'commit'} {name}\n")
    if name.startswith("hang") and job.commit:
        time.sleep(60)
    if name.startswith("crash"):
        print("out of luck", file=sys.stderr)
        os._exit(7)
    if name.startswith("flaky") and log.read_text().count(f"commit {name}") < 3:
        (folder / "answer.json").write_bytes(encode(Answer(failure=Failure("network", "connection refused"))))
        return
    if name.startswith("lies"):
        (folder / "answer.json").write_text('{"review": {"findings": "none"}}')
        return
    if job.commit:
        takes = log.with_name("takes")
        time.sleep(float(takes.read_text()) if takes.exists() else 0)
        while log.with_name("hold").exists():
            time.sleep(0.02)
        finding = StoredFinding(name, "r", "resilience", "HIGH", "high", "a.py", 1, "f", "t", "i", "i", "f")
        answer = Answer(review=Reviewed((finding,), lines=1))
        with log.open("a") as stream:
            stream.write(f"reviewed {name}\n")
    else:
        answer = Answer(commit=f"commit-of-{name}")
    part = folder / "part"
    part.write_bytes(encode(answer))
    part.replace(folder / "answer.json")


main()
sys.stderr.flush()
os._exit(0)
