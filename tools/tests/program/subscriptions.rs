//! Subscriptions from outside: `annals subscriptions`, `annals parked`, and what `stat` says.

use std::sync::Arc;
use std::time::Duration;

use annals::sourcing::{Consumer, Nack, Subscription, SubscriptionOptions, Subscriptions};
use annals::{Batch, Expected, Filter, Log, NewEvent, NewSnapshot};
use serde_json::{Value, json};

use crate::support::{Room, annals, room_with};

/// Saves after each acknowledgement.
fn saving() -> SubscriptionOptions {
    SubscriptionOptions::new().save(1, Duration::ZERO)
}

fn open(room: &Room) -> (Arc<Log>, Subscriptions) {
    let log = Arc::new(Log::open(room.path("log")).unwrap());
    (log.clone(), Subscriptions::new(log))
}

fn append(log: &Log, streams: &[&str]) {
    for stream in streams {
        let event = NewEvent::new("Placed").json(r#"{"total":7}"#);
        let mut batch = Batch::new();
        batch.write(stream, Expected::Any, [event]);
        log.append(&batch).unwrap();
    }
}

fn next(consumer: &Consumer) -> Option<annals::sourcing::Delivery> {
    consumer.next(Duration::ZERO).unwrap()
}

/// What is delivered now, all of it acknowledged.
fn delivered(subscription: &Subscription) -> Vec<u64> {
    let consumer = subscription.consumer();
    let mut seen = Vec::new();
    while let Some(delivery) = next(&consumer) {
        seen.push(delivery.event().position());
        delivery.ack().unwrap();
    }
    seen
}

/// A log where `mail` has parked order-1 at position 1 and order-2 at 2, and has skipped the
/// event of order-3; `ship` was opened and has done nothing; `old` was deleted.
fn shop() -> Room {
    let room = Room::new();
    let (log, subscriptions) = open(&room);
    append(&log, &["order-1", "order-2", "order-1", "order-3", "order-1"]);
    let mail = subscriptions.open("mail", &saving()).unwrap();
    let consumer = mail.consumer();
    next(&consumer).unwrap().nack(Nack::Park("no\naddress")).unwrap();
    next(&consumer).unwrap().nack(Nack::Park("no name")).unwrap();
    next(&consumer).unwrap().nack(Nack::Skip("sent twice")).unwrap();
    assert!(next(&consumer).is_none());
    mail.save().unwrap();
    let filter = Filter::new().category("order").event_type("Placed");
    subscriptions.open("ship", &saving().filter(filter)).unwrap();
    subscriptions.open("old", &saving()).unwrap();
    subscriptions.delete("old").unwrap();
    room
}

#[test]
fn subscriptions_are_listed_with_what_lies_behind_them() {
    let room = shop();
    let log = room.log();
    let list = annals(["subscriptions", &log, "--json"]).fine().objects();
    let [mail, ship] = &list[..] else { panic!("{list:?}") };
    assert_eq!((&mail["name"], &ship["name"]), (&json!("mail"), &json!("ship")));
    assert_eq!((&mail["checkpoint"], &mail["lag_events"]), (&json!(5), &json!(0)));
    assert_eq!((&mail["lag_seconds"], &mail["head"]), (&json!(0.0), &json!(5)));
    assert_eq!((&mail["parked"], &mail["skipped"]), (&json!(["order-1", "order-2"]), &json!(1)));
    let skipped = &mail["last_skipped"][0];
    assert_eq!((&skipped["position"], &skipped["reason"]), (&json!(4), &json!("sent twice")));
    assert_eq!((&ship["checkpoint"], &ship["lag_events"]), (&json!(0), &json!(5)));
    assert!(ship["lag_seconds"].as_f64().unwrap() > 0.0, "{ship}");
    let filter = Filter::new().category("order").event_type("Placed").to_string();
    assert_eq!((&ship["filter"], &ship["parked"]), (&json!(filter), &json!([])));

    let told = annals(["subscriptions", &log]).fine().stdout;
    let rows: Vec<Vec<_>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1][..6], ["mail", "5", "0", "-", "2", "1"], "{told}");
    assert_eq!((rows[2][0], rows[2][2], rows.len()), ("ship", "5", 3), "{told}");
    assert!(told.lines().nth(2).unwrap().ends_with(&filter), "{told}");
}

#[test]
fn stat_tells_how_far_subscriptions_are() {
    let room = shop();
    let stat = annals(["stat", &room.log(), "--json"]).fine().object();
    let [mail, ship] = &stat["subscriptions"].as_array().unwrap()[..] else { panic!("{stat}") };
    assert_eq!((&mail["name"], &mail["parked"]), (&json!("mail"), &json!(2)));
    assert_eq!((&ship["lag_events"], &ship["checkpoint"]), (&json!(5), &json!(0)));
    let told = annals(["stat", &room.log()]).fine().stdout;
    assert!(told.contains("follows     mail  nothing behind, 2 streams parked\n"), "{told}");
    assert!(told.contains("follows     ship  5 events behind, "), "{told}");
    let none = room_with(3);
    assert_eq!(annals(["stat", &none.log(), "--json"]).fine().object()["subscriptions"], json!([]));
    assert!(!annals(["stat", &none.log()]).fine().stdout.contains("follows"));
    let listed = annals(["subscriptions", &none.log()]).fine();
    assert_eq!(listed.stdout, "");
    listed.says(&["no subscriptions"]);
}

#[test]
fn subscriptions_are_seen_while_their_program_runs() {
    let room = Room::new();
    let (log, subscriptions) = open(&room);
    append(&log, &["order-1", "order-2", "order-3"]);
    let mail = subscriptions.open("mail", &saving()).unwrap();
    let consumer = mail.consumer();
    let lag = || annals(["subscriptions", &room.log(), "--json"]).fine().object();
    assert_eq!(lag()["lag_events"], json!(3));
    next(&consumer).unwrap().nack(Nack::Park("no name")).unwrap();
    next(&consumer).unwrap().ack().unwrap();
    log.sync().unwrap();
    assert_eq!((&lag()["lag_events"], &lag()["parked"]), (&json!(1), &json!(["order-1"])));
    let stat = annals(["stat", &room.log(), "--json"]).fine().object();
    assert_eq!(stat["subscriptions"][0]["lag_events"], json!(1));
    assert_eq!(annals(["parked", &room.log(), "mail", "--json"]).fine().objects().len(), 1);
    // What needs to write the log does not get it, and says so.
    annals(["parked", &room.log(), "mail", "--replay"]).ends_with(3).says(&["lock", "what to do"]);
}

#[test]
fn parked_streams_are_listed_with_the_events_they_wait_at() {
    let room = shop();
    let log = room.log();
    let list = annals(["parked", &log, "mail", "--json"]).fine().objects();
    let [first, second] = &list[..] else { panic!("{list:?}") };
    assert_eq!((&first["stream"], &second["stream"]), (&json!("order-1"), &json!("order-2")));
    assert_eq!((&first["position"], &first["version"]), (&json!(1), &json!(1)));
    assert_eq!((&first["behind"], &second["behind"]), (&json!(2), &json!(0)));
    assert_eq!((&first["attempts"], &first["reason"]), (&json!(1), &json!("no\naddress")));
    assert_eq!(first["replaying"], json!(false));
    let event = annals(["export", &log, "--limit", "1"]).fine().object();
    assert_eq!(first["event"], event);
    let told = annals(["parked", &log, "mail", "--stream", "order-1"]).fine().stdout;
    assert!(told.starts_with("order-1  version 1, 2 events behind it\n  parked  "), "{told}");
    assert!(told.contains(", after 1 attempt: no\\naddress\n"), "{told}");
    assert!(told.ends_with("  event   position 1  Placed  {\"total\":7}\n"), "{told}");
    annals(["parked", &log, "post"]).ends_with(1).says(&["no subscription post"]);
    annals(["parked", &log, "old"]).ends_with(1).says(&["no subscription old"]);
    annals(["parked", &log, "ship"]).fine().says(&["nothing is parked in ship"]);
    let not = ["parked", &log, "mail", "--stream", "order-3"];
    annals(not).ends_with(1).says(&["stream order-3 is not parked"]);
}

#[test]
fn what_is_replayed_is_delivered_when_the_program_runs_next() {
    let room = shop();
    let log = room.log();
    let done = annals(["parked", &log, "mail", "--replay", "--stream", "order-1", "--json"]).fine();
    let known = json!({"stream": "order-1", "position": 1, "version": 1, "done": "replay"});
    assert_eq!(done.object(), known);
    let list = annals(["parked", &log, "mail", "--json"]).fine().objects();
    let replaying: Vec<_> = list.iter().map(|parked| &parked["replaying"]).collect();
    assert_eq!(replaying, [&json!(true), &json!(false)]);
    let told = annals(["parked", &log, "mail"]).fine().stdout;
    assert!(
        told.contains("order-1  version 1, 2 events behind it, to be delivered again\n"),
        "{told}"
    );
    {
        let (_log, subscriptions) = open(&room);
        let mail = subscriptions.open("mail", &saving()).unwrap();
        assert_eq!(delivered(&mail), [1, 3, 5]);
    }
    let told = annals(["parked", &log, "mail", "--replay"]).fine().stdout;
    assert_eq!(told, "order-2  delivered again from version 1 on when mail is run next\n");
    let (_log, subscriptions) = open(&room);
    let mail = subscriptions.open("mail", &saving()).unwrap();
    assert_eq!(delivered(&mail), [2]);
    assert!(mail.status().unwrap().parked.is_empty());
}

#[test]
fn what_is_dropped_is_skipped_and_what_waits_behind_it_is_delivered() {
    let room = shop();
    let log = room.log();
    annals(["parked", &log, "mail", "--replay", "--stream", "order-2"]).fine();
    let done = annals(["parked", &log, "mail", "--drop", "--reason", "test order"]).ends_with(1);
    assert_eq!(
        done.stdout,
        "order-1  version 1 is skipped; delivered again from version 2 on when mail is run next\n"
    );
    done.says(&["stream order-2 is to be delivered again: nothing is dropped"]);
    let mail = annals(["subscriptions", &log, "--json"]).fine().objects().remove(0);
    let reasons = mail["last_skipped"].as_array().unwrap();
    let reasons: Vec<_> = reasons.iter().map(|skip| &skip["reason"]).collect();
    assert_eq!(reasons, [&json!("sent twice"), &json!("test order")]);
    let (_log, subscriptions) = open(&room);
    let mail = subscriptions.open("mail", &saving()).unwrap();
    assert_eq!(delivered(&mail), [2, 3, 5]);
}

#[test]
fn nothing_is_done_where_something_else_was_meant() {
    let room = shop();
    let log = room.log();
    let both = ["parked", &log, "mail", "--drop", "--stream", "order-1", "--stream", "order-9"];
    annals(both).ends_with(1).says(&["stream order-9 is not parked in mail"]);
    annals(["parked", &log, "post", "--replay"]).ends_with(1).says(&["no subscription post"]);
    annals(["parked", &log, "mail", "--replay", "--drop"]).ends_with(2);
    annals(["parked", &log, "mail", "--reason", "why"]).ends_with(2);
    let missing = room.path("missing");
    let missing = missing.to_str().unwrap();
    annals(["parked", missing, "mail", "--replay"]).ends_with(3);
    assert!(!room.path("missing").exists());
    let list = annals(["parked", &log, "mail", "--json"]).fine().objects();
    assert!(list.iter().all(|parked| parked["replaying"] == json!(false)), "{list:?}");
}

/// A later version may keep something else of a subscription.
#[test]
fn a_subscription_that_cannot_be_read_does_not_hide_the_others() {
    let room = shop();
    let log = Log::open(room.path("log")).unwrap();
    let mut batch = Batch::new();
    batch.state("$subscription/new", 0, NewSnapshot::new(1).json(r#"{"format":2}"#));
    log.append(&batch).unwrap();
    log.close().unwrap();
    let listed = annals(["subscriptions", &room.log(), "--json"]).ends_with(3);
    let names: Vec<_> = listed.objects().iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, [json!("mail"), json!("ship")]);
    listed.says(&["\"new\"", "its format is 2", "newer version"]);
    let stat = annals(["stat", &room.log(), "--json"]).fine().object();
    let errors: Vec<_> = stat["subscriptions"].as_array().unwrap().iter().collect();
    assert!(errors.iter().any(|row| row["error"] != Value::Null), "{stat}");
    assert!(annals(["stat", &room.log()]).fine().stdout.contains("its format is 2"));
    annals(["parked", &room.log(), "new"]).ends_with(3).says(&["its format is 2"]);
}
