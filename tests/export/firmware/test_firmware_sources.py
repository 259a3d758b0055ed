"""The C++ of a bundle against Python: the trigger, quantisation, state, whole streams."""

import re
from importlib import resources

import numpy as np
import pytest
from export_task import same_on_every_backend
from firmware_programs import (
    PROGRAMS,
    CortexM4,
    Host,
    compile_only,
    needs_compiler,
    run,
    trigger_source,
)

from keras_sal.detection import Scoring, Trigger, detect
from keras_sal.export import bundle, firmware_sources

pytestmark = same_on_every_backend


@pytest.fixture(params=[Host(), CortexM4()], ids=lambda machine: machine.name)
def machine(request):
    return request.param


# --- the trigger -----------------------------------------------------------------------------


def random_case(rng):
    """A trigger, its threshold and posteriors, whose ties and near ties are the rule."""
    frames = int(rng.integers(1, 120))
    kind = rng.integers(3)
    if kind == 0:  # what an int8 model answers
        posterior = rng.integers(0, 256, frames) / 256
    elif kind == 1:
        posterior = rng.uniform(0, 1, frames)
    else:  # slow swells
        posterior = np.abs(np.sin(np.arange(frames) * rng.uniform(0.05, 0.5)))
    posterior = posterior.astype("float32")
    scoring = Scoring(
        frame_step_s=1.0,
        smooth_frames=int(rng.choice([1, 2, 3, 5, 7, 11])),
        on_frames=int(rng.choice([1, 1, 2, 3, 5])),
        hysteresis=rng.choice([None, 0.0, 0.1, 0.25, float(rng.uniform(0, 0.5))]),
        refractory_s=float(rng.choice([0, 1, 2, 7, 30])),
    )
    scores = scoring.scores(posterior)[0].astype("float64")
    attained = float(rng.choice(scores))
    threshold = rng.choice(
        [
            attained,
            np.nextafter(attained, 2),  # float64, just out of reach of a float32
            np.nextafter(attained, -1),
            rng.uniform(0.2, 0.9),
        ]
    )
    if scoring.hysteresis:  # a level of release that is attained, or missed by a hair
        other = float(rng.choice(scores))
        threshold = rng.choice([threshold, other + scoring.hysteresis])
    return posterior, float(np.clip(threshold, 0, 1)), scoring


def case_bytes(posterior, threshold, scoring):
    levels = [
        sources.float_threshold(threshold),
        sources.float_release(threshold, scoring.hysteresis),
    ]
    counts = [scoring.smooth_frames, scoring.on_frames, scoring.refractory_frames, len(posterior)]
    return np.float32(levels).tobytes() + np.int32(counts).tobytes() + posterior.tobytes()


@needs_compiler
def test_trigger_answers_as_python_to_the_bit(machine, tmp_path):
    rng = np.random.default_rng(0)
    cases = [random_case(rng) for _ in range(600)]
    (tmp_path / "cases.bin").write_bytes(b"".join(case_bytes(*case) for case in cases))
    files = [PROGRAMS / "check_trigger.cc", trigger_source(tmp_path)]
    run(machine.build(files, tmp_path, tmp_path), cwd=tmp_path)
    answers = np.fromfile(tmp_path / "answers.bin", "float32").reshape(-1, 2)
    assert len(answers) == sum(len(posterior) for posterior, _, _ in cases)
    fired = 0
    for posterior, threshold, scoring in cases:
        scores, answers = answers[: len(posterior)], answers[len(posterior) :]
        np.testing.assert_array_equal(scores[:, 0], scoring.scores(posterior)[0])
        expected = detect(posterior, threshold, **vars(scoring))
        frames = [int(detection.time_s) for detection in expected]
        assert np.flatnonzero(scores[:, 1]).tolist() == frames, (threshold, scoring)
        live = Trigger(threshold, **vars(scoring)).feed(posterior)
        assert [detection.time_s for detection in live] == frames
        fired += len(frames)
    assert fired > 600, "the cases must make triggers fire"


@pytest.mark.parametrize("threshold", [0.0, 1e-9, 0.1, 0.5, 0.7, 1 / 3, 0.99999999, 1.0])
def test_float_threshold_is_the_smallest_that_reaches(threshold):
    level = sources.float_threshold(threshold)
    assert level.dtype == np.float32
    assert float(level) >= threshold
    assert float(np.nextafter(level, np.float32(-1))) < threshold


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.7, 1 / 3, 1.0])
@pytest.mark.parametrize("hysteresis", [0.0, 0.1, 1 / 7, 0.3, 0.3 - 1e-16])
def test_float_release_is_the_smallest_that_holds(threshold, hysteresis):
    level = sources.float_release(threshold, hysteresis)
    assert level.dtype == np.float32
    assert float(level) + hysteresis >= threshold
    below = np.nextafter(level, np.float32(-2))
    assert below < 0 or float(below) + hysteresis < threshold


def test_without_hysteresis_every_score_releases():
    assert sources.float_release(0.5, None) > 1


# --- texts -----------------------------------------------------------------------------------


def test_float_literals_read_back_as_the_same_float():
    rng = np.random.default_rng(1)
    values = rng.integers(0, 0x7F800000, 1000, dtype="int32").view("float32")
    for value in (*values, np.float32(0), np.float32(-1), np.float32(1e20), np.float32(123456)):
        text = sources.literal(value)
        assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?f", text), text
        assert re.search(r"[.e]", text), text
        assert np.float32(text[:-1]) == value


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("computer", '"computer"'),
        ('say "hi"\\', r'"say \042hi\042\134"'),
        ("señor", r'"se\303\261or"'),
        ("what??/", r'"what\077\077/"'),
    ],
)
def test_text_literals_are_plain_ascii(text, literal):
    assert sources.text_literal(text) == literal


@needs_compiler
def test_resolver_methods_are_those_of_tensorflow(tmp_path):
    """The header beside this test has the names of TensorFlow Lite Micro's own."""
    operators = [
        "ADD", "ASSIGN_VARIABLE", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CALL_ONCE", "CONV_2D",
        "CUMSUM", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "HARD_SWISH", "L2_NORMALIZATION",
        "LOGISTIC", "MAX_POOL_2D", "PADV2", "RELU6", "SPACE_TO_BATCH_ND", "SPLIT_V",
        "STRIDED_SLICE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "VAR_HANDLE",
    ]  # fmt: skip
    (tmp_path / "op_resolver.h").write_text(sources.op_resolver(operators, 3))
    (tmp_path / "main.cc").write_text(
        '#include "op_resolver.h"\n'
        "bool F(keras_sal::OpResolver* r) { return keras_sal::RegisterOperators(r); }\n"
        'static_assert(keras_sal::kNumResourceVariables == 3, "");\n'
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
        for key, value in bundle.MICRO_FRONTEND.items()
        if key != "kind"
    }
    assert constants == pytest.approx(ours)


def test_sources_come_with_the_package():
    folder = resources.files("keras_sal.export.firmware")
    names = {file.name for file in folder.iterdir()}
    assert names >= {*bundle.FIXED, "README.md", "main_audio.cc", "main_frames.cc", "frontend.h"}
    assert "namespace keras_sal" in folder.joinpath("detector.cc").read_text()
