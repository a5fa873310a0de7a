//! Lanes: the way from ordered events to each output, and the threads that write.
//!
//! A lane has a feed (encode, pick records, or only count) and a port. A port is the sink itself where
//! writing costs nothing, else a thread with a short queue: what is generated waits when a sink is
//! slower, and nothing is dropped.

use crate::destination::{Commit, Output, OutputKind};
use crate::format::{EncoderState, TextBlock, TextEncoder};
use crate::sink::{Chunk, Payload, Sink, SinkError};
use doge_core::batch::{EventBatch, Layout, Run};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// Bytes of a chunk of text: a few of them stay in the second-level cache.
const CHUNK_BYTES: usize = (1 << 18) - (1 << 13);
/// Records of a chunk.
const CHUNK_EVENTS: u64 = 4096;
/// Chunks that wait for a sink.
const QUEUE: usize = 4;

/// What an output is fed with.
#[derive(Debug)]
pub enum Feed {
    /// Encoded text.
    Text(TextEncoder),
    /// Records of these sites.
    Records(Vec<bool>),
    /// Nothing.
    Nothing,
}

impl Feed {
    /// The feed of an output.
    pub fn of(output: &Output, layout: &Arc<Layout>) -> Feed {
        match output.kind {
            OutputKind::Text { format, envelope } => {
                Feed::Text(TextEncoder::new(layout.clone(), format, &output.events, envelope))
            }
            OutputKind::Records => {
                Feed::Records(layout.sites.iter().map(|s| output.events[s.event]).collect())
            }
            OutputKind::Nothing => Feed::Nothing,
        }
    }
}

enum Port {
    /// The sink takes chunks where they are made.
    Here(Mutex<Writer>),
    /// A thread of its own.
    There(SyncSender<Chunk>, JoinHandle<Writer>),
    /// Nothing is ever written.
    Closed(Mutex<Writer>),
}

/// A sink with its commits.
struct Writer {
    sink: Box<dyn Sink>,
    commit: Commit,
    pending: u64,
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
    fn write(&mut self, chunk: Chunk, shared: &Shared) {
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
        }
    }

    fn try_write(&mut self, chunk: &Chunk) -> Result<(), SinkError> {
        self.sink.write(chunk)?;
        self.pending += chunk.events;
        if self.pending >= self.commit.events || self.since.elapsed() >= self.commit.every {
            self.sink.commit(chunk.last)?;
            self.pending = 0;
            self.since = Instant::now();
        }
        Ok(())
    }
}

/// All lanes of a run.
pub struct Lanes {
    feeds: Vec<Feed>,
    ports: Vec<Port>,
    /// Most events of a chunk.
    most: Vec<u64>,
    shared: Arc<Shared>,
}

/// Stands in an output for its sink while that is with a writer.
struct Away;

impl Sink for Away {
    fn open(
        &mut self,
        _: &crate::sink::Opening,
    ) -> Result<Option<doge_core::batch::Position>, SinkError> {
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
    pub fn new(outputs: &mut [Output], feeds: Vec<Feed>) -> Lanes {
        let shared = Arc::new(Shared::default());
        let mut ports = Vec::new();
        let mut most = Vec::new();
        for (output, feed) in outputs.iter_mut().zip(&feeds) {
            let sink = std::mem::replace(&mut output.sink, Box::new(Away));
            let instant = sink.is_instant();
            let writer = Writer {
                sink,
                commit: output.commit,
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
        Lanes { feeds, ports, most, shared }
    }

    /// Whether no lane needs more than a count.
    pub fn only_count(&self) -> bool {
        self.feeds.iter().all(|f| matches!(f, Feed::Nothing))
    }

    /// Whether a sink failed.
    pub fn failed(&self) -> bool {
        self.shared.failed.load(Ordering::Acquire)
    }

    /// Gives a chunk to the lane's writer; waits while its queue is full. Chunks of a lane must come in
    /// order.
    pub fn deliver(&self, lane: usize, chunk: Chunk) {
        match &self.ports[lane] {
            Port::Here(writer) => lock(writer).write(chunk, &self.shared),
            // The thread ends only when the sender is gone.
            Port::There(sender, _) => drop(sender.send(chunk)),
            Port::Closed(_) => {}
        }
    }

    /// Waits for the writers and puts the sinks back into their outputs; the first error, if a sink
    /// failed.
    pub fn close(self, outputs: &mut [Output]) -> Option<SinkError> {
        for (output, port) in outputs.iter_mut().zip(self.ports) {
            let writer = match port {
                Port::Here(writer) | Port::Closed(writer) => {
                    writer.into_inner().unwrap_or_else(PoisonError::into_inner)
                }
                Port::There(sender, thread) => {
                    drop(sender);
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                }
            };
            output.sink = writer.sink;
        }
        lock(&self.shared.error).take()
    }
}

/// The loop of a writer's thread.
fn serve(mut writer: Writer, chunks: &Receiver<Chunk>, shared: &Shared) -> Writer {
    for chunk in chunks {
        writer.write(chunk, shared);
    }
    writer
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
    events: u64,
    last: (i64, u64, u64),
}

impl Filler {
    /// A filler for lanes.
    pub fn new(lanes: &Lanes) -> Filler {
        let filling = |_: &Feed| Filling {
            state: EncoderState::default(),
            block: TextBlock::default(),
            batch: None,
            events: 0,
            last: (0, 0, 0),
        };
        Filler { lanes: lanes.feeds.iter().map(filling).collect() }
    }

    /// Takes a run into all lanes; full chunks go to `out`.
    pub fn take(
        &mut self,
        lanes: &Lanes,
        layout: &Arc<Layout>,
        run: Run<'_>,
        out: &mut dyn FnMut(usize, Chunk),
    ) {
        for (lane, feed) in lanes.feeds.iter().enumerate() {
            let filling = &mut self.lanes[lane];
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
                        if filling.events >= lanes.most[lane] {
                            filling.flush(lanes, layout, lane, out);
                        }
                    }
                }
            }
        }
    }

    /// Sends what is not full, too.
    pub fn flush(
        &mut self,
        lanes: &Lanes,
        layout: &Arc<Layout>,
        out: &mut dyn FnMut(usize, Chunk),
    ) {
        for (lane, filling) in self.lanes.iter_mut().enumerate() {
            filling.flush(lanes, layout, lane, out);
        }
    }
}

impl Filling {
    fn flush(
        &mut self,
        lanes: &Lanes,
        layout: &Layout,
        lane: usize,
        out: &mut dyn FnMut(usize, Chunk),
    ) {
        if self.events == 0 {
            return;
        }
        let payload = match self.batch.take() {
            Some(batch) => Payload::Batch(batch),
            None => {
                let fresh = lock(&lanes.shared.blocks).pop().unwrap_or_default();
                Payload::Bytes(std::mem::replace(&mut self.block, fresh))
            }
        };
        let (time_ms, head, second) = self.last;
        let chunk =
            Chunk { payload, events: self.events, last: layout.position(time_ms, head, second) };
        self.events = 0;
        out(lane, chunk);
    }
}
