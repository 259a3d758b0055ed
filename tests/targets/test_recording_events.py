"""Events of recordings from a table, and long recordings cut into clips."""

import numpy as np
import pytest

from keras_sal import AnchorTargets
from keras_sal.targets import clips, events_from_dataframe

pytestmark = pytest.mark.any_backend

TABLE = {
    "recording": ["ben", "ann", "ann", "eve", "ann"],
    "label": ["shake", "shake", "turn", "shake", "walk"],
    "onset_s": [1.0, 4.0, 2.0, 0.5, 0.0],
    "offset_s": [2.0, 4.5, 2.5, 0.75, 9.0],
}
NAMES = ["ann", "ben", "zoe"]


def rows(events):
    return [each.tolist() for each in events.lists]


class TestEventsFromDataframe:
    def test_order_of_recordings_and_of_time(self):
        events = events_from_dataframe(TABLE, NAMES, labels=["turn", "shake"])
        assert rows(events) == [[[2.0, 2.5, 1.0], [4.0, 4.5, 2.0]], [[1.0, 2.0, 2.0]], []]

    def test_classes_without_a_background(self):
        events = events_from_dataframe(TABLE, NAMES, labels=["turn", "shake"], background=False)
        assert [row[2] for each in rows(events) for row in each] == [0.0, 1.0, 1.0]
        assert [each.tolist() for each in events.anchors_s(label="shake")] == [[4.5], [2.0], []]

    def test_all_labels_are_one_class_by_default(self):
        events = events_from_dataframe(TABLE)
        assert events.recordings == ("ben", "ann", "eve")
        assert events.labels == ("event",)
        assert [len(each) for each in events.lists] == [1, 3, 1]

    def test_recordings_may_have_numbers_for_names(self):
        table = {"recording": np.array([7, 8]), "onset_s": [0.5, 1.0], "offset_s": [1.0, 2.0]}
        events = events_from_dataframe(table, np.unique(table["recording"]))
        assert [each.tolist() for each in events.anchors_s()] == [[1.0], [2.0]]

    def test_anchors(self):
        events = events_from_dataframe(TABLE, NAMES)
        assert [each.tolist() for each in events.anchors_s()] == [[2.5, 4.5, 9.0], [2.0], []]
        assert events.anchors_s("onset")[0].tolist() == [0.0, 2.0, 4.0]
        with pytest.raises(ValueError, match=r"`anchor` must be .*anchor='end'"):
            events.anchors_s("end")
        with pytest.raises(ValueError, match=r"`label` must be one of \['event'\]"):
            events.anchors_s(label="shake")

    def test_targets_of_padded_events(self):
        events = events_from_dataframe(TABLE, NAMES, labels=["shake"])
        targets = AnchorTargets(frames=100, frame_step_s=0.05, anchor="offset")(events.padded)
        assert [np.flatnonzero(each[:, 1] == 0).tolist() for each in targets] == [[90], [40], []]

    def test_durations_and_other_names_of_columns(self):
        table = {"file": TABLE["recording"], "start": TABLE["onset_s"], "long": [0.5] * 5}
        columns = {"recording": "file", "onset_s": "start", "duration_s": "long"}
        events = events_from_dataframe(table, NAMES, columns=columns)
        assert rows(events)[1] == [[1.0, 1.5, 1.0]]

    def test_dataframe_of_pandas(self):
        pandas = pytest.importorskip("pandas", reason="no pandas: it is optional")
        table = pandas.DataFrame(TABLE)
        expected = rows(events_from_dataframe(TABLE, NAMES, labels=["shake"]))
        assert rows(events_from_dataframe(table, NAMES, labels=["shake"])) == expected
        chosen = table[table["label"] == "shake"]  # its index has gaps
        assert rows(events_from_dataframe(chosen, NAMES)) == expected

    @pytest.mark.parametrize(
        ("changes", "arguments", "message"),
        [
            ({"onset_s": None}, {}, r"must have the columns.*not there: \['onset_s'\]"),
            ({"offset_s": None}, {}, "not there: offset_s, duration_s"),
            ({}, {"columns": {"file": "recording"}}, r"`columns` must be a dict.*\['file'\]"),
            ({}, {"columns": {"label": "kind"}}, r"not there: \['kind'\]"),
            ({"onset_s": [1, 2, 3, 4, "9:30"]}, {}, "'onset_s' must hold numbers.*'9:30'"),
            ({"onset_s": [None] * 5}, {}, "onset nan, offset 2 in row 0"),
            ({"offset_s": [0.0] * 5}, {}, "onset 1, offset 0 in row 0"),
            ({}, {"recordings": ["ann", "ann"]}, "`recordings` must hold .* none twice"),
            ({}, {"labels": []}, "`labels` must hold at least one name"),
            ({}, {"recordings": ["Ann"]}, r"no row has one of each.*\['Ann'\].*'ben', 'ann'"),
            ({}, {"labels": ["Shake"]}, r"no row has one of these.*\['Shake'\].*'shake'"),
            ({}, {"labels": ["shake", "typo"]}, r"no row has one of these.*\['typo'\]"),
            ({}, {"labels": "shake"}, "`labels` must be a list of names.*'shake'"),
            ({}, {"recordings": "ann"}, "`recordings` must be a list of names.*'ann'"),
            ({"label": None}, {"labels": ["shake"]}, "without the column 'label'"),
            ({"onset_s": [1.0, 2.0]}, {}, "must be equally long.*'onset_s': 2"),
        ],
    )
    def test_rejects_what_does_not_fit(self, changes, arguments, message):
        table = {name: each for name, each in (TABLE | changes).items() if each is not None}
        with pytest.raises(ValueError, match=message):
            events_from_dataframe(table, **arguments)

    @pytest.mark.parametrize("table", [None, "events.csv"])
    def test_rejects_what_is_no_table(self, table):
        with pytest.raises(ValueError, match="must be a data frame, or a dict of columns"):
            events_from_dataframe(table)

    def test_a_table_without_rows_has_no_events(self):
        empty = {name: [] for name in TABLE}
        assert rows(events_from_dataframe(empty, NAMES)) == [[], [], []]


class TestWindows:
    @staticmethod
    def cut(times, frames, overlap=0, events=((3, 5),)):
        """Recordings whose features are 100 * recording + frame."""
        recordings = [100.0 * i + np.arange(time)[:, None] for i, time in enumerate(times)]
        targets = AnchorTargets(frames=max(times), anchor="offset")(
            np.tile(np.array([events]), (len(times), 1, 1)), lengths=np.array(times)
        )
        return (*clips.windows(recordings, targets, frames, overlap), targets)

    def test_every_clip_is_the_crop_of_its_recording(self):
        x, y, targets = self.cut([10, 7], frames=4, overlap=1)
        assert x[:, 0, 0].tolist() == [0, 3, 6, 100, 103]
        for clip, packed in zip(x, y, strict=True):
            recording, first = divmod(int(clip[0, 0]), 100)
            assert clip[:, 0].tolist() == [100 * recording + first + t for t in range(4)]
            np.testing.assert_array_equal(packed, targets[recording, first : first + 4])

    def test_an_event_across_an_edge_keeps_its_anchor(self):
        _, y, _ = self.cut([8], frames=4)
        assert y[0].tolist() == [[0, -5], [0, -4], [0, -3], [1, -2]]
        assert y[1].tolist() == [[1, -1], [1, 0], [0, 1], [0, 2]]

    def test_the_last_clip_ends_with_the_recording(self):
        x, _, _ = self.cut([9], frames=4)
        assert x[:, 0, 0].tolist() == [0, 4, 5]

    def test_an_overlap_as_long_as_an_event_keeps_it_whole(self):
        _, y, _ = self.cut([40], frames=8, overlap=3, events=((3, 5), (14, 16), (33, 35)))
        whole = [(packed[:, 0] == 1).sum() for packed in y]
        assert sum(each == 3 for each in whole) >= 3

    def test_short_recordings_are_padded_with_unknown_frames(self):
        x, y, _ = self.cut([6, 3], frames=6)
        assert x[1, :, 0].tolist() == [100, 101, 102, 0, 0, 0]
        assert y[1, :, 0].tolist() == [0, 0, 0, -1, -1, -1]

    def test_several_features(self):
        recordings = [{"fast": np.zeros((9, 2)), "slow": np.ones((9, 1))}]
        x, y = clips.windows(recordings, [np.zeros((9, 2))], 3)
        assert (x["fast"].shape, x["slow"].shape, y.shape) == ((3, 3, 2), (3, 3, 1), (3, 3, 2))

    @pytest.mark.parametrize(("frames", "overlap"), [(0, 0), (4, 4), (4, -1), (2.5, 0)])
    def test_rejects_windows_that_do_not_move_on(self, frames, overlap):
        with pytest.raises(ValueError, match=r"`frames` must be .*0 to frames - 1"):
            self.cut([9], frames, overlap)

    def test_rejects_other_numbers_of_targets(self):
        with pytest.raises(ValueError, match="2 recordings, 1 targets"):
            clips.windows([np.zeros((9, 1))] * 2, [np.zeros((9, 2))], 3)

    @pytest.mark.parametrize(
        ("features", "channels", "shapes"),
        [((3, 4), (2, 2), r"\(\(3,\), \(2,\)\)"), ((3, 3), (2, 5), r"\(5,\)")],
    )
    def test_rejects_frames_of_different_shapes(self, features, channels, shapes):
        recordings = [np.zeros((9, width)) for width in features]
        targets = [np.zeros((9, width)) for width in channels]
        with pytest.raises(ValueError, match=f"frames of the same shape .*{shapes}.* recording 1"):
            clips.windows(recordings, targets, 3)
