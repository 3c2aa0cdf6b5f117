//! Progress of long work: a bar on standard error, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Redraws at most this often, and at least this often where nothing moves.
const TICK: Duration = Duration::from_millis(100);

/// A bar, or nothing where standard error is no terminal. Gone when dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Over bytes: of how many, where that is known.
    pub(crate) fn bytes(total: Option<u64>) -> Self {
        let known = "{bar:20} {bytes} of {total_bytes}  {bytes_per_sec}  {msg}";
        let unknown = "{spinner} {bytes}  {bytes_per_sec}  {msg}";
        Self::new(total, known, unknown)
    }

    /// Over events: of how many, where that is known.
    pub(crate) fn events(total: Option<u64>) -> Self {
        let known = "{bar:20} {human_pos} of {human_len} events  {per_sec}";
        let unknown = "{spinner} {human_pos} events  {per_sec}";
        Self::new(total, known, unknown)
    }

    /// Over crash states: of how many, where that is known.
    pub(crate) fn states(total: Option<u64>) -> Self {
        let known = "{bar:20} {human_pos} of {human_len} states  {per_sec}  {msg}";
        let unknown = "{spinner} {human_pos} states  {per_sec}  {msg}";
        Self::new(total, known, unknown)
    }

    /// Over kills: of how many, where that is known.
    pub(crate) fn kills(total: Option<u64>) -> Self {
        let known = "{bar:20} {human_pos} of {human_len} kills  {per_sec}";
        let unknown = "{spinner} {human_pos} kills  {per_sec}";
        Self::new(total, known, unknown)
    }

    /// Over turns of a bench: of how many is said later.
    pub(crate) fn turns() -> Self {
        let known = "{bar:20} turn {human_pos} of {human_len}, {eta} left  {msg}";
        Self::new(Some(0), known, known)
    }

    fn new(total: Option<u64>, known: &str, unknown: &str) -> Self {
        // Hidden by the target itself where there is no terminal.
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let template = if total.is_some() { known } else { unknown };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Self { bar }
    }

    /// Whether nobody sees it.
    pub(crate) fn is_hidden(&self) -> bool {
        self.bar.is_hidden()
    }

    /// Where the work has got to.
    pub(crate) fn at(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// How much there is, where that turned out on the way.
    pub(crate) fn total(&self, total: u64) {
        self.bar.set_length(total);
    }

    /// What to say beside the bar.
    pub(crate) fn say(&self, message: String) {
        self.bar.set_message(message);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
