//! The one macro: states the names under which an enum's events are stored.

/// States the event types of an enum, and so makes it an
/// [`EventEnum`](crate::sourcing::EventEnum): for each variant its type's name in the log and,
/// if that is not 1, the number of its schema. The enum derives serde's `Serialize` and
/// `Deserialize`, without a `rename` of variants; their names are no part of what is stored,
/// so they can change freely.
///
/// ```
/// use annals::sourcing::{Postcard, RawEvent, Upcasters, event_types};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize)]
/// enum AccountEvent {
///     Opened { owner: String },
///     PaidIn { cents: u64 },
///     Closed,
///     #[serde(skip)]
///     Other(RawEvent),
/// }
///
/// event_types! {
///     AccountEvent {
///         Opened = "account-opened",
///         PaidIn = "money-paid-in" schema 2,
///         Closed = "account-closed",
///     }
///     codec: Postcard;
///     upcasters: upcasters;
///     unknown: Other;
/// }
///
/// fn upcasters() -> Upcasters {
///     Upcasters::new().on("account-made", 1, |old| Ok(vec![old.renamed("account-opened", 1)]))
/// }
/// ```
///
/// Each of the last three lines can be left out:
///
/// * `codec`: a [`Codec`](crate::sourcing::Codec); [`Json`](crate::sourcing::Json) if not said.
/// * `upcasters`: a function that gives the [`Upcasters`](crate::sourcing::Upcasters), called
///   once.
/// * `unknown`: the variant that holds a [`RawEvent`](crate::sourcing::RawEvent) of a type
///   that is neither named nor upcast. Without one, such an event is an
///   [error](crate::sourcing::DecodeFault::Unknown); it is never passed over.
///
/// A variant without a name, and one name with one schema for two variants, do not
/// compile:
///
/// ```compile_fail
/// # use annals::sourcing::event_types;
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// enum Event { Opened, Closed }
/// event_types! { Event { Opened = "opened", Closed = "opened" } }
/// ```
#[macro_export]
macro_rules! event_types {
    (
        $enum:ident {
            $($variant:ident = $name:literal $(schema $schema:literal)?),+ $(,)?
        }
        $(codec: $codec:ty;)?
        $(upcasters: $upcasters:path;)?
        $(unknown: $unknown:ident;)?
    ) => {
        impl $crate::sourcing::EventEnum for $enum {
            type Codec = $crate::event_types!(@or $crate::sourcing::Json $(, $codec)?);

            const TYPES: &'static [$crate::sourcing::EventType] = &[
                $($crate::event_types!(@type $variant $name $($schema)?)),+
            ];

            fn event_type(&self) -> ::core::option::Option<&'static $crate::sourcing::EventType> {
                match self {
                    $(Self::$variant { .. } => ::core::option::Option::Some(
                        const { &$crate::event_types!(@type $variant $name $($schema)?) }
                    ),)+
                    $(Self::$unknown(..) => ::core::option::Option::None,)?
                }
            }

            $(fn upcasters() -> &'static $crate::sourcing::Upcasters {
                static UPCASTERS: ::std::sync::OnceLock<$crate::sourcing::Upcasters> =
                    ::std::sync::OnceLock::new();
                UPCASTERS.get_or_init($upcasters)
            })?

            $(fn unknown(
                event: $crate::sourcing::RawEvent,
            ) -> ::core::result::Result<Self, $crate::sourcing::RawEvent> {
                ::core::result::Result::Ok(Self::$unknown(event))
            })?
        }

        const _: () = $crate::sourcing::EventType::check(
            <$enum as $crate::sourcing::EventEnum>::TYPES,
        );
    };
    (@type $variant:ident $name:literal) => { $crate::event_types!(@type $variant $name 1) };
    (@type $variant:ident $name:literal $schema:literal) => {
        $crate::sourcing::EventType {
            name: $name,
            schema: $schema,
            variant: ::core::stringify!($variant),
        }
    };
    (@or $default:ty) => { $default };
    (@or $default:ty, $chosen:ty) => { $chosen };
}
