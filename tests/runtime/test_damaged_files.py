"""Model files that are damaged, hostile or of another kind: a `ValueError` that names the file."""

import json
import zipfile

import keras
import numpy as np
import pytest
import small_gru

from keras_sal import cli
from keras_sal.runtime import keras_file, open_runner
from keras_sal.runtime.keras_file import load_keras_file

pytestmark = pytest.mark.any_backend


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    small_gru.model().save(path)
    return path


def refusal(read, path):
    with pytest.raises(ValueError, match=r"`(model|path)` must ") as raised:
        read(path)
    assert repr(str(path)) in str(raised.value)
    return str(raised.value)


def rewritten(source, path, changes):
    """A copy of a .keras file in which some files are replaced, or left out if `None`."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        contents = {name: old.read(name) for name in old.namelist()} | changes
        for name, content in contents.items():
            if content is not None:
                new.writestr(name, content)
    return path


class TestKeras:
    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
    def test_rejects_a_file_cut_short(self, saved, tmp_path, share):
        content = saved.read_bytes()
        path = tmp_path / "cut.keras"
        path.write_bytes(content[: round(share * len(content))])
        for read in (load_keras_file, open_runner):
            refusal(read, path)

    @pytest.mark.parametrize(
        "changes",
        [
            {"config.json": None},
            {"config.json": b"{"},
            {"config.json": b"[]"},
            {"config.json": b'{"class_name": "Lost", "module": "lost", "config": {}}'},
            {"config.json": b"[" * 100_000},
            {"config.json": b"\xff"},
            {"model.weights.h5": None},
            {"model.weights.h5": b"\x89HDF\r\n\x1a\n" + bytes(200)},
        ],
        ids=lambda changes: str(changes)[1:40],
    )
    def test_rejects_a_file_with_damaged_parts(self, saved, tmp_path, changes):
        refusal(load_keras_file, rewritten(saved, tmp_path / "damaged.keras", changes))

    def test_rejects_a_file_that_holds_no_model(self, saved, tmp_path):
        loss = keras.saving.serialize_keras_object(keras.losses.MeanSquaredError())
        path = tmp_path / "loss.keras"
        refusal(load_keras_file, rewritten(saved, path, {"config.json": json.dumps(loss)}))

    @pytest.mark.parametrize("part", ["config.json", "metadata.json", "model.weights.h5"])
    def test_rejects_parts_that_fill_the_memory(self, saved, tmp_path, monkeypatch, part):
        """They are refused by the sizes that the archive declares, before they are read."""
        monkeypatch.setattr(keras_file, "MOST_CONFIG_BYTES", 1 << 20)
        path = rewritten(saved, tmp_path / "bomb.keras", {part: bytes(3 << 20)})
        assert path.stat().st_size < 1 << 16
        message = refusal(load_keras_file, path)
        assert f"{part} would take 3,145,728 bytes" in message

    def test_a_whole_file_is_read(self, saved):
        clip = np.ones((8, small_gru.FEATURES), "float32")
        np.testing.assert_allclose(
            open_runner(saved).stream(clip), open_runner(small_gru.model()).stream(clip), atol=1e-6
        )


class TestOnnx:
    @pytest.fixture(autouse=True)
    def runtime(self):
        pytest.importorskip("onnxruntime", reason="needs the export extra")
        self.onnx = pytest.importorskip("onnx", reason="needs the export extra")

    def write(self, path, names=("frame", "posterior"), shape=("batch", 3), kind="FLOAT"):
        helper, kind = self.onnx.helper, getattr(self.onnx.TensorProto, kind)
        ends = [helper.make_tensor_value_info(name, kind, shape) for name in names]
        graph = helper.make_graph(
            [helper.make_node("Identity", [names[0]], [names[1]])], "g", ends[:1], ends[1:]
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        path.write_bytes(model.SerializeToString())
        return path

    def test_a_detector_is_read(self, tmp_path):
        runner = open_runner(self.write(tmp_path / "good.onnx"))
        np.testing.assert_array_equal(runner.stream(np.full((2, 3), 0.5)), np.full((2, 3), 0.5))

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.95])
    def test_rejects_a_file_cut_short(self, tmp_path, share):
        content = self.write(tmp_path / "good.onnx").read_bytes()
        path = tmp_path / "cut.onnx"
        path.write_bytes(content[: round(share * len(content))])
        with pytest.raises(ValueError, match=r"must be an \.onnx file.*cut\.onnx"):
            open_runner(path)

    def test_rejects_an_operator_that_it_does_not_know(self, tmp_path):
        content = self.write(tmp_path / "good.onnx").read_bytes()
        path = tmp_path / "unknown.onnx"
        path.write_bytes(content.replace(b"Identity", b"Idontity"))
        with pytest.raises(ValueError, match=r"must be an \.onnx file.*unknown\.onnx"):
            open_runner(path)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"names": ("image", "class")}, r"inputs \['image'\] and outputs \['class'\]"),
            ({"names": ("frame", "class")}, "inputs `frame` and outputs `posterior`"),
            ({"names": ("features", "posterior")}, "inputs `frame` and outputs `posterior`"),
            ({"shape": ("batch", "time", 3)}, "tensors of known shape"),
            ({"kind": "INT64"}, "of float32 or small integers"),
            ({"names": ("state_0", "posterior")}, "a step model whose outputs hold"),
        ],
    )
    def test_rejects_another_kind_of_model(self, tmp_path, changes, message):
        path = self.write(tmp_path / "other.onnx", **changes)
        assert message.replace("\\", "") in refusal(open_runner, path)

    def test_any_change_of_a_file_is_read_or_refused(self, tmp_path):
        content = self.write(tmp_path / "good.onnx").read_bytes()
        path = tmp_path / "changed.onnx"
        rng = np.random.default_rng(0)
        refused = 0
        for _ in range(100):
            changed = bytearray(content)
            for at in rng.integers(len(changed), size=rng.integers(1, 9)):
                changed[at] = rng.integers(256)
            path.write_bytes(changed)
            try:
                open_runner(path)
            except ValueError:
                refused += 1
        assert refused > 50

    def test_the_command_says_one_line(self, tmp_path, capsys):
        (tmp_path / "cut.onnx").write_bytes(b"\x08\x08\x12")
        (tmp_path / "cut.keras").write_bytes(b"PK\x03\x04")
        for name in ("cut.onnx", "cut.keras"):
            assert cli.main(["detect", str(tmp_path / name), "tone.wav"]) == 1
            error = capsys.readouterr().err
            assert name in error
            assert error.count("\n") == 1


@pytest.mark.slow
class TestTflite:
    @pytest.fixture(scope="class")
    def content(self, tmp_path_factory):
        pytest.importorskip("tflite_micro", reason="needs the export extra")
        pytest.importorskip("ai_edge_litert", reason="needs the export extra")
        from keras_sal.export import litert

        path = tmp_path_factory.mktemp("tflite") / "small.tflite"
        litert.convert(small_gru.model(), path)
        return path.read_bytes()

    @pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5])
    @pytest.mark.parametrize("runtime", [None, "micro"])
    def test_rejects_a_file_cut_short(self, content, tmp_path, share, runtime):
        path = tmp_path / "cut.tflite"
        path.write_bytes(content[: round(share * len(content))])
        refusal(lambda path: open_runner(path, runtime), path)

    def test_rejects_an_unrelated_model(self, content, tmp_path):
        """Without a state, nothing but the names tells that it is no detector."""
        from keras_sal.export.tflite.flatbuffer import Flatbuffer

        file = Flatbuffer(content)
        for entry in file.tree.signatureDefs[0].inputs:
            entry.name = {"frame": b"serving_default_x"}.get(
                entry.name.decode() if isinstance(entry.name, bytes) else entry.name, entry.name
            )
        path = tmp_path / "other.tflite"
        path.write_bytes(file.tobytes())
        assert "inputs ['serving_default_x']" in refusal(open_runner, path)
