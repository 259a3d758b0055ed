"""`keras-sal compare`: is one detector better than another, and by how much?"""

from pathlib import Path

from keras_sal.cli import systems
from keras_sal.cli.systems import SHIPPED, add_hearing, add_judgement


def add(commands):
    """Adds the parser of the command."""
    parser = commands.add_parser(
        "compare",
        help="paired differences of two systems on the same streams, with intervals",
        description="Compares the first system of A with those of B on the same streams: first "
        "minus second, with intervals over recordings and over speakers. A and B are folders "
        "written by `keras-sal evaluate`, which takes seconds, or models, which hear the "
        "recordings first. Of one folder, the first system is compared with the others.",
        epilog="example: keras-sal compare out/first out/second --fa-per-hour 0.5",
    )
    parser.add_argument("systems", nargs="+", metavar="A B", help="folders or models")
    add_hearing(parser)
    add_judgement(parser, None)
    parser.add_argument("--json", metavar="FILE", help="file to write the differences to")
    parser.set_defaults(command=run)


def run(systems, fa_per_hour, replicates, seed, json, **options):
    """Runs `keras-sal compare`."""
    from keras_sal.cli.console import Console
    from keras_sal.evaluation.comparison import differences
    from keras_sal.evaluation.protocol import Judge
    from keras_sal.files import check_path, write_json

    if len(systems) > 2:
        raise ValueError(
            f"`A B` must be one or two systems or folders. Received: {len(systems)}. Evaluate them "
            "together and compare that folder."
        )
    json = json and check_path(json)
    console = Console()
    parts = [_answers(each, console, options) for each in systems]
    answers, found = parts[0][0], [dict(each) for each in parts[0][1]]
    budget = fa_per_hour or next((each[2] for each in parts if each[2]), 0.5)
    if len(parts) == 2:
        first, second = parts
        names = first[0].systems[:1]
        answers = first[0].only(names).joined(second[0])
        found = [first[1][0], *second[1]]
    if len(answers.systems) < 2:
        raise ValueError(
            f"`A B` must be two systems, or a folder with several. Received: {systems[0]} with "
            f"{len(answers.systems)}. Name another."
        )
    judge = Judge(budget, replicates=replicates, seed=seed)
    with console.stage("Compare"):
        settled = []
        for name, given in zip(answers.systems, found, strict=True):
            rule, threshold = judge.settings(answers, name, given)
            settled.append({"name": name, "scoring": vars(rule), "threshold": threshold})
        # the first is what users read first: first minus second
        rows = [
            row for other in settled[1:] for row in differences(answers, [other, settled[0]], judge)
        ]
    show(rows, answers, budget, console)
    if json:
        write_json(json, {"format": 1, "fa_per_hour": budget, "differences": rows})
    return 0


def show(rows, answers, budget, console):
    """Prints the differences."""
    from keras_sal.evaluation.report.tables import FIGURES

    tables = {}
    for row in rows:
        label, form, scale = FIGURES[row["figure"]]

        def interval(ends, form=form, scale=scale):
            return "-" if not ends else "[{}, {}]".format(*(form.format(scale * e) for e in ends))

        tables.setdefault((row["system"], row["reference"]), []).append(
            [
                label,
                row["condition"],
                form.replace("{:", "{:+").format(scale * row["estimate"]),
                interval(row["recordings"]),
                interval(row["speakers"]),
            ]
        )
    for (first, second), table in tables.items():
        console.table(
            f"{answers.word!r} at {budget:g} false alarms an hour: {first} - {second}",
            ["", "noise", "difference", "95 % by recording", "by speaker"],
            sorted(table, key=lambda row: row[1]),
        )
    console.say("An interval without 0 is a difference that these recordings can show.")


def _answers(system, console, options):
    """Answers, what each system ships with, and the budget, of a folder or a model."""
    from keras_sal.evaluation.predictions import FILE, Answers
    from keras_sal.evaluation.protocol import untimed

    path = Path(system)
    if not (path / FILE).is_file():
        bundle = path.is_dir()
        heard = systems.hear(console, [] if bundle else [path], [path] if bundle else [], **options)
        return heard.answers, [heard.given.get(name, {}) for name in heard.answers.systems], None
    results = systems.read_results(path)
    given = []
    for each in results["systems"]:
        kept = {"scoring": untimed(each["scoring"])}
        if each["threshold"].get("rule") == SHIPPED:
            kept["threshold"] = each["threshold"]
        given.append(kept)
    return Answers.load(path), given, results["fa_per_hour"]
