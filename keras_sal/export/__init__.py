"""Ship a trained detector: TensorFlow Lite Micro."""
