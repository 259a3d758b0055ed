"""`keras-sal tabulate`: the table of a folder of sound files."""

import argparse
from collections import Counter
from pathlib import Path

EXAMPLES = """examples:
  keras-sal tabulate my_recordings
  keras-sal tabulate LibriSpeech --layout librispeech

In the layout `words` each folder is named by what is said in it, smart_mirror/ann-1.wav, what is
before the dash is the speaker, and a folder `noise` has noise. Find the times of the words then
with `keras-sal align DIR`."""
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
MOST = 10  # texts that are shown


def add(commands):
    """Adds the parser of the command."""
    parser = commands.add_parser(
        "tabulate",
        help="list the sound files of a folder in its recordings.csv",
        description="Writes DIR/recordings.csv: file, text, speaker and split of each sound file.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", metavar="DIR", help="folder of sound files")
    parser.add_argument("--layout", choices=LAYOUTS, default="words", help="(%(default)s)")
    parser.add_argument("--corpus", metavar="NAME", help="what to call it (the layout)")
    parser.add_argument(
        "--replace", action="store_true", help="replace a table that is there, with its times"
    )
    parser.set_defaults(command=run)


def run(directory, layout, corpus, replace):
    """Runs `keras-sal tabulate`."""
    from keras_sal.cli.console import Console
    from keras_sal.data import load_recordings
    from keras_sal.data.downloads import tabulate
    from keras_sal.data.downloads.layouts import TABLE

    if not Path(directory).is_dir():
        raise FileNotFoundError(
            f"`DIR` must be a folder. Received: {directory}, which is none. Give another one."
        )
    console = Console()
    with console.saying_warnings():
        count = tabulate(directory, layout, corpus=corpus, replace=replace)
        console.say(f"{count:,} recordings are listed in {Path(directory) / TABLE}")
        recordings = load_recordings(directory, convert=True)
    texts = Counter(recording.text for recording in recordings if recording.text)
    rows = [
        [text, *(str(sum(r.split == s and r.text == text for r in recordings)) for s in SPLITS)]
        for text, _ in texts.most_common(MOST)
    ]
    console.table("What is said most often", ["", *SPLITS], rows)
    return 0
