"""Training: a recipe in, an ONNX model file out."""
