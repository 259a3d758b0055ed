"""`keras-sal evaluate` and `keras-sal compare`, as they are called."""

import argparse
import contextlib
import json
import re
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_predictions import made_predictions
from toned import tone_detector, tones
from unrendered import unrendered_figures

from keras_sal import cli
from keras_sal.cli import systems
from keras_sal.cli.console import Console
from keras_sal.cli.results_table import print_results
from keras_sal.cli.systems import SystemPredictions, predict_streams
from keras_sal.data import SplitRecord, load_recordings
from keras_sal.evaluation.predictions import Predictions
from keras_sal.evaluation.protocol import ScoringProtocol
from keras_sal.evaluation.report import report
from keras_sal.evaluation.report.page import NOTHING
from keras_sal.evaluation.results import evaluate
from keras_sal.files import write_json
from keras_sal.runtime import open_runner

pytest.importorskip("matplotlib", reason="no matplotlib: the report extra is not installed")
pytest.importorskip("jinja2", reason="no jinja2: the report extra is not installed")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Recordings, and two models: one as it should be, one that is half deaf."""
    folder = tmp_path_factory.mktemp("tones")
    recordings = tones(folder / "recordings")
    tone_detector(recordings).save(folder / "good.keras")
    tone_detector(recordings, shift=-4.0).save(folder / "deaf.keras")
    return folder


@pytest.fixture(scope="module")
def reports(folder):
    """Both models in one report; and the second alone, as if it had been evaluated by itself."""
    arguments = ["evaluate", str(folder / "good.keras"), str(folder / "deaf.keras")]
    arguments += ["--word", "computer"]
    arguments += ["--recordings", str(folder / "recordings"), "--cache", str(folder / "cache")]
    arguments += ["--snr-db", "20", "--fa-per-hour", "60", "--replicates", "20", "--examples", "1"]
    with warnings.catch_warnings(), unrendered_figures():
        warnings.simplefilter("ignore")
        assert cli.main([*arguments, "--output", str(folder / "both")]) == 0
    (folder / "one").mkdir()
    one = Predictions.load(folder / "both").select(["deaf.keras"])
    one.save(folder / "one" / "posteriors.npz")
    write_json(folder / "one" / "results.json", evaluate(one, ScoringProtocol(60.0, replicates=20)))
    return folder


def test_evaluate_writes_all_that_it_says(reports):
    names = {path.name for path in (reports / "both").iterdir()}
    assert names == {"report.html", "results.json", "posteriors.npz", "figures"}
    results = json.loads((reports / "both" / "results.json").read_text())
    assert [system["name"] for system in results["systems"]] == ["good.keras", "deaf.keras"]
    assert list(results["systems"][0]["conditions"]) == ["clean", "20 dB"]
    assert results["systems"][0]["parameters"] == 41
    assert len(results["systems"][0]["sha256"]) == 64
    assert results["provenance"]["command"].startswith("keras-sal evaluate ")
    assert results["provenance"]["versions"]["keras"]


def test_evaluate_scores_what_the_models_answer(reports):
    """The figures are those of the posteriors, and these are the model's."""
    answers = Predictions.load(reports / "both")
    results = json.loads((reports / "both" / "results.json").read_text())
    point = results["systems"][0]["conditions"]["clean"]["at_budget"]
    assert point["events"] == 8
    assert point["frr"] <= 0.25  # one "alexa" sounds like the word
    from keras_sal.data import evaluation_streams, load_recordings

    streams = evaluation_streams(load_recordings(reports / "recordings"), "computer", "test")
    runner = open_runner(reports / "good.keras")
    for stream, kept in zip(
        streams, answers.posteriors_of("good.keras", "test", "clean"), strict=True
    ):
        runner.reset()
        np.testing.assert_allclose(kept, runner.stream(stream.features)[:, 0], atol=1e-5)


def test_evaluate_says_what_it_found(reports, capsys):
    arguments = ["evaluate", str(reports / "good.keras"), "--names", "mine", "--tune"]
    arguments += ["--word", "computer"]
    arguments += ["--max-delay-s", "0.7"]
    arguments += ["--recordings", str(reports / "recordings"), "--snr-db", "--fa-per-hour", "60"]
    arguments += ["--replicates", "5", "--cache", str(reports / "cache"), "--examples", "1"]
    with unrendered_figures():
        assert cli.main([*arguments, "--output", str(reports / "tuned")]) == 0
    shown = capsys.readouterr().out
    for text in ("'computer' at 60 false alarms an hour", "mine", "at dev threshold", "Report: "):
        assert text in shown
    results = json.loads((reports / "tuned" / "results.json").read_text())
    assert list(results["systems"][0]["conditions"]) == ["clean"]
    assert results["systems"][0]["scoring"]["max_delay_s"] == 0.7


def test_compare_folders(reports, capsys):
    path = reports / "differences.json"
    arguments = ["compare", str(reports / "both"), str(reports / "one"), "--json", str(path)]
    assert cli.main([*arguments, "--replicates", "20"]) == 0
    shown = capsys.readouterr().out
    assert "'computer' at 60 false alarms an hour: good.keras - deaf.keras" in shown
    kept = json.loads(path.read_text())
    results = json.loads((reports / "both" / "results.json").read_text())
    ours = {(r["condition"], r["figure"]): r["estimate"] for r in kept["differences"]}
    theirs = {(r["condition"], r["figure"]): r["estimate"] for r in results["differences"]}
    assert ours == {key: value and -value for key, value in theirs.items()}  # A - B, B - A


def test_compare_within_one_folder(tmp_path, capsys):
    """`good` misses one word of 30, `poor` three: 1/30 - 3/30 is -6.7 %."""
    answers = made_predictions()
    answers.save(tmp_path / "posteriors.npz")
    write_json(tmp_path / "results.json", evaluate(answers, ScoringProtocol(30.0, replicates=10)))
    assert cli.main(["compare", str(tmp_path), "--replicates", "20"]) == 0
    shown = capsys.readouterr().out
    assert "good - poor" in shown
    row = next(line for line in shown.splitlines() if "missed at the budget" in line)
    assert "-6.7" in row


def test_compare_scores_hits_in_the_window_of_the_results(tmp_path, capsys):
    """`good` fires 0.1 s after each anchor and `poor` 0.3 s, too late for a window of 0.2 s."""
    for name, window in (("narrow", {"max_delay_s": 0.2}), ("wide", {})):
        (tmp_path / name).mkdir()
        made_predictions().save(tmp_path / name / "posteriors.npz")
        results = evaluate(made_predictions(), ScoringProtocol(30.0, window, replicates=5))
        write_json(tmp_path / name / "results.json", results)
    assert cli.main(["compare", str(tmp_path / "narrow"), "--replicates", "5"]) == 0
    shown = capsys.readouterr().out
    row = next(line for line in shown.splitlines() if "missed at the budget" in line)
    assert "-96.7" in row  # 1 / 30 - 30 / 30
    both = [str(tmp_path / "narrow"), str(tmp_path / "wide")]
    assert cli.main(["compare", *both]) == 1
    assert "must have the `max_delay_s` of the protocol" in capsys.readouterr().err


def test_an_undefined_difference_is_a_dash_without_an_interval(tmp_path, capsys):
    """One false alarm, 12 an hour, is above all hits of `poor`; some replicates lack it."""
    answers = made_predictions()
    answers.save(tmp_path / "posteriors.npz")
    results = evaluate(answers, ScoringProtocol(5.0, replicates=20))
    write_json(tmp_path / "results.json", results)
    [kept] = [
        (each["recordings"], each["speakers"])
        for each in results["differences"]
        if each["figure"] == "latency_p50_s_at_budget" and each["condition"] == "clean"
    ]
    assert kept == (None, None)
    assert cli.main(["compare", str(tmp_path), "--replicates", "20"]) == 0
    shown = capsys.readouterr().out
    assert "nan" not in shown
    assert f"{NOTHING}: undefined, as one of the two has no hit" in shown
    print_results(results, Console())
    assert "nan" not in capsys.readouterr().out


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_warnings_are_lines_and_repeat_nothing(tmp_path, capsys, monkeypatch, command):
    """A budget of 0.5 an hour takes more hours than there are, which the line of it says."""
    answers = made_predictions()

    def predicted(*_, **__):
        warnings.warn(f"{command} found few", UserWarning, stacklevel=1)
        return answers

    if command == "evaluate":
        monkeypatch.setattr(
            "keras_sal.cli.evaluate.predict_word_streams",
            lambda *_, **__: [SystemPredictions(predicted(), {}, {}, {}, {})],
        )
        monkeypatch.setattr("keras_sal.cli.evaluate._write", lambda *_: tmp_path)
        arguments = ["a.keras", "--word", "computer"]
    else:
        answers.save(tmp_path / "posteriors.npz")
        results = evaluate(answers, ScoringProtocol(30.0, replicates=5))
        write_json(tmp_path / "results.json", results)
        monkeypatch.setattr(Predictions, "load", predicted)
        arguments = [str(tmp_path)]
    arguments += ["--fa-per-hour", "0.5", "--replicates", "5"]
    with warnings.catch_warnings(record=True) as raw:
        assert cli.main([command, *arguments]) == 0
    shown = capsys.readouterr().out
    assert not raw
    assert shown.count("Budget: 0.5") == 1
    assert "can't support" not in shown
    assert shown.count(f"Warning: {command} found few\n") == 1


def evaluate_into(folder, output, *arguments):
    arguments = [str(folder / "good.keras"), "--word", "computer", *arguments]
    return cli.main(["evaluate", *arguments, "--output", str(output)])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("file", "`folder` must be a folder that can be written to, or can be made"),
        ("file/inside/out", "and .*file' is a file"),
        ("mine", "`folder` must hold no report.html, results.json, posteriors.npz but those of an"),
        ("trained", "`--output` must not be the folder of a training.*by 'keras-sal train a'"),
    ],
)
def test_a_folder_without_room_for_a_report_is_refused(
    folder, tmp_path, capsys, monkeypatch, name, message
):
    """Before anything is predicted, and all stays that is there."""
    monkeypatch.setattr(
        "keras_sal.cli.evaluate.predict_word_streams", lambda *_, **__: pytest.fail("it predicted")
    )
    training = {"format": 2, "word": "computer", "systems": []}
    training["provenance"] = {"command": "keras-sal train a", "options": {}}
    (tmp_path / "file").touch()
    for holder, content in (("mine", {"mine": 1}), ("trained", training)):
        (tmp_path / holder).mkdir()
        write_json(tmp_path / holder / "results.json", content)
    assert evaluate_into(folder, tmp_path / name) == 1
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "mine" / "report.html").exists()


def test_a_folder_that_is_read_only_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(report.os, "access", lambda *_: False)
    with pytest.raises(ValueError, match=r"is read-only\. Name another one"):
        report.check_folder(tmp_path / "out")


def test_evaluate_says_which_report_it_replaces(folder, reports, capsys, monkeypatch):
    def predict(*_, **__):
        raise ValueError("enough")

    monkeypatch.setattr("keras_sal.cli.evaluate.predict_word_streams", predict)
    assert evaluate_into(folder, reports / "both") == 1
    said = capsys.readouterr().out
    assert f"The report in {reports / 'both'} will be replaced: keras-sal evaluate " in said
    assert evaluate_into(folder, folder / "a new one") == 1
    assert "will be replaced" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("runtime", "names", "refused"),
    [
        (None, ["a.keras"], False),
        ("micro", ["a.keras", "a.onnx"], True),
        ("keras", ["a.keras", "a.onnx"], False),
        ("litert", ["a.keras", "a.tflite"], False),
        ("litert", ["a.keras", "."], False),
    ],
)
def test_a_runtime_that_nothing_runs_in_is_refused(runtime, names, refused):
    expected = pytest.raises(ValueError, match="`--runtime` must be left out for")
    with expected if refused else contextlib.nullcontext():
        systems.check_runtime(names, runtime)


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_a_runtime_is_checked_before_a_model_is_opened(capsys, command):
    arguments = [command, "a.keras", "b.keras", "--word", "a", "--runtime", "micro"]
    assert cli.main(arguments) == 1
    assert "Received: --runtime micro for a.keras, b.keras" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"),
    [("--word", "alexa"), ("--snr-db", "10"), ("--class-index", "0"), ("--negatives", ".")],
)
def test_options_of_streams_are_refused_for_reports(reports, capsys, option, value):
    both = [str(reports / "both"), str(reports / "one")]
    assert cli.main(["compare", *both, option, value]) == 1
    assert f"`{option}` must be left out for folders that" in capsys.readouterr().err


def test_compare_models(reports, capsys):
    arguments = ["compare", str(reports / "good.keras"), str(reports / "good.keras")]
    arguments += ["--word", "computer"]
    arguments += ["--recordings", str(reports / "recordings"), "--snr-db", "--replicates", "5"]
    assert cli.main([*arguments, "--fa-per-hour", "60", "--cache", str(reports / "cache")]) == 0
    assert "good.keras - good.keras (2)" in capsys.readouterr().out


SHIPPED = {
    "trigger": {
        **{"threshold": [0.7], "smooth_frames": 3, "on_frames": 1},
        **{"hysteresis": None, "refractory_s": 1.5},
    },
    "threshold": {"data": "dev", "rule": "fewest misses", "scoring": {}},
    "frame_step_s": 0.01,
    "frame_offset_s": 0.03,
}


def test_a_bundle_is_scored_as_it_ships(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_sal.export.bundle.read_manifest", lambda folder: SHIPPED)
    given, times = systems.shipped_trigger(tmp_path)
    assert given["scoring"] == {
        **{"smooth_frames": 3, "on_frames": 1},
        **{"hysteresis": None, "refractory_s": 1.5},
    }
    assert given["threshold"] == {"threshold": 0.7, "data": "dev", "rule": systems.SHIPPED}
    systems.check_frame_times("b", times, {"frame_step_s": 0.01, "frame_offset_s": 0.03})
    with pytest.raises(ValueError, match="`--bundle` must have the frame times of the recordings"):
        systems.check_frame_times("b", times, {"frame_step_s": 0.02, "frame_offset_s": 0.04})


@pytest.mark.parametrize(("named", "warned"), [("alexa", 1), ("Computer", 0), ("detection", 0)])
def test_a_bundle_of_another_word_is_named(tmp_path, monkeypatch, named, warned):
    manifest = SHIPPED | {"classes": [named]}
    monkeypatch.setattr("keras_sal.export.bundle.read_manifest", lambda folder: manifest)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        systems.shipped_trigger(tmp_path, 0, "computer")
    assert len(found) == warned
    assert all("detects 'alexa', and 'computer' is scored" in str(each.message) for each in found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate"], "`MODEL` must name at least one model or `--bundle`"),
        (["evaluate", "no.keras"], "`MODEL` must be a .keras, .tflite or .onnx file or a bundle"),
        (
            ["evaluate", "a.keras", "--word", "a", "--names", "b", "c"],
            "`--names` must name every model",
        ),
        (["compare", "a", "b", "c"], "`A B` must be one or two systems or folders. Received: 3"),
    ],
)
def test_bad_input_is_refused(arguments, message, capsys):
    assert cli.main(arguments) == 1
    assert message in capsys.readouterr().err


def test_folders_of_other_versions_are_refused(tmp_path, capsys):
    made_predictions().save(tmp_path / "posteriors.npz")
    write_json(tmp_path / "results.json", {"format": 99})
    assert cli.main(["compare", str(tmp_path)]) == 1
    assert "its format is 99, not 2. Evaluate again." in capsys.readouterr().err


def test_one_system_cannot_be_compared(tmp_path, capsys):
    answers = made_predictions().select(["good"])
    answers.save(tmp_path / "posteriors.npz")
    write_json(tmp_path / "results.json", evaluate(answers, ScoringProtocol(30.0, replicates=10)))
    assert cli.main(["compare", str(tmp_path)]) == 1
    assert "must be two systems, or a folder with several" in capsys.readouterr().err


def test_names_tell_files_of_one_name_apart():
    from pathlib import Path

    paths = [Path("a/model.keras"), Path("b/model.keras"), Path("b/model.tflite")]
    assert systems.system_names(paths, None) == ["a/model.keras", "b/model.keras", "model.tflite"]
    assert systems.system_names(paths[:1] * 2, ["x", "x"]) == ["x", "x (2)"]


class TestSplitsOfTheTraining:
    """A table that deals otherwise than the training did does not decide what is tested on."""

    @pytest.fixture(scope="class")
    def trained(self, folder, tmp_path_factory):
        """A model whose record swaps train and test of the table."""
        output = tmp_path_factory.mktemp("out")
        swapped = {"train": "test", "dev": "dev", "test": "train"}
        recordings = [
            replace(recording, split=swapped[recording.split])
            for recording in load_recordings(folder / "recordings")
        ]
        SplitRecord.of(recordings, folder / "recordings").write(output / "splits.json")
        shutil.copy(folder / "good.keras", output / "model.keras")
        return output

    @staticmethod
    def files_of_test(options, models=(), others=()):
        found = predict_streams(Console(), models, [], options, others=others)
        predictions = found.predictions
        return {
            Path(recording.file).name[:4]
            for stream in predictions.streams("test", "clean")
            for recording in stream.recordings
        }

    @pytest.fixture
    def options(self, folder):
        return argparse.Namespace(
            recordings=str(folder / "recordings"),
            word="computer",
            snr_db=[],
            cache=str(folder / "cache"),
            runtime=None,
            class_index=0,
            splits=[],
        )

    def test_of_a_model(self, folder, trained, options, capsys):
        assert "trai" not in self.files_of_test(options, [str(folder / "good.keras")])
        assert "No splits.json beside" in capsys.readouterr().out
        assert self.files_of_test(options, [str(trained / "model.keras")]) == {"trai"}

    def test_of_the_other_side_of_a_comparison(self, folder, trained, options):
        other = [str(trained / "model.keras")]
        options.splits = [str(self.table_splits(folder))]
        with pytest.raises(ValueError, match="must hold positives"):  # all was trained on
            self.files_of_test(options, [str(folder / "good.keras")], other)

    def test_named(self, folder, trained, options):
        options.splits = [str(trained / "splits.json")]
        assert self.files_of_test(options, [str(folder / "good.keras")]) == {"trai"}

    @staticmethod
    def table_splits(folder):
        path = folder / "splits of the table.json"
        SplitRecord.of(load_recordings(folder / "recordings"), folder / "recordings").write(path)
        return path
