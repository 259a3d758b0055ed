"""Tables of recordings from the layouts of public sets and of folders of words."""

import csv
import io
import tarfile

import numpy as np
import pytest

from keras_sal.data import load_recordings
from keras_sal.data.downloads import Archive, PublicDataset, download, tabulate
from keras_sal.data.downloads.layouts import split_of

pytestmark = pytest.mark.any_backend

try:
    import soundfile
except ImportError:
    soundfile = None


def sounds(folder, *files):
    """Writes short sounds where they can be written, else empty files of their names."""
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if soundfile is None:
            path.touch()
        else:
            soundfile.write(path, np.full(800, 0.1), 16_000)
    return folder


def load(folder):
    pytest.importorskip("soundfile")
    return load_recordings(folder)


def table(folder):
    with (folder / "recordings.csv").open(newline="") as file:
        return {
            row["file"]: (row["split"], row["text"], row["speaker"], row["noise"])
            for row in csv.DictReader(file)
        }


@pytest.mark.parametrize(
    "name", ["Noise", "noises", "background", "_background_noise_", "Background Noise"]
)
def test_folders_of_noise(tmp_path, name):
    """Else somebody would say "background noise", and pink noise would be played instead."""
    sounds(tmp_path, "go/a.wav", "noisy_places/a.wav")
    sounds(tmp_path, f"{name}/deep/1.wav")
    tabulate(tmp_path)
    found = table(tmp_path)
    assert found[f"{name}/deep/1.wav"][1:] == ("", "", "yes")
    assert found["noisy_places/a.wav"][1:] == ("noisy places", "", "")
    assert [recording.noise for recording in load(tmp_path)].count(True) == 1


def test_a_name_that_is_no_text_is_left_out(tmp_path):
    """One from an old system among good ones: no table can list it."""
    sounds(tmp_path, "go/a.wav", "go/b.wav")
    try:
        (tmp_path / "go" / "b.wav").rename(tmp_path / "go" / "caf\udce9.wav")
    except (OSError, UnicodeError):
        pytest.skip("this system has no such names")
    with pytest.warns(UserWarning, match=r"1 sound files were left out: go/caf\\xe9.wav; .*UTF-8"):
        assert tabulate(tmp_path) == 1
    assert list(table(tmp_path)) == ["go/a.wav"]


def test_folders_of_words(tmp_path):
    sounds(tmp_path, "smart_mirror/ann-1.wav", "smart_mirror/ann-2.WAV", "alexa/x.flac")
    sounds(tmp_path, "noise/car/1.wav")
    assert tabulate(tmp_path) == 4
    found = table(tmp_path)
    assert found["smart_mirror/ann-1.wav"] == (split_of("ann"), "smart mirror", "ann", "")
    assert found["smart_mirror/ann-2.WAV"] == found["smart_mirror/ann-1.wav"]
    assert found["alexa/x.flac"] == (split_of("alexa/x.flac"), "alexa", "", "")
    assert found["noise/car/1.wav"][3] == "yes"
    recordings = {r.path.name: r for r in load(tmp_path)}
    assert recordings["1.wav"].noise
    assert not recordings["x.flac"].noise


def test_folders_of_words_with_the_names_of_speech_commands(tmp_path):
    sounds(tmp_path, "yes/0a7c2a8d_nohash_0.wav", "no/0a7c2a8d_nohash_1.wav")
    tabulate(tmp_path)
    assert {row[2] for row in table(tmp_path).values()} == {"0a7c2a8d"}
    assert len({recording.split for recording in load(tmp_path)}) == 1


def test_what_fits_no_word_is_left_out_and_named(tmp_path):
    sounds(tmp_path, "yes/1.wav", "Noise/car/2.wav", "stray.wav", "yes/ann/3.wav")
    sounds(tmp_path, "yes/.checkpoints/1.wav", "yes/._1.wav", "__MACOSX/yes/1.wav")
    (tmp_path / "yes" / "phone.M4A").touch()
    with pytest.warns(UserWarning, match="were left out") as warned:
        assert tabulate(tmp_path) == 2
    assert [str(warning.message).partition(";")[0] for warning in warned] == [
        "1 sound files were left out: yes/phone.M4A",
        "2 sound files were left out: stray.wav, yes/ann/3.wav",
    ]
    assert {file: row[1] for file, row in table(tmp_path).items()} == {
        "Noise/car/2.wav": "",
        "yes/1.wav": "yes",
    }
    assert [r.path.name for r in load(tmp_path) if r.noise] == ["2.wav"]


@pytest.mark.filterwarnings("error")
def test_linked_folders_are_read_once_and_circles_end(tmp_path):
    sounds(tmp_path / "elsewhere", "1.wav", "deep/2.wav")
    folder = tmp_path / "made"
    sounds(folder, "yes/3.wav", "yes/4.wav")
    (folder / "noise").symlink_to(tmp_path / "elsewhere")
    (folder / "yes" / "all").symlink_to(folder)
    (folder / "also").symlink_to(folder / "yes")
    (tmp_path / "elsewhere" / "back").symlink_to(folder)
    (folder / "self").symlink_to("self")
    tabulate(folder)
    assert list(table(folder)) == ["noise/1.wav", "noise/deep/2.wav", "yes/3.wav", "yes/4.wav"]


def test_splits_are_as_large_as_they_should_be_and_stay():
    splits = [split_of(f"speaker {number}") for number in range(5000)]
    assert splits.count("train") / 5000 == pytest.approx(0.8, abs=0.02)
    assert splits.count("dev") / 5000 == pytest.approx(0.1, abs=0.02)
    assert split_of("ann") == "train"  # CRC-32 of "ann" is 47 modulo 100
    assert {split_of("ann") for _ in range(3)} == {"train"}


def test_speech_commands_has_the_splits_of_its_authors(tmp_path):
    sounds(tmp_path, "yes/a_nohash_0.wav", "yes/b_nohash_0.wav", "no/c_nohash_1.wav")
    sounds(tmp_path, "_background_noise_/pink.wav")
    (tmp_path / "validation_list.txt").write_text("yes/b_nohash_0.wav\n")
    (tmp_path / "testing_list.txt").write_text("no/c_nohash_1.wav\n")
    tabulate(tmp_path, "speech-commands")
    found = table(tmp_path)
    assert found["yes/a_nohash_0.wav"] == ("train", "yes", "a", "")
    assert found["yes/b_nohash_0.wav"] == ("dev", "yes", "b", "")
    assert found["no/c_nohash_1.wav"] == ("test", "no", "c", "")
    assert found["_background_noise_/pink.wav"][1:] == ("", "", "yes")
    noise = [r.path.name for r in load(tmp_path) if r.noise]
    assert noise == ["pink.wav"]


def test_speech_commands_without_the_lists_of_its_authors(tmp_path):
    sounds(tmp_path, "yes/a_nohash_0.wav", "loose.wav")
    (tmp_path / "validation_list.txt").write_text("")
    with pytest.raises(FileNotFoundError, match=r"must hold testing_list\.txt; .*Unpack"):
        tabulate(tmp_path, "speech-commands")
    assert not (tmp_path / "recordings.csv").exists()
    (tmp_path / "testing_list.txt").write_text("")
    assert tabulate(tmp_path, "speech-commands") == 1  # the loose one is of no word


def test_librispeech_has_transcripts_and_speakers(tmp_path):
    folder = sounds(tmp_path, "LibriSpeech/dev-clean/84/121123/84-121123-0000.flac").joinpath(
        "LibriSpeech/dev-clean/84/121123"
    )
    sounds(folder, "84-121123-0001.flac")
    (folder / "84-121123.trans.txt").write_text("84-121123-0000 GO DO YOU HEAR\n")
    assert tabulate(tmp_path, "librispeech") == 1
    assert list(table(tmp_path).values()) == [("dev", "go do you hear", "84", "")]


def test_sets_of_words_and_noise(tmp_path):
    pico = sounds(tmp_path / "pico", "repo-1/audio/smart_mirror/1.flac", "repo-1/demo/1.wav")
    assert tabulate(pico, "picovoice-wake-words") == 1
    assert table(pico)["repo-1/audio/smart_mirror/1.flac"][1] == "smart mirror"

    musan = sounds(tmp_path / "musan", "musan/noise/free-sound/n.wav", "musan/speech/us-gov/s.wav")
    assert tabulate(musan, "musan") == 2
    assert [row[3] for row in table(musan).values()] == ["yes", ""]

    demand = sounds(tmp_path / "demand", *(f"TBUS_16k/TBUS/ch{n:02d}.wav" for n in (1, 2, 16)))
    assert tabulate(demand, "demand") == 1
    assert table(demand)["TBUS_16k/TBUS/ch01.wav"] == (split_of("TBUS"), "", "", "yes")

    esc = sounds(tmp_path / "esc", "ESC-1/audio/1-a.wav", "ESC-1/audio/5-b.wav", "ESC-1/x.wav")
    (esc / "ESC-1" / "meta").mkdir()
    (esc / "ESC-1" / "meta" / "esc50.csv").write_text("filename,fold\n1-a.wav,1\n5-b.wav,5\n")
    assert tabulate(esc, "esc-50") == 2
    assert [row[0] for row in table(esc).values()] == ["train", "test"]


def test_a_downloaded_set_has_a_table(server, tmp_path):
    sounds(tmp_path / "made", "yes/a_nohash_0.wav")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(tmp_path / "made" / "yes", "yes")
        for name in ("validation_list.txt", "testing_list.txt"):
            archive.addfile(tarfile.TarInfo(name))
    server.files["/a.tar.gz"] = packed.getvalue()
    archive = Archive(f"{server.url}/a.tar.gz", "a.tar.gz", "none", max_bytes=10_000)
    made = PublicDataset("speech-commands-made", "", "CC0", "", "", (archive,), 10_000)
    said = []
    folder = download(made, tmp_path, log=said.append)
    assert "a.tar.gz: no checksum is published; it was not checked" in said
    assert said[-1] == f"1 recordings are listed in {folder / 'recordings.csv'}"
    [recording] = load(folder)
    assert (recording.text, recording.corpus, recording.speaker) == ("yes", made.name, "a")


def test_rejects(tmp_path):
    with pytest.raises(ValueError, match=r"`layout` must be one of words, .*layout='timit'"):
        tabulate(tmp_path, "timit")
    with pytest.raises(
        ValueError, match=r"must hold sound files .*none fits. Received: 0 sound.*0 to be"
    ):
        tabulate(tmp_path)
    sounds(tmp_path, "yes/1.wav")
    tabulate(tmp_path)
    with pytest.raises(ValueError, match=r"`folder` must have no recordings.csv yet.*replace=True"):
        tabulate(tmp_path)
    assert tabulate(tmp_path, replace=True) == 1
    written = (tmp_path / "recordings.csv").read_text().rstrip("\n")
    (tmp_path / "recordings.csv").write_text(f"{written}maybe\n")
    with pytest.raises(ValueError, match=r"`noise` must be yes, no or empty.*noise=maybe"):
        load(tmp_path)
