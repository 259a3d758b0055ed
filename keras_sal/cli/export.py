"""`keras-sal export`: a trained model for microcontrollers, phones, computers and browsers."""

from __future__ import annotations

import argparse
import functools
import shlex
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_sal.cli import feature_streams
from keras_sal.cli.arguments import (
    FRAME_TIMES,
    TRIGGER,
    Parser,
    add_cache,
    add_class_names,
    add_false_alarm_budget,
    add_numbers,
    add_recordings,
    add_splits,
    add_word,
    values,
)
from keras_sal.cli.budget import choose_stream_budget
from keras_sal.cli.command_parser import Commands, add_command
from keras_sal.cli.console import Console, says_warnings
from keras_sal.cli.feature_streams import FeatureStreams
from keras_sal.cli.model_path import model_path
from keras_sal.cli.recordings import load_recordings_of
from keras_sal.cli.trained_model import check_trained_model, load_trained_model
from keras_sal.cli.wake_word import THAT_OF_THE_MODEL, fill_in_word

if TYPE_CHECKING:
    import keras

    from keras_sal.data import Recording
    from keras_sal.typing import Array

ESPHOME_REFRACTORY_S = 1.0
MAX_FA_PER_HOUR = 100.0
PACKAGES = ("esp-idf", "arduino", "zephyr", "cmake")  # what `micro` writes, with build files
FIRMWARE = ("micro", *PACKAGES, "esphome")
WITH_THRESHOLD = (*FIRMWARE, "web", "android")  # they can't do without
SCORING = FRAME_TIMES | TRIGGER
TARGET_RUNTIMES = {
    **dict.fromkeys(("micro", *PACKAGES), "TensorFlow Lite Micro"),
    "esphome": "TensorFlow Lite Micro",
    "litert": "LiteRT",
    "onnx": "ONNX Runtime",
    "web": "LiteRT",
    "android": "LiteRT",
}
SUFFIXES = {"litert": ".tflite", "onnx": ".onnx"}
MICRO = ("int8", "int16x8", "float32")
QUANTIZATIONS = {
    "micro": MICRO,
    **dict.fromkeys(PACKAGES, MICRO),
    "esphome": ("int8",),
    "litert": ("float32", "float16", "int8"),
    "onnx": ("float32",),
    "web": ("float32", "float16", "int8"),
    "android": ("float32", "float16", "int8"),
}


def add_parser(commands: Commands) -> None:
    """Add the parser of the command."""
    parser = add_command(
        commands,
        "export",
        run,
        summary="a trained model for microcontrollers, ESPHome, LiteRT, ONNX, browsers or Android",
        description="Converts a trained model. For microcontrollers OUT is a folder with the "
        "quantised model, C++ sources, README and manifest; esp-idf, arduino, zephyr and cmake add "
        "build files and an example with a microphone; for ESPHome's micro_wake_word it is a "
        "folder with model and JSON; for LiteRT and ONNX it is a file from sound or features to "
        "posteriors, with a .json file beside it; for browsers it is a folder with a page, for "
        "`keras-sal serve` or any web server; for Android it is a project with an app that "
        "listens, for Android Studio. The threshold is given, or chosen with that model on dev "
        "streams; that of a bundle or a pretrained detector is known, and needs no recordings.",
        examples=[
            "export model.keras firmware --recordings my_recordings",
            "export model.keras firmware --to esp-idf --recordings my_recordings",
            "export model.keras detector.onnx --to onnx --recordings my_recordings",
            "export model.keras detector.tflite --to litert --threshold 0.8",
            'export mine.keras firmware --word "lights on" --word "lights off"',
            "export model.keras page --to web --recordings my_recordings",
            "export model.keras phone --to android --recordings my_recordings",
            "export computer page --to web",
        ],
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help=".keras file, or a bundle or the name of a pretrained detector for "
        "all but onnx and esphome",
    )
    parser.add_argument("output", metavar="OUT", help="folder, or .tflite or .onnx file, to write")
    parser.add_argument("--to", choices=tuple(QUANTIZATIONS), default="micro", help="target")
    parser.add_argument(
        "--quantization",
        choices=sorted({kind for kinds in QUANTIZATIONS.values() for kind in kinds}),
        help="number format; esphome: int8; litert, web, android: float32, float16, int8; onnx: "
        "float32; others: int8, int16x8, float32 (default: the first of these)",
    )
    parser.add_argument(
        "--state",
        choices=("explicit", "internal"),
        default="explicit",
        help="in C++: whether the detector or the interpreter carries the state",
    )
    add_recordings(parser)
    add_word(parser, THAT_OF_THE_MODEL, several=True)
    add_splits(parser)
    add_cache(parser)
    parser.add_argument(
        "--calibration",
        metavar="NPZ",
        help="feature streams (frames, features) to calibrate with, positives among them "
        "(default: the train split of --recordings)",
    )
    threshold = parser.add_mutually_exclusive_group()
    add_false_alarm_budget(threshold)
    threshold.add_argument(
        "--threshold", type=float, metavar="P", help="threshold (default: chosen on dev)"
    )
    add_class_names(parser, unset="the wake word, if it is known")
    parser.add_argument(
        "--frontend",
        choices=("micro", "none"),
        help="what computes the features: micro, the front-end of TensorFlow Lite Micro, which is "
        "put into the file for litert, onnx, web and android and beside the model for "
        "microcontrollers; none leaves it out (default: micro for a model of its 40 features, else "
        "none)",
    )
    _add_esphome(parser.add_argument_group("esphome: what its JSON says of the model"))
    parser.add_argument(
        "--runtime-url",
        metavar="URL",
        help="web: address of a mirror of npm, such as https://cdn.jsdelivr.net/npm, from which "
        "the page loads its runtime (default: it is copied into OUT)",
    )
    trigger = parser.add_argument_group("trigger")
    add_numbers(trigger, FRAME_TIMES, unset="those of frames of 10 ms")
    add_numbers(trigger, TRIGGER)


@says_warnings
def run(options: argparse.Namespace, console: Console) -> int:
    """Run the command.

    Args:
        options: Parsed arguments.
        console: Shows the progress.

    Returns:
        The exit status, 0.
    """
    from keras_sal.data import copy_split_record

    path = model_path(options.model)
    check_command = verify_command(options)
    export = (
        _open_bundle(path, options, console) if path.is_dir() else _open_model(options, console)
    )
    writers = {
        "litert": export.file,
        "onnx": export.file,
        "web": export.page,
        "android": export.app,
    }
    console.say(writers.get(options.to, export.firmware)())
    # A page or an app may be published, which the names of recordings must not be.
    if options.to == "web":
        console.say(f"Open it with: {shlex.join(['keras-sal', 'serve', str(options.output)])}")
        return 0
    if options.to == "android":
        console.say("Open it in Android Studio; its README.md says how to get it on a phone")
        return 0
    copy_split_record(path, options.output)
    if options.to != "esphome" and not path.is_dir():
        console.say(f"Check it with: {shlex.join(check_command)}")
    return 0


def verify_command(options: argparse.Namespace) -> list[str]:
    """Return the arguments of `keras-sal verify` on the data that an export was given.

    Args:
        options: Parsed arguments, before recordings and word are filled in.
    """
    command = ["keras-sal", "verify", options.model, options.output]
    if options.recordings:
        command += ["--recordings", options.recordings]
    if isinstance(options.word, str):  # of several, the exported files name them
        command += ["--word", options.word]
    for path in options.splits:
        command += ["--splits", path]
    return list(map(str, command))


def _open_bundle(folder: Path, options: argparse.Namespace, console: Console) -> Export:
    """Open a bundle, whose model, threshold and classes are there."""
    from keras_sal.cli.bundle_export import BundleExport
    from keras_sal.export import bundle

    _check_output(options)
    if options.to == "android":
        _check_android(options)
    export = BundleExport(None, None, None, options, console, bundle.read(folder))
    export.check()
    return export


def _open_model(options: argparse.Namespace, console: Console) -> Export:
    """Open a trained model, and the recordings that it needs."""
    from keras_sal.runtime import open_runner

    options.quantization = _quantization(options)
    _check_output(options)
    if options.to == "esphome":
        _check_esphome_trigger(options)
        _check_esphome_word(options.word)
    if options.to == "android":
        _check_android(options)
    if options.to in ("micro", *PACKAGES):
        from keras_sal.export import bundle

        bundle.check_folder(options.output)
    check_trained_model(options.model)
    options.recordings = recordings_folder(options)
    if options.to in WITH_THRESHOLD and options.threshold is None and not options.recordings:
        raise ValueError(
            "`--threshold` must be given, or `--recordings` to choose it on: firmware, a page and "
            "an app need one. Received neither."
        )
    for_component = options.to == "esphome"
    needed = bool(options.recordings) or (for_component and not options.class_names)
    fill_in_word(options, [options.model], console, several=not for_component, required=needed)
    model = load_trained_model(options.model)
    if options.to == "esphome":
        from keras_sal.export import esphome

        esphome.check_model(model)
    if options.to != "esphome" and options.threshold is None and options.recordings:
        _check_words(model, options.word)
    runner = open_runner(model)
    vars(options).update(feature_streams.output_times(runner, options))
    _check_settings(model, options)
    recordings = None
    if options.recordings:
        recordings = load_recordings_of([options.model], options.recordings, options, console)
    return Export(model, runner, recordings, options, console)


def recordings_folder(options: argparse.Namespace) -> Path | str | None:
    """Return the folder of recordings, found where it is needed and was not given.

    Args:
        options: Parsed arguments: `recordings`, `to`, `quantization`, `calibration`, `threshold`.

    Returns:
        The folder, or `None`. Recordings are needed for the threshold of firmware, a page or an
        app, and to calibrate an integer model.
    """
    from keras_sal.data import find_recordings

    to_calibrate = "int" in options.quantization and not options.calibration
    to_choose_threshold = options.to in WITH_THRESHOLD and options.threshold is None
    if options.recordings or not (to_calibrate or to_choose_threshold):
        return options.recordings
    return find_recordings()


def choose_threshold(
    model: Any,
    streams: FeatureStreams,
    fa_per_hour: float,
    *,
    data: str,
    words: Sequence[str] | None = None,
    track: Callable[[list[Array]], Iterable[Array]] = iter,
    score: Callable[[Array], Array] | None = None,
    **scoring: Any,
) -> dict[str, Any]:
    """Choose the threshold for a false-alarm budget, with the model that ships.

    Args:
        model: Runner.
        streams: Streams with anchors.
        fa_per_hour: The budget.
        data: Description of the streams, for the record.
        words: The words that the model tells apart, in the order of its classes. Defaults to
            `None`, for one class.
        track: Iterates over a list, such as `Stage.track`. Defaults to `iter`.
        score: Makes the scores that are compared with the threshold from the posteriors of a
            stream. Defaults to `None`: the posteriors, as `scoring` smooths them.
        **scoring: Fields of `keras_sal.detection.Scoring`.

    Returns:
        The record of `keras_sal.detection.threshold_record`; of several words, those of
        `keras_sal.detection.join_threshold_records`.
    """
    import numpy as np

    from keras_sal.detection import (
        class_curves,
        det_curve,
        join_threshold_records,
        threshold_record,
    )
    from keras_sal.runtime import predict

    posteriors = [predict(model, [features])[0] for features in track(streams.features)]
    if score is not None:
        posteriors = [score(stream) for stream in posteriors]
    reach = max(MAX_FA_PER_HOUR, fa_per_hour)
    if words is None:
        curve = det_curve(posteriors, streams.anchors_s or [], max_fa_per_hour=reach, **scoring)
        return threshold_record(curve, fa_per_hour, data=data)
    events = [
        np.stack([anchors_s, classes], axis=1)
        for anchors_s, classes in zip(streams.anchors_s or [], streams.classes or [], strict=True)
    ]
    curves = class_curves(posteriors, events, max_fa_per_hour=reach, **scoring)
    return join_threshold_records(
        [threshold_record(curve, fa_per_hour, data=data) for curve in curves]
    )


def _check_words(model: keras.Model, word: str | list[str]) -> None:
    """Refuse words that are not the classes of the model, for which thresholds are chosen."""
    words, shape = [word] if isinstance(word, str) else word, model.output_shape
    if isinstance(shape, tuple) and shape[-1] != len(words):
        raise ValueError(
            "`--word` must be given for each class of the model, in their order; each has a "
            f"threshold of its own. Received: {words} for {shape[-1]} classes. Repeat it for the "
            "others, or give `--threshold`."
        )


def _check_settings(model: keras.Model, options: argparse.Namespace) -> None:
    """Refuse a threshold, names of classes or a trigger that no detector can have."""
    from keras_sal.export.detector_settings import DetectorSettings

    shape, names = model.output_shape, options.class_names
    DetectorSettings.checked(
        shape[-1] if isinstance(shape, tuple) else len(names or [""]),
        threshold=1.0 if options.threshold is None else options.threshold,
        class_names=names,
        delay_frames=0,
        scoring=values(options, SCORING),
    )


def _add_esphome(group: Parser) -> None:
    group.add_argument("--author", default="", metavar="NAME", help="who made it")
    group.add_argument("--website", metavar="URL", help="where to read about it (default: none)")
    group.add_argument(
        "--language",
        nargs="+",
        default=["en"],
        metavar="CODE",
        help="languages it was trained on (default: en)",
    )


def _check_output(options: argparse.Namespace) -> None:
    """Refuse a name by which `verify` and the runtimes would not know the file."""
    suffix = SUFFIXES.get(options.to)
    if suffix and Path(options.output).suffix != suffix:
        raise ValueError(
            f"`OUT` must end with {suffix} for `--to {options.to}`; files are known by it. "
            f"Received: {options.output!r}. Write {Path(options.output).name + suffix!r}."
        )


def _check_esphome_trigger(options: argparse.Namespace) -> None:
    """Refuse settings of the trigger that the component does not have."""
    for name in ("on_frames", "hysteresis", "refractory_s"):
        value, own = getattr(options, name), TRIGGER[name].default
        if value != own:
            raise ValueError(
                f"`--{name.replace('_', '-')}` must be left out for `--to esphome`; "
                "micro_wake_word has a trigger of its own, a mean over a window and then "
                f"{ESPHOME_REFRACTORY_S:g} s without a detection, so that the threshold would be "
                f"chosen for another one. Received: {value}. Use `--smooth-frames` for the window."
            )


def _check_esphome_word(word: str | list[str] | None) -> None:
    """Refuse several words, for which the component has no model."""
    if isinstance(word, list):
        raise ValueError(
            "`--word` must be given once for `--to esphome`; a model of micro_wake_word has one "
            f"output, for one word. Received: {word}. Train and export a detector for each."
        )


def _check_android(options: argparse.Namespace) -> None:
    """Refuse what no app can be made of, before the model is converted."""
    from keras_sal.export.android.project import check_folder

    if options.frontend == "none":
        raise ValueError(
            "`--frontend` must be micro for `--to android`; the app hands samples to the model. "
            "Received: --frontend none. Leave it out."
        )
    check_folder(options.output)


def _quantization(options: argparse.Namespace) -> str:
    kinds = QUANTIZATIONS[options.to]
    quantization = options.quantization or kinds[0]
    if quantization not in kinds:
        raise ValueError(
            f"`--quantization` must be one of {kinds} for `--to {options.to}`. "
            f"Received: --quantization {quantization}."
        )
    return quantization


@dataclass(frozen=True)
class Export:
    """One run of the command: a trained model, its recordings and the options."""

    model: keras.Model | None
    runner: Any
    recordings: list[Recording] | None
    options: argparse.Namespace
    console: Console

    def file(self) -> str:
        """Convert to a file, and describe it where a threshold is known; return a summary."""
        return f"{self.options.output}: {self._write_file(Path(self.options.output))}"

    def page(self) -> str:
        """Convert to a file in the folder of a page; return a summary."""
        from keras_sal.cli import web_runtime
        from keras_sal.export import web

        options = self.options
        output, runtime = web.check_folder(options.output), options.runtime_url
        if runtime is None:
            with self.console.stage("Fetch the runtime of the page") as stage:
                runtime = web_runtime.download(
                    progress=lambda done, total: stage.progress(done, total or done)
                )
        with tempfile.TemporaryDirectory(prefix="keras_sal_export_") as folder:
            path = Path(folder) / "detector.tflite"
            summary = self._write_file(path)
            web.write(path, output, runtime=runtime)
        return f"{output}: {summary}"

    def app(self) -> str:
        """Convert to a file from sound, and write a project around it; return a summary."""
        from keras_sal.export import android

        output = self.options.output
        with tempfile.TemporaryDirectory(prefix="keras_sal_export_") as folder:
            path = Path(folder) / "detector.tflite"
            summary = self._write_file(path, name=Path(output).absolute().name)
            android.write(path, output)
        return f"{output}: {summary}"

    def _write_file(self, path: Path, name: str | None = None) -> str:
        from keras_sal.export import detector_file
        from keras_sal.files import write_atomically

        options, frontend = self.options, self._frontend()
        convert, threshold = self._file_converter(), options.threshold
        choose = threshold is None and bool(self.recordings)
        if choose or frontend is None:
            with tempfile.TemporaryDirectory(prefix="keras_sal_export_") as folder:
                with self.console.stage(f"Convert to {options.to}"):
                    detector = convert(Path(folder) / path.name)
                if choose:
                    threshold = self._choose_threshold(detector, TARGET_RUNTIMES[options.to])
                if frontend is None:
                    write_atomically(path, detector.path.read_bytes())
        if frontend is not None:
            with self.console.stage(f"Convert to {options.to} with the front-end"):
                convert(path, frontend=frontend)
        taken = "features" if frontend is None else "sound"
        summary = f"{path.stat().st_size:,} bytes, {options.quantization}, from {taken}"
        if threshold is None:
            return (
                f"{summary}. It has no .json file beside it, for want of a threshold, and `detect` "
                "can't open it: give --threshold or --recordings"
            )
        written = detector_file.write(
            path,
            threshold=threshold,
            class_names=self._class_names(),
            frontend=frontend,
            name=name,
            **values(options, SCORING),
        )
        return f"{summary}, threshold {_listed(written.thresholds)}"

    def _file_converter(self) -> Callable[..., Any]:
        """Return what converts the model to a path, with a front-end or without."""
        from keras_sal.export import litert, onnx

        if self.options.to == "onnx":
            return functools.partial(onnx.convert, self.model)
        return functools.partial(
            litert.convert,
            self.model,
            calibration=self._calibration(),
            quantization=self.options.quantization,
        )

    def firmware(self) -> str:
        """Convert, choose the threshold with the converted model, and write; return a summary."""
        from keras_sal.export import esphome, internal_state, micro

        options, calibration = self.options, self._calibration()
        for_component = options.to == "esphome"
        inside = options.state == "internal" and not for_component
        convert = internal_state.from_model if inside else micro.convert
        write = self._write_esphome if for_component else self._write_bundle
        with tempfile.TemporaryDirectory(prefix="keras_sal_export_") as folder:
            with self.console.stage(f"Convert to {options.quantization} TensorFlow Lite Micro"):
                converted = convert(
                    self.model,
                    Path(folder) / "model.tflite",
                    calibration,
                    quantization=options.quantization,
                )
            if for_component:
                converted = esphome.component_file(converted, Path(folder) / "component.tflite")
            threshold = options.threshold
            if threshold is None:
                threshold = self._choose_threshold(converted, TARGET_RUNTIMES[options.to])
            return f"{options.output}: {write(converted, threshold)}"

    def _calibration(self) -> list[Array] | None:
        options = self.options
        if "int" not in options.quantization:
            return None
        if options.calibration:
            return feature_streams.read_feature_streams(options.calibration).features
        if self.recordings is None:
            raise ValueError(
                "`--calibration` or `--recordings` must be given for an integer model: its ranges "
                "come from real streams. Received neither. `--quantization float32` needs none."
            )
        with self.console.stage("Make train streams") as stage:
            return feature_streams.calibration_streams(
                self.runner,
                self.recordings,
                options.word,
                cache=options.cache,
                progress=stage.progress,
            )

    def _frontend(self) -> str | None:
        """Return the front-end of the detector, by default that of its features."""
        from keras_sal.export.frontend import takes_micro_features

        options = self.options
        hears_sound = bool(options.recordings) or options.to in ("web", "android")
        if options.frontend is None:
            return "micro" if hears_sound or takes_micro_features(self.model) else None
        return None if options.frontend == "none" else options.frontend

    def _class_names(self) -> list[str] | None:
        """Return the names of the classes, if they are known."""
        from keras_sal.data.wake_words import list_words

        options = self.options
        return options.class_names or (list(list_words(options.word)) if options.word else None)

    def _choose_threshold(self, converted: Any, runtime: str) -> dict[str, Any]:
        options, recordings = self.options, self.recordings or []
        with self.console.stage("Make dev streams") as stage:
            streams = feature_streams.held_out_streams(
                *(converted, recordings, options.word, "dev"),
                cache=options.cache,
                progress=stage.progress,
            )
        budget = choose_stream_budget(streams, "dev", options, self.console)
        scoring, score = values(options, SCORING), None
        if options.to == "esphome":
            from keras_sal.export.esphome import component_scores

            score = functools.partial(component_scores, smooth_frames=options.smooth_frames)
            scoring |= {"smooth_frames": 1, "refractory_s": ESPHOME_REFRACTORY_S}
        with self.console.stage("Choose the threshold") as stage:
            return choose_threshold(
                converted,
                streams,
                budget,
                data=f"dev, {options.quantization} model in {runtime}",
                words=None if isinstance(options.word, str) else options.word,
                track=stage.track,
                score=score,
                **scoring,
            )

    def _write_bundle(self, converted: Any, threshold: Any) -> str:
        from keras_sal.export import bundle

        options = self.options
        written = bundle.write(
            converted,
            Path(options.output),
            threshold=threshold,
            class_names=self._class_names(),
            frontend=self._frontend(),
            package=None if options.to == "micro" else options.to,
            **values(options, SCORING),
        )
        manifest = written.manifest
        return (
            f"{manifest['quantization']}, {manifest['flash_bytes']:,} bytes of flash, "
            f"{manifest['arena_bytes']:,} bytes of arena, threshold {_listed(written.thresholds)}"
        )

    def _write_esphome(self, converted: Any, threshold: Any) -> str:
        from keras_sal.export import esphome

        options = self.options
        level = threshold["threshold"] if isinstance(threshold, dict) else threshold
        written = esphome.write(
            converted,
            Path(options.output),
            wake_word=(options.class_names or [options.word])[0],
            author=options.author,
            threshold=level,
            smooth_frames=options.smooth_frames,
            languages=options.language,
            website=options.website,
        )
        return f"{written.flash_bytes:,} bytes of flash, threshold {level:.6g}"


def _listed(thresholds: list[float]) -> str:
    """Write one or several thresholds out."""
    return ", ".join(f"{each:.6g}" for each in thresholds)
