"""The `.tflite` file format: reading, editing, repairing and checking a file."""
