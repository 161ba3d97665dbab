"""What the tests share: the case format, the comparison, the questions to the model."""
