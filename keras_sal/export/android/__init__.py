"""Android: a project that Android Studio opens, with a detector behind the microphone.

    detector = litert.convert(model, "detector.tflite", frontend="micro")
    described = detector_file.write(detector, threshold=0.8, frontend="micro")
    write(described, "phone")

The project has two modules. `detector` is a library: the model with its description in `assets/`,
Java without Android that runs a step, carries the states and runs the trigger as Python does, and
the part that needs Android, LiteRT and the microphone. `app` shows it at work. `golden.json` holds
what the model must compute on a phone.

- `template/`: the files of the project.
- `project`: writes it.
- `golden`: what the self-test of the app must compute.
"""

from keras_sal.export.android.project import write

__all__ = ["write"]
