"""The C++ sources of a bundle that are the same for every model."""
