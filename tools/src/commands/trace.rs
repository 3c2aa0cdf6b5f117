//! `annals trace`: the events of one correlation, as a tree by cause.

use std::collections::HashMap;
use std::time::Duration;

use annals::{Event, Filter, Occurred, Uuid};
use serde::Serialize;

use crate::cli::Trace;
use crate::error::{Answer, Failure, OfLog};
use crate::open::reader;
use crate::output::style::{DIM, NAME};
use crate::output::{Output, note, printable, units};
use crate::time;

/// Deeper than this the tree is drawn no wider.
const DEPTH_DRAWN: usize = 40;

/// An event of the trace.
#[derive(Debug, Serialize)]
struct Node {
    position: u64,
    stream: String,
    version: u64,
    id: String,
    #[serde(rename = "type")]
    event_type: String,
    time: String,
    #[serde(skip)]
    nanos: i64,
    /// How many events of the trace led to it, one after the other.
    depth: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    caused_by: Option<String>,
    /// Position of its cause, where that is in the trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_seconds: Option<f64>,
    /// Of the events that it caused, their places in the trace.
    #[serde(skip)]
    led_to: Vec<usize>,
}

/// The events in commit order, and which of them have no cause among the others.
#[derive(Debug, Default)]
struct Traced {
    nodes: Vec<Node>,
    places: HashMap<Uuid, usize>,
    roots: Vec<usize>,
}

impl Traced {
    /// The next event. Only one before it can be its cause: so there are no circles.
    fn add(&mut self, event: &Event<'_>) {
        let place = self.nodes.len();
        let cause = event.caused_by().and_then(|text| text.parse::<Uuid>().ok());
        let cause = cause.and_then(|id| self.places.get(&id).copied());
        let at = event.occurred_at().unwrap_or_else(|| Occurred::utc(event.recorded_at()));
        let mut node = Node {
            position: event.position(),
            stream: event.stream().to_owned(),
            version: event.version(),
            id: event.id().to_string(),
            event_type: event.event_type().to_owned(),
            time: time::text(at),
            nanos: at.at.as_nanos(),
            depth: 0,
            caused_by: event.caused_by().map(str::to_owned),
            cause: None,
            delay_seconds: None,
            led_to: Vec::new(),
        };
        match cause.and_then(|cause| self.nodes.get_mut(cause)) {
            Some(cause) => {
                cause.led_to.push(place);
                node.depth = cause.depth + 1;
                node.cause = Some(cause.position);
                let nanos = i128::from(node.nanos) - i128::from(cause.nanos);
                node.delay_seconds = Some(nanos as f64 / 1e9);
            }
            None => self.roots.push(place),
        }
        self.nodes.push(node);
        self.places.insert(event.id(), place);
    }
}

pub(crate) fn run(asked: &Trace, output: &mut Output) -> Result<Answer, Failure> {
    let log = reader(&asked.log)?;
    let mut events = log.read_all().filter(Filter::new().correlation(&asked.correlation));
    let mut traced = Traced::default();
    while let Some(event) = events.next().of(&asked.log)? {
        traced.add(&event);
    }
    if traced.nodes.is_empty() {
        note(format_args!("no event of correlation {} yet", printable(&asked.correlation)));
    }
    if output.is_json() {
        traced.nodes.iter().try_for_each(|node| output.object(node))?;
    } else {
        print_tree(output, &traced)?;
    }
    Ok(Answer::Yes)
}

/// Each event below its cause, and those of one cause in commit order.
fn print_tree(output: &mut Output, traced: &Traced) -> Result<(), Failure> {
    let rows = rows(traced);
    let width = |text: &dyn Fn(&Node) -> &str| {
        let lengths = traced.nodes.iter().map(|node| text(node).chars().count());
        lengths.max().unwrap_or(0)
    };
    let times = width(&|node| &node.time);
    let types = rows.iter().map(|(drawn, _)| drawn.chars().count()).max().unwrap_or(0);
    for (drawn, node) in &rows {
        let delay = node.delay_seconds.map(|delay| format!("  {DIM}{}{DIM:#}", signed(delay)));
        output.line(format_args!(
            "{DIM}{:<times$}{DIM:#}  {drawn:<types$}  {NAME}{}{NAME:#} {}{}",
            node.time,
            printable(&node.stream),
            units::count(node.version),
            delay.unwrap_or_default()
        ))?;
    }
    Ok(())
}

/// The events as they are drawn, each with its branch and type.
fn rows(traced: &Traced) -> Vec<(String, &Node)> {
    let mut rows = Vec::with_capacity(traced.nodes.len());
    // What is still to be drawn, the next one last: its place, what stands before its
    // branch, and the branch.
    let mut next: Vec<(usize, String, &str)> =
        traced.roots.iter().rev().map(|root| (*root, String::new(), "")).collect();
    while let Some((place, before, branch)) = next.pop() {
        let Some(node) = traced.nodes.get(place) else { continue };
        rows.push((format!("{before}{branch}{}", printable(&node.event_type)), node));
        let below = match branch {
            _ if node.depth >= DEPTH_DRAWN => before,
            "" => before,
            "└─ " => before + "   ",
            _ => before + "│  ",
        };
        for (index, child) in node.led_to.iter().rev().enumerate() {
            next.push((*child, below.clone(), if index == 0 { "└─ " } else { "├─ " }));
        }
    }
    rows
}

/// A span of time that may be negative: times are told by who appended.
fn signed(seconds: f64) -> String {
    let span = Duration::try_from_secs_f64(seconds.abs()).unwrap_or_default();
    let sign = if seconds < 0.0 { '-' } else { '+' };
    format!("{sign}{}", units::span(span))
}
