"""A wake word, from recordings to a detector that hears audio as a microphone delivers it.

Shows: targets from event times, training a GRU with `StreamingAnchorLoss("sa+fl")`, the misses and
the latency at a false-alarm budget, and `StreamingDetector`, fed with chunks of 80 ms.

Needs: a folder with a table `recordings.csv`, described in `keras_sal.data.recordings`, given by
`--recordings` or `KERAS_SAL_RECORDINGS`; `pip install "keras-sal[audio,jax]"`, or another backend.
It takes a few minutes on 2 cores, and much longer on PyTorch, which runs a GRU step by step in
Python.

Prints: the loss of each epoch; misses, false alarms and latency on test with the threshold chosen
on dev; and each detection of one test stream with its distance to the end of the word.

    python examples/keyword_spotting.py --word computer --steps 1500
"""

import sys

import keras
import numpy as np
from command_line import example_parser, recordings_folder

from keras_sal import AnchorTargets, StreamingAnchorLoss, StreamingDetector
from keras_sal.audio import FRAME_OFFSET_S, FRAME_STEP_S, SAMPLE_RATE, MicroFrontend
from keras_sal.data import (
    StreamBatches,
    evaluation_streams,
    load_word_recordings,
    training_streams,
)
from keras_sal.detection import det_curve, operating_point
from keras_sal.models import gru_detector
from keras_sal.runtime import open_runner, predict

EPOCHS = 10
CHUNK_S = 0.08
TIMES = {"frame_step_s": FRAME_STEP_S, "frame_offset_s": FRAME_OFFSET_S}

parser = example_parser(__doc__, hours=2.0)
parser.add_argument("--word", default="computer", help="the wake word (%(default)s)")
parser.add_argument("--steps", type=int, default=1500, help="train steps (%(default)s)")
options = parser.parse_args()

folder = recordings_folder(options)
keras.utils.set_random_seed(0)

# Recordings laid end to end, augmented for training and unaltered for scoring.
recordings = load_word_recordings(folder, options.word, say=print)
train = training_streams(recordings, options.word, hours=options.hours, cache=options.cache)
dev = evaluation_streams(recordings, options.word, "dev", cache=options.cache)
test = evaluation_streams(recordings, options.word, "test", cache=options.cache)

# The anchor is the end of the word. Frames are positive from 30 ms before it to 250 ms after it.
# Crops are 4 s long, with a frame every 10 ms.
targets = AnchorTargets(frames=400, anchor="offset", before_frames=3, after_frames=25, **TIMES)
batches = StreamBatches(train, targets, batch_size=32, batches=max(1, options.steps // EPOCHS))

model = gru_detector()
rate = keras.optimizers.schedules.CosineDecay(4e-3, len(batches) * EPOCHS)
model.compile(
    keras.optimizers.Adam(rate, clipnorm=1.0),
    loss=StreamingAnchorLoss("sa+fl"),
)
model.fit(batches, epochs=EPOCHS, shuffle=False, verbose=2)


def posteriors_and_anchors(streams):
    posteriors = predict(open_runner(model), [stream.features for stream in streams])
    return [p[:, 0] for p in posteriors], [stream.events[:, 1] for stream in streams]


# The threshold is chosen on dev; test is only for the figures.
curve = det_curve(*posteriors_and_anchors(dev), max_fa_per_hour=2 * options.fa_per_hour, **TIMES)
threshold = curve.threshold_at(options.fa_per_hour)
if not np.isfinite(threshold):
    sys.exit(f"No threshold keeps {options.fa_per_hour:g} false alarms an hour. Train for longer.")
found = operating_point(*posteriors_and_anchors(test), threshold, **TIMES)
print(
    f"\n{options.word!r} at threshold {threshold:.4f}, which gave dev "
    f"{curve.point(threshold).fa_per_hour:.1f} false alarms an hour\n"
    f"test: misses {found.misses} of {found.events} ({found.frr:.1%}), "
    f"{found.fa_per_hour:.1f} false alarms an hour in {found.hours:.2f} h, "
    f"latency P50 {1000 * found.latency_p50_s:.0f} ms, P90 {1000 * found.latency_p90_s:.0f} ms"
)

# As in an app: audio comes in chunks, detections come out. The device has the same front-end.
detector = StreamingDetector(model, threshold, frontend=MicroFrontend(), class_names=[options.word])
stream = max(test, key=lambda stream: len(stream.events))
samples = stream.samples()
chunk = round(CHUNK_S * SAMPLE_RATE)
print(f"\n{stream.name}, {stream.duration_s:.0f} s in chunks of {1000 * CHUNK_S:.0f} ms:")
for start in range(0, len(samples), chunk):
    for detection in detector.process(samples[start : start + chunk]).detections:
        nearest_s = min(stream.events[:, 1], key=lambda end_s: abs(end_s - detection.time_s))
        late_ms = 1000 * (detection.time_s - nearest_s)
        ended = f"{late_ms:+.0f} ms from its end" if -500 <= late_ms <= 1000 else "false alarm"
        print(
            f"  {detection.time_s:7.2f} s  {detection.class_name}  {detection.score:.3f}  {ended}"
        )
print(f"  {len(stream.events)} words in it")
