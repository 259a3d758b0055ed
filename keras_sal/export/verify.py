"""Verification of exported files against the float model, over the same streams.

    report = verify(model, [micro_model, onnx_model], streams)
    print(report)
    report.write_json("verification.json")

Every file is run frame by frame in its runtime, its state carried, and compared with the output of
the Keras model for the whole streams. A recurrent integer model differs between runtimes by a few
quantization steps, and by more on frames where the posterior rises steeply. So integer files are
bounded by their *mean* error, and by the misses at the same false-alarm rate, which matter in the
end.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_sal.checks import require
from keras_sal.detection import OperatingPoint, det_curve
from keras_sal.detection.validation import validate_delay_frames
from keras_sal.export.bundle import MANIFEST, Bundle, read
from keras_sal.export.conversion.float_model import as_clip_model
from keras_sal.export.footprint import footprint
from keras_sal.export.frontend import samples_per_step, takes_micro_features, with_frontend
from keras_sal.export.internal_state import InternalLiteModel, InternalModel, is_internal
from keras_sal.export.litert import LiteModel
from keras_sal.export.micro import MicroModel
from keras_sal.export.onnx import OnnxModel
from keras_sal.export.sequences import check_sequences
from keras_sal.export.step_runner import StepRunner
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.export.verification_report import (
    VerificationError,
    VerificationReport,
    VerificationRow,
)
from keras_sal.typing import Array, ArrayLike, PathLike

if TYPE_CHECKING:
    import keras

# Which error is bounded, and by how much.
BOUNDS = {
    "float32": ("max_error", 1e-5),
    "float16": ("mean_error", 1e-4),
    "int16x8": ("mean_error", 5e-4),
    "int8": ("mean_error", 5e-3),
}
# A feature in a million is rounded to another step elsewhere, which shows for some frames.
BOUNDS_FROM_SOUND = BOUNDS | {"float32": ("mean_error", 1e-4)}
MAX_FRR_LOSS = 0.01
MAX_FA_PER_HOUR = 100.0
CLIPS_AT_ONCE = 16
ANY_DELAY = 10**6
RUNTIMES = {
    MicroModel: "TensorFlow Lite Micro",
    InternalModel: "TensorFlow Lite Micro",
    LiteModel: "LiteRT",
    InternalLiteModel: "LiteRT",
    OnnxModel: "ONNX Runtime",
}

Export = StepRunner | Bundle | PathLike
Posteriors = dict[str, Array]
"""Posteriors of one stream, arrays of shape `(frames, classes)` by output name."""


def verify(
    model: keras.Model,
    exports: Export | list[Export] | tuple[Export, ...],
    streams: Iterable[ArrayLike],
    *,
    anchors_s: Sequence[ArrayLike] | None = None,
    fa_per_hour: float = 1.0,
    channel: int = 0,
    delay_frames: int | None = None,
    must_pass: bool = True,
    **scoring: Any,
) -> VerificationReport:
    """Compare exported files with the model they came from.

    Use it after every export, on streams that were neither trained on nor calibrated with.

    Files that have the front-end inside are compared from sound, with the Keras model behind
    `MicroFeatures(padding="causal")`.

    Bounds: float32 errs by at most 1e-5 on any frame, from sound by at most 1e-4 on average. The
    mean error of float16 is at most 1e-4, of int16x8 5e-4, of int8 5e-3. With anchors, at most 1
    point of FRR is lost, or one event if that is more.

    Args:
        model: The whole-clip Keras model, on any backend.
        exports: What `convert` returned or the path of the file, or a list of them. A bundle, or
            the path of one, stands for its model. Files for microcontrollers run in TensorFlow Lite
            Micro and, if it is installed, in LiteRT.
        streams: Iterable of feature sequences `(frames, features)`; dicts of such arrays by input
            name if the model has several frame inputs. If the files have the front-end inside,
            iterable of sounds `(samples,)` in [-1, 1] at 16 kHz.
        anchors_s: For each stream the times of its anchors, seconds. Adds misses at the same
            false-alarm rate, and latency; needs `frame_step_s`. Defaults to `None`.
        fa_per_hour: False-alarm budget per hour at which misses are compared, >= 0; used with
            `anchors_s`. Defaults to 1.
        channel: Output channel that is scored against `anchors_s`, >= 0. Defaults to 0.
        delay_frames: By how many output frames the outputs of the files are late, an integer >= 0.
            Defaults to `None`: by as many as `keras_sal.streaming.step_model` needs for `model`.
            A bundle whose manifest states another number is out of bounds.
        must_pass: Whether to raise an error if a file is out of bounds. Defaults to `True`.
        **scoring: Fields of `keras_sal.detection.Scoring`, such as `frame_step_s`.

    Returns:
        The report: `print` it, or keep `to_json()`.

    Raises:
        ImportError: If a package of the `export` extra is missing.
        ValueError: If an argument is unusable.
        VerificationError: If a file is out of bounds; the error holds the `report`.

    Example:

    >>> from keras_sal.export.verify import verify
    >>> report = verify(model, "detector.tflite", streams)  # doctest: +SKIP
    >>> print(report)  # doctest: +SKIP
    12,000 frames in 10 streams
    file             runtime                type   mean error  max error
    detector.tflite  TensorFlow Lite Micro  int8      1.7e-04    1.7e-02
    detector.tflite  LiteRT                 int8      1.8e-04    1.7e-02
    """
    opened = list(_open_exports(exports, may_hear=takes_micro_features(as_clip_model(model))))
    require(
        len(opened) > 0,
        "`exports` must hold at least one exported file. Received: exports=[]. "
        "Give what `convert` returned, or paths.",
    )
    runners = [runner for runner, _ in opened]
    check_channel(model, channel)
    late = _delay_of(model) if delay_frames is None else validate_delay_frames(delay_frames)
    bounds = BOUNDS
    if samples := _samples_per_step(runners, model):
        model, streams = with_frontend(model, "micro"), _in_steps(streams, samples)
        bounds = BOUNDS_FROM_SOUND
        if "frame_step_s" in scoring:
            scoring |= {"frame_offset_s": scoring["frame_step_s"]}
    frames = [info for info in runners[0].inputs if info.name in runners[0].signature.frames]
    checked = check_sequences(streams, {info.name: info.shape[1:] for info in frames}, "streams")
    _check_lengths(checked, late)
    expected = [
        {name: values[: len(values) - late] for name, values in stream.items()}
        for stream in _keras_posteriors(model, checked)
    ]

    def score(posteriors: list[Posteriors]) -> OperatingPoint | None:
        if anchors_s is None:
            return None
        scored = [next(iter(stream.values()))[:, channel] for stream in posteriors]
        limits = {"max_fa_per_hour": max(MAX_FA_PER_HOUR, fa_per_hour)}
        options = limits | scoring | _late_times(scoring, late)
        return det_curve(scored, anchors_s, **options).at(fa_per_hour)

    of_keras = score(expected)
    footprints = {r.path: footprint(r.path) for r in runners if not isinstance(r, OnnxModel)}
    rows = []
    for runner, stated_delay in opened:
        posteriors = [_runner_posteriors(runner, stream, late) for stream in checked]
        quantization, detections = _quantization(runner), score(posteriors)
        errors = _errors(posteriors, expected)
        failures = [
            *_failures(bounds[quantization], errors, detections, of_keras),
            *_delay_failures(stated_delay, late),
        ]
        rows.append(
            VerificationRow(
                file=_display_name(runner, runners),
                runtime=RUNTIMES[type(runner)],
                quantization=quantization,
                footprint=footprints.get(runner.path),
                detections=detections,
                failures=tuple(failures),
                **errors,
            )
        )
    frame_count = sum(len(next(iter(stream.values()))) for stream in checked)
    report = VerificationReport(len(checked), frame_count, of_keras, tuple(rows))
    if must_pass and report.failures:
        raise VerificationError(
            "`exports` must stay within their bounds of the float model. Received: "
            f"{'; '.join(report.failures)}. Calibrate with more streams like these, use "
            '`quantization="int16x8"`, or get the report with `must_pass=False`.\n'
            f"{report}",
            report,
        )
    return report


def check_channel(model: keras.Model, channel: int) -> None:
    """Refuse an output channel that a model does not have.

    Args:
        model: As for `verify`.
        channel: As for `verify`.

    Raises:
        ValueError: If the model has fewer classes, or `channel` is negative.
    """
    classes = as_clip_model(model).outputs[0].shape[-1]
    require(
        channel in range(classes),
        f"`channel` (`--class-index`) must be in [0, {classes - 1}]; it is the index of a class of "
        f"the model, whose posterior is scored. Received: channel={channel} for {classes} classes. "
        "Count the classes from 0.",
    )


def _samples_per_step(runners: list[StepRunner], model: keras.Model) -> int | None:
    """Return how many samples a step of all files takes; `None` if they take features."""
    shapes = [next(info.shape for info in runner.inputs) for runner in runners]
    if not takes_micro_features(as_clip_model(model)):
        return None
    [samples, *others] = {samples_per_step(shape) for shape in shapes}
    require(
        not others,
        "`exports` must all take samples or all take features, from which they are compared. "
        f"Received: frames of shapes {shapes}. Verify them one by one.",
    )
    return samples


def _in_steps(streams: Iterable[ArrayLike], samples: int) -> Iterator[Array]:
    """Yield sounds in the steps that a file takes."""
    for number, sound in enumerate(streams):
        if np.ndim(sound) != 1:
            raise ValueError(
                "`streams` must hold sounds (samples,); the files have their front-end inside. "
                f"Received: sequence {number} of shape {np.shape(sound)}. Give samples at 16 kHz; "
                "`keras-sal verify` does where a file's .json file is beside it."
            )
        sound = np.asarray(sound, "float32")
        yield sound[: len(sound) // samples * samples].reshape(-1, samples)


def _delay_of(model: keras.Model) -> int:
    """Return by how many output frames the step model of a clip model is late."""
    from keras_sal import streaming

    step = streaming.step_model(as_clip_model(model), max_delay_frames=ANY_DELAY)
    return streaming.delay_frames(step)


def _check_lengths(streams: list[dict[str, Array]], late: int) -> None:
    for number, stream in enumerate(streams):
        length = len(next(iter(stream.values())))
        require(
            length > late,
            f"`streams` sequence {number} must have more than {late} output frames, by which the "
            "outputs of the files are late; otherwise there is nothing to compare. "
            f"Received: output frames={length}. Leave short recordings out.",
        )


def _late_times(scoring: dict[str, Any], late: int) -> dict[str, float]:
    """Return the time at which the output of frame 0 comes, if that is later than frame 0."""
    if not late or "frame_step_s" not in scoring:
        return {}
    return {"frame_offset_s": scoring.get("frame_offset_s", 0.0) + late * scoring["frame_step_s"]}


def _delay_failures(stated: int | None, late: int) -> Iterator[str]:
    if stated is not None and stated != late:
        yield f"the manifest states a delay of {stated} output frames, the model has {late}"


def _failures(
    bounded: tuple[str, float],
    errors: dict[str, float],
    detections: OperatingPoint | None,
    of_keras: OperatingPoint | None,
) -> Iterator[str]:
    error, bound = bounded
    if not errors[error] <= bound:  # also if it is NaN
        yield f"{error.replace('_', ' ')} {errors[error]:.2g} exceeds {bound:g}"
    if detections is not None and of_keras is not None and of_keras.events:
        loss = detections.frr - of_keras.frr
        allowed = max(MAX_FRR_LOSS, 1 / of_keras.events)
        if loss > allowed + 1e-9:
            yield f"FRR is {100 * loss:.2g} points higher, {100 * allowed:.2g} allowed"


def _errors(posteriors: list[Posteriors], expected: list[Posteriors]) -> dict[str, float]:
    differences = np.concatenate(
        [
            np.abs(ours[name] - theirs[name]).ravel()
            for ours, theirs in zip(posteriors, expected, strict=True)
            for name in theirs
        ]
    )
    return {"mean_error": float(differences.mean()), "max_error": float(differences.max())}


def _display_name(runner: StepRunner, runners: list[StepRunner]) -> str:
    """Return the file's name, with its folder's if it is a bundle or another file has that name."""
    path = runner.path.resolve()
    alike = {other.path.resolve() for other in runners if other.path.name == path.name}
    if len(alike) == 1 and not (path.parent / MANIFEST).is_file():
        return path.name
    return f"{path.parent.name}/{path.name}"


def _runner_posteriors(runner: StepRunner, stream: dict[str, Array], late: int) -> Posteriors:
    runner.reset()
    posteriors = runner.stream(stream)
    if not isinstance(posteriors, dict):
        return {"posterior": posteriors[late:]}
    return {
        name.replace("logit", "posterior", 1): values[late:] for name, values in posteriors.items()
    }


def _open_exports(
    exports: Export | list[Export] | tuple[Export, ...], *, may_hear: bool
) -> Iterator[tuple[StepRunner, int | None]]:
    """Yield a runner for each file, with the delay that a bundle states, and one in LiteRT.

    The runner in LiteRT comes after each in TensorFlow Lite Micro.
    """
    for export in exports if isinstance(exports, list | tuple) else [exports]:
        runner, delay = _open(export, may_hear)
        yield runner, delay
        if isinstance(runner, MicroModel) and importlib.util.find_spec("ai_edge_litert"):
            in_litert = InternalLiteModel if isinstance(runner, InternalModel) else LiteModel
            yield in_litert(runner.path), delay


def _open(export: Export, may_hear: bool) -> tuple[StepRunner, int | None]:
    """Return a runner, and the delay that is stated where the export is a bundle."""
    if isinstance(export, StepRunner):
        return export, None
    if not isinstance(export, Bundle):
        if not Path(export).is_dir():
            return _runner(Path(export), may_hear), None
        export = read(export)
    return export.open(), export.manifest["delay_frames"]


def _runner(path: Path, may_hear: bool) -> StepRunner:
    if path.suffix == ".onnx":
        return OnnxModel(path)
    require(
        path.suffix == ".tflite",
        "`exports` must be .tflite or .onnx files or bundles; others have no runtime here. "
        f"Received: {str(path)!r}. Give what was written by `keras_sal.export`.",
    )
    if is_internal(path):
        return InternalModel(path)
    file = Flatbuffer.from_file(path)
    frame = file.shape(next(iter(file.inputs.values())))
    # The front-end has operators that TensorFlow Lite Micro lacks.
    hears = may_hear and samples_per_step(frame) is not None
    return LiteModel(path) if hears or file.has_mixed_types() else MicroModel(path)


def _quantization(runner: StepRunner) -> str:
    if isinstance(runner, OnnxModel):
        return "float32"
    return Flatbuffer.from_file(runner.path).quantization()


def _keras_posteriors(model: keras.Model, streams: list[dict[str, Array]]) -> list[Posteriors]:
    """Return the posteriors of the Keras model, streams of similar length computed together."""
    clip = as_clip_model(model)
    names = _posterior_names(model, clip)
    results: list[Posteriors] = [{} for _ in streams]
    by_length: dict[int, list[int]] = {}
    for number, stream in enumerate(streams):
        length = 1 << math.ceil(math.log2(len(next(iter(stream.values())))))
        by_length.setdefault(length, []).append(number)
    for length, numbers in by_length.items():
        batch = [
            np.stack([_padded(streams[number][name], length) for number in numbers])
            for name in _frame_names(clip)
        ]
        batch = [
            frames.reshape(len(numbers), -1, *tensor.shape[2:])
            for frames, tensor in zip(batch, clip.inputs, strict=True)
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


def _frame_names(clip: keras.Model) -> list[str]:
    own = [tensor.name for tensor in clip.inputs]
    return ["frame"] if len(own) == 1 else [f"frame_{name}" for name in own]


def _posterior_names(model: keras.Model, clip: keras.Model) -> list[str]:
    output = getattr(model, "output", None)
    own = sorted(output) if isinstance(output, dict) else clip.output_names
    return ["posterior"] if len(own) == 1 else [f"posterior_{name}" for name in own]


def _padded(frames: Array, length: int) -> Array:
    """Append zeros, which don't change the output for the frames that are compared."""
    return np.concatenate([frames, np.zeros((length - len(frames), *frames.shape[1:]), "float32")])
