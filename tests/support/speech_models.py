"""Networks with the ends of Piper's and Kokoro's that hum instead of speak, for tests."""

import json

import numpy as np

PIPER_HOP, PIPER_RATE = 256, 22_050
KOKORO_HOP = 600  # at 24 kHz
FRAMES = 8  # of each phoneme


def write_piper(path, speakers):
    """A Piper voice whose speaker n hums at 200 * (n + 1) Hz, as long as the text."""
    from onnx import TensorProto, helper, save

    nodes = [
        helper.make_node("Cast", ["input"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["ids", "zero"], ["none"]),
        helper.make_node("Add", ["none", "frames"], ["exact"]),
        helper.make_node("Ceil", ["exact"], ["durations"]),
        *_length("durations", "hop"),
        *_hum("sid", 200.0 / PIPER_RATE),
        helper.make_node("Unsqueeze", ["wave", "axes"], ["output"]),
    ]
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, "phonemes"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
        helper.make_tensor_value_info("sid", TensorProto.INT64, [1]),
    ]
    constants = {
        "zero": np.float32(0),
        "frames": np.float32(FRAMES),
        "hop": np.float32(PIPER_HOP),
        "axes": np.array([0, 1], "int64"),
    }
    save(_model(nodes, inputs, "output", constants), str(path))
    config = {
        "audio": {"sample_rate": PIPER_RATE},
        "espeak": {"voice": "en-us"},
        "num_symbols": 256,
        "num_speakers": speakers,
        "speaker_id_map": {f"p{n}": n for n in range(speakers)} if speakers > 1 else {},
        "phoneme_type": "text",
        "phoneme_id_map": {
            sign: [number] for number, sign in enumerate("_^$ abcdefghijklmnopqrstuvwxyz'")
        },
    }
    path.with_name(f"{path.name}.json").write_text(json.dumps(config))
    return path


def write_kokoro(folder, names):
    """A Kokoro whose style x hums at 100 * x Hz between pauses of 0.2 s."""
    from onnx import TensorProto, helper, save

    nodes = [
        helper.make_node("Cast", ["tokens"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["ids", "zero"], ["none"]),
        helper.make_node("Add", ["none", "frames"], ["durations"]),
        *_length("durations", "hop"),
        helper.make_node("Slice", ["style", "first", "second", "last"], ["pitch"]),
        helper.make_node("Reshape", ["pitch", "one"], ["pitch_"]),
        *_hum("pitch_", 100.0 / 24_000),
        helper.make_node("Pad", ["wave", "pads"], ["audio"]),
    ]
    inputs = [
        helper.make_tensor_value_info("tokens", TensorProto.INT64, [1, "length"]),
        helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, 256]),
        helper.make_tensor_value_info("speed", TensorProto.FLOAT, [1]),
    ]
    constants = {
        "zero": np.float32(0),
        "frames": np.float32(FRAMES),
        "hop": np.float32(KOKORO_HOP),
        "first": np.array([0], "int64"),
        "second": np.array([1], "int64"),
        "last": np.array([1], "int64"),
        "one": np.array([1], "int64"),
        "pads": np.array([4800, 4800], "int64"),
    }
    save(_model(nodes, inputs, "audio", constants), str(folder / "kokoro.onnx"))
    styles = {name: np.full((510, 1, 256), pitch, "float32") for name, pitch in names.items()}
    with (folder / "voices.bin").open("wb") as file:
        np.savez(file, **styles)
    return folder / "kokoro.onnx", folder / "voices.bin"


def _length(durations, hop):
    """Nodes that make `samples`, 0, 1, 2 ... as many as the durations say."""
    from onnx import helper

    return [
        helper.make_node("ReduceSum", [durations], ["total"], keepdims=0),
        helper.make_node("Mul", ["total", hop], ["count"]),
        helper.make_node("Range", ["start", "count", "step"], ["samples"]),
    ]


def _hum(pitch, cycles):
    """Nodes that make `wave`, a hum whose pitch is a number of `cycles` a sample."""
    from onnx import TensorProto, helper, numpy_helper

    turn = numpy_helper.from_array(np.float32(2 * np.pi * cycles), "turn")
    base = numpy_helper.from_array(np.float32(1.0 if pitch == "sid" else 0.0), "base")
    half = numpy_helper.from_array(np.float32(0.5), "half")
    return [
        helper.make_node("Constant", [], ["turn"], value=turn),
        helper.make_node("Constant", [], ["base"], value=base),
        helper.make_node("Constant", [], ["half"], value=half),
        helper.make_node("Cast", [pitch], ["pitch_float"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["pitch_float", "base"], ["pitch_based"]),
        helper.make_node("Mul", ["samples", "turn"], ["phase"]),
        helper.make_node("Mul", ["phase", "pitch_based"], ["angle"]),
        helper.make_node("Sin", ["angle"], ["loud"]),
        helper.make_node("Mul", ["loud", "half"], ["wave"]),
    ]


def _model(nodes, inputs, output, constants):
    from onnx import TensorProto, helper, numpy_helper

    constants = constants | {"start": np.float32(0), "step": np.float32(1)}
    graph = helper.make_graph(
        nodes,
        "hum",
        inputs,
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
