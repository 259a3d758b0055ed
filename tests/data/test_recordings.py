import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from recording_folders import REAL, SAMPLE_RATE, burst, needs_recordings, write_folder

from keras_sal.data import Recording, load_recordings, partition
from keras_sal.data.selection import select_split

pytestmark = pytest.mark.any_backend


def keyword(file="a.flac", **given):
    return {"file": file, "text": "computer", "onset_s": 0.2, "offset_s": 0.7} | given


class TestLoadRecordings:
    def test_reads_the_table(self, tmp_path):
        write_folder(
            tmp_path,
            [
                keyword("keywords/a.flac", speaker="s1", corpus="c1", split="dev"),
                {"file": "noise/rain/b.wav", "split": "test", "duration_s": 2.0},
            ],
        )
        word, rain = load_recordings(tmp_path)
        assert word == Recording(
            tmp_path / "keywords/a.flac", "dev", "computer", 1.0, 0.2, 0.7, "c1", "s1", False
        )
        assert (rain.text, rain.duration_s, rain.noise, rain.split) == ("", 2.0, True, "test")
        assert math.isnan(rain.onset_s)
        assert math.isnan(rain.offset_s)

    def test_reads_a_table_from_a_spreadsheet(self, tmp_path):
        """With a byte order mark, columns in another order, and one column too many."""
        write_folder(tmp_path, [keyword()])
        (tmp_path / "recordings.csv").write_text(
            "\ufeffremark,text,offset_s,onset_s,split,file\n"
            "fine,  Smart  MIRROR ,0.7,0.2,dev,a.flac\n"
        )
        [recording] = load_recordings(tmp_path)
        assert (recording.text, recording.onset_s, recording.speaker) == ("smart mirror", 0.2, "")

    def test_an_end_barely_beyond_the_file_is_its_end(self, tmp_path):
        write_folder(tmp_path, [keyword(offset_s=1.04)])
        [recording] = load_recordings(tmp_path)
        assert recording.offset_s == 1.0

    @pytest.mark.filterwarnings("error")
    def test_a_folder_from_a_phone_simply_works(self, tmp_path):
        """Stereo at 44.1 kHz: one note, and the times are those of the file."""
        sound = np.stack([burst(2.0 * 44_100 / SAMPLE_RATE, 0, 9)[: 2 * 44_100]] * 2, axis=1)
        rows = [
            keyword(f"{n}.wav", samples=sound, sample_rate=44_100, duration_s=2.0) for n in range(3)
        ]
        write_folder(tmp_path, [*rows, keyword()])
        expected = r"3 of 4 recordings are not mono.*2 channel\(s\) at 44100 Hz.*are converted"
        with pytest.warns(UserWarning, match=expected) as caught:
            recordings = load_recordings(tmp_path)
        assert len(caught) == 1
        assert [r.duration_s for r in recordings] == [2.0, 2.0, 2.0, 1.0]
        assert (recordings[0].onset_s, recordings[0].offset_s) == (0.2, 0.7)
        assert recordings[0].samples().shape == (32_000,)

    def test_rejects_a_missing_folder(self, tmp_path):
        with pytest.raises(
            FileNotFoundError, match=r"must hold a table.*none.*is not there. Check the path"
        ):
            load_recordings(tmp_path / "none")

    def test_rejects_a_folder_without_a_table(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"must hold a table recordings\.csv.*has none"):
            load_recordings(tmp_path)

    @pytest.mark.parametrize("rows", ["", "\n"])
    def test_rejects_a_table_without_rows(self, tmp_path, rows):
        head = "file,split,text,onset_s,offset_s"
        (tmp_path / "recordings.csv").write_text(head + rows)
        with pytest.raises(ValueError, match="must list at least one recording; it has no rows"):
            load_recordings(tmp_path)

    def test_rejects_missing_columns(self, tmp_path):
        (tmp_path / "recordings.csv").write_text("file;split\na.wav;dev\n")
        expected = (
            r"must have the columns.*file, split, text, onset_s, offset_s not found.*file;spl"
        )
        with pytest.raises(ValueError, match=expected):
            load_recordings(tmp_path)

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            (keyword(onset_s=200, offset_s=700), r"within.*lasts 1\.000 s.*Did you give milli"),
            (
                keyword(onset_s=0.2, offset_s=1.7),
                r"within.*lasts 1\.000 s.*offset_s=1\.7.*this fil",
            ),
            (
                keyword(onset_s=1.01, offset_s=1.04),
                r"within.*lasts 1\.000 s.*onset_s=1\.01, offset_s=1\.04.*this fil",
            ),
            (keyword(onset_s=0.7, offset_s=0.2), r"before `offset_s`.*Were the columns swapped"),
            (keyword(onset_s=-0.1), r"`onset_s` must be at least 0.*onset_s=-0\.1"),
            (keyword(onset_s=""), r"both be given or both be empty.*onset_s=, offset_s=0\.7"),
            (keyword(onset_s="soon"), "must be numbers or empty; they are seconds.*onset_s=soon"),
            (keyword(onset_s="0_0"), "must be numbers or empty; they are seconds.*onset_s=0_0"),
            (
                keyword(duration_s="0_1", samples=np.zeros(16_000)),
                "length of the file, 1.000 s.*=0_1",
            ),
            (
                keyword(duration_s=2.0, samples=np.zeros(16_000)),
                "length of the file, 1.000 s.*=2.0",
            ),
            (keyword(duration_s="?", samples=np.zeros(16_000)), r"length of the file.*_s=\?"),
            (keyword(split="valid"), "`split` must be one of train, dev, test.*split='valid'"),
            (keyword("a.wav", samples=np.zeros(0)), "the file has no samples"),
            (keyword(samples=np.zeros(8000), sample_rate=8000), "mono at 16000 Hz.*at 8000 Hz"),
            (keyword(samples=np.zeros((16_000, 2))), "mono at 16000 Hz.*2 channel"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    @pytest.mark.filterwarnings("error")
    def test_bad_rows(self, tmp_path, row, reason):
        """Alone an error; among good ones left out, counted and named in a warning."""
        write_folder(tmp_path / "alone", [row])
        with pytest.raises(ValueError, match=rf"all 1 of them were refused.*a\.\w+: .*{reason}"):
            load_recordings(tmp_path / "alone", convert=False)
        write_folder(tmp_path / "among", [row, *(keyword(f"{n}.flac") for n in range(9))])
        with pytest.warns(UserWarning, match=rf"1 of 10 recordings.*a\.\w+: .*{reason}"):
            recordings = load_recordings(tmp_path / "among", convert=False)
        assert len(recordings) == 9

    def test_bad_files(self, tmp_path):
        write_folder(tmp_path, [keyword(f"{n}.flac") for n in range(10)])
        (tmp_path / "3.flac").write_text("no sound")
        (tmp_path / "4.flac").unlink()
        with pytest.warns(UserWarning, match=r"2 of 10 rec.*3\.flac: .*readable.*4\.flac: .*name"):
            assert len(load_recordings(tmp_path)) == 8

    def test_many_bad_files_are_counted(self, tmp_path):
        write_folder(
            tmp_path, [keyword(f"{n}.flac", split="?" * (n > 0) or "dev") for n in range(9)]
        )
        with pytest.warns(UserWarning, match=r"8 of 9 recordings.*5\.flac: .* \| and 3 more"):
            load_recordings(tmp_path)

    def test_a_file_listed_twice_is_taken_once(self, tmp_path):
        write_folder(tmp_path, [keyword(), keyword(split="test")])
        with pytest.warns(UserWarning, match=r"in two splits.*file='a\.flac' again"):
            [recording] = load_recordings(tmp_path)
        assert recording.split == "train"

    @pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
    def test_a_file_listed_under_two_names_is_taken_once(self, tmp_path, link):
        write_folder(tmp_path, [keyword(), keyword("b.flac", split="test")])
        (tmp_path / "b.flac").unlink()
        getattr(tmp_path / "b.flac", link)(tmp_path / "a.flac")
        with pytest.warns(UserWarning, match=r"in two splits.*file='b\.flac' again"):
            assert len(load_recordings(tmp_path)) == 1

    def test_rejects_a_table_that_can_not_be_taken_apart(self, tmp_path):
        """A quotation mark that is never closed would swallow all rows after it."""
        write_folder(tmp_path, [keyword(), keyword("b.flac")])
        table = tmp_path / "recordings.csv"
        table.write_text(table.read_text().replace("computer", '"computer', 1))
        with pytest.raises(ValueError, match=r"must be a table.*Is a quotation mark missing"):
            load_recordings(tmp_path)

    def test_rejects_columns_of_one_name(self, tmp_path):
        (tmp_path / "recordings.csv").write_text("file,split,text,onset_s,offset_s,text\n")
        with pytest.raises(ValueError, match=r"must have the columns.*each once; none not found"):
            load_recordings(tmp_path)

    def test_warns_of_speakers_in_two_splits(self, tmp_path):
        rows = [
            keyword("a.flac", speaker="ann"),
            keyword("b.flac", speaker="ann", split="test"),
            keyword("c.flac", speaker="bob", split="dev"),
            keyword("d.flac", speaker="bob", split="test", corpus="another"),
        ]
        write_folder(tmp_path, rows)
        with pytest.warns(UserWarning, match="1 speakers are in more than one split.*: ann$"):
            load_recordings(tmp_path)

    @needs_recordings
    def test_the_real_ones_are_all_good(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            recordings = load_recordings(REAL)
        positives, negatives = partition(recordings, "computer")
        counts = [sum(r.split == split for r in positives) for split in ("train", "dev", "test")]
        assert counts == [219, 73, 119]
        assert sum(r.noise for r in negatives) == 160
        hours = sum(r.duration_s for r in negatives if r.split == "test") / 3600
        assert hours == pytest.approx(1.007, abs=0.001)


class TestLayouts:
    """A folder for each word, with or without a file of events, and no table."""

    @pytest.fixture
    def folder(self, tmp_path):
        rows = [
            {"file": f"{word}/{speaker}-1.flac", "samples": burst(1.0, 0.3, 0.6)}
            for word in ("smart_mirror", "alexa")
            for speaker in ("ann", "bob")
        ]
        rows.append({"file": "noise/hum.flac"})
        write_folder(tmp_path, rows)
        (tmp_path / "recordings.csv").unlink()
        return tmp_path

    @pytest.mark.filterwarnings("error")
    def test_folders_of_words(self, folder):
        recordings = load_recordings(folder, layout="words")
        assert [(r.path.parent.name, r.text, r.speaker, r.noise) for r in recordings] == [
            ("alexa", "alexa", "ann", False),
            ("alexa", "alexa", "bob", False),
            ("noise", "", "", True),
            ("smart_mirror", "smart mirror", "ann", False),
            ("smart_mirror", "smart mirror", "bob", False),
        ]
        assert all(math.isnan(r.onset_s) for r in recordings)
        assert not (folder / "recordings.csv").exists()

    def test_an_events_file_gives_the_times(self, folder):
        """Those without labels have no times; those whose labels contradict are left out."""
        (folder / "events.csv").write_text(
            "file,text,onset_s,offset_s\n"
            "smart_mirror/ann-1.flac,Smart,0.25,0.5\n"
            "smart_mirror/ann-1.flac,mirror,0.5,0.75\n"
            "alexa/ann-1.flac,alexa,0.1,0.3\n"
            "alexa/ann-1.flac,alexa,0.5,0.7\n"
            "alexa/bob-1.flac,computer,0.5,0.7\n"
        )
        expected = r"2 of 5 rec.*ann-1.flac: its text is several times.*bob-1.flac: its text is not"
        with pytest.warns(UserWarning, match=expected):
            recordings = load_recordings(folder, layout="words", events=folder / "events.csv")
        times = {str(r.path.relative_to(folder)): (r.onset_s, r.offset_s) for r in recordings}
        assert times.pop("smart_mirror/ann-1.flac") == (0.25, 0.75)
        assert set(times) == {"smart_mirror/bob-1.flac", "noise/hum.flac"}
        assert np.isnan(list(times.values())).all()

    def test_an_events_file_for_a_table_with_a_short_row(self, tmp_path):
        write_folder(tmp_path, [keyword("a.flac")])
        (tmp_path / "recordings.csv").write_text(
            "split,text,onset_s,offset_s,file\ntest,computer,,,a.flac\ntest,computer\n"
        )
        (tmp_path / "events.csv").write_text("file,text,onset_s,offset_s\na,computer,0.3,0.6\n")
        with pytest.warns(UserWarning, match=r"1 of 2 recordings.*row 3: .*too few fields"):
            [recording] = load_recordings(tmp_path, events=tmp_path / "events.csv")
        assert recording.offset_s == 0.6

    def test_an_events_file_in_milliseconds(self, folder):
        events = folder / "events.csv"
        events.write_text("file,text,onset_s,offset_s\nalexa/bob-1.flac,alexa,300,600\n")
        with pytest.raises(ValueError, match="Did you give milliseconds"):
            load_recordings(folder, layout="words", events=events)
        recordings = load_recordings(folder, layout="words", events=events, unit="ms")
        assert (recordings[1].onset_s, recordings[1].offset_s) == (0.3, 0.6)

    def test_events_go_before_the_times_of_a_table(self, tmp_path):
        write_folder(tmp_path, [keyword("a.flac"), keyword("b.flac")])
        (tmp_path / "a.txt").write_text("0.4\t0.6\tcomputer\n")
        recordings = load_recordings(tmp_path, events=tmp_path)
        assert [(r.onset_s, r.offset_s) for r in recordings] == [(0.4, 0.6), (0.2, 0.7)]

    def test_says_how_to_make_a_table(self, folder):
        with pytest.raises(FileNotFoundError, match=r'keras-sal tabulate DIR.*layout="words"'):
            load_recordings(folder)

    @pytest.mark.parametrize(
        ("layout", "message"),
        [("magic", "`layout` must be one of words.*'magic'"), ("words", "none fits.*2 sound f")],
    )
    def test_rejects(self, folder, layout, message):
        with pytest.raises(ValueError, match=message):
            load_recordings(folder / "alexa", layout=layout)


class TestPartition:
    TEXTS = ("smart mirror", "smart", "mirror", "my smart mirror here", "smart mirrors", "")

    @pytest.fixture
    def recordings(self):
        return [Recording(Path(f"{n}.wav"), "dev", t, 1.0) for n, t in enumerate(self.TEXTS)]

    @pytest.mark.parametrize("word", ["smart mirror", " Smart  MIRROR"])
    def test_words_in_other_texts_are_neither(self, recordings, word):
        positives, negatives = partition(recordings, word)
        assert [r.text for r in positives] == ["smart mirror"]
        assert [r.text for r in negatives] == ["smart", "mirror", "smart mirrors", ""]

    @pytest.mark.parametrize(
        ("word", "same", "neither"),
        [
            ("hey robot", ["Hey, Robot!", "hey-robot", "HEY ROBOT"], ["oh hey, robot, now"]),
            ("hey robot", ["hey robot."], ["hey robot's here", "hey-robot go"]),
            ("o'clock", ["o’clock", "O'Clock"], ["one o’clock"]),  # noqa: RUF001
            ("sch\u00f6n", ["scho\u0308n", "Sch\u00f6n"], ["so scho\u0308n"]),
            ("\u0915\u093f", ["\u0915\u093f"], ["\u0915\u093f \u0939\u0948"]),
        ],
    )
    def test_the_same_words_written_otherwise_are_no_negatives(self, word, same, neither):
        other = "\u0915\u0940"  # differs from another one by a mark alone
        texts = [*same, *neither, other]
        recordings = [Recording(Path(f"{n}.wav"), "dev", t, 1.0) for n, t in enumerate(texts)]
        positives, negatives = partition(recordings, word)
        assert [r.text for r in positives] == same
        assert [r.text for r in negatives] == [other]

    @pytest.mark.parametrize("word", ["alexa", "", "!"])
    def test_rejects_an_unknown_word(self, recordings, word):
        expected = r"`word` must be.*word='(alexa)?'.*one of: 'smart mirror' \(1\), 'smart' \(1\)"
        with pytest.raises(ValueError, match=expected):
            partition(recordings, word)


class TestSelect:
    @pytest.mark.filterwarnings("error")
    def test_finds_missing_times(self, tmp_path):
        other = {"file": "b.flac", "text": "alexa"}
        hum = {"file": "noise/c.flac", "samples": burst(1.0, 0.0, 1.0)}
        spoken = keyword(onset_s="", offset_s="", samples=burst(2.0, 0.6, 1.1), duration_s="")
        recordings = load_recordings(write_folder(tmp_path, [spoken, other, hum]))
        [positive], negatives, [noise] = select_split(recordings, "computer", "train")
        assert positive.onset_s == pytest.approx(0.6, abs=0.06)
        assert positive.offset_s == pytest.approx(1.1, abs=0.06)
        assert [r.path.name for r in negatives] == ["b.flac", "c.flac"]
        assert noise.path.name == "c.flac"

    def test_leaves_out_what_can_not_be_used(self, tmp_path):
        rng = np.random.default_rng(0)
        rows = [
            keyword("a.flac"),
            keyword("steady.flac", onset_s="", offset_s="", samples=rng.uniform(-1, 1, 16_000)),
            {"file": "b.flac", "text": "alexa"},
            {"file": "brief.flac", "samples": np.ones(100), "duration_s": ""},
            {"file": "noise/silent.flac", "samples": np.zeros(16_000)},
            {"file": "cut.flac", "samples": rng.uniform(-1, 1, 16_000)},
        ]
        recordings = load_recordings(write_folder(tmp_path, rows))
        cut = tmp_path / "cut.flac"
        cut.write_bytes(cut.read_bytes()[:9000])
        with pytest.warns(UserWarning, match="were left out") as caught:
            positives, negatives, noise = select_split(recordings, "computer", "train")
        messages = " ".join(str(warning.message) for warning in caught)
        assert "1 of 2 recordings" in messages
        assert "steady.flac: it has no event times, and nothing stands out" in messages
        assert "3 of 4 recordings" in messages
        for name, reason in (("brief", "0.025 s"), ("silent", "silent"), ("cut", "readable")):
            assert f"{name}.flac: " in messages
            assert reason in messages
        assert [r.path.name for r in positives + negatives] == ["a.flac", "b.flac"]
        assert noise == []

    @pytest.mark.parametrize(
        ("split", "message"),
        [
            ("valid", "`split` must be one of train, dev, test.*split='valid'"),
            ("dev", "must hold positives in each split that is used.*split='dev' with 0 positives"),
            ("test", "must hold negatives in each split that is used.*split='test' with 0 neg"),
        ],
    )
    def test_rejects_a_split_that_lacks_recordings(self, tmp_path, split, message):
        rows = [keyword(), {"file": "b.flac"}, {"file": "c.flac", "split": "dev"}]
        rows += [keyword("d.flac", split="test")]
        recordings = load_recordings(write_folder(tmp_path, rows))
        with pytest.raises(ValueError, match=message):
            select_split(recordings, "computer", split)

    def test_rejects_positives_that_are_all_unreadable(self, tmp_path):
        recordings = load_recordings(write_folder(tmp_path, [keyword(), {"file": "b.flac"}]))
        (tmp_path / "a.flac").write_text("gone")
        with pytest.raises(ValueError, match=r"1 positives, all refused.*a\.flac: .*readable"):
            select_split(recordings, "computer", "train")
