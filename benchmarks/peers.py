"""Detectors of wake words that others ship, run as their own packages run them.

    pip download --no-deps -d PEERS pymicro-wakeword==2.5.0 openwakeword==0.4.0

The models are read from the wheels, which need not be installed. microWakeWord's is a stateful
`.tflite` file over the features of the micro front-end, with a mean over five outputs.
openWakeWord's are three ONNX files: a mel spectrogram of each 80 ms, an embedding of 76 of its
frames, and a classifier of 16 embeddings. The embedding is without padding in time, so it is
computed over whole streams here, which gives the same numbers six times faster; its package
computes each of the overlapping windows anew.
"""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
from kept_posteriors import version_of

from keras_sal.audio import SAMPLE_RATE, output_times, to_pcm16

WHEELS = {"microWakeWord": "pymicro_wakeword-*.whl", "openWakeWord": "openwakeword-*.whl"}


class MicroWakeWord:
    """A model of the package pymicro-wakeword.

    Args:
        wheel: Path of the wheel.
        word: The wake word.
    """

    name = "microWakeWord"
    stride = 3  # frames of an output

    def __init__(self, wheel, word):
        folder = "pymicro_wakeword/models"
        with zipfile.ZipFile(wheel) as archive:
            settings = json.loads(archive.read(f"{folder}/{word}.json"))["micro"]
            self.files = {f"{word}.tflite": archive.read(f"{folder}/{word}.tflite")}
        [self._content] = self.files.values()
        self.threshold = settings["probability_cutoff"]
        self.times = output_times(self.stride)
        self.trigger = {"smooth_frames": settings["sliding_window_size"]}

    def predict(self, stream):
        """Return the posteriors of a stream, before they are averaged, `(outputs,)`."""
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_content=self._content, num_threads=1)
        interpreter.allocate_tensors()
        [frames], [posterior] = interpreter.get_input_details(), interpreter.get_output_details()
        scale, zero_point = frames["quantization"]
        outputs = len(stream.features) // self.stride
        steps = stream.features[: outputs * self.stride].reshape(outputs, *frames["shape"])
        limits = np.iinfo(frames["dtype"])
        steps = np.round(steps / scale + zero_point).clip(limits.min, limits.max)
        found = np.zeros(outputs, "float32")
        for index, step in enumerate(steps.astype(frames["dtype"])):
            interpreter.set_tensor(frames["index"], step)
            interpreter.invoke()
            found[index] = interpreter.get_tensor(posterior["index"]).item()
        scale, zero_point = posterior["quantization"]
        return (found - zero_point) * np.float32(scale)


class OpenWakeWord:
    """A model of the package openwakeword.

    Args:
        wheel: Path of the wheel.
        word: The wake word.
    """

    name = "openWakeWord"
    hop = 1280  # samples of an output
    threshold = 0.5  # default of its package
    silent_outputs = 5  # at the start of a stream

    def __init__(self, wheel, word):
        names = ("melspectrogram.onnx", "embedding_model.onnx", f"{word}_v0.1.onnx")
        with zipfile.ZipFile(wheel) as archive:
            folder = "openwakeword/resources/models"
            self.files = {name: archive.read(f"{folder}/{name}") for name in names}
        self.times = dict.fromkeys(("frame_step_s", "frame_offset_s"), self.hop / SAMPLE_RATE)
        self.trigger = {"smooth_frames": 1}
        spectrum, embedding, classifier = self.files.values()
        self._spectrum = _session(spectrum)
        self._embedding = _session(_over_any_length(embedding))
        self._classifier = _session(classifier)

    def predict(self, stream):
        """Return the posteriors of a stream, `(outputs,)`."""
        samples = to_pcm16(stream.samples()).astype("float32")
        outputs = len(samples) // self.hop
        silence = self._embedded(self._mel(np.zeros(160_000, "float32")))
        [given] = self._classifier.get_inputs()
        history = silence[1 - given.shape[1] :]
        embeddings = np.concatenate([history, self._streamed(samples, outputs)])
        found = np.zeros(outputs, "float32")
        for index in range(self.silent_outputs, outputs):
            window = embeddings[None, index : index + given.shape[1]]
            found[index] = self._classifier.run(None, {given.name: window})[0].item()
        return found

    def _streamed(self, samples, outputs):
        """The embedding after each 80 ms: each spectrum is that of the latest, and 30 ms more."""
        pieces = [np.ones((76, 32), "float32")]
        for index in range(outputs):
            end = self.hop * (index + 1)
            pieces.append(self._mel(samples[max(0, end - self.hop - 480) : end]))
        return self._embedded(np.concatenate(pieces)[-(76 + 8 * (outputs - 1)) :])

    def _mel(self, samples):
        return self._spectrum.run(None, {"input": samples[None]})[0].reshape(-1, 32) / 10 + 2

    def _embedded(self, frames):
        return self._embedding.run(None, {"input_1": frames[None, :, :, None]})[0].T


def _session(content):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _over_any_length(content):
    """The embedding model for any number of frames, with an output `(96, embeddings)`."""
    import onnx

    model = onnx.load_model(io.BytesIO(content))
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "frames"
    model.graph.output[0].type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    shapes = {(-1, 1, 76, 34): (1, 1, -1, 34), (-1, 1, 1, 96): (96, -1)}
    reshaped = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    for each in model.graph.initializer:
        if each.name in reshaped:
            shape = shapes[tuple(onnx.numpy_helper.to_array(each).tolist())]
            each.CopyFrom(onnx.numpy_helper.from_array(np.array(shape), each.name))
    return model.SerializeToString()


def load(folder, word):
    """Return the peers that know a word.

    Args:
        folder: Folder of the wheels.
        word: The wake word.
    """
    found = []
    for peer in (MicroWakeWord, OpenWakeWord):
        [wheel] = Path(folder).glob(WHEELS[peer.name])
        try:
            each = peer(wheel, word)
        except KeyError:  # there is no such file in the wheel
            continue
        each.package = "-".join(wheel.name.split("-")[:2])
        each.version = version_of(each.files.values())
        found.append(each)
    return found
