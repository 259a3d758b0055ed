"""The page: a folder from which any web server runs a detector in the browser.

    detector = litert.convert(model, "detector.tflite", frontend="micro")
    detector_file.write(detector, threshold=0.8, frontend="micro")
    write("detector.tflite", "page", runtime=archives)

The folder holds `index.html` with its scripts, the `.tflite` file, its description
`detector.json` and the runtime, LiteRT.js. The page listens to the microphone or to a sound file,
shows the posteriors and lists the detections; it asks for nothing outside its folder. Its scripts,
in `page/`, are plain JavaScript modules:

- `main`: the page; `view` and `trace`: what it shows; `loading`, `description`: what it loads.
- `microphone`, `capture`, `resampler`, `sound_file`: the sound, at 16 kHz; `live_stream`, `pace`,
  `silence`: what may be wrong with it.
- `detector`, `step_model`, `trigger`: the detector, to whose detections those of
  `keras_sal.StreamingDetector` are equal.
"""

from keras_sal.export.web.folder import check_folder, write
from keras_sal.export.web.runtime import PACKAGES

__all__ = ["PACKAGES", "check_folder", "write"]
