"""A described detector file from sound to posteriors, without a converter."""

import hashlib
import json

from replays import Dice, tensor_info

from keras_sal.export.detector_file import DetectorFile, read
from keras_sal.export.firmware.contents import MICRO_FRONTEND

STEP_SAMPLES, STEP_S = 480, 0.03
CONTENT = b"not read by a replayed detector"


class ReplayedDetector(DetectorFile):
    """Its model gives random posteriors and states, the same after every `open`."""

    def open(self):
        inputs, outputs = (
            [tensor_info(entry["name"], entry["shape"][-1], "float32") for entry in entries]
            for entries in (self.manifest["inputs"], self.manifest["outputs"])
        )
        return Dice(inputs, outputs)


def write(folder, classes=("computer",), *, file="detector.tflite", delay_frames=0, **changes):
    """Write a detector with two states to a folder."""

    def tensors(name, size, suffix=""):
        sizes = {name: size, f"state_0{suffix}": 320, f"state_1{suffix}": 6}
        return [{"name": k, "shape": [1, n], "dtype": "float32"} for k, n in sizes.items()]

    trigger = {"smooth_frames": 2, "on_frames": 1, "hysteresis": 0.1, "refractory_s": 0.2}
    description = {
        "format": 1,
        "name": "my detector",
        "model": file,
        "quantization": "float32",
        "input": "samples",
        "inputs": tensors("frame", STEP_SAMPLES),
        "outputs": tensors("posterior", len(classes), "_next"),
        "states": [[f"state_{k}", f"state_{k}_next"] for k in range(2)],
        "frame_step_s": STEP_S,
        "frame_offset_s": STEP_S,
        "delay_frames": delay_frames,
        "classes": list(classes),
        "frontend": dict(MICRO_FRONTEND),
        "trigger": {"threshold": [0.7, 0.6][: len(classes)]} | trigger,
        "threshold": None,
        "sha256": {file: hashlib.sha256(CONTENT).hexdigest()},
        "versions": {"keras-sal": "1.2.3"},
    } | changes
    (folder / file).write_bytes(CONTENT)
    path = (folder / file).with_suffix(".json")
    path.write_text(json.dumps(description), encoding="utf-8")
    detector = read(path)
    return ReplayedDetector(detector.folder, detector.manifest)
