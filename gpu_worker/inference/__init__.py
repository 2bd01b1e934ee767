"""Running networks: the only room that imports onnxruntime."""
