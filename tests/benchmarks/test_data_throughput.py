"""The benchmark of preparing data: parts, tables, and the pages that hold them."""

import json
import time
from pathlib import Path

import pytest

data_throughput = pytest.importorskip("data_throughput")

DOCS = Path(__file__).parents[2] / "docs"

pytestmark = pytest.mark.any_backend


def work(seconds):
    begin = time.process_time()
    while time.process_time() - begin < seconds:
        pass


def test_parts_inside_parts_count_once():
    class Job:
        def outer(self):
            work(0.02)
            self.inner()

        def inner(self):
            work(0.04)

        def whole(self):
            self.inner()

    timer = data_throughput.PartTimer()
    for name, part in (("outer", "o"), ("inner", "i"), ("whole", data_throughput.WHOLE_PART)):
        timer.wrap(Job, name, part)
    timer.restart()
    Job().outer()
    Job().whole()
    timer.shares()
    assert timer.seconds["o"] == pytest.approx(0.02, abs=0.01)
    assert timer.seconds["i"] == pytest.approx(0.04, abs=0.01)
    assert timer.seconds[data_throughput.WHOLE_PART] == pytest.approx(0.04, abs=0.01)


def test_the_plan_follows_from_the_figures():
    row = {"condition": "none", "cpu_s_per_hour": 36.0, "bytes_per_hour": 5e6}
    row |= {"peak_bytes": 4e8, "check_cpu_s_per_hour": 0.36, "load_cpu_s_per_hour": 0.006}
    row |= {"bytes_per_hour_with_batches": 3e5, "batch_cpu_ms": 9.0, "batch_cpu_ms_in_memory": 1.0}
    shares = {"reading": 0.25, "front-end": 0.75}
    found = {
        "price": {"usd_per_core_hour": 0.05},
        "shards": [row | {"shares": shares}],
        "alignment": [{"method": "energy", "cpu_s_per_hour": 3.6}],
    }
    plan, aligned, parts, use = data_throughput.tables(found)
    assert plan.endswith("| none | 36.0 | 100 | 100 | 1.6 h | 5.00 | 50 |")
    assert aligned.endswith("| energy | 3.6 | 10 | 0.50 |")
    assert parts.endswith("| reading | 25 % |\n| front-end | 75 % |")
    assert "| check of all shards | 1.0 core hours |\n| loading of all streams | 1.0 min |" in use
    assert "| their memory | 3.0 GB |" in use


def test_the_pages_hold_the_tables():
    found = json.loads(data_throughput.RESULTS.read_text(encoding="utf-8"))
    plan, aligned, parts, use = data_throughput.tables(found)
    guide = (DOCS / "guides" / "scale.md").read_text(encoding="utf-8")
    costs = (DOCS / "results" / "costs.md").read_text(encoding="utf-8")
    assert f"{found['price']['usd_per_core_hour']} USD for a core" in guide
    assert found["price"]["source"] in guide
    assert plan in guide
    assert aligned in guide
    assert parts in costs
    assert use in costs
