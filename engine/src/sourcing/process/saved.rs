//! What of a process is kept in the log: a named state, and its format.
//!
//! The name is `$process/<length of the name>/<name>/<correlation>`, so that names and
//! correlations with a `/` are kept apart; the schema is [`SCHEMA`] for ever, and the numbers
//! of the format and of the program's own state stand in the data, so that another one is
//! noticed and not passed over:
//!
//! ```json
//! {"format":1,"schema":3,"state":{"customer":"ann"},"compensations":[{"ReleaseCredit":"ann"}]}
//! ```
//!
//! Of a process that ended `{"format":1,"ended":true}` is left.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Process;

/// The schema number of these states, and of the pages of deadlines.
pub(super) const SCHEMA: u32 = 1;

/// The number of the format.
const FORMAT: u32 = 1;

/// The name of a process's state.
pub(super) fn state_name(name: &str, correlation: &str) -> String {
    format!("$process/{}/{name}/{correlation}", name.len())
}

/// What the names of pages of deadlines start with.
pub(super) fn pages_prefix(name: &str) -> String {
    format!("$deadlines/{}/{name}/", name.len())
}

/// What of a process is in memory while its inputs are handled.
pub(super) struct Kept<P: Process> {
    pub(super) state: P::State,
    pub(super) compensations: Vec<P::Compensation>,
    pub(super) ended: bool,
}

impl<P: Process> Kept<P> {
    /// One that nothing happened to yet.
    pub(super) fn new() -> Self {
        Self { state: P::State::default(), compensations: Vec::new(), ended: false }
    }

    pub(super) fn encode(&self) -> Result<String, serde_json::Error> {
        if self.ended {
            return serde_json::to_string(&Ended { format: FORMAT, ended: true });
        }
        let (state, compensations) = (&self.state, &*self.compensations);
        serde_json::to_string(&Saved {
            format: FORMAT,
            schema: P::STATE_SCHEMA,
            state,
            compensations,
        })
    }

    pub(super) fn decode(text: &[u8]) -> Result<Self, String> {
        let of_json = |error: serde_json::Error| error.to_string();
        let head: Head = serde_json::from_slice(text).map_err(of_json)?;
        if head.format != FORMAT {
            return Err(format!("its format is {}", head.format));
        }
        if head.ended {
            return Ok(Self { ended: true, ..Self::new() });
        }
        if head.schema == P::STATE_SCHEMA {
            let whole: Whole<P::State, P::Compensation> =
                serde_json::from_slice(text).map_err(of_json)?;
            let Whole { state, compensations } = whole;
            return Ok(Self { state, compensations, ended: false });
        }
        let Whole { state, compensations } =
            serde_json::from_slice::<Whole<serde_json::Value, P::Compensation>>(text)
                .map_err(of_json)?;
        let unknown = || format!("its schema is {}, not {}", head.schema, P::STATE_SCHEMA);
        let state = P::upgrade(head.schema, &state.to_string()).ok_or_else(unknown)?;
        Ok(Self { state, compensations, ended: false })
    }
}

#[derive(Serialize)]
struct Saved<'s, S, C> {
    format: u32,
    schema: u32,
    state: &'s S,
    #[serde(skip_serializing_if = "<[C]>::is_empty")]
    compensations: &'s [C],
}

#[derive(Serialize)]
struct Ended {
    format: u32,
    ended: bool,
}

#[derive(Deserialize)]
struct Head {
    format: u32,
    #[serde(default)]
    schema: u32,
    #[serde(default)]
    ended: bool,
}

#[derive(Deserialize)]
#[serde(bound = "S: DeserializeOwned, C: DeserializeOwned")]
struct Whole<S, C> {
    state: S,
    #[serde(default = "Vec::new")]
    compensations: Vec<C>,
}
