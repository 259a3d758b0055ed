"""Conversion of a model by TensorFlow's converters, in a process of its own.

A reader meets, in this order:

- `float_model`: the float32 step model or whole-clip model that is converted.
- `converter_process`: what the caller does: save the model and its calibration, run the converter
  in a worker process, and turn its report into a file or an error. `to_tflite` adds the repairs and
  checks that every `.tflite` file needs.
- `converter`: the program of the worker process, on Keras with TensorFlow.
- `calibration`: the steps that a quantizer is shown.
- `feature_ranges`: a warning about features that int8 rounds away.
"""
