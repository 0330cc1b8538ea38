"""Risk's words and sums: the feature catalogue, features from stored inputs, the strict reading of a bureau report, the fail-closed engine."""
