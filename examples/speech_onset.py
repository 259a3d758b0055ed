"""Speech onset: detection within a fraction of a second that someone begins to speak.

Shows: a detector whose anchor is the beginning of an event, not its end. Four things differ from
`keyword_spotting.py`.

1. The anchor is the onset: `AnchorTargets(anchor="onset")`.
2. All frames from the onset to the end of the sentence are positive, not a few around the anchor.
   The loss is still highest around the onset, which the distances give.
3. It is scored as its users would. A hit comes from 50 ms before the onset to 0.5 s after it. A
   false onset is a detection where nobody speaks. The posterior stays high for seconds, and the
   trigger fires again while a sentence lasts: such repeats are counted apart, for which
   `event_ends_s` says when each sentence ends. The refractory time is the least pause between
   sentences, so that no detection within a sentence hides the next onset. With `hysteresis` the
   trigger fires again only after the score has fallen, so that a long noise counts once.
4. Positive frames are everywhere, not in a few seconds of each minute, so fewer steps are enough.

Needs: recordings as for `keyword_spotting.py`, with noise (files below `noise/`) and sentences
(recordings of the `--corpus`, with onset and offset times). The noise consists of environmental
sounds of 5 s, only minutes of them, so the figures are rough.

Prints: the loss of each epoch; then misses, false onsets, latency and repeats on test, clean and at
an SNR of 10 dB.

    python examples/speech_onset.py --steps 1000
"""

import sys
from dataclasses import replace

import keras
import numpy as np
from command_line import example_parser, recordings_folder

from keras_sal import AnchorTargets, StreamingAnchorLoss
from keras_sal.audio import FRAME_OFFSET_S, FRAME_STEP_S
from keras_sal.data import (
    StreamBatches,
    evaluation_streams,
    load_recordings,
    training_streams,
)
from keras_sal.detection import det_curve, operating_point
from keras_sal.models import gru_detector
from keras_sal.runtime import open_runner, predict

EPOCHS = 6
SPEECH = "speech"
SNR_DB = 10.0
TIMES = {"frame_step_s": FRAME_STEP_S, "frame_offset_s": FRAME_OFFSET_S}
PAUSE_S = (0.5, 3.0)
TRIGGER = {"smooth_frames": 5, "hysteresis": 0.3, "refractory_s": PAUSE_S[0]}
HIT = {"early_s": 0.05, "max_delay_s": 0.5}

parser = example_parser(__doc__, hours=1.5, fa_per_hour=30.0)
parser.add_argument("--corpus", default="speechocean762", help="the sentences (%(default)s)")
parser.add_argument("--steps", type=int, default=1000, help="train steps (%(default)s)")
options = parser.parse_args()

folder = recordings_folder(options)
keras.utils.set_random_seed(0)

# The event is speech, whatever is said; everything else is noise.
recordings = load_recordings(folder)
recordings = [
    *(replace(r, text=SPEECH) for r in recordings if r.corpus == options.corpus),
    *(r for r in recordings if r.noise),
]
train = training_streams(
    recordings,
    SPEECH,
    hours=options.hours,
    events_per_minute=4.0,
    pause_s=PAUSE_S,
    cache=options.cache,
)


def held_out(split, snr_db=None):
    return evaluation_streams(
        recordings, SPEECH, split, snr_db=snr_db, pause_s=PAUSE_S, cache=options.cache
    )


# Neither before_frames nor after_frames: positive from onset to offset.
targets = AnchorTargets(frames=400, anchor="onset", **TIMES)
batches = StreamBatches(train, targets, batch_size=32, batches=max(1, options.steps // EPOCHS))

model = gru_detector()
rate = keras.optimizers.schedules.CosineDecay(4e-3, len(batches) * EPOCHS)
model.compile(
    keras.optimizers.Adam(rate, clipnorm=1.0),
    loss=StreamingAnchorLoss("sa+fl"),
)
model.fit(batches, epochs=EPOCHS, shuffle=False, verbose=2)


def answers(streams):
    posteriors = predict(open_runner(model), [stream.features for stream in streams])
    return {
        "posteriors": [p[:, 0] for p in posteriors],
        "anchors_s": [stream.events[:, 0] for stream in streams],
        "event_ends_s": [stream.events[:, 1] for stream in streams],
    }


curve = det_curve(
    **answers(held_out("dev")),
    max_fa_per_hour=2 * options.fa_per_hour,
    **TRIGGER,
    **HIT,
    **TIMES,
)
threshold = curve.threshold_at(options.fa_per_hour)
if not np.isfinite(threshold):
    sys.exit(f"No threshold keeps {options.fa_per_hour:g} false onsets an hour. Train for longer.")
print(f"\nthreshold {threshold:.4f}, for {options.fa_per_hour:g} false onsets an hour on dev")
for name, snr_db in (("clean", None), (f"{SNR_DB:g} dB", SNR_DB)):
    test = answers(held_out("test", snr_db))
    found = operating_point(**test, threshold=threshold, **vars(curve.scoring))
    print(
        f"test, {name}: misses {found.misses} of {found.events} ({found.frr:.1%}), "
        f"{found.fa_per_hour:.1f} false onsets an hour in {found.hours:.2f} h, "
        f"latency P50 {1000 * found.latency_p50_s:.0f} ms, P90 {1000 * found.latency_p90_s:.0f} ms"
    )
    print(f"  fired {found.repeats} times more within sentences")
