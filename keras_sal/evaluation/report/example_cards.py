"""The section of the examples: a card with picture, verdicts and sound for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_sal.anchors import anchor_kernel
from keras_sal.detection import detect
from keras_sal.evaluation.annotations import StreamAnnotation
from keras_sal.evaluation.labels import WordTimes
from keras_sal.evaluation.report.example_figure import (
    AFTER_S,
    BEFORE_S,
    FeatureImage,
    KernelCurve,
    SpokenText,
    Trace,
    draw_example,
)
from keras_sal.evaluation.report.examples import KINDS, Example, scoring_of
from keras_sal.evaluation.report.inputs import ReportInputs
from keras_sal.evaluation.report.page import Section, data_uri
from keras_sal.evaluation.report.pictures import Illustrator
from keras_sal.evaluation.report.sounds import sounds
from keras_sal.typing import Progress

TITLES = {"miss": "Worst misses", "false alarm": "Worst false alarms", "hit": "Typical hits"}
SIZE, SIZE_WITHOUT_FEATURES = (4.8, 3.9), (4.8, 3.1)
ROWS = (1, 2.2)  # relative heights of features and scores
KERNEL_POINTS = 201


def examples_section(
    inputs: ReportInputs,
    examples: Sequence[Example],
    illustrator: Illustrator,
    progress: Progress | None = None,
) -> Section:
    """Return the section with a card for each example.

    Args:
        inputs: What the report is made from.
        examples: The examples, by condition and kind.
        illustrator: What draws its figures.
        progress: Called as `progress(done, total)`. Defaults to `None`.
    """
    cards: dict[tuple[str, str], list[dict[str, Any]]] = {
        (condition, kind): [] for condition in inputs.predictions.conditions for kind in KINDS
    }
    for index, (example, sound) in enumerate(
        zip(examples, sounds(examples, inputs.streams), strict=True)
    ):
        name = f"{example.kind} {index}".replace(" ", "-")
        card = _card(inputs, example, name, illustrator, sound)
        cards[example.condition, example.kind].append(card)
        if progress:
            progress(index + 1, len(examples))
    kernel = inputs.kernel
    return Section(
        "examples",
        "Examples to listen to",
        "Scores of all systems around single events and false alarms, on a scale that shows what "
        "is close to 0 and to 1. Level lines are the thresholds, marks the detections, the grey "
        "area the hit window, the hill the anchor kernel "
        f"({kernel['kernel']}, reach {kernel['reach']:g} frames).",
        groups=[
            {"title": f"{TITLES[kind]}: {condition}", "examples": of_kind}
            for (condition, kind), of_kind in cards.items()
        ],
    )


def _card(
    inputs: ReportInputs, example: Example, name: str, illustrator: Illustrator, sound: bytes | None
) -> dict[str, Any]:
    stream = inputs.predictions.streams("test", example.condition)[example.stream]
    image = _feature_image(inputs, example)
    picture = illustrator.picture(
        name,
        _alt(example),
        draw_example,
        example,
        [_trace(inputs, system, example) for system in inputs.results["systems"]],
        image=image,
        kernel=_kernel_curve(inputs, example),
        spoken=_spoken_texts(stream, example, inputs.word_times),
        size=SIZE_WITHOUT_FEATURES if image is None else SIZE,
        rows=None if image is None else ROWS,
    )
    speaker = f", speaker {example.speaker}" if example.speaker else ""
    return {
        "title": example.text,
        "where": f"{example.file}{speaker}; {stream.name} at {example.time_s:.2f} s",
        "picture": picture,
        "verdicts": list(example.verdicts.items()),
        "audio": data_uri(sound, "audio/mpeg") if sound else "",
    }


def _trace(inputs: ReportInputs, system: Mapping[str, Any], example: Example) -> Trace:
    scoring, threshold = scoring_of(system), system["threshold"]["threshold"]
    predictions = inputs.predictions.posteriors_of(system["name"], "test", example.condition)
    posteriors = predictions[example.stream]
    first_s, last_s = _ends_s(example)
    times_s = scoring.time_s(np.arange(len(posteriors)))
    near = (times_s >= first_s) & (times_s <= last_s)
    detections = [] if threshold is None else detect(posteriors, threshold, **vars(scoring))
    return Trace(
        system["name"],
        times_s[near],
        scoring.scores(posteriors)[0][near],
        threshold,
        [(each.time_s, each.score) for each in detections if first_s <= each.time_s <= last_s],
        scoring.early_s,
        scoring.max_delay_s,
    )


def _feature_image(inputs: ReportInputs, example: Example) -> FeatureImage | None:
    """The features around an example, timed by the frames of the first system."""
    if example.condition not in inputs.streams:
        return None
    features = np.asarray(inputs.streams[example.condition][example.stream].features)
    first = inputs.predictions.systems[0]
    times = inputs.predictions.times[first]
    outputs = inputs.predictions.posteriors_of(first, "test", example.condition)[example.stream]
    frames_per_output = round(len(features) / len(outputs))
    step_s = times["frame_step_s"] / frames_per_output
    offset_s = times["frame_offset_s"] - (frames_per_output - 1) * step_s
    first_s, last_s = _ends_s(example)
    begin = max(0, round((first_s - offset_s) / step_s))
    end = min(len(features), round((last_s - offset_s) / step_s) + 1)
    return FeatureImage(offset_s + step_s * np.array([begin, end]), features[begin:end])


def _kernel_curve(inputs: ReportInputs, example: Example) -> KernelCurve | None:
    if example.anchor_s is None:
        return None
    scoring = scoring_of(inputs.results["systems"][0])
    times_s = np.linspace(*_ends_s(example), KERNEL_POINTS)
    distance = (times_s - example.anchor_s) / scoring.frame_step_s
    values = anchor_kernel(distance.astype("float32"), **inputs.kernel)
    return KernelCurve(times_s, keras.ops.convert_to_numpy(values))


def _spoken_texts(
    stream: StreamAnnotation, example: Example, word_times: WordTimes
) -> list[SpokenText]:
    """The words near an example where their times are known, else the texts of its recordings."""
    first_s, last_s = _ends_s(example)
    texts = []
    for recording in stream.recordings:
        if recording.end_s < first_s or recording.start_s > last_s:
            continue
        if known := word_times.get(recording.file):
            texts += [
                SpokenText(word, recording.start_s + onset_s, recording.start_s + offset_s)
                for word, onset_s, offset_s in known
            ]
        else:
            label = recording.text or f"({Path(recording.file).parent.name})"
            texts.append(SpokenText(label, recording.start_s, recording.end_s))
    return [text for text in texts if text.end_s > first_s and text.start_s < last_s]


def _ends_s(example: Example) -> tuple[float, float]:
    return example.time_s - BEFORE_S, example.time_s + AFTER_S


def _alt(example: Example) -> str:
    verdicts = "; ".join(f"{name}: {verdict}" for name, verdict in example.verdicts.items())
    return f"Scores around a {example.kind}, “{example.text}”. {verdicts}."
