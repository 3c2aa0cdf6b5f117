//! Typed events: explicit names, codecs, upcasters, and what is unknown.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
use std::sync::Arc;
use std::time::Duration;

use annals::io::sim::{LoseAll, SimStorage};
use annals::sourcing::{
    Codec, DecodeFault, EventEnum, EventType, Json, Part, Place, Postcard, RawEvent, StreamName,
    SubscriptionOptions, Subscriptions, Upcasters, event_types,
};
use annals::{Batch, Error, Expected, Filter, Log, NewEvent, NewSnapshot, Options};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn log() -> Log {
    Log::temporary().unwrap()
}

fn append(log: &Log, event: NewEvent<'_>) {
    log.append(Batch::new().write("a-1", Expected::Any, [event])).unwrap();
}

/// What the newest event of the log is to `E`.
fn newest<E: EventEnum>(log: &Log) -> Result<Vec<E>, DecodeFault> {
    let stored = log.read_all().backward().limit(1).collect().unwrap();
    let parts = E::decode(&stored[0].as_event()).map_err(|error| error.cause)?;
    Ok(parts.map(|part| part.event).collect())
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kinds {
    Unit,
    Empty {},
    Newtype(String),
    Tuple(u8, i64),
    Struct { text: String, list: Vec<Option<u32>> },
}

event_types! {
    Kinds {
        Unit = "unit",
        Empty = "empty" schema 7,
        Newtype = "newtype",
        Tuple = "tuple",
        Struct = "struct" schema 2,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Packed(Kinds);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Small {
    Unit,
    Tuple(u8, i64),
    Struct { text: String, list: Vec<Option<u32>> },
}

event_types! {
    Small { Unit = "unit", Tuple = "tuple", Struct = "struct" schema 2 }
    codec: Postcard;
}

fn every_kind() -> [Kinds; 5] {
    [
        Kinds::Unit,
        Kinds::Empty {},
        Kinds::Newtype("é".to_owned()),
        Kinds::Tuple(3, -4),
        Kinds::Struct { text: "t".to_owned(), list: vec![None, Some(1)] },
    ]
}

#[test]
fn what_is_stored_holds_the_stated_name_and_no_name_of_the_variant() {
    let stored: Vec<_> = every_kind().iter().map(|event| event.encode().unwrap()).collect();
    let told = stored
        .iter()
        .map(|raw| (raw.event_type(), raw.schema(), std::str::from_utf8(raw.data()).unwrap()));
    let expected = [
        ("unit", 1, "{}"),
        ("empty", 7, "{}"),
        ("newtype", 1, r#""é""#),
        ("tuple", 1, "[3,-4]"),
        ("struct", 2, r#"{"text":"t","list":[null,1]}"#),
    ];
    assert!(told.eq(expected));
    assert!(stored.iter().all(|raw| raw.content_type() == Some("application/json")));
}

#[test]
fn every_kind_of_variant_comes_back_from_the_log() {
    let log = log();
    for event in every_kind() {
        append(&log, event.encode().unwrap().as_new());
        assert_eq!(newest::<Kinds>(&log).unwrap(), [event]);
    }
    let small = [
        Small::Unit,
        Small::Tuple(3, -4),
        Small::Struct { text: "t".to_owned(), list: vec![None, Some(1)] },
    ];
    for event in small {
        let raw = event.encode().unwrap();
        assert_eq!(raw.content_type(), Some(Postcard::CONTENT_TYPE));
        assert!(raw.data().len() < 8);
        append(&log, raw.as_new());
        assert_eq!(newest::<Small>(&log).unwrap(), [event]);
    }
}

#[test]
fn an_event_is_decoded_by_its_own_content_type_so_the_codec_of_a_type_can_change() {
    let log = log();
    let json = RawEvent::new::<Json>("tuple", 1, &(3, -4)).unwrap();
    let postcard = RawEvent::new::<Postcard>("tuple", 1, &(3_u8, -4_i64)).unwrap();
    for raw in [&json, &postcard] {
        append(&log, raw.as_new());
        assert_eq!(newest::<Kinds>(&log).unwrap(), [Kinds::Tuple(3, -4)]);
        assert_eq!(newest::<Small>(&log).unwrap(), [Small::Tuple(3, -4)]);
    }
    // Without one it is what the enum writes; of an unknown one nothing is guessed.
    append(&log, NewEvent::new("tuple").data(postcard.data()));
    assert_eq!(newest::<Small>(&log).unwrap(), [Small::Tuple(3, -4)]);
    assert!(matches!(newest::<Kinds>(&log), Err(DecodeFault::Content(_))));
    append(&log, NewEvent::new("tuple").data(json.data()).content_type("text/json"));
    assert!(matches!(newest::<Kinds>(&log), Err(DecodeFault::Content(_))));
}

#[test]
fn an_event_without_data_is_one_without_fields() {
    let log = log();
    append(&log, NewEvent::new("unit"));
    assert_eq!(newest::<Kinds>(&log).unwrap(), [Kinds::Unit]);
    append(&log, NewEvent::new("struct").schema(2));
    assert!(matches!(newest::<Kinds>(&log), Err(DecodeFault::Content(_))));
}

#[test]
fn what_is_left_over_behind_the_content_is_an_error() {
    let log = log();
    append(&log, NewEvent::new("tuple").json("[3,-4] 1"));
    assert!(matches!(newest::<Kinds>(&log), Err(DecodeFault::Content(_))));
    let mut data = RawEvent::new::<Postcard>("tuple", 1, &(3_u8, -4_i64)).unwrap().data().to_vec();
    data.push(0);
    append(&log, NewEvent::new("tuple").data(&data));
    assert!(matches!(newest::<Small>(&log), Err(DecodeFault::Content(_))));
}

#[test]
fn a_type_that_is_no_enum_to_serde_is_refused_in_both_directions() {
    /// Written by hand, since the macro takes enums alone.
    #[derive(Debug, Serialize, Deserialize)]
    struct Flat {
        x: u8,
    }
    impl EventEnum for Flat {
        type Codec = Json;
        const TYPES: &'static [EventType] =
            &[EventType { name: "flat", schema: 1, variant: "Flat" }];
        fn event_type(&self) -> Option<&'static EventType> {
            Self::TYPES.first()
        }
    }
    let error = Flat { x: 1 }.encode().unwrap_err();
    assert_eq!(error.event_type, "flat");
    assert!(error.to_string().contains("by its variants"), "{error}");
    let log = log();
    append(&log, NewEvent::new("flat").json(r#"{"x":1}"#));
    assert!(matches!(newest::<Flat>(&log), Err(DecodeFault::Content(_))));
    // What passes itself on to an enum is as good as one.
    let packed = serde_json::to_value(Packed(Kinds::Unit)).unwrap();
    assert_eq!(packed, json!("Unit"));
}

#[test]
fn a_variant_that_would_not_be_found_again_is_not_written() {
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Renamed {
        NoField,
        ANewtype(u8),
        TwoFields(u8, u8),
        NamedField { x: u8 },
    }
    event_types! {
        Renamed { NoField = "u", ANewtype = "n", TwoFields = "t", NamedField = "s" }
    }
    let all = [
        Renamed::NoField,
        Renamed::ANewtype(1),
        Renamed::TwoFields(1, 2),
        Renamed::NamedField { x: 1 },
    ];
    for event in all {
        let error = event.encode().unwrap_err().to_string();
        assert!(error.contains("no `rename`"), "{error}");
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Paid {
    PaidIn {
        cents: u64,
    },
    #[serde(skip)]
    Other(RawEvent),
}

event_types! {
    Paid { PaidIn = "paid-in" schema 3 }
    upcasters: to_cents;
    unknown: Other;
}

/// Schema 1 had units, schema 2 a text; some came as a list of all payments of a day.
fn to_cents() -> Upcasters {
    Upcasters::new()
        .on("paid-in", 1, |old| {
            let units = old.decode::<Value>()?["units"].as_u64().ok_or("no units")?;
            let text = json!({ "amount": format!("{units}.00") });
            Ok(vec![RawEvent::new::<Json>("paid-in", 2, &text)?])
        })
        .on("paid-in", 2, |old| {
            let value = old.decode::<Value>()?;
            let (units, cents) =
                value["amount"].as_str().and_then(|text| text.split_once('.')).ok_or("amount")?;
            let cents = units.parse::<u64>()? * 100 + cents.parse::<u64>()?;
            Ok(vec![RawEvent::new::<Json>("paid-in", 3, &json!({ "cents": cents }))?])
        })
        .on("paid-in-today", 1, |old| {
            let all = old.decode::<Vec<u64>>()?.into_iter();
            all.map(|units| RawEvent::new::<Json>("paid-in", 1, &json!({ "units": units })))
                .collect()
        })
        .on("printed", 1, |_| Ok(vec![]))
        .on("round", 1, |old| Ok(vec![old.renamed("round", 2)]))
        .on("round", 2, |old| Ok(vec![old.renamed("round", 1)]))
}

fn cents(cents: u64) -> Paid {
    Paid::PaidIn { cents }
}

#[test]
fn upcasters_are_chained_until_the_enum_names_the_event() {
    let log = log();
    append(&log, NewEvent::new("paid-in").json(r#"{"units":5}"#));
    assert_eq!(newest::<Paid>(&log).unwrap(), [cents(500)]);
    append(&log, NewEvent::new("paid-in").schema(2).json(r#"{"amount":"5.07"}"#));
    assert_eq!(newest::<Paid>(&log).unwrap(), [cents(507)]);
    append(&log, NewEvent::new("paid-in").schema(3).json(r#"{"cents":508}"#));
    assert_eq!(newest::<Paid>(&log).unwrap(), [cents(508)]);
    append(&log, NewEvent::new("printed").json("{}"));
    assert_eq!(newest::<Paid>(&log).unwrap(), []);
}

#[test]
fn a_subscriber_to_an_event_upcast_to_three_resumes_behind_the_second() {
    // sliceworkz #36: the bookmark was the stored event's position alone, so that the third
    // part was lost, or the first two came again.
    let log = log();
    append(&log, NewEvent::new("paid-in").schema(3).json(r#"{"cents":1}"#));
    append(&log, NewEvent::new("paid-in-today").json("[1,2,3]"));
    append(&log, NewEvent::new("printed").json("{}"));
    append(&log, NewEvent::new("paid-in").schema(3).json(r#"{"cents":400}"#));
    let all = |reached: Place, most: usize| -> Vec<Part<Paid>> {
        let mut cursor = log.cursor(reached.start()).unwrap();
        let events = cursor.poll(100).unwrap();
        let parts = events.iter().flat_map(|event| Paid::decode(&event).unwrap().after(reached));
        parts.take(most).collect()
    };
    let whole = all(Place::default(), 100);
    assert_eq!(whole.len(), 5);
    for taken in 0..=5 {
        let first = all(Place::default(), taken);
        let reached = first.last().map_or(Place::default(), |part| part.place);
        // Kept as anything that serde writes.
        let reached = serde_json::from_value(serde_json::to_value(reached).unwrap()).unwrap();
        let rest = all(reached, 100);
        assert_eq!([first, rest].concat(), whole, "{taken}");
    }
    assert_eq!(whole[2].place, Place { position: 2, part: 2 });
    assert_eq!(whole[2].event, cents(200));
    assert_eq!(whole[4].place, Place { position: 4, part: 1 });
}

#[test]
fn a_durable_subscription_goes_on_behind_the_second_of_three_parts_after_a_crash() {
    let disk = SimStorage::new();
    let open = || Arc::new(Options::new().open_on(Arc::new(disk.clone())).unwrap());
    append(&open(), NewEvent::new("paid-in-today").json("[1,2,3]"));
    // Each part is noted once, in the batch that says how far the handler is.
    let note = |log: &Log, part: &Part<Paid>| {
        let place = serde_json::to_string(&part.place).unwrap();
        let noted = RawEvent::new::<Json>("noted", 1, &part.event).unwrap();
        let mut batch = Batch::new();
        let state = NewSnapshot::new(1).json(&place);
        batch.write("notes", Expected::Any, [noted.as_new()]).state("noting", 0, state);
        log.append(&batch).unwrap();
    };
    let reached = |log: &Log| {
        let state = log.state("noting", 1).unwrap();
        state.map_or(Place::default(), |state| serde_json::from_slice(state.data()).unwrap())
    };
    let mut noted = Vec::new();
    for (life, parts) in [2, 1, 0].into_iter().enumerate() {
        let log = open();
        let subscriptions = Subscriptions::new(log.clone());
        let options = SubscriptionOptions::new().filter(Filter::new().category("a"));
        let consumer = subscriptions.open("noting", &options).unwrap().consumer();
        // An acknowledgement may be lost: then the event comes again, with nothing left of it.
        if let Some(delivery) = consumer.next(Duration::ZERO).unwrap() {
            let left = Paid::decode(&delivery.event()).unwrap().after(reached(&log));
            assert_eq!(left.len(), [3, 1, 0][life]);
            left.take(parts).for_each(|part| note(&log, &part));
            if life > 0 {
                delivery.ack().unwrap();
            }
        }
        disk.power_cut(LoseAll);
        noted = open().read("notes").collect().unwrap();
    }
    let data: Vec<_> = noted.iter().map(|event| event.as_event().data().to_vec()).collect();
    let expected = [100, 200, 300].map(|n| serde_json::to_vec(&cents(n)).unwrap());
    assert_eq!(data, expected);
}

#[test]
fn what_is_neither_named_nor_upcast_is_an_error_or_handed_out_as_the_enum_says() {
    let log = log();
    append(&log, NewEvent::new("paid-in").schema(4).json(r#"{"cents":1}"#));
    let Paid::Other(raw) = &newest::<Paid>(&log).unwrap()[0] else { panic!("known") };
    assert_eq!(
        (raw.event_type(), raw.schema(), raw.data()),
        ("paid-in", 4, &br#"{"cents":1}"#[..])
    );
    let stored = log.read_all().collect().unwrap();
    let error = Kinds::decode(&stored[0].as_event()).unwrap_err();
    assert!(matches!(error.cause, DecodeFault::Unknown));
    assert_eq!((&*error.stream, error.position), ("a-1", 1));
    assert_eq!((&*error.event_type, error.schema), ("paid-in", 4));
    // It cannot be appended again by mistake.
    assert!(Paid::Other(raw.clone()).encode().is_err());
    // What an upcaster makes of an event can be unknown too.
    append(&log, NewEvent::new("paid-in-today").json("[1]"));
    let stored = log.read_all().collect().unwrap();
    assert!(Kinds::decode(&stored[1].as_event()).is_err());
}

#[test]
fn an_upcaster_that_fails_and_upcasters_that_go_round_are_errors_with_their_place() {
    let log = log();
    append(&log, NewEvent::new("paid-in").json("{}"));
    append(&log, NewEvent::new("paid-in-today").json(r#"[1]"#));
    append(&log, NewEvent::new("round").json("{}"));
    append(&log, NewEvent::new("paid-in").schema(2).json(r#"{"amount":"5"}"#));
    let stored = log.read_all().collect().unwrap();
    let error = Paid::decode(&stored[0].as_event()).unwrap_err();
    assert_eq!((&*error.event_type, error.schema, error.position), ("paid-in", 1, 1));
    assert!(matches!(&error.cause, DecodeFault::Upcast(cause) if cause.to_string() == "no units"));
    assert!(error.to_string().contains("\"a-1\""), "{error}");
    assert!(Paid::decode(&stored[1].as_event()).is_ok());
    let error = Paid::decode(&stored[2].as_event()).unwrap_err();
    assert!(matches!(error.cause, DecodeFault::Endless));
    let error = Paid::decode(&stored[3].as_event()).unwrap_err();
    assert_eq!((&*error.event_type, error.schema, error.position), ("paid-in", 2, 4));
}

#[test]
#[should_panic(expected = "two upcasters")]
fn two_upcasters_for_one_shape_are_refused() {
    let again = to_cents().on("paid-in", 2, |old| Ok(vec![old]));
    drop(again);
}

#[test]
fn a_stream_is_found_by_the_category_that_its_name_was_made_of() {
    let log = log();
    let name = StreamName::new("account", "17-b").unwrap();
    assert_eq!((name.category(), name.id(), &*name), ("account", "17-b", "account-17-b"));
    log.append(Batch::new().write(&name, Expected::NoStream, [NewEvent::new("x")])).unwrap();
    let found = log.read_all().filter(Filter::new().category(name.category())).collect().unwrap();
    assert_eq!(found.len(), 1);
    for (category, id) in [("", "1"), ("a-b", "1"), ("-", "1"), ("a", "")] {
        let refused = StreamName::new(category, id);
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{category} {id}");
    }
    assert!(StreamName::new("a", "x".repeat(510)).is_ok());
    let long = StreamName::new("a", "x".repeat(511));
    assert!(matches!(long, Err(Error::TooLarge { size: 513, limit: 512, .. })));
}
