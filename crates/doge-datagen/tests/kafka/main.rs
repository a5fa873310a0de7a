//! `kafka` against a real broker: the rules of a sink, and whole runs. What is there is read back by
//! confluent-kafka for Python, as a `read_committed` consumer.
//!
//! The brokers are those of `cargo xtask services`; without their variables nothing is run, and each test
//! says so. `DOGE_TEST_SERVERS=required` makes that a failure.

mod rules;
mod runs;
mod server;
