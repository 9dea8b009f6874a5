"""The networks without liverlib: ONNX with a script, a MONAI bundle, Hugging Face's layout."""

__all__ = ["bundle", "hub", "onnx_folder", "segment", "transform"]
