"""The README of a bundle: its contents, and how to wire it into a firmware."""

from __future__ import annotations

import json
import math
import re
import string
from collections.abc import Mapping
from typing import Any

from keras_sal.export.firmware import sources

# The values with which a part of the trigger has no effect.
WITHOUT_EFFECT = {
    "smooth_frames": 1,
    "on_frames": 1,
    "hysteresis": None,
    "refractory_s": 0,
}
STATES = {
    "explicit": "carried by the detector, which copies each state's bytes from output to input",
    "internal": "kept by the interpreter in resource variables",
}
FRONTEND_SECTIONS = {
    "frontend_rows": "| `frontend.h` | parameters of the front-end the model was trained on |\n"
    "| `micro_frontend.h` | computes its features, with TensorFlow's micro front-end |\n",
    "espidf_frontend": "\nThe component has the micro front-end already.\n",
    "zephyr_frontend": "\nThe module's library may lack the micro front-end: then add the sources "
    "of\n`tensorflow/lite/experimental/microfrontend/lib` and of kissfft to the application.\n",
    "arduino_frontend": "\nThe micro front-end must be in that library, or beside the sketch: its "
    "sources are in\n`tensorflow/lite/experimental/microfrontend/lib` of TensorFlow Lite Micro.\n",
}


def readme(title: str, manifest: Mapping[str, Any]) -> str:
    """Return the text of `README.md`.

    Args:
        title: Name of the bundle's folder.
        manifest: The bundle's manifest.
    """
    hears_audio = manifest["frontend"] is not None
    settings = [
        f"{name} {value}"
        for name, value in manifest["trigger"].items()
        if value != WITHOUT_EFFECT.get(name, value)
    ]
    states = {state for state, _ in manifest["states"]}
    frames = [entry for entry in manifest["inputs"] if entry["name"] not in states]
    function, source = (
        ("bool ReadSamples(int16_t* samples, int count);", "sound")
        if hears_audio
        else ("bool ReadFrame(float* frame, int count);", "stream")
    )
    sections = {name: text if hears_audio else "" for name, text in FRONTEND_SECTIONS.items()}
    return string.Template(sources.fixed("README.md")).substitute(
        sections,
        title=markdown_text(title),
        folder=json.dumps(title, ensure_ascii=False)[1:-1],
        version=manifest["versions"].get("keras-sal", "unknown"),
        step_ms=f"{1000 * manifest['frame_step_s']:g}",
        frame_values=sum(math.prod(entry["shape"]) for entry in frames),
        classes=", ".join(map(markdown_text, manifest["classes"])),
        quantization=manifest["quantization"],
        flash_bytes=f"{manifest['flash_bytes']:,}",
        arena_bytes=f"{manifest['arena_bytes']:,}",
        macs=f"{manifest['macs']:,}",
        state=STATES[manifest["state"]],
        operators=" ".join(manifest["operators"]),
        trigger=", ".join(settings) or "every frame for itself",
        threshold=_threshold_text(manifest),
        yours=f"{function}\nvoid OnDetection(const char* name, float score);",
        source=source,
        with_tensorflow="`tflm_interpreter.h`, `op_resolver.h`, "
        + ("`micro_frontend.h` and `main.cc`" if hears_audio else "and `main.cc`"),
    )


def markdown_text(text: str) -> str:
    r"""Return a text in one line of Markdown that is shown as it is.

    Args:
        text: Any text, such as the name of a class.

    Example:
        >>> print(markdown_text("hey_you"), markdown_text("<b>a|b</b>\n# c"))
        hey_you \<b\>a\|b\</b\> \# c
    """
    in_one_line = re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]+", " ", str(text))
    return re.sub(r"([\\`*<>\[\]|#&!])", r"\\\1", in_one_line)


def _threshold_text(manifest: Mapping[str, Any]) -> str:
    value, record = manifest["trigger"]["threshold"], manifest["threshold"]
    if "classes" not in record:
        return _class_threshold_text(value, record)
    values = value if isinstance(value, list) else [value]
    classes = zip(manifest["classes"], values, record["classes"], strict=True)
    return "; ".join(
        f"{markdown_text(name)}: {_class_threshold_text(own, chosen)}"
        for name, own, chosen in classes
    )


def _class_threshold_text(value: Any, record: Mapping[str, Any]) -> str:
    if "budget_fa_per_hour" not in record:
        return f"{value}, {markdown_text(record['rule'])}"
    return (
        f"{value}, for {record['budget_fa_per_hour']:g} false alarms an hour; on "
        f"{markdown_text(record['data'])} "
        f"it misses {100 * record['frr']:.1f} % of {record['events']} events with "
        f"{record['false_alarms']} false alarms in {record['hours']:.1f} h"
    )
