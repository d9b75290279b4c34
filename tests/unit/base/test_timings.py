"""Where the time goes: stages, what happens in them, and tools that run at the same time."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import attended

from freezer.base.job import Job
from freezer.base.processes import has_ended
from freezer.base.timings import STAGE, TOOL, Timings, as_fields, own_processor, processor_time, within

BURN = "import time\nwhile time.process_time() < {}: pass"


def test_stages_parts_and_tools(job: Job) -> None:
    timings = job.log.timings
    with job.step("first"):
        job.run([sys.executable, "-c", BURN.format(0.3)], what="burn")
    with pytest.raises(ZeroDivisionError), job.step("second"):
        raise ZeroDivisionError
    assert [(span.kind, span.title) for span in timings.spans] == [
        (TOOL, "burn"),
        (STAGE, "first"),
        (STAGE, "second"),
    ]
    burn, first, second = timings.spans
    assert burn.processor is not None and 0.25 < burn.processor < 5
    assert burn.seconds >= 0.25
    assert within(burn, first) and not within(burn, second) and not within(first, first)
    assert first.processor is not None and first.processor >= burn.processor
    own = own_processor(timings.spans, first)
    assert own is not None and own == pytest.approx(first.processor - burn.processor)
    assert first.started + first.seconds <= second.started
    fields = as_fields(burn)
    assert set(fields) == {"kind", "title", "started", "seconds", "processor"} and fields["title"] == "burn"


def test_tools_at_the_same_time_are_told_apart(job: Job) -> None:
    def burn(seconds: float) -> None:
        job.run([sys.executable, "-c", BURN.format(seconds)], what=f"burn {seconds}")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(burn, (0.1, 0.8)))
    found = {span.title: span.processor for span in job.log.timings.spans}
    little, much = found["burn 0.1"], found["burn 0.8"]
    assert little is not None and much is not None and little + 0.5 < much


def test_the_times_of_a_process() -> None:
    with attended([sys.executable, "-c", BURN.format(0.2)]) as process:
        assert has_ended(process, wait=True)
        found = processor_time(process.pid)
        assert found is not None and 0.15 < found < 5
        assert process.wait() == 0
    assert has_ended(process) and has_ended(process, wait=True)
    assert processor_time(process.pid) is None


def test_a_running_process_has_not_ended() -> None:
    with attended([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert not has_ended(process)
        process.communicate(b"\n")
        assert has_ended(process)


def test_from_several_threads() -> None:
    timings = Timings()
    threads = [
        threading.Thread(target=lambda: [timings.add(TOOL, "tool", 0.0, 1.0) for _ in range(100)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert timings.tools_processor() == len(timings.spans) == 400
