"""Figures of answers made by hand, and what is kept of them."""

import json
import math
import re

import numpy as np
import pytest
from made_answers import TIMES, made_answers, posterior, track

from keras_sal import evaluation
from keras_sal.data import Recording, Stream
from keras_sal.data.streams import Clip
from keras_sal.detection import Scoring, binomial_interval, operating_point, poisson_interval
from keras_sal.evaluation import comparison
from keras_sal.evaluation.outcomes import outcomes, read_words, said_at, times_said
from keras_sal.evaluation.predictions import Answers, collect, unused_name
from keras_sal.evaluation.protocol import Judge
from keras_sal.evaluation.results import evaluate
from keras_sal.files import json_ready, write_json

BUDGET = 30.0  # two false alarms in the 255 s of a track that are outside its 30 windows of 1.5 s
JUDGE = Judge(BUDGET, replicates=50)


@pytest.fixture(scope="module")
def results():
    return evaluate(made_answers(), JUDGE, provenance={"command": "by hand"})


def system(results, name):
    return next(each for each in results["systems"] if each["name"] == name)


# --- figures


def test_points_by_hand(results):
    """30 words; `good` misses 1, at 0.1 s; `poor` misses 3, at 0.3 s, and has one false alarm."""
    good = system(results, "good")["conditions"]["clean"]["at_budget"]
    poor = system(results, "poor")["conditions"]["clean"]["at_budget"]
    assert (good["misses"], good["events"], good["false_alarms"]) == (1, 30, 0)
    assert (poor["misses"], poor["events"], poor["false_alarms"]) == (3, 30, 1)
    assert good["latency_p50_s"] == pytest.approx(0.1, abs=0.005)
    assert poor["latency_p90_s"] == pytest.approx(0.3, abs=0.005)
    assert poor["hours"] == pytest.approx((300 - 30 * 1.51) / 3600)
    assert poor["intervals"]["frr"]["exact"] == binomial_interval(3, 30)[1:]
    assert poor["intervals"]["fa_per_hour"]["exact"] == poisson_interval(1, poor["hours"])[1:]
    low, high = poor["intervals"]["frr"]["recordings"]
    assert low < 0.1 < high


def test_threshold_is_of_dev_and_scores_test(results):
    """One false alarm fits the budget, so `poor` fires at the scores of its words."""
    for name, answers in (("good", 0), ("poor", 1)):
        found = system(results, name)
        threshold = found["threshold"]["threshold"]
        assert found["threshold"]["data"] == "dev: clean"
        assert threshold == pytest.approx((0.9, 0.7)[answers], abs=1e-6)
        data = made_answers()
        point = operating_point(
            data.of(name, "test", "10 dB"),
            [each.anchors_s for each in data.tracks("test", "10 dB")],
            threshold,
            **TIMES,
        )
        kept = found["conditions"]["10 dB"]["at_threshold"]
        assert {key: kept[key] for key in vars(point)} == pytest.approx(vars(point))


def test_mistakes_are_named(results):
    poor = system(results, "poor")["conditions"]["clean"]
    [alarm] = poor["false_alarms"]
    assert alarm["said"] == "alexa"
    assert alarm["file"] == "alexa/test-clean-1.flac"
    assert alarm["time_s"] == pytest.approx(7.0, abs=0.006)
    assert poor["triggered_by"] == [{"said": "alexa", "false_alarms": 1, "times_said": 10}]
    anchors = made_answers().tracks("test", "clean")[0].anchors_s
    assert [miss["anchor_s"] for miss in poor["misses"]] == [anchors[event] for event in (4, 5, 6)]
    assert all(miss["score"] == pytest.approx(0.01) for miss in poor["misses"])


def test_band_holds_its_curve(results):
    for each in results["systems"]:
        band = each["conditions"]["clean"]["band"]
        low, frr, high = (np.array(band[name]) for name in ("low", "frr", "high"))
        assert np.all(low <= frr)
        assert np.all(frr <= high)
        assert BUDGET in band["fa_per_hour"]
        assert np.all(np.diff(frr) <= 0)


def test_corners_of_the_curve_are_enough_to_draw_it():
    """The fewest misses within each budget, from the corners and from the whole curve."""
    streams, rng = made_answers().parts, np.random.default_rng(0)
    noise = [[rng.beta(1, 20, 30_000).astype("float32")] for _ in streams]
    for [p], part in zip(noise, streams, strict=True):
        for anchor_s in part.tracks[0].anchors_s:
            p[round(100 * anchor_s) :][:20] += rng.uniform(0, 0.4)
    answers = Answers("computer", streams, {"noise": noise}, {"noise": TIMES})
    results = evaluate(answers, Judge(30.0, replicates=5))
    det = results["systems"][0]["conditions"]["clean"]["det"]
    det = {name: np.array(values) for name, values in det.items()}
    curve = answers.curve("noise", "test", "clean", max_fa_per_hour=600.0)
    assert 10 < len(det["frr"]) < len(curve.frr)
    assert det["threshold"][0] == np.inf
    assert np.all(np.diff(det["threshold"]) < 0)
    budgets = np.geomspace(1, 600, 50)
    fewest = [det["frr"][det["fa_per_hour"] <= budget].min() for budget in budgets]
    np.testing.assert_array_equal(fewest, curve.frr_over(budgets))


def test_difference_by_hand(results):
    rows = {(row["condition"], row["figure"]): row for row in results["differences"]}
    frr = rows["clean", "frr_at_budget"]
    assert (frr["system"], frr["reference"]) == ("poor", "good")
    assert frr["estimate"] == pytest.approx(2 / 30)
    assert frr["recordings"][0] <= 2 / 30 <= frr["recordings"][1]
    late = rows["10 dB", "latency_p50_s_at_threshold"]
    assert late["estimate"] == pytest.approx(0.2, abs=0.011)
    assert {figure for _, figure in rows} == set(comparison.DIFFERENCES)


def test_parity_by_hand(results):
    row = next(row for row in results["parity"] if row["condition"] == "clean")
    assert (row["both_hit"], row["only_system"], row["only_reference"], row["neither"]) == (
        *(27, 0, 2),
        1,
    )
    assert row["frames"] == 30000
    assert row["largest"] == pytest.approx(0.89)  # where one has 0.9 and the other 0.01


def test_a_system_is_no_different_from_itself():
    answers = made_answers()
    twice = Answers(
        answers.word,
        answers.parts,
        {"a": answers.posteriors["good"], "b": answers.posteriors["good"]},
        {"a": TIMES, "b": TIMES},
    )
    results = evaluate(twice, JUDGE)
    for row in results["differences"]:
        assert (row["estimate"], row["recordings"], row["speakers"]) == (0, [0, 0], [0, 0])
    assert all(row["largest"] == 0 for row in results["parity"])


def test_a_detector_that_never_fires_has_no_threshold():
    answers = made_answers()
    deaf = [[np.zeros_like(p) for p in part] for part in answers.posteriors["good"]]
    answers = Answers(answers.word, answers.parts, {"deaf": deaf}, {"deaf": TIMES})
    results = evaluate(answers, Judge(15.0, replicates=10))
    [found] = results["systems"]
    assert found["threshold"]["threshold"] is None
    assert "must leave room for a detector that hits something" in found["threshold"]["rule"]
    assert found["conditions"]["clean"]["at_threshold"] is None
    assert found["conditions"]["clean"]["misses"] == []
    assert any("can't support 15 false alarms an hour" in text for text in results["warnings"])


def test_what_a_detector_ships_with_is_kept():
    given = {"scoring": {"smooth_frames": 2}, "threshold": {"threshold": 0.6, "rule": "shipped"}}
    results = evaluate(made_answers(), JUDGE, given={"poor": given}, about={"poor": {"bytes": 7}})
    poor = system(results, "poor")
    assert poor["threshold"] == {"threshold": 0.6, "rule": "shipped"}
    assert poor["scoring"]["smooth_frames"] == 2
    assert poor["bytes"] == 7
    assert poor["conditions"]["clean"]["at_threshold"]["threshold"] == 0.6
    assert system(results, "good")["scoring"]["smooth_frames"] == 1


def test_a_threshold_below_the_curve_is_scored_all_the_same():
    given = {"threshold": {"threshold": 0.005, "rule": "shipped"}}  # always on
    results = evaluate(made_answers(), Judge(1.0, replicates=10), given={"good": given})
    point = system(results, "good")["conditions"]["clean"]["at_threshold"]
    assert point["fa_per_hour"] > 1000
    low, high = point["intervals"]["fa_per_hour"]["recordings"]
    assert low <= point["fa_per_hour"] <= high


def test_equal_error_rate_by_hand(results):
    """`good` misses 1 of 30 without a false alarm, and no lower threshold hits the last word
    before most of the 254.7 s outside the windows hold an alarm."""
    found = system(results, "good")["conditions"]["clean"]
    assert found["eer"] == pytest.approx(1 / 30)


def test_tuned_trigger_is_chosen_on_dev():
    """Clicks of one frame at 0.95: without a trigger that wants more, the budget costs words."""
    streams = made_answers().parts
    clicks = []
    for part in streams:
        p = posterior(part.tracks[0], heard=0.8)
        p[130::500] = 0.95
        clicks.append([p])
    answers = Answers("computer", streams, {"clicks": clicks}, {"clicks": TIMES})
    plain = evaluate(answers, JUDGE)["systems"][0]["conditions"]["clean"]["at_budget"]
    tuned = evaluate(answers, Judge(BUDGET, tuned=True, replicates=10))["systems"][0]
    assert plain["frr"] == 1
    assert tuned["conditions"]["clean"]["at_budget"]["frr"] == 0
    assert max(tuned["scoring"]["smooth_frames"], tuned["scoring"]["on_frames"]) > 1


def test_rejects_a_budget_of_nothing():
    with pytest.raises(ValueError, match="`fa_per_hour` must be a positive number"):
        Judge(0.0)


# --- the schema


def test_results_are_json_as_documented(results, tmp_path):
    write_json(tmp_path / "results.json", results)
    kept = json.loads((tmp_path / "results.json").read_text())
    assert kept == json.loads(json.dumps(json_ready(results)))
    assert kept["format"] == evaluation.FORMAT == 1

    def names(value):
        if isinstance(value, dict):
            for key, item in value.items():
                yield key
                yield from names(item)
        elif isinstance(value, list):
            for item in value[:3]:
                yield from names(item)

    documented = set(re.findall(r"\w+", evaluation.__doc__))
    elsewhere = {"clean", "10", "dB", "10 dB"} | set(vars(Scoring(frame_step_s=1.0)))
    elsewhere |= set(results["systems"][0]["threshold"])  # `threshold_record`
    elsewhere |= set(vars(operating_point([np.zeros(9)], [[]], 0.5, frame_step_s=1.0)))
    assert set(names(kept)) - elsewhere <= documented


# --- what is kept


def test_answers_come_back_as_they_were(tmp_path):
    answers = made_answers()
    answers.save(tmp_path / "posteriors.npz")
    for path in (tmp_path, tmp_path / "posteriors.npz"):
        kept = Answers.load(path)
        assert (kept.word, kept.parts, kept.times) == ("computer", answers.parts, answers.times)
        for name in ("good", "poor"):
            np.testing.assert_array_equal(
                kept.of(name, "test", "10 dB")[0], answers.of(name, "test", "10 dB")[0]
            )


def test_rejects_what_is_no_file_of_answers(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"written by `keras-sal evaluate`.*posteriors.npz"):
        Answers.load(tmp_path)
    path = tmp_path / "posteriors.npz"
    path.write_bytes(b"not a zip")
    with pytest.raises(ValueError, match=r"must be answers kept by this version.*Evaluate again"):
        Answers.load(path)
    np.savez(path, index=np.array(json.dumps({"format": 99})))
    with pytest.raises(ValueError, match="its format is 99, not 1"):
        Answers.load(path)


def test_joined_answers_tell_their_systems_apart():
    both = made_answers().joined(made_answers())
    assert both.systems == ["good", "poor", "good (2)", "poor (2)"]
    assert unused_name("a", {"a", "a (2)"}) == "a (3)"


def test_rejects_joining_answers_to_other_streams():
    answers = made_answers()
    other = Answers("computer", answers.parts[:2], {}, {})
    with pytest.raises(ValueError, match=r"must be answers to the same streams.*test 10 dB"):
        answers.joined(other)


def test_rejects_parts_that_were_not_heard():
    with pytest.raises(
        ValueError, match=r"must name streams that were heard.*dev clean, test clean"
    ):
        made_answers().tracks("test", "5 dB")


# --- hearing


class Striding:
    """A runner that answers every second frame with how many frames it has heard."""

    ports = None

    def reset(self):
        self.heard = 0

    def stream(self, features):
        self.heard += len(features)
        return np.full((len(features), 2), [0.0, min(1.0, self.heard / 1000)], "float32")


def stream(frames, name="one"):
    clip = Clip(Recording("a.flac", "test", "computer", 2.0, 0.5, 1.0), 1.0, class_index=0)
    return Stream(name, (clip,), frames / 100, features=np.zeros((frames, 40), "float32"))


def test_collect_starts_each_stream_afresh_and_says_how_far_it_is():
    said = []
    answers = collect(
        {"runner": Striding()},
        "computer",
        {("dev", "clean"): [stream(100)], ("test", "clean"): [stream(300), stream(200, "two")]},
        class_index=1,
        progress=lambda *state: said.append(state),
    )
    assert [float(p[0]) for p in answers.of("runner", "test")] == pytest.approx([0.3, 0.2])
    assert answers.of("runner", "dev")[0].shape == (100,)
    assert said == [("runner", 0, 3), ("runner", 1, 3), ("runner", 2, 3), ("runner", 3, 3)]


class Late(Striding):
    """A runner whose first three answers belong to no frame."""

    delay_frames = 3


def test_answers_of_a_late_system_are_those_of_the_frames_and_their_times_are_later():
    material = {("test", "clean"): [stream(100)]}
    answers = collect({"late": Late(), "now": Striding()}, "computer", material)
    assert [len(answers.of(name, "test")[0]) for name in ("late", "now")] == [97, 100]
    assert answers.times["late"]["frame_offset_s"] == pytest.approx(0.03 + 3 * 0.01)
    assert answers.times["now"]["frame_offset_s"] == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("answer", "class_index", "message"),
    [
        (
            np.zeros(99),
            0,
            r"must answer every frame.*'odd' does not.*\(99, 1\) to 100 frames of one",
        ),
        (np.zeros((100, 2)), 2, "`class_index` must be one of the 2 classes of 'odd'"),
    ],
)
def test_collect_rejects(answer, class_index, message):
    material = {("test", "clean"): [stream(100)]}
    with pytest.raises(ValueError, match=message):
        collect({"odd": lambda streams: [answer]}, "word", material, class_index=class_index)


# --- what was said


def test_words_are_blamed_where_their_times_are_known(tmp_path):
    (tmp_path / "words.csv").write_text(
        "file,word,onset_s,offset_s\nturn/x-3.flac,light(2),1.2,1.6\nturn/x-3.flac,turn,0.5,0.9\n"
    )
    words = read_words(tmp_path)
    assert words == {"turn/x-3.flac": [("turn", 0.5, 0.9), ("light", 1.2, 1.6)]}
    heard = track("x", clips=6)  # the fourth, from 15 s, is "turn on the light"; the fifth a dog
    assert said_at(heard, 15.2, words) == "turn on the light"
    assert said_at(heard, 16.1, words) == "turn"
    assert said_at(heard, 19.9, words) == "light"
    assert said_at(heard, 20.5, words) == "(noise/dog)"
    assert times_said([heard], words) == {
        **{"computer": 3, "alexa": 1, "(noise/dog)": 1},
        **{"turn": 1, "light": 1},
    }
    assert read_words(tmp_path / "elsewhere") == {}


def test_rejects_a_bad_table_of_words(tmp_path):
    (tmp_path / "words.csv").write_text("file,word\na.flac,one\n")
    with pytest.raises(ValueError, match=r"words.csv must have the columns file, word, onset_s"):
        read_words(tmp_path)


def test_outcomes_are_in_order_and_complete():
    heard = track("x", clips=12)
    p = posterior(heard, deaf_to=[1], alarms=[(8.0, 0.5), (0.5, 0.6)])
    found = outcomes([p], [heard], 0.5, Scoring(**TIMES), {})
    assert [each.kind for each in found] == [
        *("false alarm", "hit", "false alarm", "miss"),
        *["hit"] * 4,
    ]
    assert [each.time_s for each in found] == sorted(each.time_s for each in found)
    assert found[1].latency_s == pytest.approx(0.1, abs=0.005)
    assert found[3].latency_s is None
    assert not math.isnan(found[3].score)
