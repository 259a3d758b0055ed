"""Deployment of a trained model to a folder for firmware engineers.

Shows: conversion for TensorFlow Lite Micro, the threshold chosen on dev with the *quantised* model
(the float model has another one), the bundle of model, C++ sources and manifest, its verification
against the float model, and the bundle as a detector on the computer, which detects what the device
will detect.

Needs: recordings as for `keyword_spotting.py`; `pip install "keras-sal[audio,export]"` whatever
the backend; as `--model` a model with 40 features of the micro front-end per frame and one
posterior, for example the `model.keras` of `keras-sal demo`. Without one a small GRU is trained for
a minute.

Prints: flash, arena, operators; the threshold and its figures; the verification, file by file;
the files of the bundle; the detections in one test stream.

    python examples/deploy_micro.py firmware --model model.keras --word computer
"""

from pathlib import Path

import keras
from command_line import example_parser, recordings_folder

from keras_sal import StreamingAnchorLoss, StreamingDetector
from keras_sal.audio import output_times
from keras_sal.data import (
    SplitRecord,
    evaluation_streams,
    find_split_record,
    load_word_recordings,
    training_streams,
)
from keras_sal.detection import det_curve, threshold_record
from keras_sal.export import bundle, micro
from keras_sal.export.verify import verify
from keras_sal.runtime import drop_remainder, frames_per_output, open_runner, predict
from keras_sal.training import calibration_sequences, recipe

parser = example_parser(__doc__, hours=1.0)
parser.add_argument("folder", help="folder to write: the bundle, and the .tflite file beside it")
parser.add_argument("--model", metavar="KERAS", help=".keras file; else one is trained")
parser.add_argument("--word", default="computer", help="the wake word (%(default)s)")
parser.add_argument("--quantization", choices=("int8", "int16x8"), default="int16x8")
parser.add_argument("--steps", type=int, default=600, help="train steps (%(default)s)")
options = parser.parse_args()

recorded = recordings_folder(options)
keras.utils.set_random_seed(0)
folder = Path(options.folder)
folder.mkdir(parents=True, exist_ok=True)

# A model that was trained before is tested on what it was not trained on.
known = find_split_record(options.model) if options.model else None
recordings = load_word_recordings(
    recorded, options.word, records=[SplitRecord.read(known)] if known else [], say=print
)
train = training_streams(recordings, options.word, hours=options.hours, cache=options.cache)
dev = evaluation_streams(recordings, options.word, "dev", cache=options.cache)
test = evaluation_streams(recordings, options.word, "test", cache=options.cache)

if options.model:
    model = keras.models.load_model(options.model, compile=False)
else:
    model = recipe.train(
        recipe.detector(),
        StreamingAnchorLoss("sa+fl"),
        train,
        recipe.TrainingOptions(steps=options.steps),
    )

# A detector may give one output for several frames: streams are cut to whole steps.
runner = open_runner(model)
scoring = recipe.TRIGGER_OPTIONS | output_times(frames_per_output(runner))

# 1. Convert. The step model with explicit state is made inside. Scales come from streams with the
#    word, run through the model with their state.
detector = micro.convert(
    model,
    folder / "detector.tflite",
    drop_remainder(runner, calibration_sequences(train)),
    quantization=options.quantization,
)
print(f"flash {detector.flash_bytes:,} bytes, arena {detector.arena_bytes:,} bytes")
print(f"operators {' '.join(detector.operators)}")

# 2. Choose the threshold with the quantised model in its interpreter, as on the device.
posteriors = predict(detector, [stream.features for stream in dev])
curve = det_curve(
    [p[:, 0] for p in posteriors],
    [stream.events[:, 1] for stream in dev],
    max_fa_per_hour=2 * options.fa_per_hour,
    **scoring,
)
record = threshold_record(curve, options.fa_per_hour, data=f"dev, {options.quantization} model")
print(
    f"threshold {record['threshold']:.4f}: misses {record['frr']:.1%} at "
    f"{record['fa_per_hour']:.1f} false alarms an hour on dev"
)

# 3. Write the bundle. The threshold and the trigger that it was chosen for go together.
written = bundle.write(
    detector,
    folder / "firmware",
    threshold=record,
    class_names=[options.word],
    frontend="micro",
)

# 4. Compare it with the float model, on streams that nothing was chosen on.
report = verify(
    model,
    written,
    drop_remainder(runner, [stream.features for stream in test]),
    anchors_s=[stream.events[:, 1] for stream in test],
    fa_per_hour=options.fa_per_hour,
    must_pass=False,
    **written.scoring,
)
print(f"\n{report}\nverification: {'; '.join(report.failures) or 'passed'}")
print(f"\n{written.folder}: {', '.join(sorted(path.name for path in written.folder.iterdir()))}")

# 5. Detect as the device will: audio in, detections out, all settings from the manifest.
live = StreamingDetector.from_bundle(written.folder)
stream = max(test, key=lambda stream: len(stream.events))
print(f"\n{stream.name}, {len(stream.events)} words:")
for detection in live.process(stream.samples()).detections:
    print(f"  {detection.time_s:7.2f} s  {detection.class_name}  {detection.score:.3f}")
