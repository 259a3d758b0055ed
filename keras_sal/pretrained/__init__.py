"""Detectors that work before any training: wake words, as int8 bundles of 25 KB.

    detector = StreamingDetector.pretrained("computer")
    for detection in detector.process(samples).detections:
        print(detection.time_s)

On the command line a name stands for a model:

    keras-sal detect computer --microphone
    keras-sal export computer page --to web

- `names` lists them.
- `path` is the folder of one: a bundle (see `keras_sal.export.bundle`) without its C++ sources,
  which `keras-sal export` writes.

Each was trained by `keras-sal train` as it is shipped, and has a card in `docs/pretrained/`: its
data, its figures with intervals, its limits, and the command that makes it again.

They were trained on the Picovoice wake-word and speech-to-intent benchmarks (Picovoice Inc.,
Apache-2.0), on speechocean762 (Zhang et al., 2021, free for commercial and non-commercial use) and
on ESC-10 (Karol J. Piczak, CC BY 3.0), none of which is in the package.
"""

from __future__ import annotations

from pathlib import Path

from keras_sal.checks import require

__all__ = ["names", "path"]

_FOLDER = Path(__file__).parent
_MANIFEST = "manifest.json"


def names() -> list[str]:
    """Return the names of the detectors, which are their wake words, sorted.

    Example:

    >>> "computer" in names()
    True
    """
    return sorted(each.parent.name.replace("_", " ") for each in _FOLDER.glob(f"*/{_MANIFEST}"))


def path(name: str) -> Path:
    """Return the folder of a detector: a bundle without its C++ sources.

    Args:
        name: One of `names()`; case does not matter, and `_` stands for a space.

    Returns:
        The folder.

    Raises:
        ValueError: If there is no detector of that name.

    Example:

    >>> sorted(file.name for file in path("computer").iterdir())
    ['manifest.json', 'model.tflite']
    """
    word = " ".join(name.casefold().replace("_", " ").split())
    require(
        word in names(),
        f"`name` must be that of a pretrained detector, one of {', '.join(map(repr, names()))}. "
        f"Received: name={name!r}. For another word, train one with `keras-sal train`.",
    )
    return _FOLDER / word.replace(" ", "_")
