"""The self-test of a bundle: OK where all is as in Python, else the first difference."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from firmware_programs import CORTEX_M4, PROGRAMS, CortexM4, Host, needs_compiler, run
from replays import Dice, replay, tensor_info, write_settings

from keras_sal.audio import MicroFrontend
from keras_sal.detection import Scoring
from keras_sal.export import bundle
from keras_sal.export.firmware import golden

pytestmark = [pytest.mark.any_backend, needs_compiler]

SELF_TEST = ("-DKERAS_SAL_SELF_TEST",)
MOST_FLASH_BYTES = 4096
TRIGGER = {"smooth_frames": 3, "on_frames": 2, "hysteresis": 0.01, "refractory_s": 0.07}


@pytest.fixture(params=[Host(), CortexM4()], ids=lambda machine: machine.name)
def machine(request):
    return request.param


@pytest.fixture(scope="module")
def written(two_states_int8, tmp_path_factory):
    folder = tmp_path_factory.mktemp("self_test") / "bundle"
    return bundle.write(
        two_states_int8, folder, threshold=0.5, frontend="micro", frame_step_s=0.01, **TRIGGER
    )


@pytest.fixture(scope="module")
def recorded(written):
    """What the interpreter does with the golden sound."""
    ends = written.manifest["inputs"] + written.manifest["outputs"]
    positions = {end["name"]: end["index"] for end in ends}
    features = MicroFrontend()(golden.sound())
    return replay(written.open(), {"frame": features}, np.zeros(len(features), int), positions)[0]


def says(program, folder, content):
    (folder / "replay.bin").write_bytes(content)
    done = subprocess.run(
        [str(part) for part in program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode < 100, (done.returncode, done.stderr)
    return done.stdout.strip()


def build(machine, sources, folder):
    files = [
        file for file in sorted(sources.glob("*.cc")) if file.name not in ("main.cc", "set_up.cc")
    ]
    files.append(PROGRAMS / "check_self_test.cc")
    return machine.build(files, folder, sources, flags=SELF_TEST)


def test_says_ok_where_all_is_as_in_python(machine, written, recorded, tmp_path):
    assert says(build(machine, written.folder, tmp_path), tmp_path, recorded) == "OK 0"


@pytest.mark.parametrize(
    ("pattern", "change", "message"),
    [
        (r"    0x\w+u,\n(    0x)", r"    0x00000001u,\n\1", "other features in frame 0"),
        (r"\{\{[\d.]+f?, (\d)\}\},", r"{{0.123f, \1}},", "another posterior at step 0"),
        (r"(\{\{\S+, )0\}", r"\g<1>1}", "another detection at step"),
        (r"(\{\{\S+, )2\}", r"\g<1>0}", "the trigger differs at step"),
    ],
)
def test_names_the_first_difference(written, recorded, tmp_path, pattern, change, message):
    shutil.copytree(written.folder, tmp_path / "bundle")
    data = tmp_path / "bundle" / "self_test_data.cc"
    text, changes = re.subn(pattern, change, data.read_text(), count=1)
    assert changes == 1
    data.write_text(text)
    program = build(Host(), tmp_path / "bundle", tmp_path)
    assert says(program, tmp_path, recorded).startswith(message)


def test_frames_of_ones_own_several_classes_and_a_delay(machine, tmp_path):
    def runner():
        frames = [tensor_info(name, n, "int16", 8e-4, 0) for name, n in (("a", 7), ("b", 3))]
        state = ("int16", 3e-5, 0)
        return Dice(
            [*frames, tensor_info("state_0", 5, *state)],
            [tensor_info("posterior", 2, "int16", 1 / 32768, 0),
             tensor_info("state_0_next", 5, *state)],
        )  # fmt: skip

    scoring, thresholds = Scoring(frame_step_s=0.01, **TRIGGER), [0.6, 0.5]
    made = golden.golden(
        runner(), hears_audio=False, scoring=scoring, thresholds=thresholds, delay_frames=3
    )
    assert made.posteriors.shape == (golden.FRAMES - 3, 2)
    assert (made.marks & golden.DETECTED).sum() > 0
    assert (made.marks & golden.FIRED).sum() > 0
    again = runner()
    infos = [info for info in again.inputs if info.name in again.signature.frames]
    frames = golden.split(golden.random_frames(infos, made.frame_step), infos)
    positions = {"a": 0, "b": 1, "state_0": 2, "posterior": 1, "state_0_next": 0}
    content, _ = replay(again, frames, np.zeros(golden.FRAMES, int), positions)
    write_settings(runner(), positions, tmp_path, thresholds, scoring, delay_frames=3, golden=made)
    assert says(build(machine, tmp_path, tmp_path), tmp_path, content) == "OK 0"


def test_takes_no_flash_unless_it_is_wanted(written, tmp_path):
    if not shutil.which("arm-none-eabi-size"):
        pytest.skip("needs arm-none-eabi-size")
    names = ("self_test.cc", "self_test_data.cc", "golden.cc")
    for flags, least, most in (((), 0, 0), (SELF_TEST, 500, MOST_FLASH_BYTES)):
        objects = [tmp_path / f"{name}.o" for name in names]
        for name, made in zip(names, objects, strict=True):
            command = ["arm-none-eabi-g++", "-std=c++11", "-Os", *CORTEX_M4, *flags]
            command += ["-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"]
            run([*command, "-c", written.folder / name, "-o", made])
        _, *rows = run(["arm-none-eabi-size", *objects]).splitlines()
        flash = sum(sum(map(int, row.split()[:2])) for row in rows)
        assert least <= flash <= most, rows


def test_golden_sound_makes_the_trigger_fire(written):
    text = (written.folder / "self_test_data.cc").read_text()
    marks = [int(mark) for mark in re.findall(r"\{\{[^,]+, (\d)\}\}", text)]
    assert len(marks) == 198
    assert sum(mark & golden.FIRED > 0 for mark in marks) >= 3
    assert np.ptp(golden.sound().astype(int)) > 8_000


def test_a_threshold_for_floats_is_between_two_scores():
    """0.6 * 65 = 39: the quantile of 66 scores is one of them, which a device may miss by 1e-7."""
    scores, rule = np.linspace(0, 0.5, 66)[:, None], Scoring(frame_step_s=0.01)
    [exact] = golden.loud_thresholds(scores, rule)
    [between] = golden.loud_thresholds(scores, rule, golden.POSTERIOR_TOLERANCE)
    assert exact == scores[39]
    assert np.abs(scores - between).min() == pytest.approx(0.5 / 65 / 2)
    [same] = golden.loud_thresholds(np.full((66, 1), 0.5), rule, golden.POSTERIOR_TOLERANCE)
    assert same == 0.5
