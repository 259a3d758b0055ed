"""`keras-sal tabulate`: the table of a folder of sound files."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from keras_sal.cli.command_parser import Commands, add_command
from keras_sal.cli.console import Console, says_warnings
from keras_sal.cli.paths import check_path

LAYOUTS = (
    "words",
    "speech-commands",
    "picovoice-wake-words",
    "librispeech",
    "musan",
    "demand",
    "esc-50",
)
SPLITS = ("train", "dev", "test")
MOST_TEXTS = 10


def add_parser(commands: Commands) -> None:
    """Add the parser of the command."""
    parser = add_command(
        commands,
        "tabulate",
        run,
        summary="list the sound files of a folder in its recordings.csv",
        description="Writes DIR/recordings.csv: file, text, speaker and split of each sound file. "
        "Sound that can't be read is refused, all of it at once.",
        examples=["tabulate my_recordings", "tabulate LibriSpeech --layout librispeech"],
        notes="In the layout `words` each folder has the name of the word that is said in its "
        "files; in smart_mirror/ann-1.wav, what is before the dash is the speaker; a folder "
        "`noise` has noise. `keras-sal align DIR` then finds the times of the words.",
        check=lambda options: check_path("DIR", options.folder),
    )
    parser.add_argument("folder", metavar="DIR", help="folder of sound files")
    parser.add_argument("--layout", choices=LAYOUTS, default="words", help="layout of the folder")
    parser.add_argument("--corpus", metavar="NAME", help="name of the corpus (default: the layout)")
    parser.add_argument(
        "--replace", action="store_true", help="replace a table that exists, with its times"
    )


@says_warnings
def run(options: argparse.Namespace, console: Console) -> int:
    """Run the command.

    Args:
        options: Parsed arguments.
        console: Shows the progress.

    Returns:
        The exit status, 0.
    """
    from keras_sal.data import load_recordings
    from keras_sal.data.downloads import tabulate
    from keras_sal.data.downloads.layouts import TABLE

    folder = Path(options.folder)
    count = tabulate(
        options.folder,
        options.layout,
        corpus=options.corpus,
        replace=options.replace,
        readable=True,
    )
    console.say(f"{count:,} recordings are listed in {folder / TABLE}")
    recordings = load_recordings(options.folder, convert=True)
    texts = Counter(recording.text for recording in recordings if recording.text)
    counts = Counter((recording.text, recording.split) for recording in recordings)
    rows = [
        [text, *(str(counts[text, split]) for split in SPLITS)]
        for text, _ in texts.most_common(MOST_TEXTS)
    ]
    console.table("Most frequent texts", ["", *SPLITS], rows)
    return 0
