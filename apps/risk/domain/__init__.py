"""Risk's words and sums: feature catalogue, features from stored inputs, strict bureau report, fail-closed engine, reasons."""
