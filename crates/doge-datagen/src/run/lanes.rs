//! Lanes: the way from ordered events to each output, and the threads that write.
//!
//! A lane has a feed (encode, pick records, or only count) and a port. A port is the sink itself where
//! writing costs nothing, else a thread with a short queue: what is generated waits when a sink is
//! slower, and nothing is dropped.

use crate::destination::{Commit, Output, OutputKind};
use crate::format::{EncoderState, MessageEncoder, Messages, TextBlock, TextEncoder};
use crate::sink::{Chunk, Mark, Meter, Past, Payload, Sink, SinkError};
use doge_core::batch::{EventBatch, EventRef, Layout, Position, Run};
use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// Bytes of a chunk of text: a few of them stay in the second-level cache.
const CHUNK_BYTES: usize = (1 << 18) - (1 << 13);
/// Records of a chunk.
const CHUNK_EVENTS: u64 = 4096;
/// Words of records that end a chunk: long texts must not fill the memory.
const CHUNK_WORDS: usize = 1 << 19;
/// Chunks that wait for a sink.
const QUEUE: usize = 4;

/// What an output is fed with.
#[derive(Debug)]
pub enum Feed {
    /// Encoded text.
    Text(TextEncoder),
    /// Records of these sites.
    Records(Vec<bool>),
    /// Messages.
    Messages(Arc<dyn MessageEncoder>),
    /// Nothing.
    Nothing,
}

impl Feed {
    /// The feed of an output; for one that takes messages that of a sink that is not open yet.
    pub fn of(output: &Output, layout: &Arc<Layout>) -> Feed {
        match output.kind {
            OutputKind::Text { format, envelope } => {
                Feed::Text(TextEncoder::new(layout.clone(), format, &output.events, envelope))
            }
            OutputKind::Records => {
                Feed::Records(layout.sites.iter().map(|s| output.events[s.event]).collect())
            }
            OutputKind::Nothing | OutputKind::Messages => Feed::Nothing,
        }
    }
}

enum Port {
    /// The sink takes chunks where they are made.
    Here(Mutex<Writer>),
    /// A thread of its own.
    There(SyncSender<Parcel>, JoinHandle<Writer>),
    /// Nothing is ever written.
    Closed(Mutex<Writer>),
}

/// What a lane delivers.
pub enum Parcel {
    /// Events.
    Chunk(Chunk),
    /// The event that follows those delivered cannot be carried.
    Error(SinkError),
}

/// A sink with its commits.
struct Writer {
    sink: Box<dyn Sink>,
    commit: Commit,
    meter: Arc<Meter>,
    resumable: bool,
    written: u64,
    pending: u64,
    last: Option<Position>,
    since: Instant,
    broken: bool,
}

/// What writers share.
#[derive(Default)]
struct Shared {
    failed: AtomicBool,
    error: Mutex<Option<SinkError>>,
    blocks: Mutex<Vec<TextBlock>>,
    batches: Mutex<Vec<EventBatch>>,
    messages: Mutex<Vec<Messages>>,
}

impl Shared {
    fn fail(&self, error: SinkError) {
        lock(&self.error).get_or_insert(error);
        self.failed.store(true, Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A thread that panicked takes the run down by itself; what it guarded is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    fn write(&mut self, parcel: Parcel, shared: &Shared) {
        let chunk = match parcel {
            Parcel::Chunk(chunk) => chunk,
            Parcel::Error(e) => {
                if !std::mem::replace(&mut self.broken, true) {
                    shared.fail(e);
                }
                return;
            }
        };
        if !self.broken
            && let Err(e) = self.try_write(&chunk)
        {
            self.broken = true;
            shared.fail(e);
        }
        match chunk.payload {
            Payload::Bytes(mut block) => {
                block.clear();
                lock(&shared.blocks).push(block);
            }
            Payload::Batch(mut batch) => {
                batch.clear();
                lock(&shared.batches).push(batch);
            }
            Payload::Messages(mut messages) => {
                messages.clear();
                lock(&shared.messages).push(messages);
            }
        }
    }

    fn try_write(&mut self, chunk: &Chunk) -> Result<(), SinkError> {
        self.sink.write(chunk)?;
        self.pending += chunk.events;
        self.written += chunk.events;
        self.last = Some(chunk.last);
        self.meter.wrote(chunk.events, chunk.last.time_ms);
        if self.pending >= self.commit.events || self.since.elapsed() >= self.commit.every {
            self.try_commit()?;
        }
        Ok(())
    }

    fn try_commit(&mut self) -> Result<(), SinkError> {
        self.since = Instant::now();
        let Some(last) = self.last.filter(|_| self.pending > 0) else { return Ok(()) };
        if self.sink.commit(last)? == Some(last) {
            self.meter.committed(self.written, last.time_ms);
        }
        self.pending = 0;
        Ok(())
    }

    /// Commits what is written, outside of a write.
    fn commit(&mut self, shared: &Shared) {
        if !self.broken
            && let Err(e) = self.try_commit()
        {
            self.broken = true;
            shared.fail(e);
        }
    }
}

/// All lanes of a run.
pub struct Lanes {
    feeds: Vec<Feed>,
    ports: Vec<Port>,
    /// Most events of a chunk.
    most: Vec<u64>,
    /// What earlier runs have made final.
    done: Vec<Option<Mark>>,
    /// By lane and emit site, whether its events go there.
    taken: Vec<Vec<bool>>,
    shared: Arc<Shared>,
}

/// Stands in an output for its sink while that is with a writer.
struct Away;

impl Sink for Away {
    fn open(&mut self, _: &crate::sink::Opening) -> Result<Option<Past>, SinkError> {
        Ok(None)
    }
    fn write(&mut self, _: &Chunk) -> Result<(), SinkError> {
        Ok(())
    }
    fn commit(
        &mut self,
        _: doge_core::batch::Position,
    ) -> Result<Option<doge_core::batch::Position>, SinkError> {
        Ok(None)
    }
    fn finish(&mut self) -> Result<crate::sink::Finished, SinkError> {
        Err(SinkError::new("the output is still being written"))
    }
    fn abort(&mut self) -> String {
        String::new()
    }
}

impl Lanes {
    /// Lanes for opened outputs, whose sinks they take; starts their threads.
    /// What earlier runs have made final, by `pasts`, is passed over.
    pub fn new(
        outputs: &mut [Output],
        feeds: Vec<Feed>,
        pasts: &[Option<Past>],
        layout: &Layout,
    ) -> Lanes {
        let shared = Arc::new(Shared::default());
        let mut ports = Vec::new();
        let mut most = Vec::new();
        for (output, feed) in outputs.iter_mut().zip(&feeds) {
            let sink = std::mem::replace(&mut output.sink, Box::new(Away));
            let instant = sink.is_instant();
            let writer = Writer {
                sink,
                commit: output.commit,
                meter: output.meter.clone(),
                resumable: output.resumable,
                written: 0,
                last: None,
                pending: 0,
                since: Instant::now(),
                broken: false,
            };
            most.push(output.commit.events.clamp(1, CHUNK_EVENTS));
            ports.push(match feed {
                Feed::Nothing => Port::Closed(Mutex::new(writer)),
                _ if instant => Port::Here(Mutex::new(writer)),
                _ => {
                    let (sender, receiver) = sync_channel(QUEUE);
                    let shared = shared.clone();
                    Port::There(
                        sender,
                        std::thread::spawn(move || serve(writer, &receiver, &shared)),
                    )
                }
            });
        }
        let done = pasts.iter().map(|p| p.and_then(|p| p.mark)).collect();
        let sites = |o: &Output| layout.sites.iter().map(|s| o.events[s.event]).collect();
        let taken = outputs.iter().map(sites).collect();
        Lanes { feeds, ports, most, done, taken, shared }
    }

    /// Whether no lane needs more than a count.
    pub fn only_count(&self) -> bool {
        self.feeds.iter().all(|f| matches!(f, Feed::Nothing))
    }

    /// Whether a sink failed.
    pub fn failed(&self) -> bool {
        self.shared.failed.load(Ordering::Acquire)
    }

    /// The instant before which every event was made final by earlier runs, if there is one.
    pub fn all_done_before_ms(&self) -> Option<i64> {
        let time = |mark: &Option<Mark>| match mark {
            Some(Mark::Position(p)) => Some(p.time_ms),
            _ => None,
        };
        let used = self.feeds.iter().zip(&self.done).filter(|(f, _)| !matches!(f, Feed::Nothing));
        let times: Option<Vec<i64>> = used.map(|(_, done)| time(done)).collect();
        times?.into_iter().min()
    }

    /// Gives a parcel to the lane's writer; waits while its queue is full. Those of a lane must come in
    /// order.
    pub fn deliver(&self, lane: usize, parcel: Parcel) {
        match &self.ports[lane] {
            Port::Here(writer) => lock(writer).write(parcel, &self.shared),
            // The thread ends only when the sender is gone.
            Port::There(sender, _) => drop(sender.send(parcel)),
            Port::Closed(_) => {}
        }
    }

    /// Waits for the writers and puts the sinks back into their outputs; the first error, if a sink
    /// failed. Where the run `stopped` early, what is written and can be resumed is made final.
    pub fn close(self, outputs: &mut [Output], stopped: bool) -> Option<SinkError> {
        for (output, port) in outputs.iter_mut().zip(self.ports) {
            let mut writer = match port {
                Port::Here(writer) | Port::Closed(writer) => {
                    writer.into_inner().unwrap_or_else(PoisonError::into_inner)
                }
                Port::There(sender, thread) => {
                    drop(sender);
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                }
            };
            if (stopped || self.shared.failed.load(Ordering::Acquire)) && writer.resumable {
                writer.commit(&self.shared);
            }
            output.sink = writer.sink;
        }
        lock(&self.shared.error).take()
    }
}

/// The loop of a writer's thread.
fn serve(mut writer: Writer, parcels: &Receiver<Parcel>, shared: &Shared) -> Writer {
    loop {
        // Where events are few, what is written still becomes final in time.
        let left = writer.commit.every.saturating_sub(writer.since.elapsed());
        match parcels.recv_timeout(left) {
            Ok(parcel) => writer.write(parcel, shared),
            Err(RecvTimeoutError::Timeout) => writer.commit(shared),
            Err(RecvTimeoutError::Disconnected) => return writer,
        }
    }
}

/// Encodes runs into chunks; one for each thread that does.
pub struct Filler {
    lanes: Vec<Filling>,
}

/// A chunk being made.
struct Filling {
    state: EncoderState,
    block: TextBlock,
    batch: Option<EventBatch>,
    /// Words in the batch.
    words: usize,
    messages: Messages,
    encoding: Option<Box<dyn Any + Send>>,
    events: u64,
    last: (i64, u64, u64),
    skip: Skip,
    /// Records that are not passed over, where some of a run are.
    kept: Vec<u64>,
    /// An event could not be carried.
    failed: bool,
}

/// What a filler passes over, as earlier runs have made it final.
#[derive(Clone, Copy)]
enum Skip {
    Nothing,
    /// Events up to and including this place.
    Upto(Position),
    /// So many more events of the output.
    Events(u64),
}

impl Filler {
    /// A filler for lanes.
    pub fn new(lanes: &Lanes) -> Filler {
        let filling = |(feed, done): (&Feed, &Option<Mark>)| Filling {
            messages: Messages::default(),
            encoding: match feed {
                Feed::Messages(encoder) => Some(encoder.state()),
                _ => None,
            },
            skip: match done {
                None => Skip::Nothing,
                Some(Mark::Position(p)) => Skip::Upto(*p),
                Some(Mark::Events(n)) => Skip::Events(*n),
            },
            kept: Vec::new(),
            failed: false,
            state: EncoderState::default(),
            block: TextBlock::default(),
            batch: None,
            words: 0,
            events: 0,
            last: (0, 0, 0),
        };
        Filler { lanes: lanes.feeds.iter().zip(&lanes.done).map(filling).collect() }
    }

    /// Whether it still counts events that it passes over. Only one filler can, and all events must go
    /// through it meanwhile.
    pub fn counts(&self) -> bool {
        self.lanes.iter().any(|l| matches!(l.skip, Skip::Events(1..)))
    }

    /// Whether all outputs that take an event have it from earlier runs. Outputs that only count do not
    /// matter.
    pub fn passes(&self, lanes: &Lanes, event: &EventRef<'_>) -> bool {
        let site = event.site_index();
        let mut takers = self
            .lanes
            .iter()
            .enumerate()
            .filter(|(lane, _)| lanes.taken[*lane][site])
            .filter(|(lane, _)| !matches!(lanes.feeds[*lane], Feed::Nothing))
            .peekable();
        takers.peek().is_some()
            && takers.all(|(_, filling)| match filling.skip {
                Skip::Nothing => false,
                Skip::Upto(p) => event.position() <= p,
                Skip::Events(left) => left > 0,
            })
    }

    /// Counts nothing more, as another filler has.
    pub fn counted(&mut self) {
        for lane in &mut self.lanes {
            if let Skip::Events(_) = lane.skip {
                lane.skip = Skip::Nothing;
            }
        }
    }

    /// Takes a run into all lanes; what is full goes to `out`.
    pub fn take(
        &mut self,
        lanes: &Lanes,
        layout: &Arc<Layout>,
        all: Run<'_>,
        out: &mut dyn FnMut(usize, Parcel),
    ) {
        for (lane, feed) in lanes.feeds.iter().enumerate() {
            let filling = &mut self.lanes[lane];
            if filling.failed {
                continue;
            }
            let mut kept = std::mem::take(&mut filling.kept);
            let run = match filling.skip {
                Skip::Nothing | Skip::Events(0) => all,
                Skip::Upto(p) if all.time_ms < p.time_ms => Run { words: &[], ..all },
                Skip::Upto(p) if all.time_ms > p.time_ms => all,
                Skip::Upto(_) | Skip::Events(_) => {
                    kept.clear();
                    for event in all.events(layout) {
                        if !filling.passes_over(&event, &lanes.taken[lane]) {
                            kept.extend_from_slice(event.record());
                        }
                    }
                    Run { words: &kept, ..all }
                }
            };
            match feed {
                Feed::Nothing => {}
                Feed::Text(encoder) => {
                    let mut rest = run;
                    loop {
                        let done = encoder.encode(
                            &mut filling.state,
                            rest,
                            &mut filling.block,
                            CHUNK_BYTES,
                        );
                        filling.events += done.events;
                        if let Some((head, second)) = done.last {
                            filling.last = (run.time_ms, head, second);
                        }
                        rest.words = done.rest;
                        if filling.block.len() >= CHUNK_BYTES {
                            filling.flush(lanes, layout, lane, out);
                        }
                        if rest.words.is_empty() {
                            break;
                        }
                    }
                }
                Feed::Records(sites) => {
                    for event in run.events(layout) {
                        if !sites[event.site_index()] {
                            continue;
                        }
                        let record = event.record();
                        let batch = filling.batch.get_or_insert_with(|| {
                            lock(&lanes.shared.batches)
                                .pop()
                                .unwrap_or_else(|| EventBatch::new(layout.clone()))
                        });
                        batch.push(run.time_ms, record);
                        filling.events += 1;
                        filling.last = (run.time_ms, record[0], record[1]);
                        filling.words += record.len();
                        if filling.events >= lanes.most[lane] || filling.words >= CHUNK_WORDS {
                            filling.flush(lanes, layout, lane, out);
                        }
                    }
                }
                Feed::Messages(encoder) => {
                    let mut rest = run;
                    while !rest.words.is_empty() && !filling.failed {
                        let Some(state) = filling.encoding.as_deref_mut() else { break };
                        let before = filling.messages.list.len() as u64;
                        let most = (lanes.most[lane] - before) as usize;
                        let made = encoder.encode(state, layout, rest, &mut filling.messages, most);
                        filling.events += filling.messages.list.len() as u64 - before;
                        if let Some((head, second)) = made.last {
                            filling.last = (run.time_ms, head, second);
                        }
                        rest.words = made.rest;
                        if made.error.is_some()
                            || filling.events >= lanes.most[lane]
                            || filling.messages.bytes.len() >= CHUNK_BYTES
                        {
                            filling.flush(lanes, layout, lane, out);
                        }
                        if let Some(message) = made.error {
                            filling.failed = true;
                            out(lane, Parcel::Error(SinkError::new(message)));
                        }
                    }
                }
            }
            filling.kept = kept;
        }
    }

    /// Sends what is not full, too.
    pub fn flush(
        &mut self,
        lanes: &Lanes,
        layout: &Arc<Layout>,
        out: &mut dyn FnMut(usize, Parcel),
    ) {
        for (lane, filling) in self.lanes.iter_mut().enumerate() {
            filling.flush(lanes, layout, lane, out);
        }
    }
}

impl Filling {
    /// Whether an event was made final by an earlier run.
    fn passes_over(&mut self, event: &EventRef<'_>, taken: &[bool]) -> bool {
        match &mut self.skip {
            Skip::Nothing | Skip::Events(0) => false,
            Skip::Upto(p) => event.position() <= *p,
            Skip::Events(left) => {
                let counts = taken[event.site_index()];
                *left -= u64::from(counts);
                counts
            }
        }
    }

    fn flush(
        &mut self,
        lanes: &Lanes,
        layout: &Layout,
        lane: usize,
        out: &mut dyn FnMut(usize, Parcel),
    ) {
        if self.events == 0 {
            return;
        }
        let payload = match self.batch.take() {
            Some(batch) => Payload::Batch(batch),
            None if self.encoding.is_some() => {
                let fresh = lock(&lanes.shared.messages).pop().unwrap_or_default();
                Payload::Messages(std::mem::replace(&mut self.messages, fresh))
            }
            None => {
                let fresh = lock(&lanes.shared.blocks).pop().unwrap_or_default();
                Payload::Bytes(std::mem::replace(&mut self.block, fresh))
            }
        };
        let (time_ms, head, second) = self.last;
        let chunk =
            Chunk { payload, events: self.events, last: layout.position(time_ms, head, second) };
        (self.events, self.words) = (0, 0);
        out(lane, Parcel::Chunk(chunk));
    }
}
