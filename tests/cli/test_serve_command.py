"""`keras-sal serve`: the files of one folder, and nothing else."""

import http.client
import threading

import pytest

from keras_sal import cli
from keras_sal.cli import serve

pytestmark = pytest.mark.any_backend


@pytest.fixture
def page(tmp_path):
    """A folder with files of each kind, beside a secret."""
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "page"
    (folder / "inner").mkdir(parents=True)
    for name in ("index.html", "a.js", "a.mjs", "a.wasm", "a.json", "a.tflite", "a.css"):
        (folder / name).write_text(name)
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    return folder


@pytest.fixture
def get(page):
    """Asks the server for a path, as it is written."""
    with serve.open_server(page, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def answer(path):
            connection = http.client.HTTPConnection(serve.HOST, server.server_port)
            connection.request("GET", path)
            response = connection.getresponse()
            content = response.read().decode()
            connection.close()
            return response.status, response.headers["Content-Type"], content

        yield answer
        server.shutdown()
        thread.join()


def test_files_have_their_types(get):
    types = {
        "/": "text/html; charset=utf-8",
        "/a.js": "text/javascript; charset=utf-8",
        "/a.mjs": "text/javascript; charset=utf-8",
        "/a.css": "text/css; charset=utf-8",
        "/a.json": "application/json",
        "/a.wasm": "application/wasm",
        "/a.tflite": "application/octet-stream",
    }
    for path, kind in types.items():
        assert get(path) == (200, kind, path.strip("/") or "index.html")


@pytest.mark.parametrize(
    "path",
    [
        *("/../secret.txt", "/inner/../../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt"),
        *("//../secret.txt", "/..\\secret.txt", "/link.txt", "/nothing"),
    ],
)
def test_nothing_outside_the_folder_is_sent(get, path):
    status, _, content = get(path)
    assert status == 404
    assert "secret" not in content


def test_folders_are_not_listed(get):
    assert get("/inner/")[0] == 404


def test_command_opens_the_page(page, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(serve.webbrowser, "open", opened.append)
    monkeypatch.setattr(serve._Server, "serve_forever", interrupt)
    assert cli.main(["serve", str(page), "--port", "0"]) == 0
    assert cli.main(["serve", str(page), "--port", "0", "--no-browser"]) == 0
    [address] = opened
    assert address.startswith("http://127.0.0.1:")
    assert f"Serving {page} at {address}" in capsys.readouterr().out


def interrupt(server):
    raise KeyboardInterrupt


def test_rejects_a_folder_without_a_page(tmp_path, capsys):
    assert cli.main(["serve", str(tmp_path), "--no-browser"]) == 1
    assert "`OUT` must be a folder with a page" in capsys.readouterr().err


def test_rejects_a_port_in_use(page, capsys):
    with serve.open_server(page, 0) as server:
        port = str(server.server_port)
        assert cli.main(["serve", str(page), "--no-browser", "--port", port]) == 1
    assert (
        f"`--port` must be free on 127.0.0.1; Address already in use. Received: --port {port}"
        in (capsys.readouterr().err)
    )


def test_rejects_what_is_no_port(page, capsys):
    with pytest.raises(SystemExit):
        cli.main(["serve", str(page), "--port", "70000"])
    assert "must be from 0 to 65535. Received: 70000" in capsys.readouterr().err
