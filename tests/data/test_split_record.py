"""What a detector was trained on is never tested on, wherever its recordings lie by then."""

import json
import shutil
import warnings
from dataclasses import replace

import pytest
from full_disks import full_disk
from recording_folders import small_corpus

from keras_sal.data import (
    Recording,
    SplitRecord,
    copy_split_record,
    find_split_record,
    load_recordings,
    load_word_recordings,
)
from keras_sal.data.split_record import apply_split_records

pytestmark = pytest.mark.any_backend


@pytest.fixture
def files(tmp_path):
    """Three files of the same size."""
    folder = tmp_path / "speech"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.wav").write_bytes(name.encode() * 100)
    return folder


def recording(folder, name, split="test", **others):
    return Recording(folder / f"{name}.wav", split, "go", 1.0, **others)


def splits(recordings):
    return [each.split for each in recordings]


def test_listed_otherwise_later(files):
    """As by `keras-sal tabulate` after the training."""
    record = SplitRecord.of([recording(files, "a", "train"), recording(files, "b", "dev")], files)
    later = [recording(files, name) for name in "abc"]
    assert splits(record.apply(later, files)) == ["train", "dev", "test"]


def test_moved_and_renamed(files, tmp_path):
    record = SplitRecord.of([recording(files, "a", "train"), recording(files, "b", "test")], files)
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(files / "a.wav", tmp_path / "elsewhere" / "z.wav")
    other = [recording(tmp_path / "elsewhere", "z")]
    assert splits(record.apply(other, tmp_path / "elsewhere")) == ["train"]


def test_changed_in_place(files):
    """Normalised in level after the training: another hash, but the same path and duration."""
    record = SplitRecord.of([recording(files, "a", "train")], files)
    (files / "a.wav").write_bytes(b"louder" * 50)
    assert splits(record.apply([recording(files, "a")], files)) == ["train"]
    longer = [replace(recording(files, "a"), duration_s=1.5)]
    assert splits(record.apply(longer, files)) == ["test"]


def test_file_of_the_same_name_in_another_folder(files, tmp_path):
    record = SplitRecord.of([recording(files, "a", "train")], files)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.wav").write_bytes(b"x" * 100)
    new = [recording(tmp_path / "new", "a")]
    assert splits(record.apply(new, tmp_path / "new")) == ["test"]


def test_new_recordings_follow_their_speaker(files):
    record = SplitRecord.of([recording(files, "a", "train", speaker="ann")], files)
    later = [
        recording(files, "a", speaker="ann"),
        recording(files, "b", speaker="ann"),
        recording(files, "c", speaker="bob"),
    ]
    assert splits(record.apply(later, files)) == ["train", "train", "test"]


def test_copies_in_two_splits(files, tmp_path):
    """Each keeps its split where it was; elsewhere it is unknown which of them it is."""
    (files / "b.wav").write_bytes((files / "a.wav").read_bytes())
    record = SplitRecord.of([recording(files, "a", "test"), recording(files, "b", "train")], files)
    assert splits(record.apply([recording(files, n) for n in "ab"], files)) == ["test", "train"]
    shutil.copytree(files, tmp_path / "elsewhere")
    moved = [recording(tmp_path / "elsewhere", n) for n in "ab"]
    assert splits(record.apply(moved, tmp_path / "elsewhere")) == ["train", "train"]


def test_several_detectors(files):
    first = SplitRecord.of([recording(files, "a", "train"), recording(files, "b", "test")], files)
    second = SplitRecord.of([recording(files, "a", "test"), recording(files, "b", "dev")], files)
    for records in ([first, second], [second, first]):
        applied = apply_split_records(records, [recording(files, n) for n in "abc"], files)
        assert splits(applied) == ["train", "dev", "test"]


def test_a_detector_of_other_recordings_changes_nothing(files, tmp_path):
    trained = [recording(files, n, s) for n, s in zip("abc", ("train", "dev", "test"), strict=True)]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "z.wav").write_bytes(b"z" * 100)
    own = SplitRecord.of(trained, files)
    other = SplitRecord.of([recording(tmp_path / "other", "z", "train")], tmp_path / "other")
    listed = [recording(files, name, "train") for name in "abc"]
    for records in ([own], [own, other], [other, own]):
        assert splits(apply_split_records(records, listed, files)) == ["train", "dev", "test"]


def test_written_and_read(files, tmp_path):
    record = SplitRecord.of([recording(files, "a", "train")], files)
    record.write(tmp_path / "splits.json")
    assert SplitRecord.read(tmp_path / "splits.json") == record


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"format": 2, "folder": "a", "recordings": []}',
        '{"format": 1, "folder": "a", "recordings": [{"file": "a.wav"}]}',
        '{"format": 1, "folder": "a", "recordings": 3}',
        "[" * 100_000,
        json.dumps(
            {
                "format": 1,
                "folder": "a",
                "recordings": [
                    {"file": "a", "split": "all", "duration_s": 1.0, "bytes": 1, "sha256": ""}
                ],
            }
        ),
        json.dumps(
            {
                "format": 1,
                "folder": "a",
                "recordings": [
                    {"file": "a", "split": "test", "duration_s": "1", "bytes": 1, "sha256": []}
                ],
            }
        ),
    ],
)
def test_rejects_other_files(tmp_path, content):
    (tmp_path / "splits.json").write_text(content)
    with pytest.raises(ValueError, match=r"must be a record of splits.*splits\.json"):
        SplitRecord.read(tmp_path / "splits.json")


def test_where_a_record_is_found(tmp_path):
    out, bundle = tmp_path / "out", tmp_path / "out" / "firmware"
    bundle.mkdir(parents=True)
    (bundle / "manifest.json").write_text("{}")
    assert find_split_record(out / "model.keras") is None
    (out / "splits.json").write_text("{}")
    for system in (out, out / "model.keras", bundle, bundle / "model.tflite"):
        assert find_split_record(system) == out.resolve() / "splits.json"
    (out / "other").mkdir()  # no bundle, so it is not of this training
    assert find_split_record(out / "other" / "model.keras") is None


def test_exports_keep_the_record(tmp_path):
    for name in ("out", "bundle", "phone"):
        (tmp_path / name).mkdir()
    assert copy_split_record(tmp_path / "out" / "model.keras", tmp_path / "bundle") is None
    (tmp_path / "out" / "splits.json").write_text("{}")
    for system in (tmp_path / "bundle", tmp_path / "phone" / "model.onnx"):
        copied = copy_split_record(tmp_path / "out" / "model.keras", system)
        assert copied == find_split_record(system)
        assert copied.read_text() == "{}"
    assert find_split_record(tmp_path / "phone" / "other.onnx") is None


def test_a_full_disk_leaves_the_former_record(tmp_path):
    for name, content in (("new", "{}" * 1000), ("out", "{}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "splits.json").write_text(content)
    with full_disk(1000), pytest.raises(OSError, match=r"too large|No space"):
        copy_split_record(tmp_path / "new" / "model.keras", tmp_path / "out")
    assert (tmp_path / "out" / "splits.json").read_text() == "{}"


@pytest.mark.parametrize("name", ["bundle", "phone.tflite"])
def test_a_record_goes_with_its_model(tmp_path, name):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "bundle").mkdir()
    (tmp_path / "a" / "splits.json").write_text("{}")
    system = tmp_path / name
    copy_split_record(tmp_path / "a" / "model.keras", system)
    copied = find_split_record(system)
    assert copy_split_record(system, system) == copied  # its own
    assert copy_split_record(tmp_path / "b" / "a.keras", system, same_model=True) is None
    assert find_split_record(system) == copied
    assert copy_split_record(tmp_path / "b" / "b.keras", system) is None
    assert find_split_record(system) is None
    assert (tmp_path / "a" / "splits.json").is_file()


def test_a_record_of_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "bundle").mkdir()
    monkeypatch.chdir(tmp_path / "bundle")
    assert find_split_record(".") is None
    (tmp_path / "splits.json").write_text("{}")
    copied = copy_split_record("../model.keras", ".")
    assert copied == find_split_record(".") == tmp_path / "bundle" / "splits.json"


class TestLoadWordRecordings:
    @pytest.fixture(scope="class")
    def corpus(self, tmp_path_factory):
        return small_corpus(tmp_path_factory.mktemp("corpus") / "speech")

    def test_says_what_there_is_and_what_is_left_out(self, corpus):
        said = []
        load_word_recordings(corpus, "computer", say=said.append)
        assert said == [
            *(f"  {s}: 5 times 'computer', 8 others, 3 of them noise" for s in ("train", "dev")),
            "  test: 5 times 'computer', 8 others, 3 of them noise",
            "  left out: 3 in which 'computer' is said among other words, so that they are no "
            "negatives: 'my computer hums' (3)",
        ]

    def test_without_a_table_as_with_one(self, corpus, tmp_path):
        """What was dealt out in the training stays so when a table deals otherwise."""
        folder = tmp_path / "words"
        shutil.copytree(corpus / "keywords", folder)
        trained_with = load_word_recordings(folder, "computer")
        record = SplitRecord.of(trained_with, folder)
        from keras_sal.data.downloads import tabulate

        tabulate(folder)
        listed = {each.path: each.split for each in load_recordings(folder)}
        assert listed != {each.path: each.split for each in trained_with}
        with pytest.warns(UserWarning, match="recordings are test in recordings.csv, but"):
            later = load_word_recordings(folder, "computer", records=[record])
        assert {each.path: each.split for each in later} == {
            each.path: each.split for each in trained_with
        }

    def test_no_warning_where_the_table_agrees(self, corpus):
        record = SplitRecord.of(load_recordings(corpus), corpus)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = load_word_recordings(corpus, "computer", records=[record])
        assert found == load_recordings(corpus)
