"""From source files to marts; knows nothing of machine learning."""
