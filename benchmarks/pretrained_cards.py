"""The pages of `docs/pretrained/`, from the figures of `benchmarks/pretrained.py`.

    python benchmarks/pretrained_cards.py

Figures come from `benchmarks/results/pretrained.json` alone; the text around them is in
`benchmarks/pretrained_pages/`.
"""

import json
from pathlib import Path
from string import Template

from keras_sal.data.wake_words import folder_name
from keras_sal.files import write_atomically

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "pretrained.json"
TEMPLATES = ROOT / "benchmarks" / "pretrained_pages"
PAGES = ROOT / "docs" / "pretrained"
POOR = {"clean": 0.1, "10 dB": 0.2}  # misses beyond which a detector is called poor
CONDITIONS = {"clean": "without noise", "10 dB": "in noise at 10 dB"}
SOURCES = {
    "commands": "spoken orders to a coffee machine",
    "sentences": "short read sentences",
    "noise": "pieces of noise of 5 s",
    "further negatives": "recordings of speech in English, Spanish, Catalan and more, and of music",
}


def pages(words):
    """Return the text of each page by its name.

    Args:
        words: By word, what `benchmarks/pretrained.py` found.
    """
    found = {f"{folder_name(word)}.md": _card(word, of_word) for word, of_word in words.items()}
    rows = [_row(word, of_word["test"]["LiteRT"]) for word, of_word in words.items()]
    head = ["word", *(f"missed {name}" for name in CONDITIONS.values())]
    for figure in ("false alarms an hour", "median latency"):
        head.append(f"{figure}, without noise / in noise")
    hours = min(each["test"]["LiteRT"]["clean"]["hours"] for each in words.values())
    table = _table(head, rows)
    index = _filled("index", table=table, names=list(words), hours=f"{hours:.1f}")
    return found | {"index.md": index}


def write(words):
    """Write all pages.

    Args:
        words: As for `pages`.
    """
    PAGES.mkdir(exist_ok=True)
    for name, text in pages(words).items():
        write_atomically(PAGES / name, text)


def _filled(template, **values):
    text = (TEMPLATES / f"{template}.md").read_text(encoding="utf-8")
    return Template(text).substitute(values)


def _card(word, found):
    test, dev = found["test"]["LiteRT"], found["threshold"]
    head = ["", "missed", "of utterances", "false alarms an hour", "latency, median", "90 % within"]
    return _filled(
        "card",
        title=word[0].upper() + word[1:],
        word=word,
        figures=_table(head, [_figures(name, point) for name, point in test.items()]),
        verdict=_verdict(test),
        micro=_in_micro(found["test"]["TensorFlow Lite Micro"]),
        micro_hours=f"{found['test']['TensorFlow Lite Micro']['clean']['hours']:.1f}",
        threshold=f"{dev['threshold']:.4g}",
        budget=f"{dev['budget_fa_per_hour']:g}",
        alarms="" if dev["budget_fa_per_hour"] == 1 else "s",
        dev=f"{dev['misses']} of {dev['events']} words missed, {_count(dev['false_alarms'])} "
        f"in {dev['hours']:.1f} hours",
        data=_data(word, found["training_data"]),
        test_data=_test_data(found["streams"], found["test_utterances"]),
        train=found["train"],
        sha256=found["sha256"]["model.tflite"],
        **{name: f"{found[name]:,}" for name in ("flash_bytes", "arena_bytes", "macs")},
    )


def _figures(condition, point):
    return [
        CONDITIONS[condition],
        f"{point['misses']} of {point['events']}: {_percent(point)}",
        f"{100 * point['frr_of_utterances']:.0f} %",
        f"{_alarms(point)}, {point['false_alarms']} in {point['hours']:.1f} hours",
        f"{_ms(point['latency_p50_s'])} {_range(point['latency_p50_95_by_voice'], 1000)} ms",
        f"{_ms(point['latency_p90_s'])} ms",
    ]


def _row(word, test):
    return [
        f"[{word}]({folder_name(word)}.md)",
        *(_percent(test[condition]) for condition in CONDITIONS),
        " / ".join(_alarms(test[condition]) for condition in CONDITIONS),
        " / ".join(_ms(test[condition]["latency_p50_s"]) for condition in CONDITIONS) + " ms",
    ]


def _verdict(test):
    poor = [CONDITIONS[name] for name, most in POOR.items() if test[name]["frr"] > most]
    triggers = {
        each["label"]: None for point in test.values() for each in point["triggered_by"]
    }  # in order, each once
    heard = ", ".join(f'"{label.strip("()")}"' for label in triggers)
    said = f"**It is poor {' and '.join(poor)}.** " if poor else ""
    if heard:
        said += f"False alarms came from {heard}."
    return said.strip() or "There was no false alarm."


def _in_micro(test):
    return ", ".join(
        f"{point['misses']} of {point['events']} missed and {_count(point['false_alarms'])} "
        f"{CONDITIONS[condition]}"
        for condition, point in test.items()
    )


def _data(word, data):
    own = data[f"keywords/{folder_name(word)}"]
    words = [each["recordings"] for name, each in data.items() if name.startswith("keywords/")]
    lines = [
        f'{own["recordings"]} recordings of "{word}"',
        f"{sum(words) - own['recordings']} of the other three words",
        *(
            f"{data[name]['recordings']} {what}, {data[name]['hours']:.1f} hours"
            for name, what in SOURCES.items()
            if name in data
        ),
    ]
    return "\n".join(f"- {line}{',' if line != lines[-1] else ''}" for line in lines)


def _test_data(streams, utterances):
    [clean] = [each for each in streams if (each["split"], each["condition"]) == ("test", "clean")]
    return (
        f"{clean['events']} recordings of the word, {utterances} different utterances, and "
        f"{clean['recordings'] - clean['events']} others, {clean['hours']:.1f} hours with the "
        f"pauses between them, {clean['speakers']} voices"
    )


def _count(false_alarms):
    return f"{false_alarms} false alarm{'' if false_alarms == 1 else 's'}"


def _percent(point):
    return f"{100 * point['frr']:.0f} % {_range(point['frr_95_by_voice'], 100)}"


def _alarms(point):
    return f"{point['fa_per_hour']:.1f} {_range(point['fa_per_hour_95_exact'], 1, '.1f')}"


def _ms(seconds):
    return "-" if seconds is None else f"{1000 * seconds:.0f}"


def _range(interval, scale, form=".0f"):
    low, high = (f"{scale * value:{form}}" for value in interval)
    return f"[{low}, {high}]"


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    write(json.loads(RESULT.read_text(encoding="utf-8"))["words"])
