//! Events as the program knows them: enums whose variants have explicit type names and schema
//! numbers in the log.
//!
//! * [`macros`]: the macro that states the names
//! * [`codec`]: JSON, Postcard
//! * [`content`]: a variant's content without the variant's name
//! * [`raw`]: an event that is not decoded
//! * [`upcast`]: old shapes into those of today
//! * [`decode`]: stored events through the upcasters, in parts

mod codec;
mod content;
mod decode;
mod macros;
mod raw;
mod upcast;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "postcard")]
pub use self::codec::Postcard;
pub(super) use self::codec::decode_by;
pub use self::codec::{Codec, CodecError, Json};
use self::content::Content;
pub use self::decode::{DecodeError, DecodeFault, Part, Parts, Place};
pub use self::raw::RawEvent;
pub use self::upcast::Upcasters;
use crate::{Event, limits};

/// A type of events: its name and schema number in the log, and the variant of the
/// program's enum that holds it. Part of [`EventEnum::TYPES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventType {
    /// The name in the log. It stays when the variant is renamed.
    pub name: &'static str,
    /// The number of the type's shape, from 1.
    pub schema: u32,
    /// The variant's name, as serde knows it.
    pub variant: &'static str,
}

/// An enum of events, each variant with an explicit type name and schema number in the log.
/// [`event_types!`](crate::event_types) makes it one.
///
/// ```
/// use annals::sourcing::{EventEnum, event_types};
/// use annals::{Batch, Expected, Log};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// enum AccountEvent {
///     Opened { owner: String },
///     PaidIn { cents: u64 },
/// }
/// event_types! { AccountEvent { Opened = "account-opened", PaidIn = "money-paid-in" } }
///
/// # let directory = tempfile::tempdir()?;
/// # let log = Log::open(directory.path())?;
/// let paid_in = AccountEvent::PaidIn { cents: 500 }.encode()?;
/// log.append(Batch::new().write("account-1", Expected::Any, [paid_in.as_new()]))?;
///
/// let mut read = log.read("account-1");
/// while let Some(stored) = read.next()? {
///     assert_eq!((stored.event_type(), stored.data()), ("money-paid-in", &br#"{"cents":500}"#[..]));
///     for part in AccountEvent::decode(&stored)? {
///         assert_eq!(part.event, AccountEvent::PaidIn { cents: 500 });
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait EventEnum: Serialize + DeserializeOwned + 'static {
    /// How events of the enum are encoded, and the snapshots of aggregates with such events.
    type Codec: Codec;

    /// What it names.
    const TYPES: &'static [EventType];

    /// The type of this event; none of one that the enum holds without
    /// [knowing](Self::unknown) its type.
    fn event_type(&self) -> Option<&'static EventType>;

    /// What to make of types and schemas that it does not name.
    fn upcasters() -> &'static Upcasters {
        static NONE: Upcasters = Upcasters::new();
        &NONE
    }

    /// An event that is neither named nor upcast: what the enum holds it as, or the event back
    /// if that is an error.
    ///
    /// # Errors
    /// The event, where the enum has no variant for it.
    fn unknown(event: RawEvent) -> Result<Self, RawEvent> {
        Err(event)
    }

    /// This event as it is stored.
    ///
    /// # Errors
    /// What the codec says; and an event whose type the enum does not know cannot be
    /// appended.
    fn encode(&self) -> Result<RawEvent, EncodeError> {
        let Some(EventType { name, schema, variant }) = self.event_type() else {
            let cause = "the program does not know its type".into();
            return Err(EncodeError { event_type: "unknown", cause });
        };
        RawEvent::new::<Self::Codec>(*name, *schema, &Content { event: self, variant })
            .map_err(|cause| EncodeError { event_type: name, cause })
    }

    /// What a stored event is to the program: as a rule one [`Part`]; none or several where
    /// upcasters say so.
    ///
    /// # Errors
    /// [`DecodeError`], with the event's place and what is wrong with it.
    fn decode(event: &Event<'_>) -> Result<Parts<Self>, DecodeError> {
        decode::decode(event)
    }
}

/// An event that cannot be stored.
#[derive(Debug, thiserror::Error)]
#[error("an event of type {event_type:?} does not encode: {cause}")]
pub struct EncodeError {
    /// Its type.
    pub event_type: &'static str,
    /// What the codec says.
    pub cause: CodecError,
}

impl EventType {
    /// Fails to compile where no event could be told from another.
    #[doc(hidden)]
    pub const fn check(types: &[Self]) {
        let mut rest = types;
        while let [first, others @ ..] = rest {
            let len = first.name.len();
            assert!(len > 0 && len <= limits::EVENT_TYPE_BYTES, "an event type's length");
            let mut compared = others;
            while let [other, more @ ..] = compared {
                let same = first.schema == other.schema
                    && same_bytes(first.name.as_bytes(), other.name.as_bytes());
                assert!(!same, "two variants have one event type and schema");
                compared = more;
            }
            rest = others;
        }
    }
}

const fn same_bytes(mut a: &[u8], mut b: &[u8]) -> bool {
    while let ([first, rest @ ..], [other, others @ ..]) = (a, b) {
        if *first != *other {
            return false;
        }
        (a, b) = (rest, others);
    }
    a.is_empty() && b.is_empty()
}
