"""The sources of a bundle: operators, front-end, table of posteriors."""

import re
from importlib import resources
from types import SimpleNamespace

import numpy as np
import pytest
from firmware_programs import PROGRAMS, compile_only, needs_compiler
from replays import tensor_info

from keras_sal.detection import Scoring
from keras_sal.export.firmware import sources
from keras_sal.export.firmware.contents import FIXED, FRONTEND, MICRO_FRONTEND, SHARED
from keras_sal.export.firmware.readme import markdown_text
from keras_sal.export.signature import Signature
from keras_sal.export.step_runner import TensorInfo

pytestmark = pytest.mark.any_backend


@needs_compiler
def test_resolver_methods_are_those_of_tensorflow(tmp_path):
    """The header beside this test has the names of TensorFlow Lite Micro's own."""
    operators = [
        "ADD", "ASSIGN_VARIABLE", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CALL_ONCE", "CONV_2D",
        "CUMSUM", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "HARD_SWISH", "L2_NORMALIZATION",
        "LOGISTIC", "MAX_POOL_2D", "PADV2", "RELU6", "SPACE_TO_BATCH_ND", "SPLIT_V",
        "STRIDED_SLICE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "VAR_HANDLE",
    ]  # fmt: skip
    (tmp_path / "op_resolver.h").write_text(sources.op_resolver(operators, "model_x", 3))
    (tmp_path / "main.cc").write_text(
        '#include "op_resolver.h"\n'
        "namespace model = keras_sal::model_x;\n"
        "bool F(model::OpResolver* r) { return model::RegisterOperators(r); }\n"
        'static_assert(model::kNumResourceVariables == 3, "");\n'
    )
    compile_only(tmp_path / "main.cc", include=[PROGRAMS])


def test_front_end_is_that_of_the_package():
    header = sources.fixed("frontend.h")
    constants = {
        name: float(value.removesuffix("f"))
        for name, value in re.findall(r"constexpr \w+ k(\w+) = ([\d.]+f?);", header)
    }
    ours = {
        key.title().replace("_", "") if key != "features" else "Features": value
        for key, value in MICRO_FRONTEND.items()
        if key != "kind"
    }
    assert constants == pytest.approx(ours)


def test_sources_come_with_the_package():
    folder = resources.files("keras_sal.export.firmware").joinpath("cpp")
    names = {file.name for file in folder.iterdir()}
    assert names >= {*FIXED, *SHARED, "README.md", "main_audio.cc", "main_frames.cc", *FRONTEND}
    assert "namespace keras_sal" in folder.joinpath("detector.cc").read_text()


def test_posterior_table_is_the_sigmoid():
    info = tensor_info("logit", 1, "int8", 0.125, -3)
    table = sources.posterior_table(info)
    assert table.shape == (256,)
    assert table.dtype == np.float32
    assert table[128 - 3] == 0.5
    assert np.all(np.diff(table) >= 0)
    logits = (np.arange(-128, 128) + 3) * 0.125
    np.testing.assert_allclose(table, 1 / (1 + np.exp(-logits)), rtol=1e-6)


def test_namespaces_are_identifiers_and_differ():
    names = ["computer", "Hey, you", "hey  you 2", "class", "1st", "señor", "senor", "да", "не"]
    names += [
        "a" * 300,
        "a" * 301,
        "ж" * 100,
        "a-b",
        "a_b",
        "a b",
        "A_b",
        "a__b",
        "a_b_",
        "---",
        "",
        "\udc80",
    ]
    spaces = [sources.namespace_of(name) for name in names]
    assert len(set(spaces)) == len(names)
    assert all(re.fullmatch(r"model(_[a-z0-9]+)+", space) for space in spaces), spaces
    assert max(map(len, spaces)) < 60
    assert sources.namespace_of("a_b") == "model_a_b"


HOSTILE = "state_0\nint x = system(0);  // \\"


def test_names_of_tensors_stay_in_their_comments():
    runner = SimpleNamespace(
        inputs=[TensorInfo(HOSTILE, (1, 4), "float32")],
        outputs=[TensorInfo("posterior\\\n", (1, 1), "float32")],
        signature=Signature((HOSTILE,), (), ("posterior\\\n",)),
    )
    texts = sources.detector_settings(
        runner,
        {HOSTILE: 0, "posterior\\\n": 0},
        scoring=Scoring(frame_step_s=0.01),
        thresholds=[0.5],
        class_names=["x"],
        model="model_x",
        arenas={"reference": 16, "cmsis_nn": 32, "cmsis_nn_mve": 32, "esp_nn": 48},
    )
    for line in texts["detector_settings.h"].splitlines():
        assert not line.lstrip().startswith("int x")
        assert not line.endswith("\\")
    assert "// state_0_int_x___system_0____//__" in texts["detector_settings.h"]


@pytest.mark.parametrize("name", ["Evil();//", "A\nB", "lower_case", ""])
def test_custom_operators_are_refused(name):
    with pytest.raises(ValueError, match="`model` must hold operators of TensorFlow Lite only"):
        sources.op_resolver(["ADD", name], "model_x")


def test_readme_shows_names_as_they_are():
    assert markdown_text("okay_nabu") == "okay_nabu"
    shown = markdown_text("a\n# b | <script>`x`</script> ![c](d)\u2028e")
    assert "\n" not in shown
    assert "\u2028" not in shown
    assert not re.search(r"(?<!\\)[`<>|\[\]#!]", shown)
