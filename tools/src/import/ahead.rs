//! Reads and parses in a thread of its own, ahead of the appends: these wait for the
//! disk, which leaves a processor free.

use std::collections::VecDeque;
use std::io::BufRead;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::input::Input;
use super::lines::Lines;
use crate::error::Failure;
use crate::incoming::{Incoming, Item, ItemError, Origin, Refusal};
use crate::json;

/// Events handed over at once, so that the hand-over costs little.
const CHUNK_EVENTS: usize = 256;
/// A chunk also ends here, so that large events do not pile up.
const CHUNK_BYTES: usize = 1 << 20;
/// Chunks that wait to be appended; the reader then waits too.
const CHUNKS: usize = 16;

type Chunk = Vec<Result<Item, Failure>>;

/// The events of an input, in order. An error is the last thing that comes.
pub(crate) struct ReadAhead {
    chunks: Receiver<Chunk>,
    current: VecDeque<Result<Item, Failure>>,
}

impl ReadAhead {
    /// Starts reading. The thread is never joined: it may sit in a read of standard
    /// input that nothing can end, and it holds nothing that needs care.
    pub(crate) fn start(input: Input) -> Self {
        let (sender, chunks) = sync_channel(CHUNKS);
        thread::spawn(move || read_all(input.reader, &input.name, &sender));
        Self { chunks, current: VecDeque::new() }
    }
}

impl Iterator for ReadAhead {
    type Item = Result<Item, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.current.is_empty() {
            // The sender is gone when everything was sent.
            self.current = self.chunks.recv().ok()?.into();
        }
        self.current.pop_front()
    }
}

fn read_all(reader: Box<dyn BufRead + Send>, name: &str, sender: &SyncSender<Chunk>) {
    let mut lines = Lines::new(reader);
    let mut chunk = Chunk::with_capacity(CHUNK_EVENTS);
    let mut weight = 0;
    loop {
        let parsed = next_event(&mut lines);
        let origin = Origin::Line(lines.number());
        let ended = match parsed {
            Ok(Some(event)) => {
                weight += event.weight();
                chunk.push(Ok(Item { origin, event }));
                false
            }
            Ok(None) => true,
            Err(source) => {
                let refusal = Refusal { input: name.to_owned(), origin, source };
                chunk.push(Err(Failure::Item(Box::new(refusal))));
                true
            }
        };
        let full = chunk.len() >= CHUNK_EVENTS || weight >= CHUNK_BYTES;
        if ended || full {
            weight = 0;
            let whole = std::mem::replace(&mut chunk, Chunk::with_capacity(CHUNK_EVENTS));
            // Nobody listens any more after an error on the other side.
            if (!whole.is_empty() && sender.send(whole).is_err()) || ended {
                return;
            }
        }
    }
}

fn next_event<R: BufRead>(lines: &mut Lines<R>) -> Result<Option<Incoming>, ItemError> {
    lines.next()?.map(json::parse).transpose()
}
