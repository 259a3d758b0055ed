"""A server of files for the tests of downloads."""

import threading

import pytest
from download_server import CONTENT, Server


@pytest.fixture
def server():
    pytest.importorskip("pooch")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    server.files["/file"] = CONTENT
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
