"""The live detector: any chunks of audio or features, and the detections of the whole stream."""

import hashlib
import json

import keras
import numpy as np
import pytest
import stepping
from export_task import FEATURES, streams_with_events, trained
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from keras_sal import audio
from keras_sal.audio import FRAME_OFFSET_S, FRAME_STEP_S, MicroFrontend
from keras_sal.detection import Detection, detect
from keras_sal.runtime import StreamingDetector, open_runner
from keras_sal.streaming import step_model

pytest.importorskip("pymicro_features", reason="needs the audio extra")

SECONDS = 1.3
TRIGGER = {"smooth_frames": 3, "on_frames": 2, "refractory_s": 0.05}


def gru(frames_per_step=1, classes=1):
    """An untrained detector whose posteriors go up and down with the sound."""
    keras.utils.set_random_seed(3)
    sigmoid = "sigmoid" if classes == 1 else "softmax"
    return keras.Sequential(
        [
            keras.Input((None, FEATURES)),
            layers.Rescaling(1 / 26),
            layers.Conv1D(6, 2 * frames_per_step, strides=frames_per_step, padding="causal"),
            layers.GRU(5, return_sequences=True),
            layers.Dense(classes, sigmoid, kernel_initializer=keras.initializers.Ones()),
        ]
    )


def tones():
    """Sound that comes and goes."""
    t = np.arange(round(SECONDS * audio.SAMPLE_RATE)) / audio.SAMPLE_RATE
    noise = np.random.default_rng(0).normal(scale=0.01, size=len(t))
    return (0.4 * np.sin(2 * np.pi * 700 * t) * (np.sin(12 * t) > 0) + noise).astype("float32")


@pytest.fixture(scope="module")
def samples():
    return tones()


@pytest.fixture(scope="module", params=[1, 3], ids=["every frame", "every third frame"])
def whole(request, samples):
    """A model, its posteriors for the whole recording, and a threshold they cross often."""
    frames_per_step = request.param
    model = gru(frames_per_step)
    features = audio.features(samples)
    features = features[: len(features) // frames_per_step * frames_per_step]
    posteriors = stepping.outputs_of(model, features[None])[0]
    return model, frames_per_step, posteriors, float(np.quantile(posteriors, 0.6))


def process_in_chunks(detector, samples, cuts):
    chunks = [detector.process(chunk) for chunk in np.split(samples, sorted(cuts))]
    return (
        np.concatenate([chunk.posteriors for chunk in chunks]),
        [detection for chunk in chunks for detection in chunk.detections],
    )


class TestAudio:
    def test_any_chunks_give_the_detections_of_the_whole(self, whole, samples):
        model, frames_per_step, posteriors, threshold = whole
        detector = StreamingDetector(model, threshold, frontend=MicroFrontend(), **TRIGGER)
        # A step has its output when the last of its frames is complete.
        times = {
            "frame_step_s": frames_per_step * FRAME_STEP_S,
            "frame_offset_s": FRAME_OFFSET_S + (frames_per_step - 1) * FRAME_STEP_S,
        }
        expected = detect(posteriors, threshold, **times, **TRIGGER)
        assert len(expected) > 3

        @settings(max_examples=10)
        @given(st.lists(st.integers(0, len(samples)), max_size=12))
        def any_chunks(cuts):
            detector.reset()
            given_posteriors, found = process_in_chunks(detector, samples, cuts)
            np.testing.assert_allclose(given_posteriors, posteriors, atol=1e-5)
            assert [d.time_s for d in found] == [d.time_s for d in expected]
            np.testing.assert_allclose(
                [d.score for d in found], [d.score for d in expected], atol=1e-5
            )

        any_chunks()

    def test_int16_is_the_same_as_float(self, samples):
        model = gru()
        detectors = [StreamingDetector(model, frontend=MicroFrontend()) for _ in range(2)]
        first, second = (
            detector.process(chunk).posteriors
            for detector, chunk in zip(detectors, (samples, audio.to_pcm16(samples)), strict=True)
        )
        np.testing.assert_array_equal(first, second)

    def test_a_chunk_shorter_than_a_frame_brings_nothing(self):
        detector = StreamingDetector(gru(), frontend=MicroFrontend())
        for chunk in (np.zeros(0, "float32"), np.zeros(479, "float32")):
            posteriors, detections = detector.process(chunk)
            assert (posteriors.shape, posteriors.dtype, detections) == ((0, 1), "float32", [])
        assert detector.process(np.zeros(1, "float32")).posteriors.shape == (1, 1)

    def test_times_of_ones_own_are_kept(self):
        own = {"frame_step_s": 0.01, "frame_offset_s": 0.0}
        detector = StreamingDetector(gru(), frontend=MicroFrontend(), **own)
        assert detector.trigger.rule.frame_offset_s == 0.0

    def test_a_front_end_of_ones_own(self):
        detector = StreamingDetector(gru(), frontend=Blocks(), frame_step_s=0.02)
        assert detector.process(np.ones(50)).posteriors.shape == (1, 1)
        assert detector.process(np.ones(50)).posteriors.shape == (1, 1)
        assert detector.process(np.ones(20)).posteriors.shape == (1, 1)
        detector.process(np.ones(20))
        detector.reset()
        assert detector.process(np.ones(39)).posteriors.shape == (0, 1)


class Anonymous:
    """A runner that says nothing about itself."""

    def __init__(self, runner):
        self.stream, self.reset = runner.stream, runner.reset


class Blocks:
    """A front-end that makes a frame of every 40 samples."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.rest = np.zeros(0)

    def __call__(self, samples):
        samples = np.concatenate([self.rest, samples])
        end = len(samples) // FEATURES * FEATURES
        self.rest = samples[end:]
        return samples[:end].reshape(-1, FEATURES)


class TestFeatures:
    @pytest.mark.parametrize("frames_per_step", [1, 3])
    @pytest.mark.parametrize("as_step", [False, True])
    def test_frames_wait_for_a_whole_step(self, frames_per_step, as_step):
        model = gru(frames_per_step)
        features = streams_with_events(1, 20, seed=0)[0][0]
        expected = stepping.outputs_of(
            model, features[None, : 20 // frames_per_step * frames_per_step]
        )[0]
        detector = StreamingDetector(step_model(model) if as_step else model, frame_step_s=0.01)
        posteriors, _ = process_in_chunks(detector, features, [1, 2, 2, 7, 8, 13])
        np.testing.assert_allclose(posteriors, expected, atol=1e-5)

    def test_classes(self):
        """The background, at threshold inf, never fires."""
        model = gru(classes=3)
        features = streams_with_events(1, 40, seed=0)[0][0]
        posteriors = stepping.outputs_of(model, features[None])[0]
        threshold = [np.inf, *np.quantile(posteriors[:, 1:], 0.5, axis=0)]
        names = ["background", "computer", "alexa"]
        rule = {"frame_step_s": 0.01, "refractory_s": 0.05}
        detector = StreamingDetector(model, threshold, class_names=names, **rule)
        found = process_in_chunks(detector, features, [11, 12])[1]
        expected = detect(posteriors, threshold, **rule)
        assert {d.class_name for d in found} == {"computer", "alexa"}
        assert [(d.time_s, d.class_index) for d in found] == [
            (d.time_s, d.class_index) for d in expected
        ]
        assert all(names[d.class_index] == d.class_name for d in found)

    def test_inputs_of_different_rates(self):
        """Two frames of one and one of the other make a step."""
        fast, slow = keras.Input((None, 3), name="fast"), keras.Input((None, 2), name="slow")
        halved = layers.Conv1D(4, 2, strides=2, padding="causal")(fast)
        x = layers.GRU(4, return_sequences=True)(layers.Concatenate()([halved, slow]))
        model = stepping.randomise(
            keras.Model([fast, slow], layers.Dense(1, "sigmoid", name="posterior")(x))
        )
        rng = np.random.default_rng(0)
        left, right = (rng.normal(size=size).astype("float32") for size in ((12, 3), (6, 2)))
        detector = StreamingDetector(model, frame_step_s=0.02)
        parts = [
            detector.process({"frame_fast": a, "frame_slow": b}).posteriors
            for a, b in zip(np.split(left, [3, 4, 12]), np.split(right, [0, 3, 5]), strict=True)
        ]
        assert [len(part) for part in parts] == [0, 2, 3, 1]
        expected = stepping.outputs_of(model, [left[None], right[None]])[0]
        np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-5)

    @pytest.mark.parametrize("stated", [False, True])
    def test_a_delayed_output_is_timed_when_it_comes(self, stated):
        """The window is 5 frames, 2 of them ahead: posterior t comes with frame t + 2."""
        model = stepping.randomise(
            keras.Sequential(
                [
                    keras.Input((None, FEATURES)),
                    layers.Conv1D(1, 5, padding="same"),
                    layers.Activation("sigmoid"),
                ]
            )
        )
        features = streams_with_events(1, 40, seed=0)[0][0] / 20
        posteriors = stepping.outputs_of(model, features[None])[0][:-2]
        threshold = float(np.median(posteriors))
        rule = {"frame_step_s": 0.01, "frame_offset_s": 0.03, "refractory_s": 0.05}
        expected = detect(posteriors, threshold, **rule)
        assert len(expected) > 2
        given, delay = open_runner(model, max_delay_frames=2), {}
        if stated:
            given, delay = Anonymous(given), {"delay_frames": 2}
        detector = StreamingDetector(given, threshold, **delay, **rule)
        for _ in range(2):
            streamed, found = process_in_chunks(detector, features, [1, 3, 20])
            np.testing.assert_allclose(streamed, posteriors, atol=1e-5)
            np.testing.assert_allclose(
                [d.time_s for d in found], [d.time_s + 0.02 for d in expected]
            )
            detector.reset()

    def test_reset_starts_a_new_stream(self):
        features = streams_with_events(1, 20, seed=0)[0][0]
        rule = {"frame_step_s": 0.01, "smooth_frames": 3}
        detector = StreamingDetector(gru(3), 0.1, **rule)
        first = detector.process(features[:19])
        assert len(first.detections) == 1
        detector.reset()
        second = detector.process(features[:19])
        np.testing.assert_array_equal(first.posteriors, second.posteriors)
        assert first.detections == second.detections


def test_a_detection_shows_its_class_name_only_if_it_has_one():
    assert repr(Detection(1.0, 0.5)) == "Detection(time_s=1.0, score=0.5, class_index=0)"
    assert repr(Detection(1.0, 0.5, 1, "stop")).endswith("class_index=1, class_name='stop')")


@pytest.fixture(scope="module")
def learned():
    return trained([layers.GRU(16, return_sequences=True, name="memory")])


@pytest.fixture(scope="module")
def files(learned, tmp_path_factory):
    """The trained detector in every format."""
    pytest.importorskip("tflite_micro", reason="needs the export extra")
    pytest.importorskip("ai_edge_litert", reason="needs the export extra")
    pytest.importorskip("onnxruntime", reason="needs the export extra")
    from keras_sal.export import litert, micro, onnx

    folder = tmp_path_factory.mktemp("files")
    learned.save(folder / "clip.keras")
    step_model(learned).save(folder / "step.keras")
    micro.convert(learned, folder / "int8.tflite", list(streams_with_events(16, 60, seed=1)[0]))
    litert.convert(learned, folder / "float.tflite")
    onnx.convert(learned, folder / "step.onnx")
    return folder


@pytest.mark.slow
@pytest.mark.any_backend
class TestRuntimes:
    @pytest.mark.parametrize(
        ("file", "runtime", "runner", "error"),
        [
            ("clip.keras", None, "KerasRunner", 1e-5),
            ("step.keras", "keras", "KerasRunner", 1e-5),
            ("float.tflite", None, "LiteModel", 1e-4),
            ("float.tflite", "micro", "MicroModel", 1e-4),
            ("step.onnx", None, "OnnxModel", 1e-4),
            ("int8.tflite", None, "MicroModel", 0.15),
            ("int8.tflite", "litert", "LiteModel", 0.15),
        ],
    )
    def test_the_same_detections_from_each(self, learned, files, file, runtime, runner, error):
        """Within quantisation: times to a frame or two, all of them."""
        rule = {"frame_step_s": 0.01, "smooth_frames": 2, "refractory_s": 0.05}
        detector = StreamingDetector(files / file, 0.5, runtime=runtime, **rule)
        assert type(detector.runner).__name__ == runner
        count = 0
        for features in streams_with_events(4, 130, seed=2)[0]:
            expected = detect(stepping.outputs_of(learned, features[None])[0], 0.5, **rule)
            detector.reset()
            posteriors, found = process_in_chunks(detector, features, [1, 20, 81])
            assert posteriors.shape == (130, 1)
            late = np.array([d.time_s for d in found]) - [d.time_s for d in expected]
            assert np.abs(late).max() <= (0.0 if error < 0.1 else 0.02)
            scores = np.array([d.score for d in found]) - [d.score for d in expected]
            assert np.abs(scores).max() <= error
            count += len(found)
        assert count >= 6

    @pytest.mark.parametrize("runtime", [None, "litert"])
    def test_a_state_inside_the_file_is_reset(self, files, tmp_path, runtime):
        from keras_sal.export import internal_state

        internal_state.from_file(files / "int8.tflite", tmp_path / "internal.tflite")
        features = streams_with_events(1, 130, seed=2)[0][0]
        rule = {"frame_step_s": 0.01, "runtime": runtime}
        explicit, kept = (
            StreamingDetector(path, 0.5, **rule)
            for path in (files / "int8.tflite", tmp_path / "internal.tflite")
        )
        expected = explicit.process(features)
        assert expected.detections
        for _ in range(2):
            found = kept.process(features)
            np.testing.assert_array_equal(found.posteriors, expected.posteriors)
            assert found.detections == expected.detections
            kept.reset()

    def test_from_bundle(self, files, tmp_path):
        from keras_sal.export import bundle

        names = {"class_names": ["event"]}
        rule = {"frame_step_s": 0.01, "frame_offset_s": 0.03, "smooth_frames": 2, "on_frames": 2}
        written = bundle.write(
            files / "int8.tflite", tmp_path / "bundle", threshold=0.6, **names, **rule
        )
        direct = StreamingDetector(files / "int8.tflite", 0.6, **names, **rule)
        features = streams_with_events(1, 130, seed=2)[0][0]
        expected = direct.process(features)
        assert expected.detections
        for runtime, kind in ((None, "MicroModel"), ("litert", "LiteModel")):
            assert type(open_runner(written.folder, runtime)).__name__ == kind
            detector = StreamingDetector.from_bundle(written.folder, runtime)
            found = detector.process(features).detections
            assert [d.class_name for d in found] == ["event"] * len(expected.detections)
            if runtime is None:
                assert found == expected.detections


def test_from_bundle_rejects_a_changed_model(tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"other")
    manifest = {"format": 1, "sha256": {"model.tflite": hashlib.sha256(b"model").hexdigest()}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=r"model\.tflite"):
        StreamingDetector.from_bundle(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frame_step_s": None}, "`frame_step_s` must be given; detections have a time"),
        ({"threshold": 2.0}, r"`threshold` must be in \[0, 1\]"),
        ({"threshold": [0.5, 0.5]}, "one for each of the 1 classes"),
        ({"class_names": ["a", "b"]}, "`class_names` must name the 1 classes of the model"),
        ({"smooth_frames": 0}, "`smooth_frames` must be an integer >= 1"),
        ({"runtime": "tflm"}, "`runtime` must be one of"),
        ({"delay_frames": -1}, "`delay_frames` must be an integer >= 0"),
    ],
)
def test_rejects_bad_arguments(options, message):
    options = {"frame_step_s": 0.01} | options
    if options["frame_step_s"] is None:
        del options["frame_step_s"]
    with pytest.raises(ValueError, match=message):
        StreamingDetector(gru(), **options)


def test_rejects_a_step_that_is_not_that_of_the_front_end():
    with pytest.raises(ValueError, match=r"`frame_step_s` must be 0.03 .*frame_step_s=0.01"):
        StreamingDetector(gru(3), frontend=MicroFrontend(), frame_step_s=0.01)


def test_rejects_a_model_with_two_outputs():
    clip = keras.Input((None, 3))
    heads = {name: layers.Dense(1, "sigmoid", name=name)(clip) for name in ("word", "speech")}
    with pytest.raises(ValueError, match="`model` must have one posterior output"):
        StreamingDetector(keras.Model(clip, heads), frame_step_s=0.01)


def test_rejects_bad_chunks():
    detector = StreamingDetector(gru(3), frame_step_s=0.01)
    with pytest.raises(ValueError, match=r"`chunk` must hold frames of shape \(3, 40\)"):
        detector.process(np.zeros(480))
    with pytest.raises(ValueError, match=r"`chunk` must hold frames of shape \(40,\).*\(2, 39\)"):
        detector.process(np.zeros((2, 39)))
    detector.process(np.zeros((1, FEATURES)))
    with pytest.raises(ValueError, match="`chunk` must be finite"):
        detector.process(np.full((1, FEATURES), np.nan))
    assert len(detector.process(np.zeros((2, FEATURES))).posteriors) == 1, "it is left out"
    listening = StreamingDetector(gru(), frontend=MicroFrontend())
    with pytest.raises(ValueError, match=r"`samples` must be finite and lie in \[-1, 1\]"):
        listening.process(np.full(480, 300.0))
