"""Negatives from tiny Debian packages: splits, texts, licences, and runs that are interrupted."""

import csv
import gzip
import hashlib
import shutil
import subprocess

import debian_packages
import numpy as np
import pytest
from debian_packages import Package, read_terms, unpacked
from negative_sources import SOURCES, Source, asterisk, fillets, music, tuxpaint

from keras_sal.data import Recording, evaluation_streams, load_recordings

soundfile = pytest.importorskip("soundfile")
negatives = pytest.importorskip("negatives")  # reads sound, too

pytestmark = pytest.mark.any_backend
needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="no dpkg-deb")

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Source: https://example.org

Files: *
Copyright: 2003-2010, Ann Example
           2011, Bob Example
License: CC-BY-SA-3.0

Files: debian/*
Copyright: 2010, Packager
License: GPL-2+

License: CC-BY-SA-3.0
 The work is provided
 .
 under these terms.
"""
STAMPS = "usr/share/tuxpaint/stamps"


def write(folder, files):
    """Writes files: texts, and noise for numbers of seconds."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            seed = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
            sound = np.random.default_rng(seed).normal(0, 0.1, round(content * 8000))
            soundfile.write(path, sound.clip(-1, 1), 8000)
    return folder


def package(folder, name, files, version="1:2.0-1"):
    """Builds a Debian package and returns it with its folder as a mirror."""
    root = folder / "roots" / name
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@b.c>\n"
    write(root, {"DEBIAN/control": f"{control}Description: sounds\n"} | files)
    write(root, {f"usr/share/doc/{name}/copyright": COPYRIGHT})
    path = folder / "packages" / f"{name}.deb"
    path.parent.mkdir(exist_ok=True)
    command = ["dpkg-deb", "--root-owner-group", "-Zxz", "-z0", "-b", str(root), str(path)]
    subprocess.run(command, check=True, capture_output=True)
    content = path.read_bytes()
    return Package(name, version, path.name, len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def stamps(tmp_path):
    """A folder of negatives with one package in it, as if it had been downloaded."""
    files = {
        f"{STAMPS}/cat.txt": "A cat.\nfr.utf8=Un chat.\nnl.utf8=Een computerkat.\n",
        f"{STAMPS}/cat_desc_fr.ogg": 0.5,
        f"{STAMPS}/cat_desc_nl.ogg": 0.6,
        f"{STAMPS}/cat_desc.ogg": 0.7,
        f"{STAMPS}/cat.ogg": 0.8,
        f"{STAMPS}/dog_desc_es.ogg": 0.05,
    }
    return tmp_path, package(tmp_path, "stamps", files)


@needs_dpkg
def test_a_package_becomes_recordings(stamps):
    folder, made = stamps
    found = negatives.gather(Source("stamps", tuxpaint), {"stamps": made}, folder)
    table, held = negatives.tabulate({"stamps": found}, ["computer"])
    negatives.write_table(folder, table)
    negatives.write_licences(folder, {"stamps": found})
    recordings = load_recordings(folder)
    assert [(r.split, r.speaker, r.text, r.duration_s) for r in recordings] == [
        ("train", "en speakers", "a cat.", 0.7),
        ("dev", "fr speakers", "un chat.", 0.5),
    ]
    assert held == {"stamps": 1}
    assert found["left_out"] == {"shorter than 0.1 s": 1}
    licences = (folder / "LICENCES.md").read_text()
    assert (
        r"| stamps | 1:2.0-1 | \* | 2003-2010, Ann Example; 2011, Bob Example | CC-BY-SA-3.0 |"
        in licences
    )
    assert (folder / "stamps" / "copyright").read_text() == COPYRIGHT


@needs_dpkg
def test_an_interrupted_package_is_converted_anew_and_a_finished_one_is_kept(stamps, monkeypatch):
    folder, made = stamps

    def interrupted(done, total):
        raise KeyboardInterrupt

    def gather(**options):
        return negatives.gather(Source("stamps", tuxpaint), {"stamps": made}, folder, **options)

    with pytest.raises(KeyboardInterrupt):
        gather(progress=interrupted)
    assert {path.name for path in folder.iterdir()} == {"roots", "packages"}
    first = gather()
    monkeypatch.setattr(negatives, "convert", None)
    assert gather(progress=interrupted) == first


@needs_dpkg
def test_another_version_is_converted_again(stamps):
    folder, made = stamps
    source = Source("stamps", tuxpaint)
    negatives.gather(source, {"stamps": made}, folder)
    shutil.rmtree(folder / "roots" / "stamps" / STAMPS)
    write(folder / "roots" / "stamps", {f"{STAMPS}/dog_desc_ro.ogg": 1.0})
    newer = package(folder, "stamps", {}, version="3.0-1")
    found = negatives.gather(source, {"stamps": newer}, folder)
    assert [clip["language"] for clip in found["clips"]] == ["ro"]
    assert not list(folder.glob("stamps/**/cat*"))


@needs_dpkg
def test_a_mirror_is_asked_without_apt(stamps, monkeypatch):
    folder, made = stamps
    asked = []

    def fetch(url, path, **checks):
        asked.append((url, checks))
        return shutil.copy(folder / "packages" / made.pool, path)

    monkeypatch.setattr(debian_packages.shutil, "which", lambda _: None)
    monkeypatch.setattr(debian_packages, "fetch", fetch)
    path = debian_packages.download(made, folder / "downloads", "http://mirror")
    assert path == folder / "downloads" / "stamps.deb"
    checks = {"sha256": made.sha256, "size_bytes": made.size_bytes}
    assert asked == [("http://mirror/stamps.deb", checks)]
    assert debian_packages.download(made, folder / "downloads") == path
    assert len(asked) == 1


def test_other_files_are_no_packages(tmp_path):
    path = tmp_path / "a.deb"
    path.write_bytes(b"!<arch>\nshort")
    with pytest.raises(ValueError, match="must be a Debian package"), unpacked(path):
        pass


def test_terms_of_prose_are_the_licences_it_points_to():
    text = "It was packaged by me.\n\nSee /usr/share/common-licenses/GPL-2'.\n"
    assert read_terms(text) == [("*", "", "GPL-2")]


def test_terms_leave_the_packaging_out():
    assert read_terms(COPYRIGHT) == [
        ("*", "2003-2010, Ann Example; 2011, Bob Example", "CC-BY-SA-3.0")
    ]


def test_fish_and_their_texts(tmp_path):
    sound, script = "usr/share/games/fillets-ng/sound", "usr/share/games/fillets-ng/script"
    root = write(
        tmp_path / "sounds",
        {f"{sound}/city/nl/{name}.ogg": 0.2 for name in ("vit-m-a", "vit-hs-b", "vit-v-c")},
    )
    texts = write(
        tmp_path / "texts",
        {
            f"{script}/city/dialogs_nl.lua": 'dialogId("vit-m-a", "font", "Hi.")\n'
            'dialogStr("Hoi.")\n\ndialogId("vit-hs-b", "font", "No.")\ndialogStr("Nee.")\n',
            f"{script}/share/border_dialogs_nl.lua": 'dialogId("vit-v-c", "font", "Yes.")\n'
            'dialogStr("Ja.")\n',
        },
    )
    found = {clip.path.stem: clip[1:] for clip in fillets(root, texts)}
    assert found == {
        "vit-hs-b": ("nl", "nl others", "Nee."),
        "vit-m-a": ("nl", "nl small fish", "Hoi."),
        "vit-v-c": ("nl", "nl big fish", "Ja."),
    }


def test_prompts_have_one_voice_and_no_silence(tmp_path):
    pytest.importorskip("av", reason="no av: it decodes G.722")
    place = tmp_path / "usr/share/asterisk/sounds/es_MX_f_Allison"
    for name in ("beep", "digits/1", "silence/1"):
        path = place / f"{name}.g722"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(range(256)) * 16)
    (tmp_path / "core-sounds-es.txt.gz").write_bytes(
        gzip.compress(b"; Spanish\nbeep: [a tone]\ndigits/1: uno\n")
    )
    found = list(asterisk(tmp_path, tmp_path))
    assert [(clip.path.stem, *clip[1:]) for clip in found] == [
        ("beep", "es", "Allison", ""),
        ("1", "es", "Allison", "uno"),
    ]
    samples = negatives.read_sound(found[0].path)
    assert len(samples) == 2 * 4096  # of 16 kHz, two for each byte
    assert 0 < np.abs(samples).max() <= 1


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("dat zijn vast computervirussen.", True),
        ("камп\N{RIGHT SINGLE QUOTATION MARK}ютэрная мыш.", True),
        ("компьютерная мышь.", True),
        ("een compacte discus", False),
    ],
)
def test_words_are_heard_in_compounds_and_in_other_languages(text, held):
    assert negatives.holds_word(text, ["alexa", "computer"]) is held


def test_no_voice_is_in_two_splits():
    languages = [name for names in negatives.LANGUAGES.values() for name in names.split()]
    assert len(languages) == len({*languages})
    rows = [
        {"file": f"{name}.flac", "speaker": voice, "language": name, "text": "", "duration_s": 1.0}
        for name, voice in (("en", "Allison"), ("es", "Allison"), ("fr", "June"), ("ru", "Ivr"))
    ]
    table, _ = negatives.tabulate({"prompts": {"clips": rows}}, [])
    splits = {
        row["speaker"]: {each["split"] for each in table if each["speaker"] == row["speaker"]}
        for row in table
    }
    assert splits == {"Allison": {"train"}, "June": {"dev"}, "Ivr": {"test"}}


def test_an_unknown_language_is_refused():
    row = {"file": "a.flac", "speaker": "", "language": "xx", "text": "", "duration_s": 1.0}
    with pytest.raises(SystemExit, match=r"must name the split of each language.*'xx' in prompts"):
        negatives.tabulate({"prompts": {"clips": [row]}}, [])


def test_versions_of_a_piece_of_music_stay_together():
    lengths = {"battle": 100, "battle-epic": 20, "defeat": 60, "defeat2": 30, "knolls": 25}
    rows = [{"file": f"m/{name}.ogg.flac", "duration_s": s} for name, s in lengths.items()]
    splits = negatives.deal_pieces(rows)
    by_split = {
        split: {file[2:-9] for file, found in splits.items() if found == split}
        for split in ("train", "dev", "test")
    }
    assert by_split == {
        "train": {"battle", "battle-epic"},
        "dev": {"defeat", "defeat2"},
        "test": {"knolls"},
    }


def test_hours_in_streams_count_the_pauses(tmp_path):
    recordings = [
        Recording(tmp_path / f"{number}.wav", "dev", "go" if number == 0 else "", 1.0, 0.2, 0.8)
        for number in range(40)
    ]
    for recording in recordings:
        soundfile.write(recording.path, np.sin(np.arange(16_000)), 16_000)
    table = [{"split": "dev", "duration_s": 9.0}] * 400
    [stream] = evaluation_streams(recordings, "go", "dev")
    of_one_s = stream.duration_s - 40
    assert negatives.hours_in_streams(table) == {"dev": round(400 * 9.6 / 3600, 2)}
    assert of_one_s / 41 == pytest.approx(negatives.PAUSE_S, rel=0.15)


def test_packages_of_all_sources_are_pinned():
    packages = negatives.read_packages()
    needed = {name for source in SOURCES for name in (source.package, source.texts) if name}
    assert needed == set(packages)
    assert all(len(each.sha256) == 64 and each.size_bytes > 0 for each in packages.values())


def test_music_has_no_language(tmp_path):
    root = write(tmp_path, {"usr/share/games/wesnoth/music/battle.ogg": 0.2})
    [clip] = music(root, None)
    assert clip[1:] == ("", "", "")


def test_the_table_has_the_columns_of_recordings(tmp_path):
    negatives.write_table(tmp_path, [{"file": "a", "split": "dev", "text": "x", "corpus": "c"}])
    with (tmp_path / "recordings.csv").open() as file:
        [row] = csv.DictReader(file)
    assert row["onset_s"] == row["offset_s"] == "" != row["split"]
