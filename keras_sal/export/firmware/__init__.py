"""The firmware of a bundle: C++ sources that are the same for every model, and those that vary.

- `cpp/`: the sources that are the same for every model, and the template of the README.
- `sources`: the sources that hold a model, its tensors and the numbers of its trigger.
- `literals`: numbers and texts as C++ writes them.
- `readme`: the README of a bundle.
- `golden`: what the self-test of a bundle must compute.
- `package`: the folder that the build tool of an ecosystem builds; `ecosystems/`: its files.
- `contents`: manifest and sources of a bundle, from the same numbers.
"""
