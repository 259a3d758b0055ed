"""Ship a trained detector: TensorFlow Lite Micro.

- `keras_sal.export.micro`: microcontrollers; int8 files gated, measured and run frame by frame.

Nothing heavy is imported before it is used, and a missing package says which extra brings it.
"""

from keras_sal.export import micro as micro
from keras_sal.export.worker import ExportError as ExportError
