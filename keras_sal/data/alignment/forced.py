"""When each word of a known text is said: forced alignment with PocketSphinx."""

import math
import re

import numpy as np

from keras_sal.data.alignment.events import Event, words_of
from keras_sal.data.alignment.pronunciation import pronounce
from keras_sal.extras import import_package

FRAME_S = 0.01
SAMPLE_RATE = 16_000
FULL_SCALE = 32_767
NO_WORD = r"<.*>|\[.*\]|\+.*\+"
NATS = 1024 * math.log(1.0001)  # of a unit of PocketSphinx's acoustic scores


class AlignmentError(ValueError):
    """The text could not be found in the sound, or the sound holds no event to be found."""


def align_words(samples, sample_rate, text, *, pronunciations=None, least_score=-3.5):
    """Find when each word of a text is said, given that it is said.

    Use it wherever there are transcripts. The whole text must be said in the recording, and
    nothing else. An aligner that is told a wrong text gives up on some recordings and puts it
    somewhere in the others; so what it found must also sound like the text, to `least_score`. Of
    132 recordings of wake words with the text of another one, 60 % would pass without that and 23 %
    do with it (the short "alexa" passes most often); of 24 sentences with another text, 46 and
    25 %. Of the right texts, all 44 wake words pass and 21 of 24 sentences (test split of the
    Picovoice wake words and of speechocean762; the least score was chosen on train and dev). So
    check a transcript that you don't trust in some other way.

    PocketSphinx aligns with its own model of US English, in frames of 10 ms. Each call has a
    decoder of its own, so the times of a recording don't depend on what was aligned before it.
    Words that its dictionary doesn't have are read by letter (`pronunciation.pronounce`).

    Times are good to some 50 ms. On 240 recordings of four wake words, reading the words by letter
    rather than looking them up moved half of the onsets and 90 % of the offsets by nothing, and
    90 % of the onsets by at most 30 ms; but 16 of 60 recordings of "computer" were then refused as
    unlike the text (`benchmarks/alignment_sources.py`): give names a pronunciation if you can.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`.
        sample_rate: Samples per second, in Hz; resampled if it isn't 16000.
        text: What is said. Case and punctuation don't matter; numbers must be in words.
        pronunciations: A dict from words to their pronunciations (a string or a list of them) in
            the 39 phones of the CMU dictionary, `{"alexa": "AH L EH K S AH"}`, for words that are
            unknown or said in another way. They replace those of the dictionary. Default none.
        least_score: How well the sounds must fit the text: the mean log-likelihood of a frame, as
            the aligner scores it, in nats. At most 0; `-math.inf` takes whatever is found.
            Default -3.5; half of the right wake words have above -1.8. Where the aligner can't
            score what it found, that is taken.

    Returns:
        A list of `Event`, one for each word.

    Raises:
        AlignmentError: If the text could not be found in the sound. It is a `ValueError`.
        ValueError: If the text has no words, or a word can't be pronounced.
        ImportError: If `pocketsphinx` is missing.

    Example:
        >>> import numpy as np
        >>> try:
        ...     align_words(np.zeros(16_000), 16_000, "hey robot")
        ... except AlignmentError:
        ...     print("it isn't said there")
        it isn't said there
    """
    pocketsphinx = import_package("pocketsphinx", "align a text with sound", "align")
    words = words_of(text)
    if not least_score <= 0:
        raise ValueError(
            "`least_score` must be at most 0; it is a log-likelihood. Received: "
            f"least_score={least_score}. Leave it at its default, -3.5."
        )
    if not words:
        raise ValueError(
            f"`text` must have words; they are what is aligned. Received: text={text!r}. Find "
            "times without a text by `energy_events` or `speech_events`."
        )
    pronunciations = {
        word.casefold(): [said] if isinstance(said, str) else list(said)
        for word, said in (pronunciations or {}).items()
    }
    decoder = pocketsphinx.Decoder(samprate=SAMPLE_RATE, loglevel="FATAL", lm=None)
    names = {word: _known_to(decoder, word, pronunciations.get(word)) for word in set(words)}
    wanted = [names[word] for word in words]
    try:
        segments, score = _align(decoder, wanted, _pcm(samples, sample_rate))
    except RuntimeError as error:  # it can't hear the utterance to its end
        raise _not_said(words, samples, sample_rate, "the aligner gave up") from error
    if segments is None:
        raise _not_said(words, samples, sample_rate, "the aligner gave up")
    if score < least_score:
        fit = f"it fits with {score:.1f} nats a frame, below {least_score:g}"
        raise _not_said(words, samples, sample_rate, fit)
    return [
        Event(s.start_frame * FRAME_S, (s.end_frame + 1) * FRAME_S, word)
        for s, word in zip(segments, words, strict=True)
    ]


def _not_said(words, samples, sample_rate, why):
    return AlignmentError(
        "`text` must be what is said in `samples`, and they must be clear enough; "
        f"{why}. Received: text={' '.join(words)!r} for {len(samples) / sample_rate:.2f} s. "
        "Listen to the recording, or leave it out."
    )


def _align(decoder, wanted, pcm):
    """The segments of the words and their score in nats a frame; `(None, nan)` if not found."""
    decoder.set_align_text(" ".join(wanted))
    _hear(decoder, pcm)
    segments = [s for s in decoder.seg() or () if not re.fullmatch(NO_WORD, s.word)]
    if [re.sub(r"\(\d+\)$", "", segment.word) for segment in segments] != wanted:
        return None, math.nan
    return segments, _score(decoder, pcm)


def _score(decoder, pcm):
    """How well the sounds of the words fit their frames, in nats a frame; nan if it can't say."""
    decoder.set_alignment()
    try:
        _hear(decoder, pcm)
    except RuntimeError:
        return math.nan
    heard = [word for word in decoder.get_alignment() if not re.fullmatch(NO_WORD, word.name)]
    return NATS * sum(w.score for w in heard) / sum(w.duration for w in heard)


def _hear(decoder, pcm):
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


def _known_to(decoder, word, given):
    """The name under which the decoder knows the word, after it was told how to say it."""
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
