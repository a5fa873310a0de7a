//! From `sinks` and `--to` to outputs.
