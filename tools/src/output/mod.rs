//! What goes to standard output and standard error, and in which form.
//!
//! Standard output carries either text for people (coloured on a terminal only) or
//! JSON, one object a line. Everything else, errors and progress, goes to standard
//! error.

mod event;
pub(crate) mod progress;
pub(crate) mod style;
mod text;
pub(crate) mod units;

use std::fmt;
use std::io::{self, BufWriter, Write};

use serde::Serialize;

use crate::error::Failure;

pub(crate) use event::EventTable;
pub(crate) use text::{level, printable, shortened};

/// Standard output, buffered.
pub(crate) struct Output {
    json: bool,
    out: Box<dyn Write>,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        // Colour is for text only; JSON skips the search for colour codes.
        let out: Box<dyn Write> = if json {
            Box::new(BufWriter::with_capacity(1 << 16, io::stdout()))
        } else {
            Box::new(BufWriter::with_capacity(1 << 16, anstream::stdout()))
        };
        Self { json, out }
    }

    /// Whether JSON was asked for.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// One line of text.
    pub(crate) fn line(&mut self, line: fmt::Arguments<'_>) -> Result<(), Failure> {
        writeln!(self.out, "{line}").map_err(Failure::Stdout)
    }

    /// One JSON object, on a line.
    pub(crate) fn object(&mut self, object: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.out, object)
            .map_err(io::Error::from)
            .and_then(|()| self.out.write_all(b"\n"))
            .map_err(Failure::Stdout)
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).map_err(Failure::Stdout)
    }

    /// Hands on what is buffered. Whoever printed anything must call it: what is only
    /// dropped cannot say that it failed.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(Failure::Stdout)
    }
}

/// Tells of a failure, on standard error.
pub(crate) fn report(failure: &Failure) {
    let (bad, dim) = (style::BAD, style::DIM);
    say(format_args!("{bad}error{bad:#}: {failure}"));
    if let Some(advice) = failure.advice() {
        say(format_args!("{dim}what to do{dim:#}: {advice}"));
    }
}

/// Tells of something that is no failure, on standard error.
pub(crate) fn note(note: fmt::Arguments<'_>) {
    let dim = style::DIM;
    say(format_args!("{dim}note{dim:#}: {note}"));
}

fn say(line: fmt::Arguments<'_>) {
    // There is nowhere left to tell that standard error is gone.
    let _ = writeln!(anstream::stderr(), "{line}");
}
