"""Manifests of bundles with any values in them, against a plain list of what must hold."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections import Counter

from messages import check_message

from keras_sal.export.firmware.contents import MICRO_FRONTEND
from keras_sal.export.manifest import read_manifest

MODEL = b"not read here"
HASH = hashlib.sha256(MODEL).hexdigest()
GOOD = {
    "format": 1,
    "model": "model.tflite",
    "classes": ["computer", "hey"],
    "frame_step_s": 0.01,
    "frame_offset_s": 0.03,
    "delay_frames": 0,
    "frontend": dict(MICRO_FRONTEND),
    "trigger": {
        "threshold": [0.5, 0.25],
        "smooth_frames": 3,
        "on_frames": 1,
        "hysteresis": None,
        "refractory_s": 1.0,
    },
    "threshold": None,
    "sha256": {"model.tflite": HASH},
}
VALUES = (
    *(None, True, False, 0, 1, 2, -1, 0.5, 0.01, -0.0, 1e-9, 1e308, 2**70, "", "x", "0.5", "1_0"),
    *([], [0.5], [0.5, 0.5], [0.5, 2], [None], ["a"], ["a", "b"], [[0.5, 0.5]], {}, {"a": 1}),
    *("model.tflite", "../evil.tflite", "/etc/passwd", "model.txt", "C:x.tflite", HASH, HASH[:-1]),
    *({"model.tflite": HASH}, {"model.tflite": HASH.upper()}, {"../evil.tflite": HASH}, [[[]]]),
    *({"kind": "micro"}, dict(MICRO_FRONTEND), {"model.tflite": HASH, "model.txt": HASH}),
)
NOT_JSON = ("Infinity", "-Infinity", "NaN", "1_0", "0x1", "'a'", "[1,]", "{", "nul", "")
PLACE = "a place for what is no JSON"


def attempt(random, folder):
    """Change some values of a good manifest; it must be read or refused as the list says."""
    bundle = folder / "bundle"
    if not bundle.is_dir():
        bundle.mkdir()
        (folder / "evil.tflite").write_bytes(MODEL)
        for name in ("model.tflite", "model.txt"):
            (bundle / name).write_bytes(MODEL)
    manifest = copy.deepcopy(GOOD)
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        _change(random, manifest)
    text, expected = json.dumps(manifest), None
    if random.random() < 0.1:
        manifest[random.choice(sorted(GOOD))] = PLACE
        text = json.dumps(manifest).replace(f'"{PLACE}"', random.choice(NOT_JSON))
        expected = False
    elif random.random() < 0.1:
        at = random.randrange(len(text))
        text = (
            text[:at] + random.choice(("", "}", '"', "\0", "\ud800", "9", "[" * 2000)) + text[at:]
        )
    (bundle / "manifest.json").write_bytes(text.encode(errors="surrogatepass"))
    if expected is None:
        expected = _may_be_read(text)
    try:
        read = read_manifest(bundle)
    except ValueError as error:
        check_message(error, bundle)
        if expected:
            raise AssertionError(f"it must be read: {text}") from error
        return Counter(refused=1)
    assert expected, text
    assert read == json.loads(text)
    return Counter(agreed=1)


def _change(random, manifest):
    """Replace, remove or add a value, at the top or one below it."""
    place = manifest
    if random.random() < 0.5:
        place = random.choice([each for each in manifest.values() if isinstance(each, dict)])
    name = random.choice((*sorted(map(str, place)), "other"))
    if random.random() < 0.2:
        place.pop(name, None)
    else:
        place[name] = copy.deepcopy(random.choice(VALUES))


def _may_be_read(text):
    """Whether every rule holds."""
    try:
        manifest = json.loads(text, parse_constant=lambda _: {}[0])
        text.encode()
        return all(rule(manifest) for rule in RULES)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return False


def _number(value, low, high=math.inf):
    """Whether a value is a finite number from `low` on, up to `high`; `True` is none."""
    return type(value) in (int, float) and low <= value <= high and float(value) < math.inf


def _count(value, low):
    return type(value) is int and value >= low


def _thresholds(manifest):
    given = manifest["trigger"]["threshold"]
    levels = given if isinstance(given, list) else [given]
    fits = len(levels) in (1, len(manifest["classes"]))
    return fits and all(_number(level, 0, 1) for level in levels)


def _hashes(manifest):
    hashes = manifest["sha256"]
    known = {"model.tflite": HASH, "model.txt": HASH}
    return isinstance(hashes, dict) and hashes.items() <= known.items() and len(hashes) > 0


RULES = (
    lambda m: isinstance(m, dict),
    lambda m: m["format"] == 1 and type(m["format"]) in (int, float),
    _hashes,
    lambda m: m["model"] == "model.tflite" and "model.tflite" in m["sha256"],
    lambda m: isinstance(m["classes"], list) and len(m["classes"]) > 0,
    lambda m: all(isinstance(name, str) and name for name in m["classes"]),
    lambda m: _number(m["frame_step_s"], 5e-324, 1.5) and _number(m["frame_offset_s"], 0),
    lambda m: _count(m["delay_frames"], 0),
    lambda m: m["frontend"] is None or m["frontend"] == MICRO_FRONTEND,
    lambda m: _count(m["trigger"]["smooth_frames"], 1) and _count(m["trigger"]["on_frames"], 1),
    lambda m: (
        m["trigger"]["hysteresis"] is None or _number(m["trigger"]["hysteresis"], 0, 1 - 1e-9)
    ),
    lambda m: _number(m["trigger"]["refractory_s"], 0),
    _thresholds,
    lambda m: m["threshold"] is None or m["threshold"]["threshold"] == m["trigger"]["threshold"],
)
