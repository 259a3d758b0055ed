"""`keras-sal align`: event times for a folder of recordings."""

import argparse

METHODS = ("pocketsphinx", "vad", "energy")


def add(commands):
    """Adds the parser of the command."""
    parser = commands.add_parser(
        "align",
        help="find when the texts of a folder of recordings are said",
        description="Fills the columns onset_s and offset_s of DIR/recordings.csv, which needs the "
        "columns file and text. The table before is kept as recordings.csv.bak. Rows for which no "
        "times can be found keep what they had, and are counted by reason.",
        epilog="examples: keras-sal align my_recordings | keras-sal align my_recordings --labels "
        'aligned/ --tier words | keras-sal align my_recordings --pronounce "zorbo=Z AO R B OW"',
    )
    parser.add_argument("directory", metavar="DIR", help="folder with recordings.csv")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--method",
        choices=METHODS,
        default=METHODS[0],
        help="align the text (pocketsphinx), or take the only stretch of speech (vad) or of sound "
        "(energy) as the text (%(default)s)",
    )
    how.add_argument(
        "--labels",
        metavar="FILE",
        help="take times from a table, labels, a TextGrid, CTM, RTTM or subtitles that name the "
        "recordings, or from a folder with one such file for each",
    )
    parser.add_argument(
        "--all", action="store_true", help="find times for rows that have some, too"
    )
    parser.add_argument(
        "--pronounce",
        action="append",
        type=_pronunciation,
        default=[],
        metavar="WORD=PHONES",
        help="how a word is said, in phones of the CMU dictionary; may be repeated",
    )
    parser.add_argument("--tier", help="tier of the TextGrids (words, or the only one)")
    parser.add_argument("--unit", choices=("s", "ms"), help="unit of the labels' times")
    parser.add_argument("--encoding", help="encoding of the labels (UTF-8)")
    parser.set_defaults(command=run)


def run(directory, method, labels, pronounce, **options):
    """Runs `keras-sal align`."""
    from keras_sal.cli.console import Console
    from keras_sal.data.alignment.folder import align_folder

    console = Console()
    reading = {name: options[name] for name in ("tier", "unit", "encoding") if options[name]}
    if reading and labels is None:
        raise ValueError(
            "`--tier`, `--unit` and `--encoding` must come with `--labels`; they say how these are "
            f"read. Received: {', '.join(f'--{name}' for name in reading)}. Leave them out."
        )
    method = method if labels is None else "labels"
    with console.saying_warnings(), console.stage(f"times by {method}") as stage:
        times = align_folder(
            directory,
            method,
            labels=labels,
            everything=options["all"],
            pronunciations=_gather(pronounce),
            progress=stage.progress,
            **reading,
        )
    return show(times, console)


def show(times, console):
    """Prints what became of the rows; returns 1 where none has times now."""
    console.say(
        f"{times.found} found, {times.kept} kept, {sum(map(len, times.failures.values()))} failed, "
        f"{times.without_text} without text"
    )
    if times.failures:
        rows = sorted(times.failures.items(), key=lambda item: -len(item[1]))
        rows = [[reason, str(len(files)), files[0]] for reason, files in rows]
        console.table("No times were found", ["because", "recordings", "the first"], rows)
    return 0 if times.found or times.kept else 1


def _pronunciation(text):
    word, separator, phones = text.partition("=")
    if not (word.strip() and separator and phones.strip()):
        raise argparse.ArgumentTypeError(f"must be WORD=PHONES. Received: {text}")
    return word.strip().casefold(), phones.strip()


def _gather(pairs):
    """Several pronunciations of a word are one list."""
    pronunciations = {}
    for word, phones in pairs:
        pronunciations.setdefault(word, []).append(phones)
    return pronunciations
