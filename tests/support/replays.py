"""Streams for the C++ detector: inputs and outputs of an interpreter, step by step."""

import numpy as np

from keras_sal.detection import Trigger
from keras_sal.export.firmware import sources
from keras_sal.export.firmware.contents import FIXED, SHARED
from keras_sal.export.step_runner import StepRunner, TensorInfo

NOTHING, RESET, FAILURE, NOT_FINITE, SPOILED = range(5)  # as in check_detector.cc
NAMESPACE = "model_bundle"  # as in check_detector.cc
REFUSED = (FAILURE, NOT_FINITE, SPOILED)  # events of steps that fail


class Dice(StepRunner):
    """A model with random outputs, whatever its inputs."""

    def __init__(self, inputs, outputs, seed=0):
        self._rng = np.random.default_rng(seed)
        super().__init__(__file__, inputs, outputs)

    def _step(self, tensors):
        return {info.name: self._values(info) for info in self.outputs}

    def _values(self, info):
        if info.dtype == "float32":
            return self._rng.uniform(0, 1, info.shape).astype("float32")
        limits = np.iinfo(info.dtype)
        low = info.zero_point if info.name == "posterior" else limits.min
        return self._rng.integers(low, limits.max, info.shape, info.dtype, endpoint=True)


def tensor_info(name, size, dtype, scale=None, zero_point=None):
    return TensorInfo(name, (1, size), dtype, scale, zero_point)


def features_for(runner, frames, seed=0):
    """Features far beyond the range of the inputs, ties of rounding among them."""
    rng = np.random.default_rng(seed)
    found = {}
    for info in runner.inputs:
        if info.name in runner.signature.frames:
            reach = np.iinfo(info.dtype).max * info.scale if info.scale else 1.0
            values = rng.normal(0, reach, (frames, *info.shape[1:]))
            ties = np.rint(values / (info.scale or 1)) + 0.5
            values = np.where(rng.random(values.shape) < 0.2, ties * (info.scale or 1), values)
            found[info.name] = values.astype("float32")
    found[next(iter(found))].flat[:4] = [1e30, -1e30, 0.0, -0.0]
    return found


def replay(runner, features, events, positions):
    """The bytes of replay.bin, and the outputs of the steps that don't fail."""
    order = {True: [], False: []}
    inputs = {info.name for info in runner.inputs}
    for name in sorted(positions, key=positions.get):
        order[name in inputs].append(name)
    content, posteriors, step = [], [], runner._step

    def recording_step(tensors):
        outputs = step(tensors)
        for names, values in ((order[True], tensors), (order[False], outputs)):
            content.extend(np.ascontiguousarray(values[name]).tobytes() for name in names)
        return outputs

    runner._step = recording_step
    try:
        for t, event in enumerate(events):
            frame = {name: values[t : t + 1] for name, values in features.items()}
            if event == NOT_FINITE:
                spoiled = {name: values.copy() for name, values in frame.items()}
                spoiled[min(spoiled)].flat[-1] = (np.nan, np.inf, -np.inf)[t % 3]
                frame = spoiled
            content.append(np.int32(event).tobytes())
            content.extend(frame[name].tobytes() for name in runner.signature.frames)
            if event == RESET:
                runner.reset()
            if event not in REFUSED:
                posterior = runner.stream(frame)
                posteriors.append(np.asarray(posterior).reshape(-1))
    finally:
        del runner._step
    return b"".join(content), posteriors


def expected_outputs(posteriors, events, thresholds, scoring, delay_frames=0):
    """`(steps, classes, 3)`: posterior, score and whether detected."""
    classes = len(thresholds)
    posteriors = iter(posteriors)
    outputs = np.zeros((len(events), classes, 3), "float32")
    for start, stop in streams_of(events):
        steps = [t for t in range(start, stop) if events[t] not in REFUSED]
        stream = np.array([next(posteriors) for _ in steps], "float32").reshape(-1, classes)
        steps, stream = steps[delay_frames:], stream[delay_frames:]
        for c in range(classes):
            outputs[steps, c, 0] = stream[:, c]
            outputs[steps, c, 1] = scoring.scores(stream[:, c])[0]
            found = Trigger(thresholds[c], **(vars(scoring) | {"frame_offset_s": 0.0}))
            times = [d.time_s for d in found.feed(stream[:, c])]
            frames = np.rint(np.array(times) / scoring.frame_step_s).astype(int)
            outputs[np.array(steps)[frames], c, 2] = 1
        for t in range(start, stop):  # a step that failed has changed nothing
            if events[t] in REFUSED:
                outputs[t] = outputs[t - 1] if t > start else 0
    return outputs


def streams_of(events):
    """First and last step of each stream."""
    starts = [0, *(t for t, event in enumerate(events) if event == RESET and t)]
    return zip(starts, [*starts[1:], len(events)], strict=True)


def write_settings(runner, positions, folder, thresholds, scoring, delay_frames=0, golden=None):
    """The sources of a detector for `runner`."""
    names = [f"class_{c}" for c in range(len(thresholds))]
    texts = sources.detector_settings(
        runner,
        positions,
        model=NAMESPACE,
        scoring=scoring,
        thresholds=thresholds,
        class_names=names,
        arenas={"reference": 1024, "cmsis_nn": 1024, "cmsis_nn_mve": 1024, "esp_nn": 1024},
        delay_frames=delay_frames,
    )
    texts |= {name: sources.fixed(name, NAMESPACE) for name in FIXED}
    texts |= {name: sources.fixed(name) for name in SHARED}
    if golden:
        texts |= sources.self_test_data(golden, NAMESPACE, scoring)
        texts["golden.cc"] = sources.fixed("golden_frames.cc", NAMESPACE)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in ("detector.cc", "detector_settings.cc", "trigger.cc")]
