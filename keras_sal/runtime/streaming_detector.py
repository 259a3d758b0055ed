"""A detector that listens: audio or features in, detections out, while the stream runs.

    detector = StreamingDetector("detector.tflite", threshold=0.8, frontend=MicroFrontend())
    for samples in microphone:                      # any number of them at a time
        for detection in detector.process(samples).detections:
            print(detection.time_s, detection.score)

Front-end, model, smoothing, threshold and refractory time are those of the device, and so are the
detections: the same model gives the same from Keras, LiteRT, TensorFlow Lite Micro and ONNX
Runtime, but for quantisation.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from keras_sal.audio import MicroFrontend, output_times
from keras_sal.detection import Detection, Trigger
from keras_sal.detection.trigger import check_delay
from keras_sal.runtime.runners import frames_per_output, open_runner, split_remainder


class StreamOutput(NamedTuple):
    """What a chunk brought: posteriors float32 `(frames, classes)`, and detections."""

    posteriors: np.ndarray
    detections: list[Detection]


class StreamingDetector:
    """Runs a detector over a live stream, chunk by chunk, and says when it fires.

    Use it in an app, behind a microphone, or to hear what a device would say. It gives what
    `keras_sal.detection.detect` gives for the posteriors of the whole stream, whatever the chunks.
    To score hours of recordings, `keras_sal.runtime.predict` is quicker.

    A Keras model costs up to a few milliseconds a call; give it 80 ms at a time, or export it:
    LiteRT, ONNX Runtime and TensorFlow Lite Micro take tens of microseconds a frame.

    Args:
        model: Whatever `keras_sal.runtime.open_runner` opens: a Keras model, the path of a
            `.keras`, `.tflite` or `.onnx` file, a bundle, a runner. It has one posterior output.
        threshold: Float in [0, 1], or one for each class; `inf` for a class that is no event, such
            as the background of a softmax. Choose it on development data, with the model that is
            run: see `keras_sal.detection.det_curve`. Default 0.5.
        frontend: `None` if chunks are features; else what makes features of audio, a
            `keras_sal.audio.MicroFrontend` or your own callable with `reset()`. Default `None`.
        class_names: Names of the classes, for the detections. Default `None`.
        runtime: `"keras"`, `"micro"`, `"litert"`, `"onnx"`, or `None` (default) to choose by the
            kind of model.
        delay_frames: How many answers late a model with look-ahead is. So many are left out at the
            start of a stream, and the others are timed when they come. Default `None`: as the
            runner says; a `.tflite` or `.onnx` file does not tell, so that it is 0.
        **scoring: The trigger: `smooth_frames`, `on_frames`, `hysteresis`, `refractory_s`, and
            `frame_step_s`, `frame_offset_s` of the *posteriors*, all as in
            `keras_sal.detection.Scoring`. With a `MicroFrontend` the times are known; without one
            `frame_step_s` is required. A frame of a model with strides is answered with the last
            frame of its step.

    Attributes:
        runner: What runs the model.
        trigger: The `keras_sal.detection.Trigger`.
        frontend: The front-end.
        class_names: The names, or `None`.
        delay_frames: How many answers late the model is.

    Raises:
        ImportError: The runtime is not installed.
        ValueError: The model cannot be run, has several outputs, or an argument is out of range.

    Example:

    >>> import numpy as np
    >>> from keras_sal import StreamingDetector
    >>> from keras_sal.models import gru_detector
    >>> detector = StreamingDetector(gru_detector(), 0.9, frame_step_s=0.01, smooth_frames=5)
    >>> posteriors, detections = detector.process(np.zeros((8, 40)))
    >>> posteriors.shape, detections
    ((8, 1), [])

    A detector that takes loudness for an event, to show one:

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
        model,
        threshold=0.5,
        *,
        frontend=None,
        class_names=None,
        runtime=None,
        delay_frames=None,
        **scoring,
    ):
        self.runner = open_runner(model, runtime)
        self.frontend = frontend
        self.class_names = None if class_names is None else list(class_names)
        classes = _classes(self.runner, self.class_names)
        if isinstance(frontend, MicroFrontend):
            scoring = output_times(frames_per_output(self.runner)) | scoring
        elif "frame_step_s" not in scoring:
            raise ValueError(
                "`frame_step_s` must be given; detections have a time, and only the micro "
                "front-end's frames are known to be 10 ms apart. Received: "
                f"frontend={frontend!r}. Give the seconds from one posterior to the next."
            )
        if delay_frames is None:
            delay_frames = getattr(self.runner, "delay_frames", 0)
        self.delay_frames = check_delay(delay_frames)
        late_s = delay_frames * scoring["frame_step_s"]
        times = {"frame_offset_s": scoring.get("frame_offset_s", 0.0) + late_s}
        self.trigger = Trigger(threshold, classes=classes, **scoring | times)
        self.reset()

    @classmethod
    def from_bundle(cls, folder, runtime=None, **changes):
        """Opens the folder that `keras_sal.export.bundle.write` wrote for a device.

        Model, front-end, classes, threshold and trigger are those of the bundle.

        Args:
            folder: The folder.
            runtime: `"micro"` or `"litert"`. Default `None`, which is `"micro"`.
            **changes: Arguments of `StreamingDetector` that shall not be as in the bundle.

        Returns:
            The detector.

        Raises:
            ValueError: Not a bundle, or one whose files have changed.
        """
        from keras_sal.export import bundle

        written = bundle.read(folder)
        options = {
            "threshold": written.threshold,
            "frontend": _frontend(written.manifest["frontend"]),
            "class_names": written.manifest["classes"],
            "delay_frames": written.manifest["delay_frames"],
            **written.scoring,
        }
        return cls(written.model_path, runtime=runtime or "micro", **options | changes)

    def reset(self):
        """Starts a new stream: nothing heard, time 0."""
        self.runner.reset()
        self.trigger.reset()
        if self.frontend is not None:
            self.frontend.reset()
        self._rest = None
        self._early = self.delay_frames

    def process(self, chunk):
        """Hears the next chunk of the stream.

        Args:
            chunk: With a front-end, audio samples `(n,)` at 16 kHz, float in [-1, 1] or int16; else
                features `(frames, features)`, or a dict of such arrays by input name. Any length,
                none included: what does not fill a frame, or a step of a model with strides, waits
                for the next chunk.

        Returns:
            `StreamOutput(posteriors, detections)`: posteriors of the frames that the chunk completed,
            float32 `(frames, classes)`, and the detections among them.

        Raises:
            ValueError: Not such samples or features. The chunk is not heard then.
        """
        features = chunk if self.frontend is None else self.frontend(chunk)
        whole, rest = split_remainder(self.runner, self._joined(features))
        posteriors = np.zeros((0, self.trigger.classes), "float32")
        if _length(whole):
            posteriors = np.asarray(self.runner.stream(whole)).reshape(-1, self.trigger.classes)
        self._rest = rest if _length(rest) else None
        posteriors, self._early = posteriors[self._early :], max(0, self._early - len(posteriors))
        return StreamOutput(posteriors, [self._named(found) for found in self.trigger.feed(posteriors)])

    def _joined(self, features):
        """The features behind the ones that wait for more."""
        if isinstance(features, Mapping):
            rest = self._rest or {}
            return {name: _behind(rest.get(name), x) for name, x in features.items()}
        return _behind(self._rest, features)

    def _named(self, detection):
        if self.class_names is None:
            return detection
        return detection._replace(class_name=self.class_names[detection.class_index])


def _classes(runner, class_names):
    """How many classes a runner tells apart."""
    named = 1 if class_names is None else len(class_names)
    signature = getattr(runner, "signature", None)
    if signature is None:
        return named
    if len(signature.posteriors) > 1:
        raise ValueError(
            "`model` must have one posterior output; a trigger listens to one. Received: outputs "
            f"{list(signature.posteriors)}. Make a model of one of them: keras.Model(inputs, output)."
        )
    [shape] = (info.shape for info in runner.outputs if info.name in signature.posteriors)
    classes = int(np.prod(shape[1:]))
    if class_names is not None and named != classes:
        raise ValueError(
            f"`class_names` must name the {classes} classes of the model. "
            f"Received: class_names={class_names}. Name the background too, if it has a class."
        )
    return classes


def _frontend(described):
    if described is None:
        return None
    if described["kind"] != "micro":
        raise ValueError(
            "`folder` must hold a bundle with the micro front-end or none; others are not known "
            f"here. Received: frontend={described}. Pass your own to StreamingDetector(model, "
            "frontend=...)."
        )
    return MicroFrontend()


def _behind(rest, features):
    features = np.asarray(features, "float32")
    if not np.isfinite(features).all():
        raise ValueError(
            "`chunk` must be finite; a single NaN or infinity spoils every state after it. "
            f"Received: {int((~np.isfinite(features)).sum())} such values. Check the front-end."
        )
    if rest is None:
        return features
    if not features.size:
        return rest
    if features.shape[1:] != rest.shape[1:]:
        raise ValueError(
            f"`chunk` must hold frames of the same shape as before, {rest.shape[1:]}. "
            f"Received: chunk of shape {features.shape}."
        )
    return np.concatenate([rest, features])


def _length(features):
    arrays = features.values() if isinstance(features, Mapping) else [features]
    return max(len(x) for x in arrays)
