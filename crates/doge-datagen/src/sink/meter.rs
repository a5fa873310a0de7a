//! What an output counts while it runs, for those who watch.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Counters of one output; written by its lane and its sink, read by whoever shows them.
#[derive(Debug)]
pub struct Meter {
    events: AtomicU64,
    bytes: AtomicU64,
    committed: AtomicU64,
    committed_ms: AtomicI64,
    written_ms: AtomicI64,
    commits: AtomicU64,
    retries: AtomicU64,
}

/// A look at a [`Meter`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeterReading {
    /// Events written.
    pub events: u64,
    /// Bytes written, where that means something.
    pub bytes: u64,
    /// Events that are final.
    pub committed: u64,
    /// The instant up to which events are final, milliseconds since the epoch; `None`: none is.
    pub committed_ms: Option<i64>,
    /// The instant of the last event written.
    pub written_ms: Option<i64>,
    /// Commits made.
    pub commits: u64,
    /// How often something was tried again.
    pub retries: u64,
}

impl MeterReading {
    /// How far what is final is behind the present `now_ms` of a stream that began at `start_ms`,
    /// milliseconds of the stream's time; `None` where nothing is made final before the end.
    pub fn lag_ms(&self, start_ms: i64, now_ms: i64) -> Option<i64> {
        if self.commits == 0 {
            return None;
        }
        if self.committed >= self.events {
            return Some(0);
        }
        Some((now_ms - self.committed_ms.unwrap_or(start_ms)).max(0))
    }
}

impl Default for Meter {
    fn default() -> Meter {
        Meter {
            events: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            committed: AtomicU64::new(0),
            committed_ms: AtomicI64::new(i64::MIN),
            written_ms: AtomicI64::new(i64::MIN),
            commits: AtomicU64::new(0),
            retries: AtomicU64::new(0),
        }
    }
}

impl Meter {
    /// Events were written, the last of them at `time_ms`.
    pub fn wrote(&self, events: u64, time_ms: i64) {
        self.events.fetch_add(events, Ordering::Relaxed);
        self.written_ms.store(time_ms, Ordering::Relaxed);
    }

    /// Bytes were written.
    pub fn bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A commit made `events` events in all final, up to `time_ms`.
    pub fn committed(&self, events: u64, time_ms: i64) {
        self.committed.store(events, Ordering::Relaxed);
        self.committed_ms.store(time_ms, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    /// Something is tried again.
    pub fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// How far it is.
    pub fn read(&self) -> MeterReading {
        let time = |t: &AtomicI64| Some(t.load(Ordering::Relaxed)).filter(|t| *t != i64::MIN);
        MeterReading {
            events: self.events.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            committed: self.committed.load(Ordering::Relaxed),
            committed_ms: time(&self.committed_ms),
            written_ms: time(&self.written_ms),
            commits: self.commits.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
        }
    }
}
