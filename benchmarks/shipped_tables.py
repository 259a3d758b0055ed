"""The tables of shipped detectors in `docs/results/detectors.md`, as Markdown.

    python benchmarks/shipped_tables.py

prints them from the files of `shipped_detectors.py` in `benchmarks/results`: those of the first
seeds, of further ones, and of the detectors in the package, on the same streams. Of two rows of a
detector the later is shown: the one in the package was made again. A test compares the page with
them. The last line says how many thresholds would hold the rate by chance.
"""

import json
import math
from pathlib import Path
from statistics import fmean

from scipy.stats import nbinom

FOLDER = Path(__file__).parent / "results"
NAMES = ("shipped_detectors", "shipped_detectors_seed_1", "shipped_detectors_pretrained")
RESULTS = [FOLDER / f"{name}.json" for name in NAMES]
LOW, HIGH = 0.5, 2.0  # false alarms an hour, where 1 was asked for
OURS, INT8, FEWER = "ours", "int8", "fewer negatives"


def read():
    """Return the detectors and peers of all files, whose streams are the same."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in RESULTS]
    detectors, streams, peers = {}, {}, {}
    for file in found:
        for each in file["detectors"]:
            expected = streams.setdefault(each["word"], each["streams"])
            assert each["streams"] == expected, f"other streams of {each['word']!r}"
            detectors[_name(each)] = each
        peers |= {each["name"]: each for each in file["peers"]}
    return {"detectors": [*detectors.values()], "peers": [*peers.values()]}


def tables(found):
    """Return the tables of thresholds, of misses at the budget, of networks, of int8, of peers.

    Args:
        found: The detectors and peers, from `read`.
    """
    detectors = sorted(found["detectors"], key=lambda each: FEWER in _kind(each))
    made = [
        table(
            [
                "detector",
                "threshold",
                "FA/h",
                "missed, clean",
                "at 10 dB",
                "more than at the budget",
            ],
            [_at_threshold(each) for each in detectors],
        ),
        table(
            [
                *("detector", "bytes", "missed, clean", "of utterances"),
                *("missed at 10 dB", "of utterances", "P50, ms"),
            ],
            [[_name(each), f"{each['bytes']:,}", *_at_budget(each)] for each in detectors],
        ),
    ]
    kinds = list(dict.fromkeys(_kind(each) for each in detectors))
    if len(kinds) > 1:
        made.append(table(["word", *kinds], _networks(detectors, kinds)))
    beside = [each for each in detectors if each["int8_minus_float32"]]
    if beside:
        head = ["detector", *(f"int8 - float, {name}" for name in beside[0]["int8_minus_float32"])]
        made.append(table(head, [[_name(each), *_differences(each)] for each in beside]))
    if found["peers"]:
        made.append(_peers(found))
    return made


def expected_within(detectors, together):
    """Return how many thresholds hold the rate within a factor of two, if dev and test are alike.

    A threshold with `n` false alarms in `D` hours of dev has a rate of Gamma(n + 1/2, D), by
    Jeffreys' prior, so the count in the `T` hours of test is negative binomial with `n + 1/2` and
    `D / (D + T)`.

    Args:
        detectors: Figures of detectors.
        together: How many false alarms come as one: a sentence that is taken for the word clean is
            often taken for it in noise, too.
    """
    expected = 0.0
    for each in detectors:
        dev, test = each["threshold"], each["false_alarms_over_conditions"]
        shape = dev["false_alarms"] / together + 0.5
        most = math.floor(HIGH * test["hours"] / together)
        fewer = math.ceil(LOW * test["hours"] / together) - 1
        share = dev["hours"] / (dev["hours"] + test["hours"])
        expected += nbinom.cdf(most, shape, share) - nbinom.cdf(fewer, shape, share)
    return expected


def by_chance(found):
    """Return a line about the thresholds that were trained with all negatives.

    Args:
        found: The detectors and peers, from `read`.
    """
    detectors = [each for each in found["detectors"] if FEWER not in _kind(each)]
    rates = [each["false_alarms_over_conditions"]["fa_per_hour"] for each in detectors]
    held = sum(LOW <= rate <= HIGH for rate in rates)
    alone, in_pairs = (expected_within(detectors, together) for together in (1, 2))
    return (
        f"{held} of {len(detectors)} hold the rate; by chance {alone:.1f} would if each false "
        f"alarm came by itself, {in_pairs:.1f} if they came in pairs"
    )


def table(head, rows):
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _name(detector):
    seed = "" if detector["seed"] is None else f"seed {detector['seed']}"
    return ", ".join(part for part in (detector["word"], _kind(detector), seed) if part)


def _kind(detector):
    """The network, and whether it was trained without further negatives."""
    fewer = detector["further_negatives_hours"] == 0
    return ", ".join(filter(None, (detector["network"], FEWER if fewer else "")))


def _at_threshold(detector):
    rate = detector["false_alarms_over_conditions"]
    points = [each["at_threshold"] for each in detector["test"][INT8].values()]
    more = [
        f"{100 * (each['at_threshold']['frr'] - each['at_budget']['frr']):+.1f}"
        for each in detector["test"][INT8].values()
    ]
    return [
        _name(detector),
        f"{detector['threshold']['threshold']:.4g}",
        f"{rate['fa_per_hour']:.2f} {_range(rate['fa_per_hour_95_exact'], '.2f')}",
        *(_missed(point) for point in points),
        f"{' / '.join(more)} points",
    ]


def _at_budget(detector):
    points = [each["at_budget"] for each in detector["test"][INT8].values()]
    cells = []
    for point in points:
        cells += [_missed(point), f"{100 * point['frr_of_utterances']:.1f} %"]
    return [*cells, " / ".join(_ms(point) for point in points)]


def _networks(detectors, kinds):
    """The mean misses on dev by word and kind, and the means over the words that have all kinds."""
    found = {}
    for each in detectors:
        found.setdefault(each["word"], {}).setdefault(_kind(each), []).append(each["dev_mean_frr"])
    rows = {word: {kind: fmean(frr) for kind, frr in made.items()} for word, made in found.items()}
    whole = [row for row in rows.values() if set(row) == {*kinds}]
    rows["mean of those with all"] = {kind: fmean(row[kind] for row in whole) for kind in kinds}
    return [
        [word, *(f"{100 * row[kind]:.1f} %" if kind in row else "-" for kind in kinds)]
        for word, row in rows.items()
    ]


def _differences(detector):
    return [
        f"{100 * each['frr']:+.1f} {_points(each['frr_95_by_voice'])}"
        for each in detector["int8_minus_float32"].values()
    ]


def _peers(found):
    words = {each["word"] for each in found["peers"]}
    rows = [
        [
            f"{OURS}, {_name(each)}",
            f"{each['bytes']:,}",
            *_point_cells(each["test"][INT8]),
            "",
        ]
        for each in found["detectors"]
        if each["word"] in words
    ]
    for each in found["peers"]:
        minus = [
            f"{100 * part['frr']:+.1f} {_points(part['frr_95_by_voice'])}"
            for part in each["minus_ours"].values()
        ]
        rows.append(
            [
                f"{each['name']} ({each['package']})",
                f"{sum(each['bytes'].values()):,}",
                *_point_cells(each["test"]),
                " / ".join(minus),
            ]
        )
    return table(
        [
            *("detector", "bytes", "missed, clean", "at 10 dB", "P50, ms"),
            *("FA/h at its threshold, clean / 10 dB", "misses minus ours, clean / 10 dB"),
        ],
        rows,
    )


def _point_cells(test):
    budget = [each["at_budget"] for each in test.values()]
    shipped = [each["at_threshold"]["fa_per_hour"] for each in test.values()]
    return [
        *(_missed(point) for point in budget),
        " / ".join(_ms(point) for point in budget),
        " / ".join(f"{rate:.1f}" for rate in shipped),
    ]


def _missed(point):
    return f"{100 * point['frr']:.1f} % {_points(point['frr_95_by_voice'], '.0f')}"


def _points(interval, form=".1f"):
    return _range([100 * end for end in interval], form)


def _ms(point):
    return f"{1000 * point['latency_p50_s']:.0f}"


def _range(interval, form=".1f"):
    low, high = (f"{each:{form}}" for each in interval)
    return f"[{low}, {high}]"


if __name__ == "__main__":
    print("\n\n".join([*tables(read()), by_chance(read())]))
