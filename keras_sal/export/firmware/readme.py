"""The README of a bundle: its contents, and how to wire it into a firmware."""

from __future__ import annotations

import json
import math
import re
import string
from collections.abc import Mapping
from typing import Any

from keras_sal.export.firmware import costs, sources
from keras_sal.export.firmware.package import Ecosystem
from keras_sal.export.scratch import least_arena, with_margin

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
    "| `micro_frontend.h/.cc`, `frontend_tables.h` | compute its features |\n"
    "| `listener.h` | sound in, detections out: front-end and detector together |\n"
    "| `ring_buffer.h` | from the interrupt of a microphone to the detector, without a lock |\n",
    "frontend_note": "\nThe front-end needs no TensorFlow, kissfft or heap. It gives the same "
    "features as\n`keras_sal.audio.MicroFrontend` in Python, to the bit, however the samples "
    "are cut into chunks\n(`MicroFrontend::Read` takes any number).\n",
}
MAIN_ROW = "| `main.cc` | an example that uses all of them |\n"
OWN_FUNCTIONS = """\
`main.cc` needs two functions that you write:

```cpp
{function}
void OnDetection(const char* name, float score);
```
"""
USE = {
    True: """\
```cpp
#include "{model}.h"

namespace model = keras_sal::{model};

static model::Listener listener;
model::Detector* detector = model::SetUp(Log);  // null if it failed
listener.Begin(detector, OnDetection);
listener.Hear(samples, count);                  // any number of samples; calls OnDetection
```

An interrupt writes to a `keras_sal::RingBuffer`, which `Hear` takes as well: then it takes all that
it holds, and logs how many samples were lost.
""",
    False: """\
```cpp
#include "{model}.h"

namespace model = keras_sal::{model};

model::Detector* detector = model::SetUp(Log);  // null if it failed
detector->Step(frame);                          // every frame of features
if (detector->detected()) ...
```
""",
}
SEVERAL = """\
 Include their headers by folder, and compile {shared} of one of
them only."""
SELF_TEST = """\
Define `KERAS_SAL_SELF_TEST` for all files, and compile `self_test.cc`, `self_test_data.cc` and
`golden.cc`, too. Then"""
YOURS = """
Yours to edit, and not checked: {}.
Once edited, they stay as they are when the bundle is written again, as do files that it did not
write."""
ELSEWHERE = """\
### ESP-IDF, Arduino, Zephyr, a PC

`keras-sal export --to esp-idf`, `arduino`, `zephyr` or `cmake` writes these sources with the build
files of that ecosystem and an example with a microphone.

### Anything else

Build TensorFlow Lite Micro as its documentation says. Add its folder and those of FlatBuffers,
gemmlowp and ruy to the include path, compile the `.cc` files here with `-std=c++17` (TensorFlow's
headers need it) and `-DTF_LITE_STATIC_MEMORY`, and link.

"""


def readme(title: str, manifest: Mapping[str, Any], package: Ecosystem | None = None) -> str:
    """Return the text of `README.md`.

    Args:
        title: Name of the bundle's folder.
        manifest: The bundle's manifest.
        package: The ecosystem, if it is the README of a package. Defaults to `None`, for the bundle
            itself.
    """
    hears_audio = manifest["frontend"] is not None
    model = manifest["namespace"].split("::")[-1]
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
    shared = "`trigger.cc` and `micro_frontend.cc`" if hears_audio else "`trigger.cc`"
    sections = {name: text if hears_audio else "" for name, text in FRONTEND_SECTIONS.items()}
    text = string.Template(sources.fixed("README.md")).substitute(
        sections,
        title=markdown_text(title),
        python_folder=json.dumps(title, ensure_ascii=False)[1:-1],
        version=manifest["versions"].get("keras-sal", "unknown"),
        step_ms=f"{1000 * manifest['frame_step_s']:g}",
        frame_values=sum(math.prod(entry["shape"]) for entry in frames),
        classes=", ".join(map(markdown_text, manifest["classes"])),
        quantization=manifest["quantization"],
        flash_bytes=f"{manifest['flash_bytes']:,}",
        arenas=_arenas_text(manifest["arenas"]),
        golden="two seconds of sound" if hears_audio else "100 frames",
        namespace=manifest["namespace"],
        macro=f"KERAS_SAL_{model.upper()}_ARENA_BYTES",
        least_arena=f"{least_arena(manifest['arenas']):,}",
        arena_share="{:.0f} to {:.0f} %".format(*(100 * share for share in costs.ARENA_SHARES)),
        arena_64_bit=f"{manifest['arenas']['reference']:,}",
        several="" if package else SEVERAL.format(shared=shared),
        self_test="With `KERAS_SAL_SELF_TEST`, see above," if package else SELF_TEST,
        threads="only `RingBuffer` is for two" if hears_audio else "nothing here has a lock",
        macs=f"{manifest['macs']:,}",
        state=STATES[manifest["state"]],
        operators=" ".join(manifest["operators"]),
        trigger=", ".join(settings) or "every frame for itself",
        threshold=_threshold_text(manifest),
        source=source,
        reset=f"{'Listener' if hears_audio else 'Detector'}::Reset",
        start="" if package is None else package.start(model, hears_audio=hears_audio),
        place=f"\nThe sources are in `src/{model}`.\n" if package else "",
        yours=YOURS.format(" and ".join(f"`{name}`" for name in package.yours)) if package else "",
        main_row=MAIN_ROW if package is None else "",
        wiring=(USE[hears_audio] if package else OWN_FUNCTIONS).format(
            model=model, function=function
        ),
        elsewhere="" if package else ELSEWHERE,
        with_tensorflow="`tflm_interpreter.h`, `op_resolver.h` and `set_up.cc`",
        costs=costs.rows(manifest["costs"]),
        costs_source=_costs_source(manifest["costs"]),
    )
    return text if package is None else text.replace(".cc", package.suffix)


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


def _arenas_text(arenas: Mapping[str, int]) -> str:
    kernels = {
        "reference": "reference kernels",
        "cmsis_nn": "CMSIS-NN (Cortex-M4, M7, M33)",
        "cmsis_nn_mve": "CMSIS-NN with MVE (Cortex-M55, M85)",
        "esp_nn": "ESP-NN",
    }
    reserved = {key: with_margin(arenas[key], key) for key in kernels}
    return ", ".join(f"{reserved[key]:,} bytes for {text}" for key, text in kernels.items())


def _costs_source(costs: Mapping[str, Any]) -> str:
    detector = f"`{costs['measured_on']}` of {costs['measured_macs']:,} multiply-accumulates"
    if not costs["estimated"]:
        return f"on {detector}, as many as here"
    return f"on {detector}; the instructions of a step are in proportion to those"


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
