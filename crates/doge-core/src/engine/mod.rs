//! The engine: subjects walk their state machines, one window of time after the other.
