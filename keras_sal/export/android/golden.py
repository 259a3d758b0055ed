"""What the self-test of an app must compute: posteriors of the golden sound, and detections."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_sal.audio.samples import from_pcm16
from keras_sal.detection import Scoring, Trigger
from keras_sal.export.detector_file import DetectorFile
from keras_sal.export.firmware import golden
from keras_sal.typing import Array

FORMAT = 1
# Machines round differently, and a rounding moves a feature to its neighbour. The tolerance is a
# part of the largest posterior, since those of a sound that is no event may all be small.
TOLERANCE = 0.1
LEAST_TOLERANCE = {"int8": 2 / 256}  # of posteriors that are multiples of 1 / 256


def golden_values(detector: DetectorFile) -> dict[str, Any]:
    """Run the golden sound through the file of a detector.

    Args:
        detector: A detector file that takes samples.

    Returns:
        The content of `golden.json`: `posteriors` by frame and class; `runs`, each the `threshold`
        of each class and the `detections` that the trigger finds with them in these posteriors, at
        first with those of the detector, then with some that are reached; `tolerance`, by how much
        a posterior may differ.
    """
    manifest, scoring = detector.manifest, Scoring(**detector.scoring)
    size, sound = manifest["inputs"][0]["shape"][-1], golden.sound()
    steps = from_pcm16(sound[: len(sound) // size * size].reshape(-1, size))
    posteriors = np.asarray(detector.open().stream(steps))
    posteriors = posteriors.reshape(len(steps), -1)[manifest["delay_frames"] :]
    least = LEAST_TOLERANCE.get(manifest["quantization"], 0.0)
    return {
        "format": FORMAT,
        "posteriors": posteriors.tolist(),
        "runs": [
            {"threshold": levels, "detections": _detections(posteriors, levels, scoring)}
            for levels in (detector.thresholds, golden.loud_thresholds(posteriors, scoring))
        ],
        "tolerance": max(TOLERANCE * float(posteriors.max()), least),
    }


def _detections(posteriors: Array, levels: list[float], scoring: Scoring) -> list[dict[str, Any]]:
    trigger = Trigger(
        levels, classes=posteriors.shape[1], **(vars(scoring) | {"frame_offset_s": 0.0})
    )
    return [
        {
            "frame": round(found.time_s / scoring.frame_step_s),
            "class_index": found.class_index,
            "score": found.score,
        }
        for found in trigger.feed(posteriors)
    ]
