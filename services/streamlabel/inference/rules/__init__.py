"""Pure decisions of inference: payloads to tensors, tensors to rankings, what fits a model, what was there before."""
