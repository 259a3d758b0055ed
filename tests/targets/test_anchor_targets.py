"""Packed targets: against slow loops, and the same bits in every input pipeline."""

import itertools
import json
import warnings

import keras
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

from keras_sal import AnchorTargets, StreamingAnchorLoss, pad_events
from keras_sal.anchors import NO_ANCHOR, unpack

pytestmark = [
    pytest.mark.filterwarnings(f"ignore:.* {mistake}")
    for mistake in ("events lie wholly outside", "events have their anchor", "rows of events have")
]

FRAMES = 23
CLASSES_AND_ENCODINGS = [(1, "sparse"), (1, "one_hot"), (1, "multi_hot")] + [
    (classes, encoding) for classes in (2, 5) for encoding in ("sparse", "one_hot", "multi_hot")
]


def random_events(rng, clips=7, events=5, classes=1, encoding="sparse", frames=FRAMES):
    """Rows of whole frames: overlapping, partly and wholly outside, of one frame, and padding."""
    onset = rng.integers(-frames, 2 * frames, (clips, events))
    offset = onset + rng.integers(-2, frames, (clips, events))
    first = 0 if encoding == "multi_hot" and classes > 1 else 1
    index = rng.integers(first, max(classes, first + 1), (clips, events))
    rows = np.stack([onset, offset, index], axis=-1).astype("float32")
    rows[0] = [0, -1, 0]
    rows[1, :2] = np.nan
    return rows


def expected(targets, rows, anchors=None, lengths=None):
    """What the slow loops make of each clip."""
    return np.stack(
        [
            reference.targets_from_events(
                rows[b],
                targets.frames,
                targets.anchor,
                targets.before_frames,
                targets.after_frames,
                targets.classes,
                targets.encoding,
                None if anchors is None else anchors[b],
                None if lengths is None else lengths[b],
            )
            for b in range(len(rows))
        ]
    )


class TestFromEvents:
    def test_by_hand(self):
        """Events in frames 1 to 3 and 6 to 6 of 8."""
        rows = np.array([[[1, 3], [6, 6]]])
        onset = AnchorTargets(frames=8)(rows)
        assert onset[0].T.tolist() == [[0, 1, 1, 1, 0, 0, 1, 0], [-1, 0, 1, 2, -2, -1, 0, 1]]
        offset = AnchorTargets(frames=8, anchor="offset", before_frames=1, after_frames=0)(rows)
        assert offset[0].T.tolist() == [[0, 0, 1, 1, 0, 1, 1, 0], [-3, -2, -1, 0, 1, -1, 0, 1]]

    @pytest.mark.parametrize("anchor", ["onset", "offset", "given"])
    @pytest.mark.parametrize(("classes", "encoding"), CLASSES_AND_ENCODINGS)
    def test_matches_slow_loops(self, classes, encoding, anchor):
        rng = np.random.default_rng(0)
        for before, after in [(None, None), (0, 0), (3, None), (None, 4), (2, 6)]:
            rows = random_events(rng, classes=classes, encoding=encoding)
            anchors = lengths = None
            if anchor == "given":
                anchors = rng.integers(-9, FRAMES + 9, rows.shape[:2]).astype("float32")
                anchors[rng.random(anchors.shape) < 0.3] = np.nan
                anchors[2, 0] = NO_ANCHOR
                lengths = rng.integers(0, FRAMES + 5, len(rows))
            targets = AnchorTargets(
                FRAMES,
                "onset" if anchor == "given" else anchor,
                before,
                after,
                classes,
                encoding,
            )
            np.testing.assert_array_equal(
                targets(rows, anchors, lengths), expected(targets, rows, anchors, lengths)
            )

    @settings(deadline=None, max_examples=200)
    @given(data=st.data())
    def test_matches_slow_loops_on_few_frames(self, data):
        """Few frames and many events: every tie, overlap and edge there is."""
        classes, encoding = data.draw(st.sampled_from(CLASSES_AND_ENCODINGS))
        window = st.none() | st.integers(0, 3)
        targets = AnchorTargets(
            frames=data.draw(st.integers(1, 9)),
            anchor=data.draw(st.sampled_from(["onset", "offset"])),
            before_frames=data.draw(window),
            after_frames=data.draw(window),
            classes=classes,
            encoding=encoding,
        )
        first = 0 if encoding == "multi_hot" and classes > 1 else 1
        row = st.tuples(
            st.integers(-3, 11), st.integers(-3, 11), st.integers(first, max(classes - 1, first))
        )
        rows = np.array(data.draw(st.lists(row, min_size=1, max_size=6)))[None]
        np.testing.assert_array_equal(targets(rows), expected(targets, rows))

    def test_no_events(self):
        targets = AnchorTargets(frames=5)
        for rows in (np.empty((2, 0, 2)), pad_events([[], []]), np.full((2, 3, 2), np.nan)):
            packed = targets(rows)
            assert packed.shape == (2, 5, 2)
            assert not packed[..., 0].any()
            assert (packed[..., 1] == NO_ANCHOR).all()

    def test_an_event_without_an_anchor_keeps_its_label(self):
        packed = AnchorTargets(frames=5)(np.array([[[1, 3]]]), anchors=np.array([[np.nan]]))
        assert packed[0, :, 0].tolist() == [0, 1, 1, 1, 0]
        assert (packed[..., 1] == NO_ANCHOR).all()

    def test_an_event_that_never_ends(self):
        packed = AnchorTargets(frames=5)(np.array([[[2, np.inf]]]))
        assert packed[0].T.tolist() == [[0, 0, 1, 1, 1], [-2, -1, 0, 1, 2]]
        packed = AnchorTargets(frames=5, anchor="offset")(np.array([[[2, np.inf]]]))
        assert packed[0, :, 0].tolist() == [0, 0, 1, 1, 1]
        assert (packed[..., 1] < -(2**24)).all()

    def test_seconds(self):
        """Frame t answers at 0.03 + t * 0.01 s, the end of its window."""
        targets = AnchorTargets(frames=100, frame_step_s=0.01, frame_offset_s=0.03)
        packed = targets(np.array([[[0.5, 0.7]]]))
        assert np.flatnonzero(packed[0, :, 0]).tolist() == list(range(47, 68))
        assert packed[0, 47, 1] == 0

    def test_seconds_up_to_4_hours(self):
        """Frame k of a 10 ms step is found from k * 0.01 s in float32."""
        frame = np.random.default_rng(0).integers(0, 4 * 360_000, 1000)
        rows = np.stack([frame * 0.01, frame * 0.01 + 1], axis=-1)[:, None]
        packed = AnchorTargets(frames=1, frame_step_s=0.01)(rows)
        assert packed[:, 0, 1].tolist() == (-frame).tolist()

    @pytest.mark.parametrize("dtype", ["int32", "int64", "float32", "float64"])
    def test_exact_up_to_2_to_the_24(self, dtype):
        at = np.array([2**24 - 1, 2**24 - 2, 2**24 - 29, -(2**24) + 30])
        rows = np.stack([at, at + 1], axis=-1)[:, None].astype(dtype)
        targets = AnchorTargets(frames=FRAMES, anchor="onset")
        exact = np.arange(FRAMES) - at[:, None]
        for packed in (targets(rows), targets(ops.convert_to_tensor(rows))):
            np.testing.assert_array_equal(np.asarray(packed)[..., 1], exact)

    def test_a_clip_of_many_frames_and_events(self):
        """10 minutes with 1,000 events, against `searchsorted`."""
        at = np.sort(np.random.default_rng(0).choice(60_000, 1000, replace=False))
        packed = AnchorTargets(frames=60_000)(np.stack([at, at], axis=-1)[None])
        time = np.arange(60_000)
        following = np.searchsorted(at, time).clip(0, 999)
        away = np.minimum(abs(time - at[following]), abs(time - at[(following - 1).clip(0)]))
        np.testing.assert_array_equal(abs(packed[0, :, 1]), away)
        np.testing.assert_array_equal(np.flatnonzero(packed[0, :, 0]), at)


class TestFromLabels:
    def test_by_hand(self):
        labels = np.array([[0, 1, 1, 0, -1, 1, 0]])
        onset = AnchorTargets()(labels)
        assert onset[0].T.tolist() == [[0, 1, 1, 0, -1, 1, 0], [-1, 0, 1, 2, -1, 0, 1]]
        offset = AnchorTargets(anchor="offset", before_frames=0)(labels)
        assert offset[0].T.tolist() == [[0, 0, 1, 0, -1, 1, 0], [-2, -1, 0, 1, -1, 0, 1]]

    @pytest.mark.parametrize("anchor", ["onset", "offset"])
    @pytest.mark.parametrize("windows", [(None, None), (2, 3), (None, 0)])
    @pytest.mark.parametrize(("classes", "encoding"), CLASSES_AND_ENCODINGS)
    def test_equals_the_events_of_its_runs(self, classes, encoding, windows, anchor):
        rng = np.random.default_rng(1)
        shared = dict(
            zip(
                ("anchor", "before_frames", "after_frames", "classes", "encoding"),
                (anchor, *windows, classes, encoding),
                strict=True,
            )
        )
        multi_hot = encoding == "multi_hot" and classes > 1
        for _ in range(7):
            if multi_hot:
                labels = (rng.random((1, FRAMES, classes)) < 0.4).astype("float32")
                columns = dict(enumerate(labels[0].T))
            else:
                ids = np.repeat(rng.integers(0, max(classes, 2), (1, FRAMES)), 3, axis=1)
                ids = ids[:, :FRAMES]
                columns = {c: ids[0] == c for c in range(1, max(classes, 2))}
                one_hot = encoding == "one_hot" and classes > 1
                labels = np.eye(classes)[ids] if one_hot else ids[..., None]
            rows = [
                (first, last, c)
                for c, column in columns.items()
                for first, last in reference.runs(column, 1)
            ]
            wanted = expected(AnchorTargets(FRAMES, **shared), np.array([rows or [(0, -1, 0)]]))
            np.testing.assert_array_equal(AnchorTargets(**shared)(labels), wanted)

    def test_shapes_and_dtypes(self):
        labels = np.array([[0, 1, 0, 1]])
        packed = AnchorTargets()(labels)
        for dtype in ("bool", "uint8", "int64", "float64"):
            np.testing.assert_array_equal(AnchorTargets()(labels.astype(dtype)), packed)
        np.testing.assert_array_equal(AnchorTargets()(labels[..., None]), packed)
        np.testing.assert_array_equal(AnchorTargets()(labels.tolist()), packed)

    def test_given_anchors(self):
        labels = np.array([[0, 1, 1, 0, 0]])
        packed = AnchorTargets()(labels, anchors=np.array([[2, NO_ANCHOR]]))
        assert packed[0].T.tolist() == [[0, 1, 1, 0, 0], [-2, -1, 0, 1, 2]]
        packed = AnchorTargets(after_frames=1)(labels, anchors=np.array([[2.0, np.nan]]))
        assert packed[0].T.tolist() == [[0, 0, 1, 1, 0], [-2, -1, 0, 1, 2]]

    def test_labels_beyond_the_length_are_no_events(self):
        labels = np.array([[0, 1, 1, 1, 1, 0]])
        packed = AnchorTargets(anchor="offset")(labels, lengths=np.array([3]))
        assert packed[0].T.tolist() == [[0, 1, 1, -1, -1, -1], [-2, -1, 0, 1, 2, 3]]


class Pipelines:
    """What layers make of the same arrays in each place where targets are made, by case.

    There are three or four batches, the last one smaller.
    """

    def numpy(self, cases):
        return {case: targets(**arrays) for case, (targets, arrays) in cases.items()}

    def tensors(self, cases):
        return {
            case: ops.convert_to_numpy(
                targets(**{name: ops.convert_to_tensor(x) for name, x in arrays.items()})
            )
            for case, (targets, arrays) in cases.items()
        }

    def model(self, cases):
        shapes = {name: x.shape[1:] for name, x in flat(cases).items()}
        return self._predicted(cases, shapes)

    def model_of_unknown_lengths(self, cases):
        shapes = {name: unknown_lengths(name, x) for name, x in flat(cases).items()}
        return self._predicted(cases, shapes)

    def _predicted(self, cases, shapes):
        inputs = {
            name: keras.Input(shapes[name], dtype=x.dtype.name, name=name)
            for name, x in flat(cases).items()
        }
        model = keras.Model(inputs, made_of(inputs, cases))
        return model.predict(flat(cases), batch_size=thirds(cases), verbose=0)

    def tf_data(self, cases):
        tf = pytest.importorskip("tensorflow")

        clips = tf.data.Dataset.from_tensor_slices(flat(cases)).batch(thirds(cases))
        return self._joined(clips.map(lambda x: made_of(x, cases), num_parallel_calls=2))

    def tf_data_of_unknown_lengths(self, cases):
        tf = pytest.importorskip("tensorflow")

        signature = {
            name: tf.TensorSpec(unknown_lengths(name, x), x.dtype)
            for name, x in flat(cases).items()
        }
        clips = tf.data.Dataset.from_generator(lambda: rows(cases), output_signature=signature)
        return self._joined(clips.padded_batch(3).map(lambda x: made_of(x, cases)))

    def _joined(self, dataset):
        batches = list(dataset.as_numpy_iterator())
        return {case: np.concatenate([batch[case] for batch in batches]) for case in batches[0]}

    def grain(self, cases):
        grain = pytest.importorskip("grain")

        clips = grain.MapDataset.source(list(rows(cases))).batch(3)
        batches = [made_of(clips[i], cases) for i in range(len(clips))]
        return {case: np.concatenate([batch[case] for batch in batches]) for case in cases}

    def py_dataset(self, cases):
        class Clips(keras.utils.PyDataset):
            def __len__(self):
                return 7

            def __getitem__(self, i):
                made = made_of({name: x[i : i + 1] for name, x in flat(cases).items()}, cases)
                return made, made

        inputs = {case: keras.Input(x.shape[1:]) for case, x in self.numpy(cases).items()}
        identity = {case: layers.Identity()(x) for case, x in inputs.items()}
        return keras.Model(inputs, identity).predict(Clips(workers=2), verbose=0)


PLACES = [name for name in vars(Pipelines) if not name.startswith("_")]


def flat(cases):
    """The arrays of all cases, by the names of both."""
    return {
        f"{case}-{name}": x for case, (_, arrays) in cases.items() for name, x in arrays.items()
    }


def thirds(cases):
    """The size of a batch that makes three or four, the last one smaller."""
    clips = len(next(iter(flat(cases).values())))
    return max(3, (clips - 1) // 3)


def rows(cases):
    """The arrays of all cases, clip by clip."""
    arrays = flat(cases)
    for row in zip(*arrays.values(), strict=True):
        yield dict(zip(arrays, row, strict=True))


def made_of(arrays, cases):
    """What the layers make of arrays whose names are those of `flat`."""
    return {
        case: targets(**{name: arrays[f"{case}-{name}"] for name in given})
        for case, (targets, given) in cases.items()
    }


def unknown_lengths(name, array):
    """The shape of a clip whose events, anchors or frames aren't counted."""
    shape = array.shape[1:]
    return (None, *shape[1:]) if shape else shape


def cases():
    """Layers with arrays for them: each source, unit, dtype, encoding and argument."""
    rng = np.random.default_rng(2)
    rows = random_events(rng)
    whole = np.where(np.isnan(rows), [0, -1, 0], rows)
    seconds = rng.uniform(-0.1, 0.4, (7, 5, 1)) + np.array([0, 0.05, 1])
    anchors = rng.uniform(0, 0.3, (7, 5)).astype("float32")
    anchors[:, 3] = np.nan
    lengths = rng.integers(0, FRAMES, 7).astype("int32")
    several = random_events(rng, classes=5).astype("float64")
    labels = (rng.random((7, FRAMES)) < 0.4).astype("int32")
    step = {"frame_step_s": 0.01, "frame_offset_s": 0.03}
    return {
        "int32": (AnchorTargets(FRAMES), {"inputs": whole.astype("int32")[..., :2]}),
        "int64": (AnchorTargets(FRAMES, "offset", 2, 3), {"inputs": whole.astype("int64")}),
        "seconds": (
            AnchorTargets(FRAMES, "offset", **step),
            {"inputs": seconds.astype("float32"), "lengths": lengths},
        ),
        "given": (
            AnchorTargets(FRAMES, before_frames=1, after_frames=4, **step),
            {"inputs": seconds, "anchors": anchors},
        ),
        "sparse": (AnchorTargets(FRAMES, classes=5), {"inputs": several}),
        "one_hot": (AnchorTargets(FRAMES, "offset", 2, 2, 5, "one_hot"), {"inputs": several}),
        "multi_hot": (AnchorTargets(FRAMES, classes=5, encoding="multi_hot"), {"inputs": several}),
        "labels": (AnchorTargets(anchor="offset"), {"inputs": labels, "lengths": lengths}),
        "label_windows": (
            AnchorTargets(before_frames=1, after_frames=2, classes=3, encoding="multi_hot"),
            {"inputs": rng.integers(-1, 2, (7, FRAMES, 3)).astype("float32")},
        ),
    }


class TestSameBitsEverywhere:
    @pytest.mark.parametrize("place", PLACES)
    def test_in_each_pipeline(self, place):
        made = getattr(Pipelines(), place)(cases())
        for name, (targets, arrays) in cases().items():
            assert made[name].dtype == np.float32
            np.testing.assert_array_equal(made[name], targets(**arrays), err_msg=name)

    def test_shape_in_a_model(self):
        for targets, arrays in cases().values():
            inputs = {
                name: keras.Input(x.shape[1:], dtype=x.dtype.name) for name, x in arrays.items()
            }
            assert targets(**inputs).shape == (None, *targets(**arrays).shape[1:])

    @pytest.mark.parametrize("place", ["tensors", "model", "tf_data"])
    def test_times_near_half_a_frame(self, place):
        """Where a last bit decides the frame: times at half frames, and beside them."""
        near = {}
        for step in (0.01, 0.016, 1 / 3):
            half = ((np.arange(2000) + 0.5) * step + 0.03).astype("float32")
            times = [half, np.nextafter(half, 0), np.nextafter(half, np.float32(99))]
            starts = np.concatenate(times)[:, None]
            targets = AnchorTargets(3, frame_step_s=step, frame_offset_s=0.03)
            near[f"{step:.3f}"] = (targets, {"inputs": np.stack([starts, starts + 1], axis=-1)})
        made = getattr(Pipelines(), place)(near)
        for name, (targets, arrays) in near.items():
            np.testing.assert_array_equal(made[name], targets(**arrays), err_msg=name)

    def test_under_a_global_half_precision_policy(self):
        before = keras.config.dtype_policy()
        rows = np.array([[[4097, 4099]]])
        try:
            keras.config.set_dtype_policy("mixed_float16")
            targets = AnchorTargets(frames=3)
            made = targets(ops.convert_to_tensor(rows))
            model = Pipelines().model({"rows": (AnchorTargets(frames=3), {"inputs": rows})})["rows"]
        finally:
            keras.config.set_dtype_policy(before)
        for packed in (np.asarray(made), model, targets(rows)):
            assert packed.dtype == np.float32
            assert packed[0, :, 1].tolist() == [-4097, -4096, -4095]

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_seconds_under_a_half_precision_policy(self, policy):
        """float16 tells 40 s and 40.03 s apart, but no times in between."""
        before = keras.config.dtype_policy()
        seconds = np.array([[[40.01, 40.02]]], "float32")
        try:
            keras.config.set_dtype_policy(policy)
            targets = AnchorTargets(frames=3, frame_step_s=0.01)
            made = targets(ops.convert_to_tensor(seconds))
        finally:
            keras.config.set_dtype_policy(before)
        packed = ops.convert_to_numpy(made)
        assert packed.dtype == np.float32
        assert packed[0, :, 1].tolist() == [-4001, -4000, -3999]


class TestLayer:
    def test_config(self):
        targets = AnchorTargets(
            np.int64(9), "offset", np.int32(1), 2, np.int64(3), "one_hot", 0.01, 0.03, name="mine"
        )
        config = json.loads(json.dumps(targets.get_config()))
        again = AnchorTargets.from_config(config)
        assert again.get_config() == targets.get_config()
        rows = np.array([[[0.05, 0.07, 2]]])
        np.testing.assert_array_equal(again(rows), targets(rows))

    def test_saved_inside_a_model(self, tmp_path):
        rows = random_events(np.random.default_rng(3))[2:]
        inputs = keras.Input((None, 3), name="events")
        model = keras.Model(inputs, AnchorTargets(FRAMES, "offset", 1, 2)(inputs))
        model.save(tmp_path / "targets.keras")
        loaded = keras.saving.load_model(tmp_path / "targets.keras")
        np.testing.assert_array_equal(
            loaded.predict(rows, verbose=0), model.predict(rows, verbose=0)
        )

    def test_feeds_the_loss_inside_tf_data(self):
        """The way most people use it: fit a model on a `tf.data` pipeline that makes targets."""
        tf = pytest.importorskip("tensorflow")
        clips = np.random.default_rng(4).normal(size=(6, FRAMES, 2)).astype("float32")
        rows = np.array([[[3, 9]]] * 6)
        targets = AnchorTargets(FRAMES, "offset", after_frames=3)
        pipeline = tf.data.Dataset.from_tensor_slices((clips, rows)).batch(3)
        pipeline = pipeline.map(lambda x, events: (x, targets(events)))
        model = keras.Sequential([keras.Input((None, 2)), layers.Dense(1, activation="sigmoid")])
        model.compile("sgd", loss=StreamingAnchorLoss())
        assert np.isfinite(model.fit(pipeline, verbose=0).history["loss"]).all()

    def test_unpacks(self):
        labels, distance = unpack(AnchorTargets(4, classes=3, encoding="one_hot")([[[1, 2, 2]]]))
        assert np.asarray(labels).argmax(-1).tolist() == [[0, 2, 2, 0]]
        assert np.asarray(distance).tolist() == [[-1, 0, 1, 2]]


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"anchor": "middle"}, '`anchor` must be "onset" or "offset"; .*\'middle\''),
            ({"before_frames": -1}, "`before_frames` must be None or a whole number.*=-1"),
            ({"after_frames": 1.5}, "`after_frames` must be None or a whole number.*=1.5"),
            ({"classes": 0}, "`classes` must be a whole number >= 1; .*classes=0"),
            ({"encoding": "dense"}, "`encoding` must be one of 'sparse', 'one_hot', 'multi_hot'"),
            ({"frames": 0}, r"`frames` must be None or a whole number of frames in \[1, 2"),
            ({"frames": 2**24}, r"`frames` must be None or a whole number of frames in \[1, 2"),
            ({"frame_step_s": 0}, "`frame_step_s` must be None or seconds > 0; .*=0"),
        ],
    )
    def test_rejects_arguments(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            AnchorTargets(**arguments)

    @pytest.mark.parametrize(
        ("arguments", "inputs", "message"),
        [
            ({"frames": 9}, np.zeros((2, 2)), r"Events must have shape \(batch, events, 2 or 3\)"),
            ({"frames": 9}, np.zeros((2, 9, 1)), r"Received: shape \(2, 9, 1\).*leave out `frame"),
            ({"frames": 9, "classes": 2}, np.zeros((1, 1, 2)), "must have a class column when cla"),
            ({"frames": 9, "classes": 2}, [[[1, 2, 2]]], r"from 1 to 1; .*Received: class \[2"),
            ({"frames": 9, "classes": 2}, [[[1, 2, 0]]], r"from 1 to 1; .*encoding=.multi_hot"),
            ({"frames": 9}, [[[0.5, 1.2]]], r"must be whole frames .*\[0\.5\]\. If these are sec"),
            ({}, np.zeros((3,)), r"Frame labels must have shape \(batch, time\)"),
            ({}, np.zeros((2, 5, 3)), r"Frame labels must have shape \(batch, time\)"),
            ({"classes": 3, "encoding": "one_hot"}, np.zeros((2, 5)), r"\(batch, time, 3\)"),
            ({}, [[0, 2]], r"whole numbers from -1 \(ignore\) to 1 .*label \[2"),
            ({}, [[0, 0.5]], r"whole numbers from -1 \(ignore\) to 1 .*label \[0.5"),
            ({"classes": 3}, [[0, 3]], r"whole numbers from -1 \(ignore\) to 2 .*label \[3"),
        ],
    )
    def test_rejects_inputs(self, arguments, inputs, message):
        with pytest.raises(ValueError, match=message):
            AnchorTargets(**arguments)(np.array(inputs))

    @pytest.mark.parametrize("shape", [(2, 3), (2,), (1, 4)])
    def test_rejects_anchors_that_are_not_one_per_row(self, shape):
        with pytest.raises(ValueError, match=r"`anchors` must have shape \(batch, events\), one"):
            AnchorTargets(9)(np.zeros((2, 4, 2)), anchors=np.zeros(shape))

    def test_rejects_windows_around_anchors_of_unknown_class(self):
        targets = AnchorTargets(classes=3, before_frames=1)
        with pytest.raises(ValueError, match="`anchors` must be None with frame labels of several"):
            targets(np.array([[0, 1, 2]]), anchors=np.array([[1]]))

    @pytest.mark.parametrize(
        "rows", [[(200, 600)], [(1200, 1900), (350, 800)], [(1200.5, 1900.25), (350.1, 800)]]
    )
    def test_rejects_milliseconds(self, rows):
        targets = AnchorTargets(300, frame_step_s=0.01)
        with pytest.raises(ValueError, match=r"must be in seconds; .*Did you give milliseconds\?"):
            targets(np.array([rows]))

    @pytest.mark.parametrize(
        "rows", [[(5.3, 7.1)], [(4.0, 9.0)], [(60.0, 65.0)], [(0, 600)], [(-600, -200)], []]
    )
    def test_accepts_events_beyond_the_clip(self, rows):
        """A crop of a longer recording, whose events come later, came before or go on."""
        events = np.array(rows, "float64").reshape(1, -1, 2)
        AnchorTargets(300, frame_step_s=0.01)(events, cropped=True)

    @pytest.mark.parametrize(
        ("rows", "step_s", "said"),
        [
            ([[(500, 510)]], None, "1 of 1 events .* the 10 frames .* from 500 to 510 frames"),
            ([[(2, 4), (10, 12)], [(0, -1), (-9, -1)]], None, "2 of 3 events .* from 10 to 12"),
            ([[(0.02, 0.05), (0.2, 0.3)]], 0.01, "1 of 2 events .* from 0.2 to 0.3 seconds"),
        ],
    )
    def test_warns_of_events_outside_the_clip_once(self, rows, step_s, said):
        targets = AnchorTargets(frames=10, frame_step_s=step_s)
        with pytest.warns(UserWarning, match=f"{said}.*`cropped=True`") as warned:
            expected = targets(np.array(rows))
        assert warned[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_array_equal(targets(np.array(rows)), expected)
            again = AnchorTargets(frames=10, frame_step_s=step_s)
            np.testing.assert_array_equal(again(np.array(rows), cropped=True), expected)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("rows", [[(9, 12)], [(0, 0)], [(0, -1)], [(np.nan, 3)]])
    def test_does_not_warn_of_events_with_their_anchor_in_the_clip(self, rows):
        AnchorTargets(frames=10)(np.array([rows]))

    @pytest.mark.filterwarnings("error")
    def test_does_not_warn_of_an_event_as_long_as_the_clip(self):
        for anchor in ("onset", "offset"):
            targets = AnchorTargets(10, anchor, frame_step_s=0.1, frame_offset_s=0.3)
            targets(np.array([[(0.0, 1.0)]]))

    @pytest.mark.parametrize(
        ("anchor", "row", "step_s"),
        [
            ("offset", (9, 12), None),
            ("offset", (0.9, 1.5), 0.1),
            ("onset", (-3, 0), None),
            ("offset", (0.3, np.inf), 0.1),
        ],
    )
    def test_warns_of_anchors_outside_the_clip_once(self, anchor, row, step_s):
        targets, rows = AnchorTargets(10, anchor, frame_step_s=step_s), np.array([[row]])
        said = f"1 of 1 events have their anchor, the {anchor}, outside the 10 frames"
        with pytest.warns(UserWarning, match=said) as warned:
            targets(rows)
        assert warned[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            targets(rows)
            AnchorTargets(10, anchor, frame_step_s=step_s)(rows, cropped=True)
            AnchorTargets(10, anchor, frame_step_s=step_s)(rows, anchors=rows[..., 0])

    @pytest.mark.parametrize("cropped", [False, True])
    def test_warns_of_swapped_columns_once(self, cropped):
        targets = AnchorTargets(frames=10, frame_step_s=0.1)
        rows = np.array([[(0.5, 0.3), (0.0, -1.0)]])
        with pytest.warns(UserWarning, match="1 rows .* from 0.5 to 0.3.* swapped") as warned:
            targets(rows, cropped=cropped)
        assert warned[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            targets(rows, cropped=cropped)

    @pytest.mark.parametrize("step", [10, 25.0, 1000])
    @pytest.mark.parametrize("rows", [[(0.4, 0.9)], [(1.2, 1.9), (2.5, 3.0)]])
    def test_rejects_a_frame_step_in_milliseconds(self, step, rows):
        targets = AnchorTargets(300, frame_step_s=step)
        with pytest.raises(ValueError, match=r"`frame_step_s` must be in seconds; .*milliseconds"):
            targets(np.array([rows]))

    @pytest.mark.parametrize("rows", [[(70.0, 400.0)], [(130.0, 145.0)], [(300.0, 300.0)], []])
    def test_accepts_slow_sensors(self, rows):
        AnchorTargets(60, frame_step_s=60.0)(np.array(rows, "float64").reshape(1, -1, 2))

    def test_warns_of_seconds_read_as_frames(self):
        rows = np.array([[[1, 2]], [[2, 3]], [[0, 1]]])
        with pytest.warns(UserWarning, match="end within the first 3 of 400 frames. Did you give"):
            AnchorTargets(400)(rows)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("rows", [[[1, 2]], [[1, 2], [2, 3], [90, 350]], [[0, 0]] * 5])
    def test_does_not_warn_of_frames(self, rows):
        AnchorTargets(400)(np.array([rows]))

    @pytest.mark.parametrize("dtype", ["int64", "uint64", "uint32", "uint8", "int16", "float64"])
    def test_frames_of_any_dtype(self, dtype):
        expected = AnchorTargets(frames=10)(np.array([[[3, 5]]], "int32"))
        given = AnchorTargets(frames=10)(np.array([[[3, 5]]], dtype))
        np.testing.assert_array_equal(given, expected)

    @pytest.mark.filterwarnings("ignore:All 3 events")
    @pytest.mark.parametrize(
        ("first", "dtype"), [(2**32 + 3, "int64"), (2**32 + 3, "uint64"), (2**31 + 3, "uint32")]
    )
    def test_frames_beyond_32_bits_do_not_wrap_around(self, first, dtype):
        """They are as far away as any event that no frame is near to."""
        rows = np.array([[[first, first + 2]]], dtype)
        for targets in (AnchorTargets(frames=10), AnchorTargets(frames=10, before_frames=2)):
            packed = targets(rows, cropped=True)
            assert not packed[..., 0].any()
            assert (abs(packed[..., 1]) > 2**20).all()

    def test_lengths_beyond_32_bits_do_not_wrap_around(self):
        packed = AnchorTargets(frames=4)(np.array([[[1, 2]]]), lengths=np.array([2**32 + 1]))
        assert (packed[..., 0] >= 0).all()

    @pytest.mark.parametrize("events", [[[(1, 2)], [(3, 4), (5, 6)]], [[], [(1, 2)]]])
    def test_rejects_ragged_event_lists(self, events):
        with pytest.raises(ValueError, match=r"same number of rows .*keras_sal\.pad_events"):
            AnchorTargets(frames=10)(events)

    def test_rejects_ragged_frame_labels(self):
        with pytest.raises(ValueError, match="same number of rows"):
            AnchorTargets()([[0, 1, 1], [0, 1]])


class TestPadEvents:
    def test_by_hand(self):
        padded = pad_events([[(1, 2, 3)], [], [(4, 5, 6), (7, 8, 9)]])
        padding = [0, -1, 0]
        assert padded.tolist() == [
            [[1, 2, 3], padding],
            [padding, padding],
            [[4, 5, 6], [7, 8, 9]],
        ]
        assert padded.dtype == np.float32

    def test_no_clip_has_events(self):
        assert pad_events([[], []]).shape == (2, 1, 2)
        assert pad_events([np.empty((0, 3)), []]).shape == (2, 1, 3)
        assert pad_events([np.empty((0, 3)), [(1, 2)]]).shape == (2, 1, 2)

    @pytest.mark.parametrize("encoding", ["sparse", "one_hot", "multi_hot"])
    def test_no_clip_of_several_classes_has_events(self, encoding):
        targets = AnchorTargets(4, classes=3, encoding=encoding)
        packed = targets(pad_events([np.empty((0, 3))] * 2))
        background = [1, 0, 0] if encoding == "one_hot" else [0] * (packed.shape[-1] - 1)
        assert (packed == [*background, NO_ANCHOR]).all()

    def test_padding_is_no_event(self):
        for rows, classes in itertools.product(([[(1, 2)], []], [[(1, 2, 1)], []]), (1,)):
            packed = AnchorTargets(4, classes=classes)(pad_events(rows))
            assert packed[0, :, 0].tolist() == [0, 1, 1, 0]
            assert packed[1, :, 1].tolist() == [NO_ANCHOR] * 4

    @pytest.mark.parametrize("events", [[[(1, 2)], [(1, 2, 3)]], [[(1,)]], [[1, 2]]])
    def test_rejects_rows(self, events):
        with pytest.raises(ValueError, match="`events` must have the same rows in all clips"):
            pad_events(events)
