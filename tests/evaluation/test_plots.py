"""Plots into axes of matplotlib: what they show, and what they ask for."""

import numpy as np
import pytest

from keras_sal.detection import det_curve
from keras_sal.evaluation import plot_det, plot_posteriors

pytestmark = pytest.mark.any_backend

pytest.importorskip("matplotlib", reason="no matplotlib: the report extra is not installed")

STEP_S = 1.0


@pytest.fixture
def axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


def curve(recordings=6, **changes):
    """An event is hit at 0.9, one at 0.4; a false alarm has 0.6. Each recording is an hour."""
    posterior = np.zeros((recordings, 3600))
    posterior[:, [1001, 2000, 3000]] = [0.9, 0.4, 0.6]
    anchors_s = [[1000.0, 2000.0]] * recordings
    return det_curve(list(posterior), anchors_s, frame_step_s=STEP_S, **changes)


def test_det_line_is_the_step_function(axes):
    """Half is missed without a false alarm; nothing from one an hour on."""
    drawn = curve()
    assert plot_det(drawn, ax=axes) is axes
    [line] = axes.lines
    x, y = line.get_data()
    rates = np.array([0.1, 0.99, 1.01, 50.0])
    at = np.searchsorted(x, rates, side="right") - 1
    assert y[at].tolist() == drawn.frr_over(rates).tolist() == [0.5, 0.5, 0.0, 0.0]
    assert (line.get_drawstyle(), axes.get_xscale()) == ("steps-post", "log")
    assert axes.get_legend() is None
    assert axes.get_xlim()[0] < 1 / drawn.hours


def test_det_curves_have_names_dashes_and_a_budget(axes):
    plot_det({"ours": curve(), "theirs": curve(max_fa_per_hour=np.inf)}, fa_per_hour=2, ax=axes)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["ours", "theirs"]
    ours, theirs, budget = axes.lines
    assert ours.get_linestyle() != theirs.get_linestyle()
    assert list(budget.get_xdata()) == [2, 2]


def test_det_bands_are_bootstrapped(axes):
    from matplotlib.colors import to_rgb

    plot_det({"ours": curve()}, replicates=20, ax=axes)
    [band] = axes.collections
    assert band.get_facecolor()[0][:3].tolist() == pytest.approx(to_rgb(axes.lines[0].get_color()))


@pytest.mark.parametrize("curves", [{}, {"a": "none"}], ids=["none", "no events"])
def test_rejects_curves_without_events(curves, axes):
    if curves:
        curves = {"a": det_curve([np.zeros(60)], [[]], frame_step_s=STEP_S)}
    with pytest.raises(ValueError, match="`curves` must hold at least one curve, each with events"):
        plot_det(curves, ax=axes)


def test_posteriors_show_scores_anchors_windows_and_detections(axes):
    posterior = np.zeros((300, 1))
    posterior[105:130] = 0.9
    plot_posteriors(
        posterior,
        anchors_s=[1.0, 2.0],
        threshold=0.5,
        frame_step_s=0.01,
        frame_offset_s=0.03,
        early_s=0.2,
        max_delay_s=0.4,
        end_s=2.5,
        ax=axes,
    )
    score, threshold, detection, *anchors = axes.lines
    assert score.get_ydata().tolist() == posterior[:, 0].tolist()
    assert score.get_xdata()[:2].tolist() == pytest.approx([0.03, 0.04])
    assert list(threshold.get_ydata()) == [0.5, 0.5]
    assert list(detection.get_xdata()) == pytest.approx([1.08])
    assert [line.get_xdata()[0] for line in anchors] == [1.0, 2.0]
    windows = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]
    assert windows == [pytest.approx((0.8, 1.4)), pytest.approx((1.8, 2.4))]
    assert axes.get_xlim() == (0.0, 2.5)


def test_posteriors_of_systems_have_thresholds_of_their_own(axes):
    posteriors = {"a": np.full(50, 0.2), "b": np.full(50, 0.6)}
    plot_posteriors(posteriors, threshold={"b": 0.5}, frame_step_s=0.1, ax=axes)
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["a", "b"]
    [detections] = [line for line in axes.lines if line.get_marker() == "o"]
    assert detections.get_color() == axes.lines[1].get_color()


def test_rejects_several_classes(axes):
    with pytest.raises(ValueError, match=r"one class in one stream.*\(50, 2\) of 'a'"):
        plot_posteriors({"a": np.zeros((50, 2))}, frame_step_s=0.1, ax=axes)


@pytest.mark.parametrize("curves", [None, "x", [1], {"a": np.zeros(3)}])
def test_rejects_what_are_no_curves(curves, axes):
    with pytest.raises(ValueError, match="`curves` must be a `DetCurve`, or a dict of them"):
        plot_det(curves, ax=axes)


def test_rejects_a_negative_budget(axes):
    with pytest.raises(ValueError, match="`fa_per_hour` must be greater than 0"):
        plot_det(curve(), fa_per_hour=-1, ax=axes)


def test_axes_must_be_axes():
    with pytest.raises(ValueError, match=r"`ax` must be axes of matplotlib.*type int"):
        plot_det(curve(), ax=1)


def test_missing_matplotlib_is_asked_for(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"draw a plot.*pip install .*\[report\]"):
        plot_det(curve())
