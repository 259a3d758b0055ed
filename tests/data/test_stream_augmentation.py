import pytest

from keras_sal.data import StreamAugmentation

pytestmark = pytest.mark.any_backend


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"speed": (0.1, 1)}, r"`speed` must be \(least, greatest\) within \[0\.5, 2\]"),
        ({"tempo": (1, 3)}, r"`tempo` must be \(least, greatest\) within \[0\.5, 2\]"),
        ({"snr_db": (10, 0)}, r"`snr_db` must be \(least, greatest\).*snr_db=\(10, 0\)"),
        ({"tilt_db": (0, 30)}, r"`tilt_db` must be .*within \[-20, 20\]"),
        ({"partial_words": 2}, r"`partial_words` must be .*within \[0, 1\].*=\(0, 2\)"),
        ({"rooms": -1}, r"`rooms` must be .*within \[0, 1\].*=\(0, -1\)"),
        ({"clean": 1.5}, r"`clean` must be .*within \[0, 1\].*clean=\(0, 1\.5\)"),
        ({"gain_db": (0, 1000)}, r"`gain_db` must be .*within \[-100, 100\]"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_rejects(given, message):
    with pytest.raises(ValueError, match=message):
        StreamAugmentation(**given)
