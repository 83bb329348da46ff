"""The exporter: a Hugging Face model in, a ferry model directory out."""

EXPORTER_VERSION = "0.1.0"
