//! The sink: one topic of a cluster.

use super::Shared;
use super::connect::{Link, lock};
use super::notes::{self, Kept};
use super::send::{Sender, Slip, begins_before_1970};
use super::topics::{self, Create, Rules};
#[cfg(feature = "registry")]
use crate::format::SchemaIds;
use crate::format::{MessageEncoder, MessageSpec};
#[cfg(feature = "registry")]
use crate::registry::{Registry, RegistryConfig, SubjectNaming};
use crate::sink::{
    Chunk, Finished, IfExists, Mark, Note, Opening, Past, Payload, Sink, SinkError, Stream, text,
};
use doge_core::batch::{Cell, Layout, Position};
use rdkafka::config::ClientConfig;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What an output is made from.
pub struct Plan {
    /// The topic's name.
    pub topic: String,
    /// What people call it.
    pub place: String,
    /// Properties that all clients have.
    pub client: ClientConfig,
    /// Whether messages are sent in transactions.
    pub transactions: bool,
    /// How long a transaction may last.
    pub timeout: Duration,
    /// How the topic is made where it is missing.
    pub create: Option<Create>,
    /// Whether batches are compressed, so that a message's size says little.
    pub compresses: bool,
    /// What to do with what is there.
    pub if_exists: IfExists,
    /// Index, name and names of headers of the events that go there.
    pub events: Vec<(usize, String, Vec<String>)>,
    /// What must not change from run to run.
    pub form: String,
    /// How events become messages, before a registry has told the numbers of their schemas.
    pub messages: MessageSpec,
    /// The registry of schemas, and how they are filed there.
    #[cfg(feature = "registry")]
    pub registry: Option<(RegistryConfig, SubjectNaming)>,
}

impl Plan {
    /// The messages as they are sent: a registry is told their schemas, and says their numbers.
    fn numbered(&self) -> Result<MessageSpec, SinkError> {
        #[allow(unused_mut, reason = "a build without registries")]
        let mut messages = self.messages.clone();
        #[cfg(feature = "registry")]
        if let Some((config, naming)) = &self.registry {
            let registry = Registry::new(config)?;
            for (index, ..) in &self.events {
                let mut ids = SchemaIds::default();
                if let Some(schema) = messages.value_schema(*index) {
                    ids.value =
                        Some(registry.id(&naming.value(&self.topic, schema.record), schema)?);
                }
                if let Some(schema) = messages.key_schema(*index) {
                    ids.key = Some(registry.id(&naming.key(&self.topic), schema)?);
                }
                messages.set_ids(*index, ids);
            }
        }
        Ok(messages)
    }

    /// The transactional id for a stream.
    fn id(&self, stream: &Stream) -> String {
        format!("doge-{}", notes::key(&self.topic, stream))
    }
}

/// One topic.
pub struct Topic {
    shared: Arc<Shared>,
    plan: Arc<Plan>,
    open: Option<Open>,
    /// A line for those who ask after the end.
    ended: Option<String>,
    span_ms: (i64, i64),
}

/// A topic that is written to.
struct Open {
    link: Arc<Link>,
    messages: MessageSpec,
    sender: Sender,
    note: Note,
    key: String,
    /// Old records below these offsets go with the first commit.
    delete: Vec<(i32, i64)>,
    /// Notes of other streams, which are void when the old records go.
    void: Vec<String>,
    /// Records that were there and stay.
    had_records: bool,
    resumed: bool,
    /// The last event that was sent.
    last: Option<Position>,
    written: u64,
    committed: u64,
    bytes: u64,
}

impl Topic {
    pub fn new(shared: Arc<Shared>, plan: Arc<Plan>) -> Topic {
        Topic { shared, plan, open: None, ended: None, span_ms: (1, 1) }
    }

    fn sender(
        &self,
        opening: &Opening,
        brokers: &str,
        outputs: usize,
    ) -> Result<Sender, SinkError> {
        let id = self.plan.id(&opening.stream);
        Sender::new(&self.plan, brokers, &id, outputs, opening.meter.clone(), opening.stop.clone())
    }

    /// Ends the transactions that a killed run of this stream has left open, of all its topics: they hide
    /// what comes after them from whoever reads notes.
    fn end_old_transactions(&self, opening: &Opening, link: &Link, plans: &[Arc<Plan>]) {
        let others: Vec<_> =
            plans.iter().filter(|p| p.transactions && p.topic != self.plan.topic).collect();
        std::thread::scope(|scope| {
            for plan in others {
                // Each says by itself what is wrong with it, when it is opened.
                scope.spawn(|| {
                    let id = plan.id(&opening.stream);
                    let stop = opening.stop.clone();
                    drop(Sender::new(plan, &link.brokers, &id, plans.len(), Arc::default(), stop));
                });
            }
        });
    }

    fn prepare(&self, opening: &Opening) -> Result<(Open, Past), SinkError> {
        let plan = &*self.plan;
        let plans = lock(&self.shared.plans).clone();
        let mut cluster = lock(&self.shared.cluster);
        let link = cluster.link()?;
        let found = topics::partitions(&link, &plan.topic)?;
        let mut wrong = Vec::new();
        let rules = match found {
            Some(_) => topics::rules(&link, &plan.topic),
            None => Rules { deletes: true, ..Rules::default() },
        };
        if found.is_some() {
            let create = plan.create.as_ref();
            wrong =
                topics::traps(&link, &plan.topic, &rules, create, opening.span_ms, opening.paced);
        } else if plan.create.is_none() {
            return Err(topics::missing(&link.brokers, &plan.topic));
        }

        // Whoever resumes takes over at once: what an earlier run has left open must be decided before its
        // notes are read. A fresh run first looks whether it may begin.
        let mut sender = None;
        if opening.resume {
            if !std::mem::replace(&mut cluster.decided, true) {
                self.end_old_transactions(opening, &link, &plans);
            }
            sender = Some(self.sender(opening, &link.brokers, plans.len())?);
        }
        let all = notes::read(&link, opening.resume)?;
        let key = notes::key(&plan.topic, &opening.stream);
        let ends = match found {
            Some(n) => topics::ends(&link, &plan.topic, n)?,
            None => Vec::new(),
        };
        // A topic that was made anew knows nothing of an old note.
        let is_new = ends.iter().all(|(_, _, high)| *high == 0);
        let mine = all.get(&key).filter(|_| opening.resume);
        let mine = mine.filter(|kept| !is_new || !has_events(kept));
        let mut delete = Vec::new();
        let mut had_records = false;
        let mut past = Past { mark: None, complete_ms: None };
        if let Some(kept) = mine {
            let note = kept.note.clone().map_err(|e| {
                SinkError::new(format!("{}: {e}", plan.place))
                    .help("begin anew: leave `--resume` out and write `--if-exists replace`")
            })?;
            match note.resume(&plan.place, &opening.stream, &plan.form) {
                Ok(there) => past = there,
                Err(e) => wrong.push(e),
            }
            delete.clone_from(&kept.delete);
        } else {
            match self.judge_old(opening, &link, &all, &ends, &rules) {
                Ok((old, there)) => (delete, had_records) = (old, there),
                Err(e) => wrong.push(e),
            }
        }
        if let Some(e) = together(wrong) {
            return Err(e);
        }
        // The last of what may refuse, since it may leave something there.
        let messages = plan.numbered()?;

        let replication = plan.create.as_ref().and_then(|c| c.replication);
        notes::ensure(&link, replication)?;
        let partitions = match (found, &plan.create) {
            (Some(n), _) => n,
            (None, Some(create)) => {
                topics::make(&link, &plan.topic, create, opening.span_ms)?;
                topics::partitions(&link, &plan.topic)?.unwrap_or(1)
            }
            (None, None) => return Err(topics::missing(&link.brokers, &plan.topic)),
        };
        let mut sender = match sender {
            Some(sender) => sender,
            None => self.sender(opening, &link.brokers, plans.len())?,
        };
        // A topic that has grown since: a subject stays where it was.
        let divided = mine.map_or(0, |kept| kept.partitions);
        sender.partitions = if (1..=partitions).contains(&divided) { divided } else { partitions };
        sender.max_bytes = rules.max_bytes;
        let void = all
            .iter()
            .filter(|(k, kept)| **k != key && kept.topic == plan.topic && !delete.is_empty())
            .map(|(k, _)| k.clone())
            .collect();
        let mut note = Note::fresh(&opening.stream, plan.form.clone());
        note.past = past;
        let mut open = Open {
            link,
            messages,
            sender,
            note,
            key,
            delete,
            void,
            had_records,
            resumed: mine.is_some(),
            last: None,
            written: 0,
            committed: 0,
            bytes: 0,
        };
        if past.mark.is_some() && !open.delete.is_empty() {
            // The commit came through, and what should have followed it did not.
            topics::delete_below(&open.link, &plan.topic, &open.delete)?;
            open.delete.clear();
        }
        if mine.is_none() {
            let slip = open.slip();
            open.sender.commit(&[slip])?;
        }
        Ok((open, past))
    }

    /// What is to be done with records that are not of this stream: the offsets below which they go, and
    /// whether some stay.
    fn judge_old(
        &self,
        opening: &Opening,
        link: &Link,
        all: &BTreeMap<String, Kept>,
        ends: &[(i32, i64, i64)],
        rules: &Rules,
    ) -> Result<(Vec<(i32, i64)>, bool), SinkError> {
        let plan = &*self.plan;
        if ends.iter().all(|(_, low, high)| low >= high) {
            return Ok((Vec::new(), false));
        }
        let others: Vec<&Note> = all
            .iter()
            .filter(|(_, kept)| kept.topic == plan.topic)
            .filter_map(|(_, kept)| kept.note.as_ref().ok())
            .filter(|note| note.stream != *opening.stream)
            .collect();
        let differences = |note: &Note| opening.stream.differences(&note.stream).len();
        let is_part = |note: &&Note| {
            let differs = opening.stream.differences(&note.stream);
            differs.iter().all(|(name, ..)| matches!(*name, "shard" | "subjects"))
        };
        let begun = all.contains_key(&notes::key(&plan.topic, &opening.stream));
        match plan.if_exists {
            IfExists::Append => Ok((Vec::new(), topics::has_record(link, &plan.topic, ends).unwrap_or(true))),
            // What other shards of the same run have written is not old.
            _ if !begun && others.iter().any(is_part) => Ok((Vec::new(), false)),
            _ if !topics::has_record(link, &plan.topic, ends)? => Ok((Vec::new(), false)),
            _ if opening.resume && !others.is_empty() => {
                let nearest = others.into_iter().min_by_key(|note| differences(note));
                let error = nearest.map(|n| n.resume(&plan.place, &opening.stream, &plan.form));
                match error {
                    Some(Err(e)) => Err(e),
                    _ => Ok((Vec::new(), false)),
                }
            }
            IfExists::Error => Err(SinkError::new(format!("{} has records already", plan.place)).help(
                "write `if_exists: replace` (or `--if-exists replace`) to delete them with the first commit, or \
                 `append` to keep them",
            )),
            IfExists::Replace if rules.compacted && !rules.deletes => Err(SinkError::new(format!(
                "{} is compacted, and Kafka does not delete the records of such a topic",
                plan.place
            ))
            .help(format!(
                "make it anew: kafka-topics.sh --bootstrap-server {} --delete --topic {}, and let `create` make it",
                link.brokers, plan.topic
            ))
            .help("or write `if_exists: append`")),
            IfExists::Replace => Ok((ends.iter().map(|(p, _, high)| (*p, *high)).collect(), false)),
        }
    }
}

fn has_events(kept: &Kept) -> bool {
    kept.note.as_ref().is_ok_and(|n| n.past.mark.is_some())
}

/// Several problems as one.
fn together(all: Vec<SinkError>) -> Option<SinkError> {
    let mut all = all.into_iter();
    let mut first = all.next()?;
    for e in all {
        first.message = format!("{}; {}", first.message, e.message);
        first.help.extend(e.help);
    }
    Some(first)
}

impl Open {
    /// The note as it is to be written.
    fn slip(&self) -> Slip {
        Slip { key: self.key.clone(), body: Some(self.note.to_json()), delete: self.delete.clone() }
    }

    /// Makes all that was sent final, then deletes old records.
    fn commit(&mut self, plan: &Plan) -> Result<(), SinkError> {
        let mut slips = vec![self.slip()];
        let void = |key: &String| Slip { key: key.clone(), body: None, delete: Vec::new() };
        slips.extend(self.void.iter().map(void));
        self.sender.commit(&slips)?;
        self.committed = self.written;
        self.void.clear();
        if !self.delete.is_empty() {
            let old = std::mem::take(&mut self.delete);
            topics::delete_below(&self.link, &plan.topic, &old)?;
        }
        Ok(())
    }
}

impl Sink for Topic {
    fn open(&mut self, opening: &Opening) -> Result<Option<Past>, SinkError> {
        self.span_ms = opening.span_ms;
        let (open, past) = self.prepare(opening)?;
        let resumed = open.resumed;
        self.open = Some(open);
        Ok(resumed.then_some(past))
    }

    fn messages(
        &mut self,
        layout: &Arc<Layout>,
        events: &[bool],
    ) -> Result<Option<Arc<dyn MessageEncoder>>, SinkError> {
        let own_time = |site: &&doge_core::batch::Site| matches!(site.time.cell, Cell::Time);
        let mut sites = layout.sites.iter().filter(|s| events[s.event]);
        if self.span_ms.0 <= 0 && sites.any(|s| own_time(&s)) {
            return Err(begins_before_1970(&self.plan.place, self.span_ms.0));
        }
        let Some(open) = &self.open else { return Ok(None) };
        let encoder = open.messages.encoder(layout, events).map_err(|problems| {
            SinkError::new(format!("{}: {}", self.plan.place, problems.join("; ")))
                .help("choose another `format`, or change the events")
        })?;
        Ok(Some(encoder))
    }

    fn write(&mut self, chunk: &Chunk) -> Result<(), SinkError> {
        let Payload::Messages(messages) = &chunk.payload else {
            return Err(SinkError::new(format!("{} takes messages", self.plan.place)));
        };
        let Some(open) = &mut self.open else {
            return Err(SinkError::new(format!("{} is closed", self.plan.place)));
        };
        let bytes = open.sender.send(messages)?;
        open.sender.meter.bytes(bytes);
        open.bytes += bytes;
        open.written += chunk.events;
        open.last = Some(chunk.last);
        Ok(())
    }

    fn commit(&mut self, upto: Position) -> Result<Option<Position>, SinkError> {
        let Some(open) = &mut self.open else { return Ok(None) };
        open.note.past = Past { mark: Some(Mark::Position(upto)), complete_ms: None };
        open.commit(&self.plan)?;
        Ok(Some(upto))
    }

    fn finish(&mut self) -> Result<Finished, SinkError> {
        let Some(mut open) = self.open.take() else {
            return Err(SinkError::new(format!("{} is closed", self.plan.place)));
        };
        let end_ms = open.note.past.complete_ms.unwrap_or(i64::MIN).max(self.span_ms.1);
        let mark = open.last.map(Mark::Position).or(open.note.past.mark);
        open.note.past = Past { mark, complete_ms: Some(end_ms) };
        if let Err(e) = open.commit(&self.plan) {
            self.open = Some(open);
            return Err(e);
        }
        let (events, bytes) = (open.committed, open.bytes);
        self.ended = Some(format!("{} is complete: {}", self.plan.place, text::events(events)));
        Ok(Finished { place: self.plan.place.clone(), bytes: Some(bytes) })
    }

    fn abort(&mut self) -> String {
        let place = &self.plan.place;
        let Some(mut open) = self.open.take() else {
            return self.ended.clone().unwrap_or_else(|| format!("{place} was not touched"));
        };
        open.sender.abandon();
        let loose = if self.plan.transactions || open.written == open.committed {
            ""
        } else {
            ", and may hold some of what came after them"
        };
        match open.committed {
            0 if !loose.is_empty() => {
                format!("{place} may hold some events: there are no transactions")
            }
            0 if open.resumed => format!("{place} is as it was: nothing was added"),
            0 => format!("{place} is as it was"),
            n if open.resumed => {
                format!("{place} holds what it had and the next {}{loose}", text::events(n))
            }
            n if open.had_records => {
                format!(
                    "{place} holds its old records and the first {} of this run{loose}",
                    text::events(n)
                )
            }
            n => format!("{place} holds the first {}{loose}", text::events(n)),
        }
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        if self.open.is_some() {
            self.abort();
        }
    }
}
