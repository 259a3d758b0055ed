"""`keras-sal detect`: a detector on sound files or the microphone, detections as they happen."""

import argparse
import contextlib
import json
import queue
import sys
from pathlib import Path

from keras_sal.cli.arguments import TRIGGER, add_numbers, positive

LIVE_CHUNK_S = 0.08  # eight frames, for which a Keras model takes one call
FILE_CHUNK_S = 10.0
BAR_WIDTH = 40


def add(commands):
    """Adds the parser of the command."""
    detect = commands.add_parser(
        "detect",
        help="detections in sound files or from the microphone",
        description="Runs a detector over sound and prints detections as they happen, with the "
        "front-end of TensorFlow Lite Micro before it. Threshold and trigger are those of a "
        "bundle, where MODEL is one, and can be given.",
        epilog="example: keras-sal detect detector.tflite --microphone --threshold 0.9",
    )
    detect.add_argument("model", help="a .tflite, .onnx or .keras file, or the folder of a bundle")
    detect.add_argument("files", nargs="*", metavar="FILE", help="sound files, each a stream")
    detect.add_argument(
        "--microphone", action="store_true", help="listen to the microphone until Ctrl-C"
    )
    detect.add_argument("--device", help="microphone, by number or part of its name (the default)")
    detect.add_argument("--seconds", type=positive(float), help="stop listening after so many")
    detect.add_argument(
        "--threshold", type=_thresholds, help="0 to 1; one for each class, with commas (0.5)"
    )
    add_numbers(detect, TRIGGER, given=True)
    detect.add_argument(
        "--class-names", type=lambda text: text.split(","), metavar="NAMES", help="with commas"
    )
    detect.add_argument(
        "--runtime", choices=("keras", "micro", "litert", "onnx"), help="(by the kind of model)"
    )
    detect.add_argument(
        "--json",
        action="store_true",
        dest="as_json",
        help="print one JSON object a line for each detection",
    )
    detect.set_defaults(command=run)


def run(model, files, *, microphone, device, seconds, runtime, as_json, **given):
    """Runs `keras-sal detect`; the exit status is 1 if a file could not be heard."""
    if bool(files) == microphone:
        raise ValueError(
            "`FILE` or --microphone must be given, and not both; there is nothing to hear, or too "
            f"much. Received: {len(files)} files, microphone={microphone}."
        )
    sounddevice = _sounddevice() if microphone else None
    detector = _open(model, runtime, {name: x for name, x in given.items() if x is not None})
    tell = _tell_json if as_json else _tell
    if not microphone:
        return max([_hear_file(detector, path, tell) for path in files])
    shown = sys.stdout.isatty() and not as_json
    with contextlib.suppress(KeyboardInterrupt), _meter(detector, shown) as meter:
        for chunk in _listen(sounddevice, device, seconds):
            heard = detector.process(chunk)
            for detection in heard.detections:
                tell("microphone", detection, meter.print)
            meter.show(heard.posteriors)
    return 0


def _open(model, runtime, given):
    from keras_sal.audio import MicroFrontend
    from keras_sal.runtime import StreamingDetector

    if not Path(model).is_dir():
        return StreamingDetector(model, frontend=MicroFrontend(), runtime=runtime, **given)
    detector = StreamingDetector.from_bundle(model, runtime, **given)
    if detector.frontend is None:
        raise ValueError(
            "`model` must hear sound; the bundle takes features of your own. Received: "
            f"model={model!r}. Feed them to StreamingDetector.from_bundle(...).process(features)."
        )
    return detector


def _hear_file(detector, path, tell):
    """Prints the detections in a file; returns the exit status."""
    from keras_sal.audio import SAMPLE_RATE, read_audio

    try:
        samples = read_audio(path, convert=True)
    except (OSError, ValueError) as error:
        print(f"keras-sal: {error}", file=sys.stderr)
        return 1
    detector.reset()
    size = round(FILE_CHUNK_S * SAMPLE_RATE)
    for start in range(0, len(samples), size):
        for detection in detector.process(samples[start : start + size]).detections:
            tell(str(path), detection)
    return 0


def _tell(source, detection, show=print):
    name = detection.class_name or f"class {detection.class_index}"
    show(f"{source}  {detection.time_s:8.2f} s  {name}  {detection.score:.3f}")
    sys.stdout.flush()


def _tell_json(source, detection, show=print):
    line = {
        "source": source,
        "time_s": round(detection.time_s, 6),
        "class_index": detection.class_index,
        "class_name": detection.class_name,
        "score": detection.score,
    }
    show(json.dumps(line, ensure_ascii=False))
    sys.stdout.flush()


def _listen(sounddevice, device, seconds):
    """Yields chunks of 16-bit samples from the microphone."""
    from keras_sal.audio import SAMPLE_RATE

    chunks = queue.SimpleQueue()

    def callback(samples, frames, time, status):
        if status:
            print(f"keras-sal: the microphone says {status}; samples are lost", file=sys.stderr)
        chunks.put(samples[:, 0].copy())

    left = float("inf") if seconds is None else round(seconds * SAMPLE_RATE)
    try:
        with sounddevice.InputStream(
            samplerate=SAMPLE_RATE,
            blocksize=round(LIVE_CHUNK_S * SAMPLE_RATE),
            device=int(device) if device is not None and device.isdecimal() else device,
            channels=1,
            dtype="int16",
            callback=callback,
        ):
            while left > 0:
                chunk = chunks.get()
                yield chunk[: int(min(left, len(chunk)))]
                left -= len(chunk)
    except sounddevice.PortAudioError as error:
        raise RuntimeError(
            f"--microphone must find a microphone that records {SAMPLE_RATE} Hz; it says: {error}. "
            f"Received: device={device}. List the devices with: python -m sounddevice"
        ) from error


def _sounddevice():
    from keras_sal.extras import import_package

    try:
        return import_package("sounddevice", "listen to the microphone", "live")
    except OSError as error:
        raise ImportError(
            f"`sounddevice` needs the PortAudio library to listen to the microphone ({error}). "
            "On Debian and Ubuntu: apt install libportaudio2"
        ) from error


class _Silent:
    """Shows no posteriors."""

    print = staticmethod(print)

    def show(self, posteriors):
        """Shows nothing."""


class _Bars:
    """Shows a bar for the posterior of each class, below what is printed."""

    def __init__(self, live, names):
        self._live = live
        self._names = names
        self.print = live.console.print

    def show(self, posteriors):
        """Shows the highest posteriors of a chunk."""
        if len(posteriors):
            self._live.update(bars(posteriors.max(axis=0), self._names), refresh=True)


def bars(posteriors, names):
    """Returns a line of text for the posterior of each class."""
    width = max(map(len, names))
    filled = [round(BAR_WIDTH * float(posterior)) for posterior in posteriors]
    return "\n".join(
        f"{name:{width}} {float(posterior):.2f} {'█' * full}{'·' * (BAR_WIDTH - full)}"
        for name, posterior, full in zip(names, posteriors, filled, strict=True)
    )


@contextlib.contextmanager
def _meter(detector, shown):
    if not shown:
        yield _Silent()
        return
    from rich.console import Console
    from rich.live import Live

    classes = range(detector.trigger.classes)
    names = detector.class_names or [f"class {index}" for index in classes]
    console = Console(highlight=False, markup=False)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield _Bars(live, names)


def _thresholds(text):
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a number, or one for each class with commas: 0.5 or 0.5,0.8. Received: {text}"
        ) from None
