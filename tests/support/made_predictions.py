"""Predictions made by hand: known words at known times, known mistakes."""

import numpy as np

from keras_sal.evaluation import (
    Predictions,
    RecordingAnnotation,
    StreamAnnotation,
    StreamSet,
)

STEP_S = 0.01
TIMES = {"frame_step_s": STEP_S, "frame_offset_s": 0.03}
CLIP_S = 5.0
TEXTS = ("computer", "alexa", "computer", "turn on the light", "", "computer")


def annotated_stream(name, clips=60):
    """Recordings of 5 s one after another; each `computer` ends 2 s after its start."""
    recordings = tuple(
        RecordingAnnotation(
            file=f"{TEXTS[i % 6].split()[0]}/{name}-{i}.flac"
            if TEXTS[i % 6]
            else f"noise/dog/{i}.flac",
            start_s=CLIP_S * i,
            end_s=CLIP_S * (i + 1),
            text=TEXTS[i % 6],
            speaker=f"s{i % 7}" if TEXTS[i % 6] else "",
            corpus="made",
            noise=not TEXTS[i % 6],
        )
        for i in range(clips)
    )
    anchors_s = tuple(each.start_s + 2.0 for each in recordings if each.text == "computer")
    return StreamAnnotation(name, CLIP_S * clips, anchors_s, recordings)


def make_stream_sets():
    """300 s of dev, and of test under two conditions; 30 events each."""
    return tuple(
        StreamSet(split, condition, (annotated_stream(f"{split}-{condition}"),))
        for split, condition in (("dev", "clean"), ("test", "clean"), ("test", "10 dB"))
    )


def posterior(stream, heard=0.9, deaf_to=(), late_s=0.1, alarms=()):
    """`heard` at `late_s` after each anchor but those `deaf_to`, and at times it shouldn't be."""
    p = np.full(round(stream.duration_s / STEP_S), 0.01, "float32")
    times = [a + late_s for event, a in enumerate(stream.anchors_s) if event not in deaf_to]
    for time_s, score in [(time_s, heard) for time_s in times] + list(alarms):
        frame = round((time_s - TIMES["frame_offset_s"]) / STEP_S)
        p[frame : frame + 5] = score
    return p


def made_predictions():
    """`good` misses event 4; `poor` misses 4, 5 and 6 and fires on `alexa` (at 5 to 10 s)."""
    stream_sets = make_stream_sets()
    good = [[posterior(each.streams[0], deaf_to=[4])] for each in stream_sets]
    poor = [
        [posterior(each.streams[0], heard=0.7, deaf_to=[4, 5, 6], late_s=0.3, alarms=[(7.0, 0.8)])]
        for each in stream_sets
    ]
    return Predictions(
        "computer", stream_sets, {"good": good, "poor": poor}, {"good": TIMES, "poor": TIMES}
    )


def predictions_deaf_to_speakers(*speakers):
    """`good` hits all events; `deaf` misses those of some speakers."""
    stream_sets = make_stream_sets()
    good = [[posterior(each.streams[0])] for each in stream_sets]
    deaf = []
    for each in stream_sets:
        stream = each.streams[0]
        missed = [
            event
            for event, anchor_s in enumerate(stream.anchors_s)
            if stream.recording_at(anchor_s).speaker in speakers
        ]
        deaf.append([posterior(stream, deaf_to=missed)])
    return Predictions(
        "computer", stream_sets, {"good": good, "deaf": deaf}, {"good": TIMES, "deaf": TIMES}
    )
