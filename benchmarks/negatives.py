"""Negatives from Debian packages: hours of speech and music without the wake words.

    pip install av
    python benchmarks/negatives.py FOLDER
    keras-sal train DIR --word "hey robot" --negatives FOLDER
    keras-sal evaluate --bundle keras_sal_hey_robot/firmware --recordings DIR --negatives FOLDER

Train with them, and use them for thresholds and for figures of false alarms. FOLDER gets 16 kHz
mono FLAC, `recordings.csv` and `LICENCES.md`; nothing of it belongs into the repository. A package
that was converted is not converted again, so an interrupted run goes on with the next one.

The speech is in 30 languages: acted dialogue (Fish Fillets), prompts of a telephone exchange
(Asterisk), descriptions of pictures (Tux Paint), letters and words (KLettres, KTuberling). Who
speaks is known of Asterisk alone. So a language is in one split as a whole, and so are languages
that one person may well have recorded both: the splits share no voice that is known. Music is
dealt out by piece.

A recording in whose text a wake word is heard is left out. Compounds count, and so does what sounds
like it in other languages. The texts of KLettres (letters) and KTuberling (pictures of things) are
unknown. Ogg files without a last page, such as those of KLettres in Malayalam, may have been cut
short, and are left out as unreadable.

The packages come from apt, or from a mirror where there is no apt or it has other versions. `av`
decodes G.722.
"""

import argparse
import csv
import hashlib
import io
import json
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import debian_packages
import soundfile
from negative_sources import SOURCES

from keras_sal import audio, files, provenance
from keras_sal.augmentation import speech_level_db
from keras_sal.cli.console import Console

HERE = Path(__file__).parent
WORDS = ("alexa", "computer", "jarvis", "smart mirror")
SOUNDS_LIKE = {"computer": ("компьют", "компют", "комп'ют", "камп'ют", "кампут", "κομπιου")}
LANGUAGES = {
    "train": "en es ca gl pt ro",
    "dev": "cs it fr wa el lt hu he ar ga tn",
    "test": "nl de nds ru be uk bg sr sl ml da nb nn sv fi",
}
COLUMNS = (
    *("file", "corpus", "split", "speaker", "language", "text"),
    *("duration_s", "onset_s", "offset_s"),
)
SHORTEST_S = 0.1
SOFTEST_DB = -70.0
PAUSE_S = 0.6  # mean pause between recordings in `keras_sal.data.evaluation_streams`
CLIPS = "clips.json"


def read_packages(path=HERE / "negatives.csv"):
    """Return the pinned packages by name."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        row["name"]: debian_packages.Package(**row | {"size_bytes": int(row["size_bytes"])})
        for row in rows
    }


def read_sound(path):
    """Return the samples of a sound file, at 16 kHz."""
    if path.suffix != ".g722":
        return audio.read_audio(path)
    import av
    import numpy as np

    with av.open(str(path), format="g722") as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(frames, axis=1)[0] / np.float32(32768)


def convert(source, root, texts, folder, progress=None):
    """Convert the clips of an unpacked package.

    Args:
        source: The `Source`.
        root: Folder of the package.
        texts: Folder of the package of its texts, or `None`.
        folder: Folder to write to.
        progress: Called as `progress(done, total)` after each clip, or `None`.

    Returns:
        `(rows, left_out)`: a dict for each clip, and the number of those left out, by reason.
    """
    rows, left_out, seen = [], Counter(), set()
    clips = list(source.clips(root, texts))
    for done, clip in enumerate(clips, 1):
        content = hashlib.sha256(clip.path.read_bytes()).digest()
        reason, samples = "copy of another", None
        if content not in seen:
            seen.add(content)
            reason, samples = _usable(clip.path)
        if reason:
            left_out[reason] += 1
        else:
            name = f"{clip.path.relative_to(root / 'usr/share').as_posix()}.flac"
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, audio.to_pcm16(samples), audio.SAMPLE_RATE)
            rows.append(
                {
                    "file": name,
                    "speaker": clip.speaker,
                    "language": clip.language,
                    "text": " ".join(clip.text.casefold().split()),
                    "duration_s": round(len(samples) / audio.SAMPLE_RATE, 3),
                }
            )
        if progress:
            progress(done, len(clips))
    return rows, left_out


def _usable(path):
    """Why a sound can't be used, or `None`; and its samples."""
    try:
        samples = read_sound(path)
    except ValueError:
        return "unreadable", None
    if len(samples) < SHORTEST_S * audio.SAMPLE_RATE:
        return f"shorter than {SHORTEST_S:g} s", None
    if speech_level_db(samples) < SOFTEST_DB:
        return "silence", None
    return None, samples


def gather(source, packages, folder, *, mirror=debian_packages.MIRROR, progress=None):
    """Download and convert a package; one that was converted is not converted again.

    The folder of the package appears only when all of it is converted.

    Args:
        source: The `Source`.
        packages: Pinned packages by name.
        folder: Folder of all packages.
        mirror: Address of a mirror of Debian.
        progress: Called as `progress(done, total)` after each clip, or `None`.

    Returns:
        What the folder holds: a dict with `versions`, `clips` and `left_out`.
    """
    target = folder / source.package
    used = [packages[name] for name in (source.package, source.texts) if name]
    versions = {package.name: package.version for package in used}
    if (target / CLIPS).is_file():
        found = json.loads((target / CLIPS).read_text(encoding="utf-8"))
        if found["versions"] == versions:
            return found
    archives = [debian_packages.download(each, folder / "packages", mirror) for each in used]
    with debian_packages.unpacked(archives[0]) as root, files.atomic_folder(target) as made:
        if source.texts:
            with debian_packages.unpacked(archives[1]) as texts:
                rows, left_out = convert(source, root, texts, made, progress)
        else:
            rows, left_out = convert(source, root, None, made, progress)
        found = {
            "versions": versions,
            "clips": rows,
            "left_out": dict(left_out),
        }
        shutil.copy(root / "usr/share/doc" / source.package / "copyright", made)
        files.write_json(made / CLIPS, found)
    return found


def holds_word(text, words):
    """Whether a wake word, or what sounds like it, is heard in a text, also within a word."""
    heard = text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return any(
        spelling in heard for word in words for spelling in (word, *SOUNDS_LIKE.get(word, ()))
    )


def split_of_languages():
    """Return the split of each language; a speaker is in one split with all that they may speak."""
    return {
        language: split for split, languages in LANGUAGES.items() for language in languages.split()
    }


def deal_pieces(rows):
    """Return the split of each piece of music, by file, so that the splits have about as much.

    Versions of a piece, such as `battle` and `battle-epic`, stay together.
    """
    pieces = defaultdict(list)
    for row in rows:
        pieces[Path(row["file"]).name.split(".")[0].split("-")[0].rstrip("0123456789")].append(row)
    lengths = {name: sum(row["duration_s"] for row in piece) for name, piece in pieces.items()}
    seconds, splits = dict.fromkeys(LANGUAGES, 0.0), {}
    for name in sorted(lengths, key=lambda name: (-lengths[name], name)):
        split = min(seconds, key=seconds.get)
        seconds[split] += lengths[name]
        splits |= {row["file"]: split for row in pieces[name]}
    return splits


def tabulate(gathered, words):
    """Return the rows of the table, and how many recordings hold a wake word, by package.

    Args:
        gathered: By package, what `gather` returned.
        words: Wake words.
    """
    table, held, by_language = [], Counter(), split_of_languages()
    for package, found in gathered.items():
        pieces = deal_pieces([row for row in found["clips"] if not row["language"]])
        for row in found["clips"]:
            if holds_word(row["text"], words):
                held[package] += 1
                continue
            if row["language"] not in {"", *by_language}:
                raise SystemExit(
                    f"`LANGUAGES` must name the split of each language; voices would be shared. "
                    f"Received: {row['language']!r} in {package}. Add it."
                )
            split = by_language.get(row["language"]) or pieces[row["file"]]
            name = f"{package}/{row['file']}"
            table.append(row | {"file": name, "corpus": package, "split": split})
    return table, held


def write_table(folder, table):
    """Write `recordings.csv`."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    files.write_atomically(folder / "recordings.csv", text.getvalue())


def write_licences(folder, gathered):
    """Write `LICENCES.md`: package, version, copyright holders and licence."""
    lines = [
        "# Licences",
        "",
        "The recordings are converted from these Debian packages. The file `copyright` in the "
        "folder of each is the whole text.",
        "",
        "| package | version | files of the source | copyright | licence |",
        "|---|---|---|---|---|",
    ]
    for package, found in gathered.items():
        text = (folder / package / "copyright").read_text(encoding="utf-8")
        for patterns, holders, licence in debian_packages.read_terms(text):
            cells = (
                *(package, found["versions"][package], patterns.replace("*", r"\*")),
                *((holders, licence) if holders else ("told in prose", f"it names {licence}")),
            )
            lines.append(f"| {' | '.join(cells)} |")
    files.write_atomically(folder / "LICENCES.md", "\n".join(lines) + "\n")


def hours_by(table, *columns):
    """Return hours by the values of columns, nested, with two digits."""
    seconds = Counter()
    for row in table:
        seconds[tuple(row[column] or "music" for column in columns)] += row["duration_s"]
    nested = {}
    for key, total in sorted(seconds.items()):
        place = nested
        for part in key[:-1]:
            place = place.setdefault(part, {})
        place[key[-1]] = round(total / 3600, 2)
    return nested


def hours_in_streams(table):
    """Return the hours that the recordings take in evaluation streams, with pauses, by split."""
    paused = [row | {"duration_s": row["duration_s"] + PAUSE_S} for row in table]
    return hours_by(paused, "split")


def evaluated(folder):
    """Return figures on test, and hours of negatives there, of a folder of results."""
    found = json.loads((Path(folder) / "results.json").read_text(encoding="utf-8"))
    kept = ("threshold", "misses", "events", "false_alarms", "hours", "fa_per_hour")
    return {
        "word": found["word"],
        "test": {
            system["name"]: {
                condition: {name: each["at_threshold"][name] for name in kept}
                | {"fa_per_hour_95": each["at_threshold"]["intervals"]["fa_per_hour"]["exact"]}
                for condition, each in system["conditions"].items()
            }
            for system in found["systems"]
        },
    }


def show(console, table, gathered, held):
    """Print hours by split and corpus, and what was left out."""
    by_corpus = hours_by(table, "corpus", "split")
    rows = [
        [corpus, *(f"{hours.get(split, 0):.2f}" for split in LANGUAGES)]
        for corpus, hours in by_corpus.items()
    ]
    total = hours_by(table, "split")
    rows.append(["all", *(f"{total[split]:.2f}" for split in LANGUAGES)])
    console.table("Hours", ["package", *LANGUAGES], rows)
    for split, hours in hours_by(table, "split", "language").items():
        console.say(f"{split}: {', '.join(f'{name} {each:.2f}' for name, each in hours.items())}")
    for package, found in gathered.items():
        reasons = found["left_out"] | (
            {"holds a wake word": held[package]} if held[package] else {}
        )
        if reasons:
            named = ", ".join(f"{count} ({reason})" for reason, count in reasons.items())
            console.say(f"{package}: left out {named}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument(
        "folder", metavar="FOLDER", type=Path, help="folder to write to, outside the repository"
    )
    parser.add_argument(
        "--words",
        nargs="+",
        default=WORDS,
        metavar="WORD",
        help=f"wake words that no text may hold ({', '.join(WORDS)})",
    )
    parser.add_argument(
        "--mirror", default=debian_packages.MIRROR, help="mirror of Debian (%(default)s)"
    )
    parser.add_argument(
        "--evaluations",
        nargs="+",
        default=[],
        metavar="OUT",
        help="folders of `keras-sal evaluate` or `train` whose hours and figures are kept (none)",
    )
    parser.add_argument(
        "--result", default=HERE / "results" / "negatives.json", type=Path, help="(%(default)s)"
    )
    arguments = parser.parse_args()
    folder = files.check_parent(arguments.folder)
    if HERE.parent in folder.resolve().parents:
        parser.error(f"FOLDER must be outside the repository. Received: {folder}")
    folder.mkdir(exist_ok=True)
    console, packages, gathered = Console(), read_packages(), {}
    for source in SOURCES:
        with console.stage(f"Gather {source.package}") as stage:
            gathered[source.package] = gather(
                source, packages, folder, mirror=arguments.mirror, progress=stage.progress
            )
    table, held = tabulate(gathered, [word.casefold() for word in arguments.words])
    write_licences(folder, gathered)
    write_table(folder, table)
    show(console, table, gathered, held)
    files.write_json(
        arguments.result,
        {
            "command": "python benchmarks/negatives.py FOLDER",
            "packages": {
                name: each
                for found in gathered.values()
                for name, each in found["versions"].items()
            },
            "words": arguments.words,
            "recordings": Counter(row["split"] for row in table),
            "hours": hours_by(table, "split"),
            "hours_in_streams": hours_in_streams(table),
            "hours_by_corpus": hours_by(table, "split", "corpus"),
            "hours_by_language": hours_by(table, "split", "language"),
            "left_out": {name: found["left_out"] for name, found in gathered.items()},
            "hold_a_word": held,
            "evaluations": [evaluated(each) for each in arguments.evaluations],
            "versions": provenance.versions(),
        },
    )
    console.say(f"Recordings in {folder}, figures in {arguments.result}")


if __name__ == "__main__":
    main()
