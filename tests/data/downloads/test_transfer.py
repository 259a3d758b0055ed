"""Downloads from a server on this machine that is honest, forgetful or hostile."""

import hashlib

import pytest
from archives import names
from download_server import CONTENT

from keras_sal.data.downloads import fetch

pytestmark = pytest.mark.any_backend

SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


def get(server, folder, **options):
    options = {"sha256": SHA256, "pause_s": 0} | options
    return fetch(f"{server.url}/file", folder / "file", **options)


def test_downloads_and_tells_how_far_it_is(server, tmp_path):
    steps = []
    path = get(server, tmp_path, progress=lambda *step: steps.append(step))
    assert path.read_bytes() == CONTENT
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert names(tmp_path) == ["file"]


def test_what_is_there_is_not_downloaded_again(server, tmp_path):
    get(server, tmp_path)
    get(server, tmp_path)
    assert len(server.asked) == 1
    (tmp_path / "file").write_bytes(b"spoiled")
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_file_of_another_size_is_downloaded_again(server, tmp_path):
    (tmp_path / "file").write_bytes(b"cut short")
    assert get(server, tmp_path, sha256=None, size_bytes=len(CONTENT)).read_bytes() == CONTENT


def test_the_library_logs_nothing(server, tmp_path, caplog, monkeypatch):
    logger = pytest.importorskip("pooch").get_logger()
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    get(server, tmp_path)
    assert caplog.records == []


def test_goes_on_where_the_connection_ended(server, tmp_path):
    server.cut = [1000, 500]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-", "bytes=1500-"]


def test_goes_on_in_a_later_run(server, tmp_path):
    server.cut = [1000]
    with pytest.raises(OSError, match=r"ended after 1,000 of 10,240.*1,000 bytes are kept"):
        get(server, tmp_path, attempts=1)
    assert not (tmp_path / "file").exists()
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-"]


def test_starts_again_when_the_file_was_replaced_meanwhile(server, tmp_path):
    server.cut = [1000]
    with pytest.raises(OSError, match="could not be downloaded"):
        get(server, tmp_path, attempts=1)
    server.files["/file"], server.validator = CONTENT[::-1], '"two"'
    found = get(server, tmp_path, sha256=hashlib.sha256(CONTENT[::-1]).hexdigest())
    assert found.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("validator", [None, 'W/"weak"'])
def test_starts_again_where_the_server_can_not_tell(server, tmp_path, validator):
    server.validator, server.cut = validator, [1000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, None]


def test_starts_again_where_the_server_has_no_ranges(server, tmp_path):
    server.ranges, server.cut = False, [1000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-"]


def test_starts_again_where_the_server_sends_another_part(server, tmp_path):
    server.cut, server.answer_range = [1000], 0
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-", None]


def test_starts_again_where_the_part_is_longer_than_the_file(server, tmp_path):
    server.cut = [1000]
    with pytest.raises(OSError, match="could not be downloaded"):
        get(server, tmp_path, attempts=1)
    (tmp_path / "file.part").write_bytes(bytes(20_000))
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_part_of_another_address_is_not_gone_on_with(server, tmp_path):
    server.files["/other"] = CONTENT[::-1]
    server.cut = [1000]
    with pytest.raises(OSError, match="could not be downloaded"):
        fetch(f"{server.url}/other", tmp_path / "file", attempts=1)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, None]


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ({"sha256": "0" * 64}, f"SHA256 hash .* expected sha256:0000.* but got {SHA256}"),
        ({"sha256": None, "md5": "0" * 32}, f"MD5 hash .* expected md5:0000.* but got {MD5}"),
        (
            {"sha256": None, "size_bytes": 20_000},
            "must be the file that is meant.* 10,240 bytes instead of 20,000",
        ),
    ],
)
def test_a_file_that_was_tampered_with_is_removed(server, tmp_path, checks, message):
    with pytest.raises(ValueError, match=message):
        get(server, tmp_path, **checks)
    assert names(tmp_path) == []


@pytest.mark.parametrize("lengths", [True, False])
def test_a_file_that_is_too_large_is_stopped(server, tmp_path, lengths):
    server.lengths = lengths
    with pytest.raises(ValueError, match=r"must have at most 1,000 bytes"):
        get(server, tmp_path, max_bytes=1000)
    assert names(tmp_path) == []


def test_a_cut_without_a_length_is_found_by_the_checksum(server, tmp_path):
    server.lengths, server.cut = False, [1000]
    with pytest.raises(ValueError, match=r"hash of downloaded file .* does not match"):
        get(server, tmp_path)


def test_a_full_disk_is_said_at_once(server, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(OSError, match="it needs 10,240 bytes, and 100 are free"):
        get(server, tmp_path)
    assert len(server.asked) == 1


def test_errors_of_the_server(server, tmp_path):
    with pytest.raises(OSError, match="404"):
        fetch(f"{server.url}/none", tmp_path / "file", pause_s=0)
    assert len(server.asked) == 1
    server.status = 503
    with pytest.raises(OSError, match="503"):
        get(server, tmp_path, attempts=3)
    assert len(server.asked) == 1 + 3


def test_starts_again_where_the_server_goes_on_with_another_file(server, tmp_path):
    """Some servers ignore `If-Range`: the tag of the part that they send is another one."""
    server.cut = [1000]
    with pytest.raises(OSError, match="could not be downloaded"):
        get(server, tmp_path, attempts=1, sha256=None)
    server.files["/file"], server.changed_validator = CONTENT[::-1], '"two"'
    assert get(server, tmp_path, sha256=None).read_bytes() == CONTENT[::-1]
    assert server.asked == [None, "bytes=1000-", None]


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/file", "file:///etc/passwd"])
def test_redirects_to_other_schemes_are_refused(server, tmp_path, target):
    server.redirects = {"/file": target}
    with pytest.raises((ValueError, OSError), match=r"must lead to http|not allowed"):
        get(server, tmp_path, attempts=1)
    assert names(tmp_path) == []


def test_redirects_are_followed(server, tmp_path):
    server.redirects = {"/other": "/file"}
    assert fetch(f"{server.url}/other", tmp_path / "file", sha256=SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("drip", "message"),
    [("headers", "did not answer in 0.2 s"), ("body", "bytes arrived in 0.2 s")],
)
def test_a_server_that_drips_is_given_up(server, tmp_path, monkeypatch, drip, message):
    monkeypatch.setattr("keras_sal.data.downloads.transfer.TIMEOUT_S", 0.2)
    server.drip = drip
    with pytest.raises(OSError, match=message):
        get(server, tmp_path, attempts=1)


def test_fetch_rejects(tmp_path):
    with pytest.raises(ValueError, match=r"`url` must begin with http.*url='file:///etc/passwd'"):
        fetch("file:///etc/passwd", tmp_path / "file")
    with pytest.raises(ValueError, match=r"`attempts` must be at least 1.*attempts=0"):
        fetch("http://127.0.0.1", tmp_path / "file", attempts=0)
