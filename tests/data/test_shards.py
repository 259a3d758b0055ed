"""Shards in this process: what they hold, what they follow from, what is refused."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from recording_folders import small_corpus, write_folder
from shards_alone import write_alone

from keras_sal import AnchorTargets, cli, extras
from keras_sal.data import (
    NoiseVariety,
    PlacedRecording,
    Recording,
    Stream,
    StreamAugmentation,
    StreamBatches,
    compute_features,
    load_recordings,
)
from keras_sal.data.cluster import Cluster
from keras_sal.data.features_file import StoredFeatures
from keras_sal.data.shards import Shard, StreamSettings, load_shards, shard_plan
from keras_sal.data.shards.job_file import JOB, begin_job
from keras_sal.data.shards.shard_plan import plan_shards
from keras_sal.data.shards.shard_table import TABLE, read_table, write_table
from keras_sal.data.shards.stream_notes import note_of_stream, stream_of_note
from keras_sal.data.shards.writing import ShardTask, end_job, write_shard

pytest.importorskip("array_record", reason="shards are ArrayRecord files")
pytestmark = pytest.mark.any_backend

AUGMENTATION = StreamAugmentation(
    rooms=0.0, tempo=(1.0, 1.0), partial_words=0.2, noise_variety=NoiseVariety(babble=0.5)
)
SETTINGS = StreamSettings("computer", 40 / 3600, stream_s=8.0, augmentation=AUGMENTATION)
SHARDED = replace(SETTINGS, shard_hours=16 / 3600)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return small_corpus(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="module")
def recordings(corpus):
    return load_recordings(corpus)


@pytest.fixture(scope="module")
def plans(recordings, corpus):
    return list(plan_shards(recordings, SHARDED, corpus))


@pytest.fixture(scope="module")
def written(recordings, corpus, tmp_path_factory):
    return write_alone(recordings, SHARDED, corpus, tmp_path_factory.mktemp("shards"))


@pytest.fixture
def folder(written, tmp_path):
    return shutil.copytree(written, tmp_path / "shards")


def test_streams_are_those_of_one_machine(written, plans):
    """Plans and features, to the bit; the sound can be computed again."""
    loaded = load_shards(written, verify=True)
    drawn = [stream for plan in plans for stream in plan.make_streams()]
    assert [stream.name for stream in loaded] == [
        *(f"train-00000-000{index}" for index in range(2)),
        *("train-00001-0000", "train-00002-0000", "train-00002-0001"),
    ]
    assert loaded == drawn
    assert any(stream.noise for stream in loaded)
    for stream, fresh in zip(loaded, compute_features(loaded), strict=True):
        assert isinstance(stream.features, StoredFeatures)
        np.testing.assert_array_equal(stream.features, fresh.features)


def test_the_table_counts(written):
    shards, loaded = read_table(written), load_shards(written)
    assert [shard.streams for shard in shards] == [2, 1, 2]
    assert sum(shard.events for shard in shards) == sum(len(each.events) for each in loaded)
    hours = sum(stream.hours for stream in loaded)
    assert sum(shard.hours for shard in shards) == pytest.approx(hours, abs=1e-5)
    assert [shard.bytes for shard in shards] == [
        (written / shard.file).stat().st_size for shard in shards
    ]


def test_batches_are_those_of_features_in_memory(written):
    loaded = load_shards(written)
    targets = AnchorTargets(200, frame_step_s=0.01, frame_offset_s=0.03)
    stored, kept = (
        StreamBatches(streams, targets, batch_size=4, seed=1)[0]
        for streams in (loaded, compute_features(loaded))
    )
    np.testing.assert_array_equal(stored[0], kept[0])
    np.testing.assert_array_equal(stored[1], kept[1])


def test_parts_have_each_shard_once(written):
    names = [[each.name for each in load_shards(written, part=(n, 2))] for n in range(2)]
    assert [len(part) for part in names] == [4, 1]
    assert {*names[0], *names[1]} == {each.name for each in load_shards(written)}


@pytest.mark.parametrize("part", [(2, 2), (-1, 2), (0, 0)])
def test_rejects_no_part(written, part):
    with pytest.raises(ValueError, match=r"`part` must be \(number, count\).*Received: part="):
        load_shards(written, part=part)


def test_names_follow_from_all_but_the_place(plans, recordings, corpus, tmp_path):
    names = [plan.file_name() for plan in plans]
    moved = shutil.copytree(corpus, tmp_path / "elsewhere")
    there = list(plan_shards(load_recordings(moved), SHARDED, moved))
    assert [plan.file_name() for plan in there] == names
    other = list(plan_shards(recordings, replace(SHARDED, seed=1), corpus))
    assert not {plan.file_name() for plan in other} & {*names}
    louder = replace(SHARDED, augmentation=replace(AUGMENTATION, gain_db=(0.0, 6.0)))
    assert not {plan.file_name() for plan in plan_shards(recordings, louder, corpus)} & {*names}
    with (moved / recordings[0].path.relative_to(corpus)).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"?")  # other contents of the same size
    assert there[0].file_name() != names[0]


def test_moved_recordings_are_heard_again(folder, corpus, tmp_path):
    moved = shutil.copytree(corpus, tmp_path / "elsewhere")
    stream = load_shards(folder, root=moved)[0]
    assert moved in stream.placed[0].recording.path.parents
    np.testing.assert_array_equal(stream.samples(), load_shards(folder)[0].samples())


def test_every_recording_is_dealt_out(recordings, corpus, monkeypatch):
    monkeypatch.setattr(shard_plan, "LEAST_RECORDINGS", 1)
    plans = list(plan_shards(recordings, SHARDED, corpus))
    dealt = [recording.path for plan in plans for recording in plan.recordings]
    used = {each.path for each in recordings if each.split == "train" and "hums" not in each.text}
    assert set(dealt) == used
    assert len(dealt) == len(used)


def test_a_shard_draws_from_no_more_than_it_can_play(recordings, corpus, monkeypatch):
    """One stream of 2 s of recordings of 1 s."""
    monkeypatch.setattr(shard_plan, "LEAST_RECORDINGS", 1)
    [plan] = plan_shards(recordings, replace(SETTINGS, hours=2 / 3600, stream_s=2.0), corpus)
    said = [(each.text, each.noise) for each in plan.recordings]
    assert said == [*2 * [("computer", False)], *2 * [("alexa", False)], *2 * [("", True)]]


def test_few_recordings_are_in_each_shard(plans):
    assert {len(plan.recordings) for plan in plans} == {13}


def test_shard_that_is_there_stays(folder, plans):
    path = folder / plans[0].file_name()
    before = path.stat().st_mtime_ns
    again = write_shard(ShardTask(plans[0], folder)).shard
    assert path.stat().st_mtime_ns == before
    assert again == read_table(folder)[0]


@pytest.mark.parametrize("damage", [lambda data: data[:-70_000], lambda data: b"", b"?".__add__])
def test_damaged_shard_is_refused_and_written_again(folder, plans, damage):
    path = folder / plans[0].file_name()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    with pytest.raises(ValueError, match=r"one is damaged. Received: .* bytes and not"):
        load_shards(folder)
    assert write_shard(ShardTask(plans[0], folder)).shard == read_table(folder)[0]
    assert path.read_bytes() == whole


def test_changed_byte_is_found_by_its_hash(folder, plans):
    path = folder / plans[0].file_name()
    whole = bytearray(path.read_bytes())
    whole[-100_000] ^= 1
    path.write_bytes(whole)
    with pytest.raises(ValueError, match=r"one is damaged. Received: .*another SHA-256"):
        load_shards(folder, verify=True)


def test_file_of_something_else_is_refused(folder, plans):
    path = folder / plans[0].file_name()
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(ValueError, match="one is damaged"):
        load_shards(folder)


def test_missing_shard_is_named(folder, plans):
    (folder / plans[1].file_name()).unlink()
    with pytest.raises(FileNotFoundError, match=r"one is missing. Received: .*train-00001-"):
        load_shards(folder)


def test_unfinished_folder_is_refused(folder):
    (folder / TABLE).unlink()
    with pytest.raises(FileNotFoundError, match=r"hold a table shards.csv.*the same call goes on"):
        load_shards(folder)


@pytest.mark.parametrize("text", ["", "file,streams\na,1\n", "a\0b", "file\n" + '"' * 3])
def test_rejects_other_tables(folder, text):
    (folder / TABLE).write_text(text)
    with pytest.raises(ValueError, match=r"shards.csv must be a table|`path` must be text"):
        load_shards(folder)


@pytest.mark.parametrize("text", ["", "[]", '{"root": "a", "settings": {}}', "[" * 100_000])
def test_rejects_other_jobs(folder, text):
    (folder / JOB).write_text(text)
    with pytest.raises(ValueError, match=r"hold the file job.json as it was written"):
        load_shards(folder)


def test_rejects_the_folder_of_another_job(folder, corpus):
    with pytest.raises(ValueError, match=r"shards of the same job.*have hours=0.0111.*, seed=0"):
        begin_job(folder, replace(SHARDED, hours=2.0, seed=3), corpus)


def test_shards_of_former_recordings_are_removed(folder, recordings, corpus):
    fewer = [each for each in recordings if "train4" not in each.path.name]
    plans = plan_shards(fewer, SHARDED, corpus)
    others = [folder / "mine.arrayrecord", folder / "notes.txt"]
    for path in others:
        path.write_text("keep")
    end_job(folder, [write_shard(ShardTask(plan, folder)).shard for plan in plans])
    assert {path.name for path in folder.iterdir()} == {
        *(shard.file for shard in read_table(folder)),
        *(TABLE, JOB, "mine.arrayrecord", "notes.txt"),
    }


def test_unreadable_recordings_are_left_out_with_a_warning(tmp_path):
    rows = [{"file": f"{word}{n}.wav", "text": word} for word in ("computer", "no") for n in "12"]
    corpus = write_folder(tmp_path / "recordings", rows)
    recordings = load_recordings(corpus)
    (corpus / "no1.wav").write_bytes(b"RIFF?")
    settings = replace(SETTINGS, hours=8 / 3600, augmentation=StreamAugmentation(rooms=0.0))
    [plan] = plan_shards(recordings, settings, corpus)
    found = write_shard(ShardTask(plan, tmp_path))
    assert found.shard.streams == 1
    assert any("1 of 2 recordings were left out" in text for text in found.warnings)


def test_notes_keep_everything(tmp_path):
    said = Recording(tmp_path / "a/b.wav", "dev", "go", 1.5, 0.25, 1 / 3, "c", "d", apart=True)
    hum = Recording(tmp_path / "hum.wav", "train", "", 9.0, noise=True)
    altered = {"gain_db": -0.1, "speed": 1.1, "tempo": 0.9, "tilt_db": 2.0, "room": 7}
    placed = PlacedRecording(said, 0.1, class_index=0, part_s=(0.0, 1 / 7), **altered)
    for noise in ((), (hum, hum), (PlacedRecording(hum, 0.0), PlacedRecording(said, 1.0))):
        stream = Stream("s", (placed, PlacedRecording(hum, 3.0)), 12.0, 2**32 - 1, noise, -3.0)
        note = json.loads(json.dumps(note_of_stream(stream, tmp_path), allow_nan=False))
        back = stream_of_note(note, tmp_path)
        assert repr(back) == repr(stream)  # `nan` differs from itself
        assert [each["path"] for each in note["recordings"]] == ["a/b.wav", "hum.wav"]


def test_counts_of_streams_add_up():
    for hours, shard_hours in ((1.0, 0.5), (0.99, 0.25), (10.0, 0.3), (1e-6, 5.0)):
        counts = replace(SETTINGS, stream_s=60.0, hours=hours, shard_hours=shard_hours)
        found = counts.stream_counts()
        assert sum(found) == max(1, round(hours * 60))
        assert max(found) <= max(1, round(shard_hours * 60))
        assert max(found) - min(found) <= 1


@pytest.mark.parametrize("name", ["hours", "shard_hours", "stream_s"])
def test_rejects_no_length(name):
    with pytest.raises(ValueError, match=f"`{name}` must be greater than 0"):
        replace(SETTINGS, **{name: 0.0}).stream_counts()


def test_rejects_no_split():
    with pytest.raises(ValueError, match=r"`split` must be one of train, dev, test; .*'training'"):
        replace(SETTINGS, split="training")


def test_the_table_is_sorted(tmp_path):
    rows = [Shard(name, 1, 0.1, 2, 3, "f0") for name in "cab"]
    write_table(tmp_path, rows)
    first = (tmp_path / TABLE).read_bytes()
    write_table(tmp_path, rows[::-1])
    assert (tmp_path / TABLE).read_bytes() == first
    assert read_table(tmp_path) == sorted(rows)


def test_rejects_no_cluster():
    pytest.importorskip("ray")
    cluster = Cluster(address="nowhere")
    with pytest.raises(ConnectionError, match=r"`address` must be .*Received: address='nowhere'"):
        cluster.__enter__()


def test_command_needs_a_word(corpus, capsys):
    assert cli.main(["shard", str(corpus), "--hours", "1", "--output", "out"]) == 1
    assert "`--word` must be given" in (shown := capsys.readouterr().err)
    assert "'computer'" in shown


def test_command_names_the_extra(corpus, tmp_path, monkeypatch, capsys):
    found = extras.importlib.util.find_spec
    monkeypatch.setattr(
        extras.importlib.util, "find_spec", lambda name: None if name == "ray" else found(name)
    )
    arguments = ["--word", "computer", "--hours", "1", "--output", str(tmp_path / "out")]
    assert cli.main(["shard", str(corpus), *arguments]) == 1
    assert "`ray` is needed to make shards" in (shown := capsys.readouterr().err)
    assert "[scale]" in shown
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="`folder` must be a folder, or nothing yet"):
        begin_job(tmp_path / "file", StreamSettings("computer", 1.0), tmp_path)
    assert (tmp_path / "file").read_text() == "mine"
