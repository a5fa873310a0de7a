//! Messages: events as keys and values of bytes, for destinations that carry single records.
//!
//! A [`MessageEncoder`] is made by the sink that sends them, since what bytes are depends on where they
//! go (the numbers of schemas in a registry, for instance); workers call it.

use super::TextBlock;
use doge_core::batch::{Layout, Run};
use std::any::Any;
use std::fmt::Debug;
use std::ops::Range;

/// Encoded events, in order.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    /// Keys, values and headers, one after the other.
    pub bytes: TextBlock,
    /// The messages.
    pub list: Vec<Message>,
    /// Values of headers, one message's after the other's; `None`: null.
    pub headers: Vec<Option<Range<usize>>>,
}

/// One event. Ranges are of [`Messages::bytes`].
#[derive(Clone, Debug)]
pub struct Message {
    /// Index of the event in the layout.
    pub event: u32,
    /// Its key; `None`: no key.
    pub key: Option<Range<usize>>,
    /// Its value.
    pub value: Range<usize>,
    /// Its own headers, as a range of [`Messages::headers`]: one for each of the event's, in their order.
    pub headers: Range<usize>,
    /// The record's time, milliseconds since the epoch.
    pub time_ms: i64,
    /// The subject's population and id.
    pub subject: (u32, u64),
}

impl Messages {
    /// Drops the messages, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.list.clear();
        self.headers.clear();
    }

    /// The key, the value and the headers' values of a message of this list.
    pub fn parts<'m>(
        &'m self,
        message: &Message,
    ) -> (Option<&'m [u8]>, &'m [u8], impl Iterator<Item = Option<&'m [u8]>>) {
        let bytes: &'m [u8] = &self.bytes;
        let headers = self.headers[message.headers.clone()].iter();
        (
            message.key.clone().map(|range| &bytes[range]),
            &bytes[message.value.clone()],
            headers.map(|range| range.clone().map(|range| &bytes[range])),
        )
    }
}

/// Makes messages of records: immutable, shared by the workers.
pub trait MessageEncoder: Send + Sync + Debug {
    /// What a thread needs for itself.
    fn state(&self) -> Box<dyn Any + Send>;

    /// Appends the events of `run` that belong to the output, up to `most` of them. Returns the words
    /// of the run that are left, the header words of the last event appended, and an error where a value
    /// cannot be carried; what was appended before it stays.
    fn encode<'r>(
        &self,
        state: &mut dyn Any,
        layout: &Layout,
        run: Run<'r>,
        out: &mut Messages,
        most: usize,
    ) -> MessagesMade<'r>;
}

/// What a call of [`MessageEncoder::encode`] did.
#[derive(Debug, Default)]
pub struct MessagesMade<'r> {
    /// What is left of the run.
    pub rest: &'r [u64],
    /// Header words of the last event appended.
    pub last: Option<(u64, u64)>,
    /// Why it ended: event, field, and what the destination cannot hold.
    pub error: Option<String>,
}
