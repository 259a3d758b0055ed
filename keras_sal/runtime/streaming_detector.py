"""A detector that runs on a live stream: audio or features in, detections out.

    detector = StreamingDetector("detector.tflite", threshold=0.8, frontend=MicroFrontend())
    for samples in microphone:                      # any number of them at a time
        for detection in detector.process(samples).detections:
            print(detection.time_s, detection.score)

Front-end, model, smoothing, threshold and refractory time are those of the device, and so are the
detections. Keras, LiteRT, TensorFlow Lite Micro and ONNX Runtime give the same for one model,
except for quantisation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np

from keras_sal.audio import FEATURES, SAMPLE_RATE, LogMelFrontend, MicroFrontend, output_times
from keras_sal.checks import require
from keras_sal.detection import Detection, Trigger
from keras_sal.detection.validation import validate_delay_frames
from keras_sal.export.frontend import check_frontend_step
from keras_sal.runtime.runner_steps import (
    check_frames,
    frames_per_output,
    samples_per_step,
    split_remainder,
)
from keras_sal.runtime.runners import Runner, open_runner
from keras_sal.runtime.sample_steps import SampleSteps
from keras_sal.runtime.stream_resampler import StreamResampler
from keras_sal.typing import Array, ArrayLike, PathLike


class Frontend(Protocol):
    """What computes features from audio, such as `keras_sal.audio.MicroFrontend`."""

    def __call__(self, samples: ArrayLike, /) -> Array:
        """Return the features `(frames, features)` of the frames that samples `(n,)` complete."""

    def reset(self) -> None:
        """Start a new stream."""


class StreamOutput(NamedTuple):
    """The output of a detector for a chunk of a stream.

    Attributes:
        posteriors: Posteriors of the output frames that the chunk completed, float32
            `(frames, classes)`.
        detections: The detections among them.
    """

    posteriors: Array
    detections: list[Detection]


class StreamingDetector:
    """A detector that runs on a live stream, chunk by chunk.

    Use it in an app, behind a microphone, or to find out what a device would detect. Whatever the
    chunks, its detections are those of `keras_sal.detection.detect` for the posteriors of the whole
    stream. To score hours of recordings, use `keras_sal.runtime.predict`, which is faster.

    A Keras model costs up to a few milliseconds a call. Give it 80 ms at a time, or export it:
    LiteRT, ONNX Runtime and TensorFlow Lite Micro take tens of microseconds a frame.

    Args:
        model: What `keras_sal.runtime.open_runner` opens: a Keras model, the path of a
            `.keras`, `.tflite` or `.onnx` file, a bundle, a runner. It has one posterior output.
        threshold: Float in [0, 1], or one for each class; `inf` for a class that is no event, such
            as the background of a softmax. Choose it on development data, with the model that is
            run: see `keras_sal.detection.det_curve`. Defaults to 0.5.
        frontend: `None` if chunks are features; else what computes features from audio, a
            `keras_sal.audio.MicroFrontend` or a `Frontend` of your own. Defaults to `None`.
        sample_rate: Samples per second of the chunks of sound, in Hz. Samples do not tell it, and
            sound at another rate than the front-end's gives wrong posteriors without an error.
            Other rates are resampled to that of the front-end; needs `frontend`. Defaults to
            `None`, the rate of the front-end: its `sample_rate` if it has one, else 16,000.
        class_names: Names of the classes, for the detections. Defaults to `None`.
        runtime: `"keras"`, `"micro"`, `"litert"` or `"onnx"`. Defaults to `None`, which chooses by
            the kind of model.
        delay_frames: By how many output frames the outputs of a model with look-ahead are late, an
            integer >= 0. That many outputs are dropped at the start of a stream. The times of the
            others are those at which they come, the delay included. Defaults to `None`, which takes
            `delay_frames` of the runner. A `.tflite` or `.onnx` file does not state it, which
            counts as 0.
        **scoring: Arguments of the trigger, as in `keras_sal.detection.Scoring`: `smooth_frames`,
            `on_frames`, `hysteresis`, `refractory_s`, and `frame_step_s`, `frame_offset_s` of the
            *posteriors*. With a `MicroFrontend` the times are known; without one `frame_step_s` is
            required. The output of a model with strides has the time of the last frame of its step.

    Attributes:
        runner: The `Runner` of the model.
        trigger: The `keras_sal.detection.Trigger`.
        frontend: The front-end.
        sample_rate: Samples per second of the chunks, `None` without a front-end.
        class_names: The names, or `None`.
        delay_frames: By how many output frames the outputs are late.

    Raises:
        ImportError: If the runtime is not installed.
        ValueError: If the model cannot be run or has several outputs, or an argument is out of
            range.

    Example:

    >>> import numpy as np
    >>> from keras_sal import StreamingDetector
    >>> from keras_sal.models import gru_detector
    >>> detector = StreamingDetector(gru_detector(), 0.9, frame_step_s=0.01, smooth_frames=5)
    >>> posteriors, detections = detector.process(np.zeros((8, 40)))
    >>> posteriors.shape, detections
    ((8, 1), [])

    A runner whose posterior is the loudness:

    >>> class Loud:
    ...     def stream(self, features):
    ...         return features.max(axis=1, keepdims=True)
    ...     def reset(self):
    ...         pass
    >>> detector = StreamingDetector(Loud(), 0.5, frame_step_s=0.01, class_names=["bang"])
    >>> quiet, loud = np.zeros((50, 40)), np.full((1, 40), 0.75)
    >>> detector.process(quiet).detections
    []
    >>> detector.process(loud).detections
    [Detection(time_s=0.5, score=0.75, class_index=0, class_name='bang')]
    """

    def __init__(
        self,
        model: keras.Model | str | Path | Runner,
        threshold: float | Sequence[float] = 0.5,
        *,
        frontend: Frontend | None = None,
        sample_rate: float | None = None,
        class_names: Sequence[str] | None = None,
        runtime: str | None = None,
        delay_frames: int | None = None,
        **scoring: Any,
    ) -> None:
        self.runner = open_runner(model, runtime)
        self.frontend = frontend
        self.sample_rate, self._resampler = _resampling(sample_rate, frontend)
        self.class_names = None if class_names is None else list(class_names)
        classes = _number_of_classes(self.runner, self.class_names)
        if isinstance(frontend, MicroFrontend):
            _check_features(self.runner)
            frames = frames_per_output(self.runner)
            scoring = output_times(frames) | scoring
            check_frontend_step(frames, scoring["frame_step_s"])
        require(
            "frame_step_s" in scoring,
            "`frame_step_s` must be given; detections have a time, and only the micro "
            "front-end's frames are known to be 10 ms apart. Received: "
            f"frontend={frontend!r}. Give the seconds from one posterior to the next.",
        )
        if delay_frames is None:
            delay_frames = getattr(self.runner, "delay_frames", 0)
        self.delay_frames = validate_delay_frames(delay_frames)
        late_s = delay_frames * scoring["frame_step_s"]
        times = {"frame_offset_s": scoring.get("frame_offset_s", 0.0) + late_s}
        self.trigger = Trigger(threshold, classes=classes, **scoring | times)
        self.reset()

    @classmethod
    def from_bundle(
        cls, folder: PathLike, runtime: str | None = None, **changes: Any
    ) -> StreamingDetector:
        """Open the folder that `keras_sal.export.bundle.write` wrote for a device.

        Model, front-end, classes, threshold and trigger are those of the bundle.

        Args:
            folder: The folder.
            runtime: `"micro"` or `"litert"`. Defaults to `None`, which is `"micro"`.
            **changes: Arguments of `StreamingDetector` that replace those of the bundle.

        Returns:
            The detector.

        Raises:
            ValueError: If it is not a bundle, or its files have changed.
        """
        from keras_sal.export import bundle

        written = bundle.read(folder)
        options = {
            "threshold": written.threshold,
            "frontend": MicroFrontend() if written.manifest["frontend"] else None,
            "class_names": written.manifest["classes"],
            "delay_frames": written.manifest["delay_frames"],
            **written.scoring,
        }
        return cls(written.model_path, runtime=runtime or "micro", **options | changes)

    @classmethod
    def pretrained(cls, name: str, runtime: str | None = None, **changes: Any) -> StreamingDetector:
        """Open a detector that is in the package, trained; see `keras_sal.pretrained`.

        Args:
            name: One of `keras_sal.pretrained.names()`, such as `"computer"`.
            runtime: `"litert"` or `"micro"`. Defaults to `None`, which is LiteRT.
            **changes: Arguments of `StreamingDetector` that replace those of the detector.

        Returns:
            The detector. It hears sound at 16 kHz, or at `sample_rate`.

        Raises:
            ImportError: If a package of the `detect` extra is missing.
            ValueError: If there is no detector of that name.

        Example:

        >>> from keras_sal import StreamingDetector
        >>> detector = StreamingDetector.pretrained("computer")  # doctest: +SKIP
        >>> detector.process(samples).detections  # doctest: +SKIP
        [Detection(time_s=1.62, score=0.99, class_index=0, class_name='computer')]
        """
        from keras_sal import pretrained

        return cls.from_bundle(pretrained.path(name), runtime or "litert", **changes)

    @classmethod
    def from_file(
        cls, path: PathLike, runtime: str | None = None, **changes: Any
    ) -> StreamingDetector:
        """Open a `.tflite` or `.onnx` file that has a description, as `keras-sal export` writes it.

        Threshold, classes and trigger are those of the description. If the front-end is in the
        file, samples go straight into it.

        Args:
            path: The file, or its description; see `keras_sal.export.detector_file`.
            runtime: `"litert"` or `"micro"` for a `.tflite` file. Defaults to `None`, which is
                LiteRT.
            **changes: Arguments of `StreamingDetector` that replace those of the description.

        Returns:
            The detector.

        Raises:
            ValueError: If there is no description, or the file has changed.
        """
        from keras_sal.export import detector_file

        written = detector_file.read(path)
        frontend: Frontend | None = None
        if written.samples_per_step:
            frontend = SampleSteps(written.samples_per_step)
        elif written.manifest["frontend"]:
            frontend = MicroFrontend()
        options = {
            "threshold": written.threshold,
            "frontend": frontend,
            "class_names": written.manifest["classes"],
            "delay_frames": written.manifest["delay_frames"],
            **written.scoring,
        }
        return cls(written.model_path, runtime=runtime, **options | changes)

    def reset(self) -> None:
        """Start a new stream at time 0, and forget all frames."""
        self.runner.reset()
        self.trigger.reset()
        if self.frontend is not None:
            self.frontend.reset()
        if self._resampler is not None:
            self._resampler.reset()
        self._remainder: Any = None
        self._to_drop = self.delay_frames

    def process(self, chunk: ArrayLike, *, last: bool = False) -> StreamOutput:
        """Run the detector over the next chunk of the stream.

        Args:
            chunk: With a front-end, audio samples `(n,)` at `sample_rate`, float in [-1, 1] or
                int16; else features `(frames, features)`, or a dict of such arrays by input name.
                It may have any length, 0 included. What does not fill a frame, or a step of a model
                with strides, waits for the next chunk.
            last: Whether the stream ends with this chunk. Only needed if sound is resampled: the
                resampler holds back some milliseconds, which then come; call `reset` before the
                next stream. Defaults to `False`.

        Returns:
            `StreamOutput(posteriors, detections)`: posteriors of the output frames that the chunk
            completed, float32 `(frames, classes)`, and the detections among them.

        Raises:
            ValueError: If these are no such samples or features; the chunk is then left out of the
                stream. If the model gives what is no posterior: call `reset`, as its state may be
                spoiled.
        """
        if self._resampler is not None:
            chunk = self._resampler(chunk, last=last)
        features = chunk if self.frontend is None else self.frontend(chunk)
        check_frames(self.runner, features)
        whole, remainder = split_remainder(self.runner, self._after_remainder(features))
        posteriors = np.zeros((0, self.trigger.classes), "float32")
        if _length(whole):
            posteriors = np.asarray(self.runner.stream(whole)).reshape(-1, self.trigger.classes)
        self._remainder = remainder if _length(remainder) else None
        dropped = min(self._to_drop, len(posteriors))
        posteriors, self._to_drop = posteriors[dropped:], self._to_drop - dropped
        detections = [self._with_class_name(found) for found in self.trigger.feed(posteriors)]
        return StreamOutput(posteriors, detections)

    def _after_remainder(self, features: ArrayLike) -> ArrayLike:
        """Return the frames that waited for more, then the new ones."""
        if isinstance(features, Mapping):
            remainder = self._remainder or {}
            return {name: _joined(remainder.get(name), x) for name, x in features.items()}
        return _joined(self._remainder, features)

    def _with_class_name(self, detection: Detection) -> Detection:
        if self.class_names is None:
            return detection
        return detection._replace(class_name=self.class_names[detection.class_index])


def _number_of_classes(runner: Any, class_names: list[str] | None) -> int:
    named = 1 if class_names is None else len(class_names)
    signature = getattr(runner, "signature", None)
    if signature is None:
        return named
    require(
        len(signature.posteriors) == 1,
        "`model` must have one posterior output; a trigger takes only one. Received: outputs "
        f"{list(signature.posteriors)}. Make a model of one of them: keras.Model(inputs, output).",
    )
    [shape] = (info.shape for info in runner.outputs if info.name in signature.posteriors)
    classes = int(np.prod(shape[1:]))
    require(
        class_names is None or named == classes,
        f"`class_names` must name the {classes} classes of the model. "
        f"Received: class_names={class_names}. Name the background too, if it has a class.",
    )
    return classes


def _resampling(
    sample_rate: float | None, frontend: Frontend | None
) -> tuple[float | None, StreamResampler | None]:
    """Return the rate of the chunks, and what converts it to that of the front-end."""
    if frontend is None:
        require(
            sample_rate is None,
            "`sample_rate` must be left out without a front-end; chunks are features then. "
            f"Received: sample_rate={sample_rate}. Give `frontend` too, such as MicroFrontend().",
        )
        return None, None
    described = frontend.layer if isinstance(frontend, LogMelFrontend) else frontend
    heard: float = getattr(described, "sample_rate", SAMPLE_RATE)
    if sample_rate is None or sample_rate == heard:
        return heard, None
    return sample_rate, StreamResampler(sample_rate, heard)


def _check_features(runner: Any) -> None:
    """Refuse a model that does not take the features of the micro front-end."""
    signature = getattr(runner, "signature", None)
    if signature is None:
        return
    path, samples = getattr(runner, "path", None), samples_per_step(runner)
    if path is not None and samples:
        description = Path(path).with_suffix(".json")
        missing = "" if description.is_file() else ", which is missing"
        raise ValueError(
            f"`model` must take the {FEATURES} features of the micro front-end; this file takes "
            f"{samples} samples a step, as its front-end is inside. What it takes is said by "
            f"{description.name} beside it{missing}. Received: model={str(path)!r}, "
            "frontend=MicroFrontend(). Keep both together, as `keras-sal export` writes them, and "
            "open the file with StreamingDetector.from_file."
        )
    shapes = [info.shape for info in runner.inputs if info.name in signature.frames]
    require(
        len(shapes) == 1 and shapes[0][-1] == FEATURES,
        f"`model` must take the {FEATURES} features of the micro front-end, from one input. "
        f"Received: frontend=MicroFrontend() for inputs of shapes {shapes}. Give the front-end it "
        "was trained with, or features and `frontend=None`.",
    )


def _joined(remainder: Array | None, features: ArrayLike) -> Array:
    features = np.asarray(features, "float32")
    infinite = int((~np.isfinite(features)).sum())
    require(
        not infinite,
        "`chunk` must be finite; a single NaN or infinity spoils every state after it. "
        f"Received: {infinite} such values. Check the front-end.",
    )
    if remainder is None:
        return features
    if not features.size:
        return remainder
    require(
        features.shape[1:] == remainder.shape[1:],
        "`chunk` must hold frames of the same shape as before, "
        f"{remainder.shape[1:]}; they join the last chunk's remainder. Received: chunk of shape "
        f"{features.shape}. Call reset() to start a new stream.",
    )
    return np.concatenate([remainder, features])


def _length(features: ArrayLike) -> int:
    arrays = features.values() if isinstance(features, Mapping) else [features]
    return max(len(x) for x in arrays)
