"""Forced alignment of a known text with its sound, by PocketSphinx."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

import numpy as np

from keras_sal.checks import require
from keras_sal.data.alignment.events import Event, words_of
from keras_sal.data.alignment.pronunciation import pronounce
from keras_sal.extras import import_package
from keras_sal.typing import ArrayLike

FRAME_S = 0.01
SAMPLE_RATE = 16_000
FULL_SCALE = 32_767
NOT_A_WORD = r"<.*>|\[.*\]|\+.*\+"
NATS_PER_UNIT = 1024 * math.log(1.0001)  # of the acoustic scores of PocketSphinx


class AlignmentError(ValueError):
    """The text could not be found in the sound."""


def align_words(
    samples: ArrayLike,
    sample_rate: int,
    text: str,
    *,
    pronunciations: Mapping[str, str | Iterable[str]] | None = None,
    min_score: float = -3.5,
) -> list[Event]:
    """Find when each word of a text is said, given that it is said.

    Use it wherever there are transcripts. The whole text must be said in the recording, and
    nothing else. An aligner with a wrong text gives up on some recordings and finds wrong times in
    the others; so the sound must also fit the text by `min_score`. Of 132 recordings of wake words
    with the text of another one, 60 % would pass without this score and 23 % pass with it (the
    short "alexa" passes most often); of 24 sentences with another text, 46 and 25 %. Of the right
    texts, all 44 wake words pass and 21 of 24 sentences (test split of the Picovoice wake words and
    of speechocean762; the default score was chosen on train and dev). So check a transcript that
    you don't trust in some other way.

    PocketSphinx aligns with its own model of US English, in frames of 10 ms. Each call has a
    decoder of its own, so the times of a recording don't depend on what was aligned before it.
    Words that are not in its dictionary are pronounced letter by letter
    (`pronunciation.pronounce`).

    Times are good to some 50 ms. On 240 recordings of four wake words, pronouncing the words by
    letter rather than by the dictionary moved half of the onsets and 90 % of the offsets by
    nothing, and 90 % of the onsets by at most 30 ms; but 16 of 60 recordings of "computer" were
    then refused as unlike the text (`benchmarks/alignment_sources.py`): give names a pronunciation
    if you can.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`.
        sample_rate: Samples per second, in Hz; resampled if it isn't 16000.
        text: What is said. Case and punctuation don't matter; numbers must be in words.
        pronunciations: A dict from words to their pronunciations (a string or a list of them) in
            the 39 phones of the CMU dictionary, `{"alexa": "AH L EH K S AH"}`, for words that are
            unknown or said in another way. They replace those of the dictionary. Default none.
        min_score: Least mean log-likelihood of a frame by the acoustic model, in nats. At most 0;
            `-math.inf` accepts any. Default -3.5; half of the right wake words have more than
            -1.8. An alignment that can't be scored is accepted.

    Returns:
        A list of `Event`, one for each word.

    Raises:
        AlignmentError: If the text could not be found in the sound. This is a `ValueError`.
        ValueError: If the text has no words, or a word can't be pronounced.
        ImportError: If `pocketsphinx` is missing.

    Example:
        >>> import numpy as np
        >>> try:
        ...     align_words(np.zeros(16_000), 16_000, "hey robot")
        ... except AlignmentError:
        ...     print("not said")
        not said
    """
    pocketsphinx = import_package("pocketsphinx", "align a text with sound", "align")
    words = words_of(text)
    require(
        min_score <= 0,
        "`min_score` must be at most 0; it is a log-likelihood. Received: "
        f"min_score={min_score}. Leave it at its default, -3.5.",
    )
    require(
        bool(words),
        f"`text` must have words; they are what is aligned. Received: text={text!r}. Find "
        "times without a text by `energy_events` or `speech_events`.",
    )
    given = {
        word.casefold(): [said] if isinstance(said, str) else list(said)
        for word, said in (pronunciations or {}).items()
    }
    decoder = pocketsphinx.Decoder(samprate=SAMPLE_RATE, loglevel="FATAL", lm=None)
    names = {word: _dictionary_name(decoder, word, given.get(word)) for word in set(words)}
    wanted = [names[word] for word in words]
    try:
        segments, score = _align(decoder, wanted, _pcm(samples, sample_rate))
    except RuntimeError as error:  # the decoder can't reach the end of the utterance
        raise _not_found(words, samples, sample_rate, "the aligner gave up") from error
    if segments is None:
        raise _not_found(words, samples, sample_rate, "the aligner gave up")
    if score < min_score:
        fit = f"it fits with {score:.1f} nats a frame, below {min_score:g}"
        raise _not_found(words, samples, sample_rate, fit)
    return [
        Event(s.start_frame * FRAME_S, (s.end_frame + 1) * FRAME_S, word)
        for s, word in zip(segments, words, strict=True)
    ]


def _not_found(words, samples, sample_rate, why):
    return AlignmentError(
        "`text` must be what is said in `samples`, and they must be clear enough; "
        f"{why}. Received: text={' '.join(words)!r} for {len(samples) / sample_rate:.2f} s. "
        "Listen to the recording, or leave it out."
    )


def _align(decoder, wanted, pcm):
    """Return the segments of the words and their score; `(None, nan)` if they aren't found."""
    decoder.set_align_text(" ".join(wanted))
    _decode(decoder, pcm)
    segments = [s for s in decoder.seg() or () if not re.fullmatch(NOT_A_WORD, s.word)]
    if [re.sub(r"\(\d+\)$", "", segment.word) for segment in segments] != wanted:
        return None, math.nan
    return segments, _score(decoder, pcm)


def _score(decoder, pcm):
    """Return the mean log-likelihood of the frames of the words, in nats; nan if it fails."""
    decoder.set_alignment()
    try:
        _decode(decoder, pcm)
    except RuntimeError:
        return math.nan
    words = [word for word in decoder.get_alignment() if not re.fullmatch(NOT_A_WORD, word.name)]
    return NATS_PER_UNIT * sum(w.score for w in words) / sum(w.duration for w in words)


def _decode(decoder, pcm):
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


def _dictionary_name(decoder, word, given):
    """Return the name of a word in the dictionary of the decoder, added where it is missing."""
    if given is None and decoder.lookup_word(word):
        return word
    name = word if given is None else f"{word}_given"
    for number, said in enumerate(given or [pronounce(word)]):
        try:
            decoder.add_word(name if number == 0 else f"{name}({number + 1})", said)
        except RuntimeError as error:
            raise ValueError(
                "`pronunciations` must be in the phones of the CMU dictionary, apart by spaces. "
                f'Received: {word!r} as {said!r}. Write "AH L EH K S AH" for "alexa".'
            ) from error
    return name


def _pcm(samples, sample_rate):
    samples = np.asarray(samples, "float32")
    if sample_rate != SAMPLE_RATE:
        from keras_sal.audio import resample

        samples = resample(samples, sample_rate, SAMPLE_RATE)
    return np.rint(np.clip(samples, -1, 1) * FULL_SCALE).astype("<i2").tobytes()
