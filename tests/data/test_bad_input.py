"""What is wrong with people's folders: skipped with a count and a reason, or refused.

A folder of good recordings with one bad one among them must load without it, and say so; what is
wrong with a whole file of labels must refuse it. Never a wrong anchor in silence.
"""

import re
import warnings

import numpy as np
import pytest
from recording_folders import burst, write_folder

from keras_sal.data import load_recordings
from keras_sal.data.alignment import read_events
from keras_sal.data.selection import select_split

soundfile = pytest.importorskip("soundfile")

pytestmark = pytest.mark.any_backend

GOOD = {"text": "computer", "onset_s": 0.2, "offset_s": 0.7}


def loaded(folder):
    """The recordings that can be used, and all that was said about the others."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        positives, negatives, _ = select_split(load_recordings(folder), "computer", "train")
    said = " ".join(str(warning.message) for warning in caught)
    return {recording.path.name for recording in positives + negatives}, said


@pytest.fixture
def folder(tmp_path):
    rows = [GOOD | {"file": name} for name in ("good.flac", "bad.wav")]
    return write_folder(tmp_path / "folder", [*rows, {"file": "other.flac", "text": "alexa"}])


def cut_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_rf64(path):
    soundfile.write(path, burst(1.0, 0.2, 0.7), 16_000, format="RF64")
    cut_half(path)


def with_one_channel_inverted(path):
    sound = burst(1.0, 0.2, 0.7)
    soundfile.write(path, np.stack([sound, -sound], axis=1), 16_000)


def with_nan(path):
    samples = burst(1.0, 0.2, 0.7)
    samples[8000] = np.nan
    soundfile.write(path, samples, 16_000, "FLOAT")


def with_infinity(path):
    soundfile.write(path, np.full(16_000, np.inf), 16_000, "FLOAT")


def of_no_bytes(path):
    path.write_bytes(b"")


def of_no_samples(path):
    soundfile.write(path, np.zeros(0), 16_000)


def text_called_wav(path):
    path.write_text("this is no sound at all")


def link_to_itself(path):
    path.unlink()
    path.symlink_to(path.name)


def far_too_loud(path):
    soundfile.write(path, 32_768 * burst(1.0, 0.2, 0.7), 16_000, "FLOAT")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (cut_half, r"could not be decoded \(it ends after \d+ of 32000 bytes\)"),
        (cut_rf64, r"could not be decoded \(it ends after \d+ of 320\d\d bytes\)"),
        (with_one_channel_inverted, "channels that don't cancel each other out.*with 2 channels"),
        (with_nan, "must hold finite samples.*peak of nan"),
        (with_infinity, "must hold finite samples.*peak of inf"),
        (far_too_loud, r"must hold finite samples in \[-1, 1\].*Divide integers by 32768"),
        (of_no_bytes, "must hold sound; the file has no samples"),
        (of_no_samples, "must hold sound; the file has no samples"),
        (text_called_wav, "must be a readable sound file"),
        (link_to_itself, "this is a broken link"),
    ],
)
def test_a_bad_file_among_good_ones(folder, spoil, reason):
    spoil(folder / "bad.wav")
    names, said = loaded(folder)
    assert names == {"good.flac", "other.flac"}
    count = r"1 of [23] recordings were left out\. \S*bad\.wav: "
    assert re.search(count + ".*" + reason, said), said


@pytest.mark.filterwarnings("ignore:1 of 3 recordings are not mono")
def test_eight_channels_at_96_khz(folder):
    """Nothing is wrong with them: the word is where it was, and a note says they are converted."""
    sound = burst(6.0, 1.2, 4.2)  # at 96 kHz it lasts a second, and the tone is 2640 Hz
    soundfile.write(folder / "bad.wav", np.stack([sound] * 8, axis=1), 96_000)
    names, said = loaded(folder)
    assert "bad.wav" in names
    assert "1 of 3 recordings are not mono at 16000 Hz (most: 8 channel(s) at 96000 Hz)" in said
    bad = next(r for r in load_recordings(folder) if r.path.name == "bad.wav")
    heard = np.flatnonzero(np.abs(bad.samples()) > 0.1) / 16_000
    assert (heard[0], heard[-1]) == pytest.approx((0.2, 0.7), abs=0.002)


def test_a_wrong_extension(folder):
    """FLAC called WAV is read as what it is."""
    (folder / "bad.wav").write_bytes((folder / "good.flac").read_bytes())
    assert loaded(folder) == ({"good.flac", "bad.wav", "other.flac"}, "")


def test_folders_that_link_in_a_circle(folder):
    """The same file is not found again and again on the way round."""
    (folder / "recordings.csv").unlink()
    (folder / "computer").mkdir()
    (folder / "good.flac").rename(folder / "computer" / "good.flac")
    (folder / "computer" / "round").symlink_to(folder, target_is_directory=True)
    recordings = load_recordings(folder, layout="words")
    assert [recording.path for recording in recordings] == [folder / "computer" / "good.flac"]


def test_a_table_that_goes_round_a_circle_of_links(folder):
    (folder / "round").symlink_to(folder, target_is_directory=True)
    table = folder / "recordings.csv"
    table.write_text(table.read_text().replace("bad.wav", "round/round/good.flac"))
    names, said = loaded(folder)
    assert names == {"good.flac", "other.flac"}
    assert "1 of 3 recordings were left out. round/round/good.flac: " in said
    assert "must name each sound file once" in said


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("bad.wav,made,train,Smith, Ann,computer,1.0,0.2,0.7", "too many fields in .*quotes round"),
        ("bad.wav,made,train", "too few fields in .*quotes round"),
    ],
)
def test_a_comma_inside_a_name(folder, row, reason):
    table = folder / "recordings.csv"
    lines = table.read_text().splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("bad.wav"))
    table.write_text("\n".join([*lines[:place], row, *lines[place + 1 :]]))
    names, said = loaded(folder)
    assert names == {"good.flac", "other.flac"}
    assert re.search(rf"1 of 3 recordings were left out. bad.wav: .*{reason}", said)


def test_a_comma_inside_quotes(folder):
    (folder / "bad.wav").rename(folder / "bad, or not.wav")
    table = folder / "recordings.csv"
    table.write_text(table.read_text().replace("bad.wav", '"bad, or not.wav"'))
    assert loaded(folder) == ({"good.flac", "bad, or not.wav", "other.flac"}, "")


def test_times_in_milliseconds(folder):
    table = folder / "recordings.csv"
    lines = table.read_text().splitlines()
    lines = [x.replace("0.2,0.7", "200,700") if x.startswith("bad") else x for x in lines]
    table.write_text("\n".join(lines))
    names, said = loaded(folder)
    assert names == {"good.flac", "other.flac"}
    assert "1 of 3 recordings were left out. bad.wav: " in said
    assert "Did you give milliseconds?" in said


def test_overlapping_events(tmp_path):
    """Which of the two is meant is anyone's guess."""
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "file,text,onset_s,offset_s\n"
        "a.wav,computer,0.2,0.8\na.wav,computer,0.5,1.1\nb.wav,computer,0.2,0.8\n"
    )
    with pytest.warns(UserWarning, match=r"2 of 3 entries.*left out.*overlaps the same, 0\.2 to"):
        events = read_events(labels)
    assert [event.recording for event in events] == ["b.wav"]


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("latin-1", r"must be UTF-8; other encodings look alike.*the byte 0xeb in line 2"),
        ("utf-16-le", r"must be UTF-8; other encodings look alike"),
    ],
)
def test_an_unknown_encoding(folder, encoding, message):
    table = folder / "recordings.csv"
    text = table.read_text().replace("alexa", "zoë").replace("good.flac,made", "good.flac,zoë")
    table.write_bytes(text.encode(encoding))
    with pytest.raises(ValueError, match=message):
        load_recordings(folder)
    assert "zoë" in {recording.text for recording in load_recordings(folder, encoding=encoding)}


def test_a_table_of_a_spreadsheet_in_utf_16(folder):
    table = folder / "recordings.csv"
    table.write_bytes(table.read_text().replace("alexa", "zoë").encode("utf-16"))
    assert "zoë" in {recording.text for recording in load_recordings(folder)}


@pytest.mark.parametrize("amplitude", [0, 1])
def test_digital_silence_at_the_times_of_the_word(folder, amplitude):
    """With times, and with the last bit flickering as dither leaves it."""
    samples = np.random.default_rng(0).integers(-amplitude, amplitude + 1, 16_000)
    soundfile.write(folder / "bad.wav", samples.astype("int16"), 16_000)
    used, said = loaded(folder)
    assert used == {"good.flac", "other.flac"}
    assert re.search(
        r"1 of 2 recordings were left out.*bad\.wav.*nothing but digital silence", said
    )


def test_silence_only_where_the_word_should_be(folder):
    """The times are those of another take."""
    sound = burst(1.0, 0.75, 0.95)
    sound[3000:11_500] = 0
    soundfile.write(folder / "bad.wav", sound, 16_000)
    used, said = loaded(folder)
    assert "bad.wav" not in used
    assert "0.2 to 0.7 s" in said


def test_a_faint_word_is_used(folder):
    soundfile.write(folder / "bad.wav", burst(1.0, 0.2, 0.7) * 4e-4, 16_000)
    used, _ = loaded(folder)
    assert "bad.wav" in used


def test_negatives_of_digital_silence_are_used(folder):
    soundfile.write(folder / "other.flac", np.zeros(16_000), 16_000)
    used, _ = loaded(folder)
    assert "other.flac" in used


def test_the_word_among_others_is_left_out_with_a_warning(tmp_path):
    """As where the negatives of "computer" lie in a folder "not_computer"."""
    rows = [GOOD | {"file": "a.flac"}, {"file": "b.flac", "text": "alexa"}]
    rows += [{"file": f"not{n}.flac", "text": "not computer"} for n in range(3)]
    used, said = loaded(write_folder(tmp_path / "folder", rows))
    assert used == {"a.flac", "b.flac"}
    assert re.search(
        r"3 recordings in train are left out, as 'computer' is said in them among other words: "
        r"'not computer' \(3\)",
        said,
    )
