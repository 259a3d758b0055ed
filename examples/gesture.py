"""A stroke of the hand, found in everyday motion by a three-axis accelerometer.

Shows: events from a table, recordings of any length cut into clips, a detector of three features,
and misses, false alarms and latency of people it has never seen.

The data is real, the streams are not. Strokes (253 by three people, one each for train, dev and
test) are pasted into everyday motion of other people, which was recorded at the waist, in another
orientation. So they are easier to tell from motion than in life, and the figures say nothing about
a product. The event is one kind of stroke; the other kinds are hard negatives.

Needs: in the folder of recordings `gesture/strokes.npz` and `gesture/motion_{train,test}.npz`:
`acceleration_g` `(samples, 3)` at 25 Hz, `start` of each piece, and `gesture` and `person` of each
stroke.

Prints: the loss of each epoch; misses, false alarms and latency on test.

    python examples/gesture.py --gesture wing --epochs 20
"""

import sys

import keras
import numpy as np
from command_line import example_parser, recordings_folder

from keras_sal import AnchorTargets, StreamingAnchorLoss
from keras_sal.detection import det_curve, operating_point
from keras_sal.models import gru_detector
from keras_sal.runtime import open_runner, predict
from keras_sal.targets import clips, events_from_dataframe

STEP_S = 0.04
TIMES = {"frame_step_s": STEP_S}
PEOPLE = {"train": 1, "dev": 0, "test": 2}
STREAM_S = 300
GAP_S = (2.0, 8.0)  # of everyday motion between strokes

parser = example_parser(__doc__, hours=1.0)
parser.add_argument("--gesture", default="wing", help="wing, ring or slope (%(default)s)")
parser.add_argument("--epochs", type=int, default=20, help="of training (%(default)s)")
options = parser.parse_args()

folder = recordings_folder(options) / "gesture"
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
strokes = np.load(folder / "strokes.npz")
pieces = np.split(strokes["acceleration_g"], strokes["start"][1:])


def make_recordings(split, hours):
    """Return recordings by name, and a table of the strokes in them."""
    file = np.load(folder / f"motion_{'test' if split == 'test' else 'train'}.npz")
    motions = np.split(file["acceleration_g"], file["start"][1:])
    own = np.flatnonzero(strokes["person"] == PEOPLE[split])
    table = {"recording": [], "label": [], "onset_s": [], "offset_s": []}
    recordings = {}
    for number in range(max(1, round(hours * 3600 / STREAM_S))):
        name, frames = f"{split} {number}", round(STREAM_S / STEP_S)
        first = rng.integers(len(motions))
        motion = np.resize(np.concatenate(motions[first:] + motions[:first]), (frames, 3))
        at = round(rng.uniform(*GAP_S) / STEP_S)
        while True:
            index = rng.choice(own)
            end = at + len(pieces[index])
            if end > frames:
                break
            motion[at:end] = pieces[index]
            row = (name, str(strokes["gesture"][index]), at * STEP_S, (end - 1) * STEP_S)
            for column, value in zip(table.values(), row, strict=True):
                column.append(value)
            at = end + round(rng.uniform(*GAP_S) / STEP_S)
        recordings[name] = motion
    return recordings, table


def with_events(split, hours):
    recordings, table = make_recordings(split, hours)
    events = events_from_dataframe(table, list(recordings), labels=[options.gesture])
    return list(recordings.values()), events


recordings, events = with_events("train", options.hours)
frames = max(map(len, recordings))
targets = AnchorTargets(frames, anchor="offset", before_frames=1, after_frames=8, **TIMES)
x, y = clips.windows(recordings, targets(events.padded), frames=250, overlap=125)

largest = float(np.percentile(abs(x), 99.9))
model = gru_detector(features=3, feature_max=largest, size="nano")
rate = keras.optimizers.schedules.CosineDecay(0.01, options.epochs * -(-len(y) // 16))
model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), loss=StreamingAnchorLoss("sa+fl"))
model.fit(x, y, batch_size=16, epochs=options.epochs, verbose=2)


def held_out(split):
    recordings, events = with_events(split, options.hours)
    posteriors = predict(open_runner(model), recordings)
    return [each[:, 0] for each in posteriors], events.anchors_s("offset")


curve = det_curve(*held_out("dev"), max_fa_per_hour=2 * options.fa_per_hour, **TIMES)
threshold = curve.threshold_at(options.fa_per_hour)
if not np.isfinite(threshold):
    sys.exit(f"No threshold keeps {options.fa_per_hour:g} false alarms an hour. Train for longer.")
found = operating_point(*held_out("test"), threshold, **TIMES)
print(
    f"\ntest: misses {found.misses} of {found.events} ({found.frr:.1%}), "
    f"{found.fa_per_hour:.1f} false alarms an hour in {found.hours:.2f} h, "
    f"latency P50 {1000 * found.latency_p50_s:.0f} ms, P90 {1000 * found.latency_p90_s:.0f} ms"
)
