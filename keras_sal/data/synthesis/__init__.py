"""Synthetic speech with exact event times, made offline.

Use it to try the package, to teach and to test where there are no recordings: `synthesize` fills a
folder in the layout of a folder of recordings (`recordings.csv` beside FLAC files of 16 kHz, mono,
16 bits) with a wake word in many voices, words that sound like it, voice commands, sentences and
noise. Two engines speak:

- Piper with the voice *joe*: a neural voice, close to a person. The event times come from the
  durations that its network gives to the phonemes.
- eSpeak NG with some eighty variants of its formant synthesiser, in eight English accents: robotic,
  but many. The event times come from its phoneme events.

Further voices can be added: voices of Piper as files (`voices`; one with hundreds of speakers
counts as hundreds), and Kokoro with its voices (`kokoro`), whose event times come from its sound,
which is silent before and after the words.

Each recording has its own random speed, pitch, vocal tract, room, microphone, level and noise.
Voices that sound alike count as one, and each belongs to one split only (the single voice of Piper
to `train`), so a score on `test` is over voices that were not trained on. It is still a score on
synthetic speech: it tells whether a pipeline works, not how a detector performs with people.

The engines are GPL-3 and therefore an extra, `pip install "keras-sal[demo]"`. They are imported
only in processes of their own, so a crash of an engine doesn't end the calling process.

In the order in which a reader meets them: `speech_folder` (`synthesize`), `plan` (every recording,
before one is made), `prompts` (the texts), `voices` (their assignment to splits),
`engine_processes`, and `clip_worker`, the script that each of these processes runs.
"""

from keras_sal.data.synthesis.speech_folder import PACKAGES, RECIPE_VERSION, synthesize

__all__ = ["PACKAGES", "RECIPE_VERSION", "synthesize"]
