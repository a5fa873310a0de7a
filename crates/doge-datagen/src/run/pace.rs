//! The pace of a run: when events leave.
//!
//! Events are generated at most a moment ahead and handed on when they are due; what they are, and their
//! order, is not touched. A wait is cut into short slices, so that Ctrl-C and a sink that failed are seen
//! at once. What earlier runs have written is passed over without waiting.
//!
//! Not here: the loop (`pump`), what is passed over (`lanes`).

use super::lanes::{Filler, Lanes, Parcel};
use crate::report::PaceReport;
use crate::spec::{Pace, Progress, RunSpec};
use doge_core::batch::{Layout, Run, SITE_BITS};
use doge_core::engine::Window;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Seconds of wall time that are generated ahead.
const AHEAD: f64 = 0.1;
/// The longest sleep between two looks at what could end the run.
const SLICE: Duration = Duration::from_millis(50);
/// Seconds that events of a rate are behind before the rest of the schedule is moved: what a stall cost is
/// not made up for by more than so much at once.
const SLACK: f64 = 0.02;
/// Events of a rate leave in groups, so many in a second at most: sleeps are not finer.
const GROUPS: u64 = 100;

/// When events leave, and how well that is kept.
pub struct Pacer {
    pace: Pace,
    /// The wall time of `anchor_ms`; of a rate, that of its first event.
    begun: Instant,
    /// An instant of the stream.
    anchor_ms: i64,
    /// Events of a rate that have left.
    sent: u64,
    /// How much later the schedule of a rate is by now.
    moved: Duration,
    /// What was passed over, until the first event that is not.
    passed_ms: Option<i64>,
    /// Whether an event has left.
    moving: bool,
    /// Whether a wait was needed, so that what follows is late if it is late.
    kept: bool,
    /// Whether one was needed in this window.
    waited: bool,
    lag: Duration,
    most_lag: Duration,
    /// Ticks of a window that have about as many events as a rate allows in `AHEAD`.
    ticks: u64,
    sent_before: u64,
    /// The run was told to stop, or a sink failed, while events waited.
    pub stopped: bool,
    /// Events by site that were not handed on.
    pub held: Vec<u64>,
    /// The time of the last event that was.
    pub last_ms: Option<i64>,
    cancel: Arc<AtomicBool>,
    progress: Option<Arc<Progress>>,
}

/// Where events go.
pub struct Way<'a> {
    pub filler: &'a mut Filler,
    pub lanes: &'a Lanes,
    pub layout: &'a Arc<Layout>,
}

impl Way<'_> {
    fn take(&mut self, run: Run<'_>) {
        let lanes = self.lanes;
        self.filler
            .take(lanes, self.layout, run, &mut |lane, parcel: Parcel| lanes.deliver(lane, parcel));
    }

    fn flush(&mut self) {
        let lanes = self.lanes;
        self.filler.flush(lanes, self.layout, &mut |lane, parcel| lanes.deliver(lane, parcel));
    }
}

impl Pacer {
    /// The pacer of a run whose stream starts at `start_ms`, if it has a pace.
    pub fn of(spec: &RunSpec, start_ms: i64, sites: usize) -> Option<Pacer> {
        let pace = spec.pace?;
        if let Some(progress) = &spec.progress {
            progress.late(0);
        }
        Some(Pacer {
            pace,
            begun: Instant::now(),
            anchor_ms: start_ms,
            sent: 0,
            moved: Duration::ZERO,
            passed_ms: None,
            moving: false,
            kept: false,
            waited: false,
            lag: Duration::ZERO,
            most_lag: Duration::ZERO,
            ticks: 1,
            sent_before: 0,
            stopped: false,
            held: vec![0; sites],
            last_ms: None,
            cancel: spec.cancel.clone().unwrap_or_default(),
            progress: spec.progress.clone(),
        })
    }

    /// Seconds until an event of this time may leave; negative: it is late.
    fn ahead(&self, time_ms: i64) -> f64 {
        let elapsed = self.begun.elapsed().as_secs_f64();
        match self.pace {
            Pace::Realtime => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                time_ms as f64 / 1e3 - now.as_secs_f64()
            }
            Pace::Times(n) => (time_ms - self.anchor_ms) as f64 / 1e3 / n - elapsed,
            Pace::PerSecond(n) => self.sent as f64 / n as f64 - elapsed,
        }
    }

    /// How many ticks from `at_ms` on the next window may have.
    pub fn most_ticks(&self, at_ms: i64, tick_ms: i64, lanes: &Lanes, filler: &Filler) -> u64 {
        let speed = match self.pace {
            Pace::Realtime => 1.0,
            Pace::Times(n) => n,
            Pace::PerSecond(_) => return self.ticks,
        };
        if passes_over(lanes, filler, at_ms) {
            return u64::MAX;
        }
        let ms = (AHEAD - self.ahead(at_ms)) * speed * 1e3;
        ((ms / tick_ms as f64) as u64).max(1)
    }

    /// Waits until the window that begins at `at_ms` is worth generating. False where the run is to end.
    pub fn before(&mut self, at_ms: i64, way: &mut Way<'_>) -> bool {
        if matches!(self.pace, Pace::PerSecond(_)) || passes_over(way.lanes, way.filler, at_ms) {
            return true;
        }
        self.wait(way, |pacer| pacer.ahead(at_ms) - AHEAD)
    }

    /// Earlier runs have written everything before `end_ms`.
    pub fn passed(&mut self, end_ms: i64) {
        if !self.moving {
            self.passed_ms = Some(end_ms);
        }
    }

    /// Whether everything before `end_ms` is due, so that it need not be looked at one by one.
    pub fn is_due(&mut self, end_ms: i64) -> bool {
        if matches!(self.pace, Pace::PerSecond(_)) || self.passed_ms.is_some() {
            return false;
        }
        let due = self.ahead(end_ms) <= 0.0;
        if due {
            self.moving = true;
            self.late(end_ms);
        }
        due
    }

    /// Hands on the events of a run when they are due; after a stop, counts them.
    pub fn take(&mut self, run: Run<'_>, way: &mut Way<'_>) {
        let mut rest = run.words;
        while !rest.is_empty() {
            if self.stopped {
                for event in (Run { words: rest, ..run }).events(way.layout) {
                    self.held[(event.record()[0] & ((1 << SITE_BITS) - 1)) as usize] += 1;
                }
                return;
            }
            let piece = self.piece(Run { words: rest, ..run }, way);
            let (words, after) = rest.split_at(piece.words);
            if piece.passed {
                self.passed(run.time_ms);
            } else {
                if let Some(ms) = self.passed_ms.take() {
                    // The stream goes on where it was, and does not wait for what is long written.
                    self.begun = Instant::now();
                    self.anchor_ms = ms;
                }
                self.moving = true;
                if !self.wait(way, |pacer| pacer.ahead(run.time_ms)) {
                    continue;
                }
                self.late(run.time_ms);
                self.sent += piece.events;
                self.last_ms = Some(run.time_ms);
            }
            way.take(Run { words, ..run });
            rest = after;
        }
    }

    /// The events at the start of a run that leave together.
    fn piece(&self, run: Run<'_>, way: &Way<'_>) -> Piece {
        let most = match self.pace {
            _ if way.filler.counts() => 1,
            Pace::PerSecond(n) => (n / GROUPS).max(1),
            _ => u64::MAX,
        };
        let passing = passes_over(way.lanes, way.filler, run.time_ms);
        if !passing && most == u64::MAX {
            return Piece { words: run.words.len(), events: 0, passed: false };
        }
        let mut piece = Piece { words: 0, events: 0, passed: passing };
        for event in run.events(way.layout) {
            let passed = passing && way.filler.passes(way.lanes, &event);
            if piece.events == most || (piece.events > 0 && passed != piece.passed) {
                break;
            }
            piece.passed = passed;
            piece.events += 1;
            piece.words += event.record().len();
        }
        piece
    }

    /// Sleeps while `ahead` is positive; what was handed on leaves before. False where the run is to end.
    fn wait(&mut self, way: &mut Way<'_>, ahead: impl Fn(&Pacer) -> f64) -> bool {
        let mut left = ahead(self);
        if left <= 0.0 {
            return true;
        }
        way.flush();
        self.kept = true;
        self.waited = true;
        if let Some(progress) = &self.progress {
            progress.late(self.moved.as_millis() as u64);
        }
        while left > 0.0 {
            if self.cancel.load(Ordering::Relaxed) || way.lanes.failed() {
                self.stopped = true;
                return false;
            }
            std::thread::sleep(SLICE.min(Duration::from_secs_f64(left)));
            left = ahead(self);
        }
        true
    }

    /// Notes how late an event of this time leaves.
    fn late(&mut self, time_ms: i64) {
        let late = (-self.ahead(time_ms)).max(0.0);
        if matches!(self.pace, Pace::PerSecond(_)) && late > SLACK {
            let more = Duration::from_secs_f64(late - SLACK);
            self.begun += more;
            self.moved += more;
        }
        self.lag = match self.pace {
            Pace::PerSecond(_) => self.moved,
            _ => Duration::from_secs_f64(late),
        };
        if self.kept {
            self.most_lag = self.most_lag.max(self.lag);
        }
        if let Some(progress) = &self.progress {
            progress.late(u64::try_from(self.lag.as_millis()).unwrap_or(u64::MAX));
        }
    }

    /// A window is over: a rate's next one should last about as long as is generated ahead. Whether
    /// events had to wait in it.
    pub fn after(&mut self, window: &Window) -> bool {
        let waited = std::mem::take(&mut self.waited);
        let Pace::PerSecond(n) = self.pace else { return waited };
        let sent = self.sent - std::mem::replace(&mut self.sent_before, self.sent);
        let ticks = window.to - window.from;
        let want = (n as f64 * AHEAD).max(1.0);
        self.ticks = match sent {
            0 => self.ticks.max(ticks).saturating_mul(2),
            // Twice is enough at once: what is dense now may have been sparse before.
            sent => ((ticks as f64 * want / sent as f64) as u64).clamp(1, ticks.saturating_mul(2)),
        };
        waited
    }

    /// How the pace was kept.
    pub fn report(&self) -> PaceReport {
        PaceReport { pace: self.pace.to_string(), lag: self.lag, most_lag: self.most_lag }
    }
}

/// See [`Pacer::piece`].
struct Piece {
    words: usize,
    events: u64,
    passed: bool,
}

/// Whether events of this time may have been written by earlier runs to all outputs.
fn passes_over(lanes: &Lanes, filler: &Filler, time_ms: i64) -> bool {
    filler.counts() || lanes.all_done_before_ms().is_some_and(|ms| time_ms <= ms)
}

#[cfg(test)]
mod tests {
    use super::super::pump::{End, Pump};
    use super::super::{open, program};
    use super::*;
    use crate::destination::{Commit, Output, OutputKind};
    use crate::format::TextFormat;
    use crate::sink::{Chunk, Finished, Mark, Opening, Past, Payload, Sink, SinkError};
    use crate::spec::{ModelText, prepare};
    use doge_core::batch::Position;
    use doge_core::engine::{Engine, Tuning};
    use std::sync::Mutex;

    /// Keeps what it is given with the times; an earlier run has left a mark.
    struct Keeper(Option<Mark>, Arc<Mutex<Vec<Kept>>>);

    struct Kept {
        at: Instant,
        bytes: Vec<u8>,
        last: Position,
        events: u64,
    }

    impl Sink for Keeper {
        fn open(&mut self, _: &Opening) -> Result<Option<Past>, SinkError> {
            Ok(self.0.map(|mark| Past { mark: Some(mark), complete_ms: None }))
        }
        fn write(&mut self, chunk: &Chunk) -> Result<(), SinkError> {
            let Payload::Bytes(bytes) = &chunk.payload else { return Err(SinkError::new("text")) };
            let (last, events) = (chunk.last, chunk.events);
            let kept = Kept { at: Instant::now(), bytes: bytes.to_vec(), last, events };
            self.1.lock().unwrap().push(kept);
            Ok(())
        }
        fn commit(&mut self, _: Position) -> Result<Option<Position>, SinkError> {
            Ok(None)
        }
        fn finish(&mut self) -> Result<Finished, SinkError> {
            Ok(Finished { place: "here".into(), bytes: None })
        }
        fn abort(&mut self) -> String {
            String::new()
        }
    }

    fn spec(pace: Option<Pace>) -> RunSpec {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/banking/model.yaml");
        RunSpec { model: ModelText::read(path).unwrap(), pace, ..RunSpec::default() }
    }

    /// What outputs with these marks are given, and how long the run took.
    fn run(pace: Option<Pace>, marks: &[Option<Mark>]) -> (Vec<Vec<Kept>>, Duration) {
        let spec = spec(pace);
        let prepared = prepare(&spec).unwrap();
        let kept: Vec<_> = marks.iter().map(|_| Arc::new(Mutex::new(Vec::new()))).collect();
        let output = |(mark, kept): (&Option<Mark>, &Arc<Mutex<Vec<Kept>>>)| Output {
            name: "s".into(),
            place: "here".into(),
            events: prepared.selected.clone(),
            kind: OutputKind::Text { format: TextFormat::Jsonl, envelope: true },
            commit: Commit::default(),
            resumable: true,
            meter: Arc::default(),
            is_stdout: false,
            sink: Box::new(Keeper(*mark, kept.clone())),
        };
        let mut outputs: Vec<Output> = marks.iter().zip(&kept).map(output).collect();
        let program = program(&prepared, &outputs).unwrap();
        let (lanes, _) = open(&spec, &prepared, &program, &mut outputs).unwrap();
        let begun = Instant::now();
        let engine = Engine::new(program, Tuning::default());
        let mut pump = Pump::new(engine, 1, lanes, &outputs, &spec);
        assert!(matches!(pump.run(), End::Done));
        assert_eq!(pump.close(&mut outputs, false), None);
        let took = begun.elapsed();
        drop(outputs);
        let kept = kept.into_iter().map(|k| Arc::into_inner(k).unwrap().into_inner().unwrap());
        (kept.collect(), took)
    }

    fn all(kept: &[Kept]) -> Vec<u8> {
        kept.iter().flat_map(|k| k.bytes.iter().copied()).collect()
    }

    #[test]
    fn what_is_written_already_is_passed_over_without_waiting() {
        // 1,000 minutes in two seconds.
        let pace = Some(Pace::Times(30_000.0));
        let (whole, took) = run(pace, &[None]);
        assert!(took > Duration::from_millis(1_500), "{took:?}");
        // Three quarters of the time are written.
        let start_ms = prepare(&spec(None)).unwrap().model.clock.start_ms;
        let is_late = |k: &&Kept| k.last.time_ms > start_ms + 750 * 60_000;
        let done = whole[0].iter().take_while(|k| !is_late(k)).collect::<Vec<_>>();
        let events: u64 = done.iter().map(|k| k.events).sum();
        let bytes: usize = done.iter().map(|k| k.bytes.len()).sum();
        let position = done.last().expect("some events").last;
        for mark in [Mark::Position(position), Mark::Events(events)] {
            let (rest, took) = run(pace, &[Some(mark)]);
            assert!(all(&rest[0]) == all(&whole[0])[bytes..], "the rest, byte for byte");
            assert!(took > Duration::from_millis(200), "what follows waits: {took:?}");
            assert!(took < Duration::from_millis(1_200), "what is written does not: {took:?}");
        }
        // Where another output has nothing yet, its events keep the pace.
        let marks = [Some(Mark::Position(position)), None];
        let (both, took) = run(pace, &marks);
        assert!(took > Duration::from_millis(1_500), "{took:?}");
        assert!(all(&both[1]) == all(&whole[0]) && all(&both[0]) == all(&whole[0])[bytes..]);
        // A rate counts only what leaves.
        let total: u64 = whole[0].iter().map(|k| k.events).sum();
        let (rest, took) = run(Some(Pace::PerSecond(10)), &[Some(Mark::Events(total - 5))]);
        assert_eq!(rest[0].iter().map(|k| k.events).sum::<u64>(), 5);
        assert!(took < Duration::from_millis(900), "{took:?}");
        let spread = rest[0].last().unwrap().at - rest[0].first().unwrap().at;
        assert!(spread > Duration::from_millis(350), "{spread:?}");
    }
}
