"""Workers in forks of one process: they end alone, as processes of their own do."""

import os

import pytest

from keras_sal.export import ExportError, worker
from keras_sal.export.fork_server import ForkServer

pytestmark = [
    pytest.mark.any_backend,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]


@pytest.fixture(scope="module")
def server():
    server = ForkServer(("json",), worker.environment())
    yield server
    server.close()


@pytest.fixture
def run(server, tmp_path, monkeypatch):
    """Runs a program as a worker."""

    def run(program, timeout_s=60, **job):
        (tmp_path / "forked_program.py").write_text(program)
        monkeypatch.syspath_prepend(tmp_path)
        return worker.run(
            "converter", ["forked_program"], tmp_path, job, timeout_s=timeout_s, server=server
        )

    return run


def test_job_goes_in_and_report_comes_out(run):
    program = (
        "import json, os, pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "doubled = 2 * json.loads((folder / 'job.json').read_text())['number']\n"
        "report = {'doubled': doubled, 'backend': os.environ['KERAS_BACKEND']}\n"
        "(folder / 'report.json').write_text(json.dumps(report))\n"
    )
    assert run(program, number=21) == {"doubled": 42, "backend": "tensorflow"}


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL"])
def test_a_crash_ends_the_worker_alone(run, name):
    program = (
        f"import os, signal; print('a last word', flush=True)\nos.kill(os.getpid(), signal.{name})"
    )
    with pytest.raises(ExportError, match=rf"(?s)converter crashed \({name}\).*a last word"):
        run(program)
    assert run("") == {}


def test_a_failure_shows_the_traceback(run):
    with pytest.raises(ExportError, match=r"(?s)failed \(exit status 1\).*KeyError: 'lost'"):
        run("raise KeyError('lost')")
    assert run("") == {}


def test_a_hang_is_stopped(run):
    with pytest.raises(ExportError, match=r"(?s)converter did not end within 1 s.*waiting"):
        run("import time; print('waiting', flush=True); time.sleep(60)", timeout_s=1)
    assert run("") == {}


def test_a_worker_leaves_nothing_to_the_next(run):
    run("import json, sys; json.mark = 1; sys.path.append('mine')")
    run("import json, sys; assert not hasattr(json, 'mark') and 'mine' not in sys.path")


def test_an_ended_server_is_an_error(tmp_path):
    server = ForkServer(("no_such_package",), worker.environment())
    with pytest.raises(ExportError, match="The shared process must run for as long as it is used"):
        server.run("json", str(tmp_path), str(tmp_path / "log.txt"), timeout_s=60)
    server.close()
