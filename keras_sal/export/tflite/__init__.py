"""The `.tflite` file format: what is read from a converted file, changed in it, and required of it.

- `flatbuffer`: the file as objects.
- `structure`, `operator_rules`: checks of a file that may be damaged, before a runtime sees it;
  `arithmetic_rules` and `layout_rules` hold the rules of operators, each of which is a `node`.
- `editor`: new tensors and operators for it.
- `layer_names`: the layers its operators came from.
- `repair`: what the converter leaves undone.
- `gates`: what a file must fulfil before it is handed out.
"""
