"""One table of folders of the word, of other speech and of noise."""

import math

import numpy as np
import pytest

from keras_sal.data import load_recordings, load_word_recordings, tabulate_folders
from keras_sal.data.recordings_table import TABLE, read_table

soundfile = pytest.importorskip("soundfile")
pytestmark = pytest.mark.any_backend


def write(folder, *names):
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        sound = np.random.default_rng(number + 1).normal(scale=0.1, size=8000)
        soundfile.write(folder / name, sound, 16_000)
    return folder


@pytest.fixture
def folders(tmp_path):
    return {
        "positives": [write(tmp_path / "mine", "ann-1.wav", "ann-2.wav", "deep/bob-1.flac")],
        "negatives": [
            write(tmp_path / "speech", "talk.wav", "yes/cy_nohash_0.wav", "84/121/84-121-0.flac"),
            write(tmp_path / "tv", "_background_noise_/hum.wav", "news.wav"),
        ],
        "noise": [write(tmp_path / "fan", "fan.wav")],
    }


def test_rows(folders, tmp_path):
    recordings = load_recordings(tabulate_folders(tmp_path / "all", "hey robot", **folders))
    found = {r.path.name: (r.text, r.speaker, r.noise) for r in recordings}
    assert found == {
        "ann-1.wav": ("hey robot", "ann", False),
        "ann-2.wav": ("hey robot", "ann", False),
        "bob-1.flac": ("hey robot", "bob", False),
        "talk.wav": ("", "", False),
        "cy_nohash_0.wav": ("yes", "cy", False),
        "84-121-0.flac": ("", "84", False),
        "hum.wav": ("", "", True),
        "news.wav": ("", "", False),
        "fan.wav": ("", "", True),
    }


def test_a_folder_with_a_table_is_listed_as_it_says(folders, tmp_path):
    [own] = folders["positives"]
    (own / TABLE).write_text(
        "file,split,text,speaker,onset_s,offset_s\nann-1.wav,test,hey robot,cleo,0.1,0.4\n"
    )
    recordings = load_recordings(tabulate_folders(tmp_path / "all", "hey robot", **folders))
    [positive] = [r for r in recordings if r.text == "hey robot"]
    assert (positive.path, positive.speaker) == ((own / "ann-1.wav").resolve(), "cleo")
    assert (positive.onset_s, positive.offset_s, positive.split) == (0.1, 0.4, "train")


def test_noise_of_a_folder_with_a_table_is_noise(folders, tmp_path):
    tv = folders["negatives"][1]
    (tv / TABLE).write_text(
        "file,split,text,onset_s,offset_s\n_background_noise_/hum.wav,train,,,\nnews.wav,train,,,\n"
    )
    recordings = load_recordings(tabulate_folders(tmp_path / "all", "hey robot", **folders))
    assert {r.path.name for r in recordings if r.noise} == {"hum.wav", "fan.wav"}


def test_a_name_that_is_no_text_is_left_out(folders, tmp_path):
    try:
        (tmp_path / "tv" / "news.wav").rename(tmp_path / "tv" / "caf\udce9.wav")
    except (OSError, UnicodeError):
        pytest.skip("this system has no such names")
    with pytest.warns(UserWarning, match=r"1 sound files were left out: .*caf\\xe9.wav; .*UTF-8"):
        folder = tabulate_folders(tmp_path / "all", "hey robot", **folders)
    assert len(load_recordings(folder)) == 8


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ann-1.wav,train,,,hey, robot", r"recordings.csv, row 2: .*too many fields.*' robot'"),
        ("ann-1.wav,train", r"recordings.csv, row 2: .*too few fields"),
    ],
)
def test_leaves_out_rows_whose_fields_do_not_fit(folders, tmp_path, line, message):
    [own] = folders["positives"]
    (own / TABLE).write_text(
        f"file,split,onset_s,offset_s,text\n{line}\nann-2.wav,train,,,hey robot\n"
    )
    with pytest.warns(UserWarning, match=f"1 of 2 recordings were left out.*{message}"):
        folder = tabulate_folders(tmp_path / "all", "hey robot", **folders)
    found = {r.path.name: r.text for r in load_recordings(folder)}
    assert "ann-1.wav" not in found
    assert found["ann-2.wav"] == "hey robot"


def test_times_that_were_found_are_kept(folders, tmp_path):
    folder = tabulate_folders(tmp_path / "all", "hey robot", **folders)
    table = (folder / TABLE).read_text()
    assert table.count("ann,hey robot,,,") == 2
    (folder / TABLE).write_text(table.replace("ann,hey robot,,,", "ann,hey robot,0.1,0.4,", 1))
    recordings = load_recordings(tabulate_folders(folder, "hey robot", **folders))
    timed = [r.path.name for r in recordings if not math.isnan(r.offset_s)]
    assert timed == ["ann-1.wav"]


def test_refuses_what_cannot_be_listed(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    [own] = folders["positives"]
    for change, error, message in (
        ({"noise": [tmp_path / "none"]}, FileNotFoundError, "`noise` must be folders"),
        ({"negatives": [tmp_path / "empty"]}, ValueError, "`negatives` must hold sound files"),
        ({"negatives": [own / "deep"]}, ValueError, "must be folders apart.*bob-1.flac in two"),
    ):
        with pytest.raises(error, match=message):
            tabulate_folders(tmp_path / "all", "hey robot", **folders | change)
    assert not (tmp_path / "all").exists()


def test_my_voice_only_is_split_by_recording_with_a_warning(tmp_path):
    own = write(tmp_path / "mine", *(f"ann-{take}.wav" for take in range(10)))
    others = write(tmp_path / "speech", *(f"s{number}-1.wav" for number in range(10)))
    folder = tabulate_folders(tmp_path / "all", "hey robot", [own], [others])
    said = []
    with pytest.warns(UserWarning, match=r"of one speaker, ann, so .* hold for this voice"):
        recordings = load_word_recordings(folder, "hey robot", say=said.append)
    splits = [r.split for r in recordings if r.text]
    assert [splits.count(split) for split in ("train", "dev", "test")] == [6, 2, 2]
    assert "Only ann says 'hey robot': recordings are dealt out to train, dev and test" in said
    assert read_table(folder)[1][0]["split"] == "train"
