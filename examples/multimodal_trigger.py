"""A trigger with two inputs: a word said together with a stroke of the hand, not one alone.

Shows: `multimodal_detector` over sound at 100 frames a second and acceleration at 25, how frames of
different rates are paired, and how often the detector fires on one input alone.

The data is real, the pairing is not. Words and noise are recordings. Strokes (253 by three people,
one each for train, dev and test) and everyday motion are accelerometer recordings of other people.
The event is a stroke that ends within 0.3 s of the end of a word; words without a stroke and
strokes without a word are hard negatives. The strokes are pasted into motion that was recorded at
the waist, in another orientation, so they are easier to tell from motion than in life, and the
figures say nothing about a product.

Needs: recordings as for `keyword_spotting.py`, and in their folder `gesture/strokes.npz` and
`gesture/motion_{train,test}.npz`: `acceleration_g` `(samples, 3)` at 25 Hz, `start` and `length` of
each piece, and `person` of each stroke.

Prints: the loss of each epoch; misses and latency on test; how often it fires on each input alone.

    python examples/multimodal_trigger.py --word computer --epochs 30
"""

import sys

import keras
import numpy as np
from command_line import example_parser, recordings_folder

from keras_sal import AnchorTargets, StreamingAnchorLoss, pad_events
from keras_sal.audio import FRAME_STEP_S
from keras_sal.data import evaluation_streams, load_word_recordings, training_streams
from keras_sal.detection import det_curve, detect, operating_point
from keras_sal.models import multimodal_detector
from keras_sal.runtime import open_runner, predict

RATIO = 4  # sound frames for each motion sample
STEP_S = RATIO * FRAME_STEP_S
# Step 0 takes sound frames 0 to 3, the last of which is complete at 60 ms. By then the motion
# samples at 0 and 40 ms have come: it takes the newest, number 1.
TIMES = {"frame_step_s": STEP_S, "frame_offset_s": 0.06}
NEWEST = 1
CLIP_STEPS = 250  # 10 s
TOGETHER_S = 0.3
PEOPLE = {"train": 1, "dev": 0, "test": 2}

parser = example_parser(__doc__, hours=2.0)
parser.add_argument("--word", default="computer", help="the word (%(default)s)")
parser.add_argument("--epochs", type=int, default=30, help="of training (%(default)s)")
options = parser.parse_args()

folder = recordings_folder(options)
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)


def pieces(file):
    """Return the pieces of motion in a file, each `(samples, 3)` in g."""
    return np.split(file["acceleration_g"], file["start"][1:])


def with_motion(streams, split):
    """Return features by input of the step model, events, lone words, lone strokes by stream."""
    file = np.load(folder / "gesture" / "strokes.npz")
    strokes = [x for x, p in zip(pieces(file), file["person"], strict=True) if p == PEOPLE[split]]
    motions = pieces(
        np.load(folder / "gesture" / f"motion_{'test' if split == 'test' else 'train'}.npz")
    )
    pairs = []
    for stream in streams:
        samples = len(stream.features) // RATIO + NEWEST
        first = rng.integers(len(motions))
        motion = np.resize(np.concatenate(motions[first:] + motions[:first]), (samples, 3))
        events, words, alone, busy = [], [], [], 0
        for clip in stream.placed:
            # Half of the words have a stroke, and a tenth of the other recordings end with one.
            word = clip.event
            end_s = word[1] + rng.uniform(-TOGETHER_S, TOGETHER_S) if word else clip.end_s
            stroke, end = strokes[rng.integers(len(strokes))], round(end_s / STEP_S)
            fits = busy <= end - len(stroke) and end <= samples
            if fits and rng.random() < (0.5 if word else 0.1):
                motion[end - len(stroke) : end] = stroke
                busy = end
                if word:
                    events.append((word[0], max(word[1], end_s)))
                else:
                    alone.append(end_s)
            elif word:
                words.append(word[1])
        steps = samples - NEWEST
        features = {
            "frame_fast": stream.features[: steps * RATIO],
            "frame_slow": motion[NEWEST:],
        }
        pairs.append((features, np.reshape(events, (-1, 2)), words, alone))
    return pairs


recordings = load_word_recordings(folder, options.word, say=print)
# Every training stream is one clip of 10 s, cut where the motion ends.
clips = training_streams(
    recordings,
    options.word,
    hours=options.hours,
    stream_s=CLIP_STEPS * STEP_S + 0.1,
    cache=options.cache,
)
train = with_motion(clips, "train")
x = {
    "fast": np.stack([features["frame_fast"][: CLIP_STEPS * RATIO] for features, *_ in train]),
    "slow": np.stack([features["frame_slow"][:CLIP_STEPS] for features, *_ in train]),
}
targets = AnchorTargets(CLIP_STEPS, anchor="offset", before_frames=1, after_frames=8, **TIMES)
y = targets(pad_events([events for _, events, *_ in train]))

model = multimodal_detector(slow_features=3, rate_ratio=RATIO, slow_max=4.0)
rate = keras.optimizers.schedules.CosineDecay(4e-3, options.epochs * -(-len(y) // 32))
model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), loss=StreamingAnchorLoss("sa+fl"))
model.fit(x, y, batch_size=32, epochs=options.epochs, verbose=2)


def held_out(split):
    streams = evaluation_streams(recordings, options.word, split, cache=options.cache)
    pairs = with_motion(streams, split)
    posteriors = predict(open_runner(model), [features for features, *_ in pairs])
    return [p[:, 0] for p in posteriors], [events[:, 1] for _, events, *_ in pairs], pairs


posteriors, ends_s, _ = held_out("dev")
curve = det_curve(posteriors, ends_s, max_fa_per_hour=2 * options.fa_per_hour, **TIMES)
threshold = curve.threshold_at(options.fa_per_hour)
if not np.isfinite(threshold):
    sys.exit(f"No threshold keeps {options.fa_per_hour:g} false alarms an hour. Train for longer.")
posteriors, ends_s, pairs = held_out("test")
found = operating_point(posteriors, ends_s, threshold, **TIMES)
print(
    f"\nboth, at threshold {threshold:.4f}: misses {found.misses} of {found.events} "
    f"({found.frr:.1%}), {found.fa_per_hour:.1f} false alarms an hour in {found.hours:.2f} h, "
    f"latency P50 {1000 * found.latency_p50_s:.0f} ms, P90 {1000 * found.latency_p90_s:.0f} ms"
)
fired_s = [[d.time_s for d in detect(p, threshold, **TIMES)] for p in posteriors]
for name, place in (("word", 2), ("stroke", 3)):
    times_s = [(t, fired) for pair, fired in zip(pairs, fired_s, strict=True) for t in pair[place]]
    hits = sum(any(-0.5 <= f - t <= 1.0 for f in fired) for t, fired in times_s)
    print(f"{name} alone: fires on {hits} of {len(times_s)}")
