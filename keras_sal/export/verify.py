"""Verification: exported files against the float model, over the same streams.

    report = verify(model, [micro_model, onnx_model], streams)
    print(report)
    report.write_json("verification.json")

Every file is run frame by frame in its runtime, the state carried, and compared with what the Keras
model gives for the whole streams. A recurrent integer model differs by some steps of its posterior
between runtimes, and by more on a single steep frame; so integer files are bounded by their *mean*
error, and by what matters in the end, the misses at the same false-alarm rate.
"""

import importlib.util
import math
from pathlib import Path

import numpy as np

from keras_sal.detection import det_curve
from keras_sal.export import conversion
from keras_sal.export.bundle import MANIFEST, Bundle, read
from keras_sal.export.footprint import footprint
from keras_sal.export.internal_state import InternalLiteModel, InternalModel, is_internal
from keras_sal.export.litert import LiteModel
from keras_sal.export.micro import MicroModel
from keras_sal.export.onnx import OnnxModel
from keras_sal.export.sequences import check_sequences
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.export.verification_report import Report, Row, VerificationError

# Which error is bounded, and by how much.
BOUNDS = {
    "float32": ("max_error", 1e-5),
    "float16": ("mean_error", 1e-4),
    "int16x8": ("mean_error", 5e-4),
    "int8": ("mean_error", 5e-3),
}
MAX_FRR_LOSS = 0.01
MAX_FA_PER_HOUR = 100.0
CLIPS_AT_ONCE = 16
RUNTIMES = {
    MicroModel: "TensorFlow Lite Micro",
    InternalModel: "TensorFlow Lite Micro",
    LiteModel: "LiteRT",
    InternalLiteModel: "LiteRT",
    OnnxModel: "ONNX Runtime",
}


def verify(
    model,
    exports,
    streams,
    *,
    anchors_s=None,
    fa_per_hour=1.0,
    channel=0,
    must_pass=True,
    **scoring,
):
    """Compares exported files with the model they came from.

    Use it after every export, on streams that were neither trained on nor calibrated with.

    Bounds: float32 errs by at most 1e-5 on any frame; the mean error of float16 is at most 1e-4, of
    int16x8 5e-4, of int8 5e-3; where anchors are given, at most 1 point of FRR is lost, or one
    event where that is more.

    Args:
        model: The whole-clip Keras model, on any backend.
        exports: What `convert` returned or the path of the file, or a list of them; a bundle, or
            the path of one, stands for its model. Files for microcontrollers run in TensorFlow Lite
            Micro and, where it is installed, in LiteRT.
        streams: Iterable of feature sequences `(frames, features)`; dicts of such arrays by input
            name where the model has several frame inputs.
        anchors_s: For each stream the times of its events, seconds; adds misses at the same
            false-alarm rate and latency. Needs `frame_step_s`. Default None.
        fa_per_hour: Budget of false alarms an hour for those, >= 0. Default 1.0.
        channel: Output channel that is scored against `anchors_s`. Default 0.
        must_pass: Whether to raise when a file is out of bounds. Default True.
        **scoring: Fields of `keras_sal.detection.Scoring`, such as `frame_step_s`.

    Returns:
        A `Report`: `print` it, or keep `to_json()`.

    Raises:
        ImportError: A package of the `export` extra is missing.
        ValueError: An argument is unusable.
        VerificationError: A file is out of bounds; the error holds the `report`.

    Example:

    >>> from keras_sal.export.verify import verify
    >>> report = verify(model, "detector.tflite", streams)  # doctest: +SKIP
    >>> print(report)  # doctest: +SKIP
    12,000 frames in 10 streams
    file             runtime                type   mean error  max error
    detector.tflite  TensorFlow Lite Micro  int8      1.7e-04    1.7e-02
    detector.tflite  LiteRT                 int8      1.8e-04    1.7e-02
    """
    runners = _runners(exports)
    frames = [info for info in runners[0].inputs if info.name in runners[0].ports.frames]
    streams = check_sequences(streams, {info.name: info.shape[1:] for info in frames}, "streams")
    expected = _posteriors_of(model, streams)

    def detections(posteriors):
        if anchors_s is None:
            return None
        scored = [next(iter(stream.values()))[:, channel] for stream in posteriors]
        reach = {"max_fa_per_hour": max(MAX_FA_PER_HOUR, fa_per_hour)}
        return det_curve(scored, anchors_s, **(reach | scoring)).at(fa_per_hour)

    of_keras = detections(expected)
    footprints = {r.path: footprint(r.path) for r in runners if not isinstance(r, OnnxModel)}
    rows = []
    for runner in runners:
        seen = [_streamed(runner, stream) for stream in streams]
        rows.append(
            _judged(
                of_keras,
                file=_name(runner, runners),
                runtime=RUNTIMES[type(runner)],
                quantization=_quantization(runner),
                **_errors(seen, expected),
                footprint=footprints.get(runner.path),
                detections=detections(seen),
            )
        )
    count = sum(len(next(iter(stream.values()))) for stream in streams)
    report = Report(len(streams), count, of_keras, tuple(rows))
    if must_pass and report.failures:
        raise VerificationError(
            "`exports` must stay within their bounds of the float model. Received: "
            f"{'; '.join(report.failures)}. Calibrate with more streams like these, use "
            '`quantization="int16x8"`, or get the report with `must_pass=False`.\n'
            f"{report}",
            report,
        )
    return report


def _judged(of_keras, **found):
    """A `Row` with its failures."""
    error, bound = BOUNDS[found["quantization"]]
    failures = []
    if not found[error] <= bound:
        failures.append(f"{error.replace('_', ' ')} {found[error]:.2g} exceeds {bound:g}")
    if of_keras is not None and of_keras.events:
        loss = found["detections"].frr - of_keras.frr
        allowed = max(MAX_FRR_LOSS, 1 / of_keras.events)
        if loss > allowed + 1e-9:
            failures.append(f"FRR is {100 * loss:.2g} points higher, {100 * allowed:.2g} allowed")
    return Row(**found, failures=tuple(failures))


def _errors(seen, expected):
    differences = np.concatenate(
        [
            np.abs(ours[name] - theirs[name]).ravel()
            for ours, theirs in zip(seen, expected, strict=True)
            for name in theirs
        ]
    )
    return {"mean_error": float(differences.mean()), "max_error": float(differences.max())}


def _name(runner, runners):
    """The name of a file, with that of its bundle, or its folder where another has the same."""
    path = runner.path.resolve()
    alike = {other.path.resolve() for other in runners if other.path.name == path.name}
    if len(alike) == 1 and not (path.parent / MANIFEST).is_file():
        return path.name
    return f"{path.parent.name}/{path.name}"


def _streamed(runner, stream):
    runner.reset()
    answers = runner.stream(stream)
    if not isinstance(answers, dict):
        return {"posterior": answers}
    return {name.replace("logit", "posterior", 1): values for name, values in answers.items()}


def _runners(exports):
    exports = exports if isinstance(exports, list | tuple) else [exports]
    runners = []
    for export in exports:
        if isinstance(export, Bundle):
            export = export.folder
        if not isinstance(export, tuple(RUNTIMES)):
            export = _open(Path(export))
        runners.append(export)
        if isinstance(export, MicroModel) and importlib.util.find_spec("ai_edge_litert"):
            in_lite = InternalLiteModel if isinstance(export, InternalModel) else LiteModel
            runners.append(in_lite(export.path))
    if not runners:
        raise ValueError(
            "`exports` must hold at least one exported file. Received: exports=[]. "
            "Give what `convert` returned, or paths."
        )
    return runners


def _open(path):
    if path.is_dir():
        return read(path).open()
    if path.suffix == ".onnx":
        return OnnxModel(path)
    if path.suffix != ".tflite":
        raise ValueError(
            "`exports` must be .tflite or .onnx files or bundles; others have no runtime here. "
            f"Received: {str(path)!r}. Give what was written by `keras_sal.export`."
        )
    if is_internal(path):
        return InternalModel(path)
    return LiteModel(path) if Flatbuffer(path.read_bytes()).has_mixed_types() else MicroModel(path)


def _quantization(runner):
    if isinstance(runner, OnnxModel):
        return "float32"
    return Flatbuffer(runner.path.read_bytes()).quantization()


def _posteriors_of(model, streams):
    """What the Keras model gives for whole streams, `{posterior name: (frames, ...)}` for each."""
    clip = conversion.clip_model(model)
    names = _posterior_names(model, clip)
    results = [None] * len(streams)
    by_length = {}
    for number, stream in enumerate(streams):
        length = 1 << math.ceil(math.log2(len(next(iter(stream.values())))))
        by_length.setdefault(length, []).append(number)
    for length, numbers in by_length.items():
        batch = [
            np.stack([_padded(streams[number][name], length) for number in numbers])
            for name in _frame_names(clip)
        ]
        batch = [
            frames.reshape(len(numbers), -1, *end.shape[2:])
            for frames, end in zip(batch, clip.inputs, strict=True)
        ]
        outputs = clip.predict(batch, batch_size=CLIPS_AT_ONCE, verbose=0)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        for row, number in enumerate(numbers):
            count = len(next(iter(streams[number].values())))
            results[number] = {
                name: np.asarray(output[row, :count])
                for name, output in zip(names, outputs, strict=True)
            }
    return results


def _frame_names(clip):
    own = [end.name for end in clip.inputs]
    return ["frame"] if len(own) == 1 else [f"frame_{name}" for name in own]


def _posterior_names(model, clip):
    output = getattr(model, "output", None)
    own = sorted(output) if isinstance(output, dict) else clip.output_names
    return ["posterior"] if len(own) == 1 else [f"posterior_{name}" for name in own]


def _padded(frames, length):
    """Zeros after the end, which a causal model does not hear before it has answered."""
    return np.concatenate([frames, np.zeros((length - len(frames), *frames.shape[1:]), "float32")])
