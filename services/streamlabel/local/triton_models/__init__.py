"""Programs that run inside Triton's Python backend; copied into a model repository, never imported by Streamlabel."""
