"""Sound files of all kinds, whole and broken, and raw samples."""

import numpy as np
import pytest

from keras_sal.audio import ENCODINGS, SAMPLE_RATE, audio_info, read_audio, read_pcm

soundfile = pytest.importorskip("soundfile")

pytestmark = pytest.mark.any_backend

SECONDS = 0.5
KINDS = [  # container, encoding, rate, channels
    *[("WAV", "PCM_16", rate, 1) for rate in (8000, 11_025, 22_050, 44_100, 48_000, 96_000)],
    ("WAV", "PCM_U8", 16_000, 2),
    ("WAV", "PCM_24", 44_100, 2),
    ("WAV", "FLOAT", 48_000, 6),
    ("WAV", "PCM_16", 96_000, 8),
    ("FLAC", "PCM_16", 44_100, 2),
    ("FLAC", "PCM_24", 96_000, 8),
    ("OGG", "VORBIS", 44_100, 2),
    ("OGG", "VORBIS", 96_000, 8),
    ("OGG", "OPUS", 48_000, 1),
    ("OGG", "OPUS", 24_000, 2),
    ("MP3", "MPEG_LAYER_III", 44_100, 2),
    ("MP3", "MPEG_LAYER_III", 22_050, 1),
]


def burst_at(rate, onset_s=0.2, offset_s=0.3):
    """A tone of 1 kHz between two times."""
    second = np.arange(round(SECONDS * rate)) / rate
    sounding = (second >= onset_s) & (second < offset_s)
    return 0.5 * sounding * np.sin(2 * np.pi * 1000 * second)


def middle_s(samples):
    power = np.square(samples, dtype="float64")
    return np.sum(power * np.arange(len(power))) / np.sum(power) / SAMPLE_RATE


@pytest.mark.parametrize(("container", "encoding", "rate", "channels"), KINDS)
def test_reads_any_rate_and_number_of_channels(tmp_path, container, encoding, rate, channels):
    """Times stay, and so does the level: the channels hold 0, 1/c, ... times the tone."""
    shares = np.arange(channels) if channels > 1 else np.ones(1)
    sound = burst_at(rate)[:, None] * shares / max(1, channels - 1)
    path = tmp_path / f"a.{container.lower()}"
    soundfile.write(path, sound, rate, encoding, format=container)
    samples = read_audio(path)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(SECONDS * SAMPLE_RATE, abs=2)
    assert middle_s(samples) == pytest.approx(0.25, abs=0.001)
    expected = 0.5 * np.mean(shares) / max(1, channels - 1)
    assert np.std(samples[3400:4600]) * 2**0.5 == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.flac", "a.txt", "without"])
def test_a_wrong_extension_is_read_for_what_it_is(tmp_path, container, name):
    soundfile.write(tmp_path / name, burst_at(16_000), 16_000, format=container)
    samples = read_audio(tmp_path / name)
    assert middle_s(samples) == pytest.approx(0.25, abs=0.001)


def test_raw_samples_are_not_guessed(tmp_path):
    (tmp_path / "a.raw").write_bytes(bytes(3200))
    with pytest.raises(ValueError, match=r"raw samples don't.*a\.raw.*read_pcm"):
        read_audio(tmp_path / "a.raw")


def test_what_phones_record_has_to_be_converted(tmp_path):
    (tmp_path / "memo.m4a").write_bytes(bytes(4) + b"ftypM4A " + bytes(99))
    with pytest.raises(ValueError, match=r"readable sound file.*Convert it.*ffmpeg -i in\.m4a"):
        read_audio(tmp_path / "memo.m4a")


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.flac", "a.ogg"])
def test_nothing_but_zeros_is_no_sound_file(tmp_path, name):
    (tmp_path / name).write_bytes(bytes(3200))
    with pytest.raises(ValueError, match=r"must be a readable sound file.*a\."):
        read_audio(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("a.wav", "PCM_16"),
        ("a.wav", "FLOAT"),
        ("a.wav", "GSM610"),
        ("a.aiff", "PCM_16"),
        ("a.au", "PCM_16"),
        ("a.w64", "PCM_16"),
        ("a.flac", "PCM_16"),
        ("a.ogg", "VORBIS"),
        ("a.ogg", "OPUS"),
        ("a.mp3", "MPEG_LAYER_III"),
    ],
)
@pytest.mark.parametrize("share", [0.95, 0.5, 0.03])
def test_a_file_cut_short_is_no_shorter_recording(tmp_path, name, encoding, share):
    """libsndfile reads most of them as if their last word had never been said."""
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 48_000)
    soundfile.write(tmp_path / name, noise, 16_000, encoding)
    assert len(read_audio(tmp_path / name)) == pytest.approx(48_000, abs=400)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"must be a readable sound file.*Copy the file again"):
        read_audio(tmp_path / name)


@pytest.mark.parametrize("said", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_length_that_was_not_known_yet_is_no_cut(tmp_path, said):
    """FFmpeg and SoX write such headers into pipes."""
    path = tmp_path / "piped.wav"
    soundfile.write(path, burst_at(16_000), 16_000)
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = said.to_bytes(4, "little")
    path.write_bytes(data)
    assert len(read_audio(path)) == 8000


def test_what_follows_the_sound_is_no_cut(tmp_path):
    path = tmp_path / "tagged.wav"
    soundfile.write(path, burst_at(16_000), 16_000)
    path.write_bytes(path.read_bytes() + b"TAG of some program")
    assert len(read_audio(path)) == 8000


def flac_that_declares(path, frames, *, padding=0):
    """A FLAC file of a second whose header declares another number of samples (36 bits)."""
    soundfile.write(path, burst_at(16_000), 16_000, format="FLAC")
    data = bytearray(path.read_bytes())
    data[21] = data[21] & 0xF0 | frames >> 32
    data[22:26] = (frames & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(data + bytes(padding))
    return path


@pytest.mark.parametrize("read", [audio_info, read_audio])
def test_more_samples_than_the_bytes_can_hold(tmp_path, read):
    """2^36 samples would be 256 GiB."""
    path = flac_that_declares(tmp_path / "a.flac", 2**36 - 1)
    with pytest.raises(ValueError, match=r"declares 68,719,476,735 samples, which .* can't hold"):
        read(path)


def test_false_length_takes_no_memory(tmp_path, monkeypatch):
    """A length that a file of this size might have: only blocks that are there are kept."""
    path = flac_that_declares(tmp_path / "a.flac", 10_000_000)
    monkeypatch.setattr("keras_sal.audio.reading.BLOCK_FRAMES", 1000)
    with pytest.raises(ValueError, match=r"could not be decoded.*a\.flac"):
        read_audio(path)


def test_digital_silence_is_read_in_blocks(tmp_path, monkeypatch):
    path = tmp_path / "a.flac"
    soundfile.write(path, np.append(np.zeros(100_000), [0.5]), 16_000)
    monkeypatch.setattr("keras_sal.audio.reading.BLOCK_FRAMES", 999)
    samples = read_audio(path)
    assert (len(samples), samples[-1], samples[:-1].any()) == (100_001, 0.5, False)


def test_a_recording_of_more_than_a_day(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_sal.audio.reading.LONGEST_S", 0.4)
    soundfile.write(tmp_path / "a.wav", burst_at(16_000), 16_000)
    with pytest.raises(ValueError, match=r"must last at most .* hours; .*Cut it into parts"):
        read_audio(tmp_path / "a.wav")


def test_too_little_memory_leaves_the_file_out(tmp_path, monkeypatch):
    def fail(*_):
        raise MemoryError

    soundfile.write(tmp_path / "a.wav", burst_at(16_000), 16_000)
    monkeypatch.setattr("keras_sal.audio.reading._decoded", fail)
    with pytest.raises(ValueError, match=r"it needs too much memory.*a\.wav"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("riff", ["right", "empty", "0"])
def test_a_header_of_0_bytes_before_sound(tmp_path, riff):
    """As recorders leave it that lose their power."""
    path = tmp_path / "a.wav"
    soundfile.write(path, burst_at(16_000), 16_000, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[40:44] = bytes(4)
    if riff != "right":
        data[4:8] = {"empty": 36, "0": 0}[riff].to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(
        ValueError, match=r"header says 0 bytes, and 16,044 bytes are there.*Repair"
    ):
        audio_info(path)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\0\0\0\x20ftypM4A ", "MP4 or M4A"),
        (b"\x1a\x45\xdf\xa3\x9f", "WebM or Matroska"),
        (b"#!AMR\n", "AMR"),
        (b"\x30\x26\xb2\x75\x8e", "WMA"),
        (b"\xff\xf1\x50\x80", "AAC"),
    ],
)
def test_what_phones_record_under_another_name(tmp_path, start, kind):
    (tmp_path / "a.wav").write_bytes(start + bytes(range(256)) * 4)
    with pytest.raises(ValueError, match=rf"it is {kind}, whatever its name says.*Convert it"):
        read_audio(tmp_path / "a.wav")


def test_loud_music_may_overshoot(tmp_path):
    """Decoders of lossy files give what the encoder left: here a little more than 1."""
    square = np.sign(np.sin(2 * np.pi * 700 * np.arange(16_000) / 16_000))
    soundfile.write(tmp_path / "a.mp3", square, 16_000)
    decoded, _ = soundfile.read(tmp_path / "a.mp3")
    assert np.abs(decoded).max() > 1
    samples = read_audio(tmp_path / "a.mp3")
    assert np.abs(samples).max() == 1


def test_a_file_of_no_bytes(tmp_path):
    (tmp_path / "a.wav").touch()
    with pytest.raises(ValueError, match=r"must hold sound; the file has no samples.*a\.wav"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("read", [audio_info, read_audio])
def test_khz_written_for_hz(tmp_path, read):
    soundfile.write(tmp_path / "a.wav", np.zeros(1600), 16)
    with pytest.raises(ValueError, match=r"at least 1000 samples a second.*16 Hz. Were kHz"):
        read(tmp_path / "a.wav")


@pytest.mark.parametrize("read", [audio_info, read_audio])
def test_a_file_of_less_than_a_sample_at_16_khz(tmp_path, read):
    soundfile.write(tmp_path / "a.wav", np.zeros(1), 96_000)
    with pytest.raises(ValueError, match="must hold sound; the file has no samples"):
        read(tmp_path / "a.wav")


def test_links_in_a_circle_and_into_nothing(tmp_path):
    (tmp_path / "a.wav").symlink_to("b.wav")
    (tmp_path / "b.wav").symlink_to("a.wav")
    (tmp_path / "c.wav").symlink_to("none.wav")
    for name in "abc":
        with pytest.raises(FileNotFoundError, match=rf"this is a broken link.*{name}\.wav"):
            read_audio(tmp_path / f"{name}.wav")


def raw(values, encoding):
    """The bytes of samples, by hand for what NumPy has no type for."""
    order = ">" if encoding.endswith("be") else "<"
    kind = encoding[:3]
    if kind == "s24":
        wide = np.round(values * 2**23).astype(f"{order}i4").view("u1").reshape(-1, 4)
        return (wide[:, 1:] if order == ">" else wide[:, :3]).tobytes()
    scale, dtype = {
        "s8": (2**7, "i1"),
        "u8": (2**7, "u1"),
        "s16": (2**15, "i2"),
        "s32": (2**31, "i4"),
        "f32": (1, "f4"),
        "f64": (1, "f8"),
    }[kind if len(encoding) > 2 else encoding]
    offset = 128 if encoding == "u8" else 0
    whole = np.round(values * scale) if scale > 1 else values
    return (whole + offset).astype(order + dtype).tobytes()


class TestReadPcm:
    @pytest.mark.parametrize("encoding", [e for e in ENCODINGS if "law" not in e])
    def test_reads_what_was_written(self, tmp_path, encoding):
        values = np.array([0.0, 0.5, -0.5, 0.25, -1.0, 0.75])
        (tmp_path / "a.raw").write_bytes(raw(values, encoding))
        samples = read_pcm(tmp_path / "a.raw", 16_000, encoding=encoding)
        assert samples.tolist() == values.tolist()

    @pytest.mark.parametrize(("encoding", "subtype"), [("mulaw", "ULAW"), ("alaw", "ALAW")])
    def test_reads_telephony(self, tmp_path, encoding, subtype):
        sound = burst_at(16_000)
        path = tmp_path / "a.ul"
        soundfile.write(path, sound, 16_000, subtype, format="RAW")
        assert path.stat().st_size == len(sound)
        samples = read_pcm(path, 16_000, encoding=encoding)
        np.testing.assert_allclose(samples, sound, atol=0.02)

    @pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44_100, 2), (96_000, 8)])
    def test_any_rate_and_number_of_channels(self, tmp_path, rate, channels):
        sound = np.repeat(burst_at(rate)[:, None], channels, axis=1)
        (tmp_path / "a.pcm").write_bytes(raw(sound.ravel(), "s16le"))
        samples = read_pcm(tmp_path / "a.pcm", rate, channels=channels)
        assert len(samples) == 8000
        assert middle_s(samples) == pytest.approx(0.25, abs=0.001)

    @pytest.mark.parametrize(
        ("content", "options", "message"),
        [
            (bytes(8), {"encoding": "s16"}, "`encoding` must be one of u8, s8.*encoding='s16'"),
            (bytes(8), {"channels": 0}, "`channels` must be a whole number of at least 1"),
            (bytes(8), {"channels": 4000}, "at most 1024.*channels=4000"),
            (bytes(8), {"sample_rate": 16}, "`sample_rate` one of at least 1000.*sample_rate=16"),
            (bytes(8), {"sample_rate": 16e3}, "must be a whole number.*sample_rate=16000.0"),
            (bytes(7), {}, r"whole samples of 1 channel\(s\) of 2 byte\(s\).*of 7 bytes"),
            (bytes(10), {"channels": 2}, r"whole samples of 2 channel\(s\).*of 10 bytes"),
            (b"", {}, "must hold sound; the file has no samples"),
            (bytes(2), {"sample_rate": 48_000}, "must hold sound; the file has no samples"),
            (b"RIFFxxxx", {}, "this file has a header.*begins with b'RIFF'.*read_audio"),
            (
                np.full(2, np.nan, "<f4").tobytes(),
                {"encoding": "f32le"},
                "finite samples.*peak of nan",
            ),
            (np.full(2, 300, "<f4").tobytes(), {"encoding": "f32le"}, "peak of 300"),
        ],
    )
    def test_rejects(self, tmp_path, content, options, message):
        (tmp_path / "a.raw").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_pcm(tmp_path / "a.raw", **{"sample_rate": 16_000} | options)

    def test_rejects_a_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="`path` must name a file; there is none"):
            read_pcm(tmp_path / "a.raw", 16_000)
