//! All events of a correlation: `annals trace`.

use serde_json::{Value, json};

use crate::support::{Room, annals, annals_fed};

fn id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// An event on a line: its number, which is its id, its stream, type, second, and cause.
fn event(number: u64, stream: &str, kind: &str, second: u64, cause: &str, of: &str) -> String {
    let cause = if cause.is_empty() { String::new() } else { format!(r#","caused_by":"{cause}""#) };
    format!(
        "{{\"stream\":\"{stream}\",\"type\":\"{kind}\",\"id\":\"{}\",\
         \"time\":\"2024-05-01T12:00:{second:02}Z\",\"data\":1,\"correlation\":\"{of}\"{cause}}}\n",
        id(number)
    )
}

fn purchase() -> Room {
    let room = Room::new();
    let text = [
        event(1, "order-1", "Placed", 0, "", "c1"),
        event(2, "order-2", "Placed", 1, "", "c2"),
        event(3, "payment-1", "Asked", 2, &id(1), "c1"),
        event(4, "stock-9", "Reserved", 3, &id(1), "c1"),
        event(5, "payment-1", "Paid", 12, &id(3), "c1"),
        // Its cause is of another correlation, and its clock was behind.
        event(6, "mail-1", "Sent", 14, &id(2), "c1"),
        event(7, "mail-1", "Read", 13, &id(6).replace('a', "A"), "c1"),
        event(8, "order-1", "Shipped", 20, "message 7", "c1"),
    ];
    annals_fed(["import", &room.log()], text.concat().as_bytes()).fine();
    room
}

#[test]
fn people_see_each_event_below_its_cause() {
    let room = purchase();
    let told = annals(["trace", &room.log(), "c1"]).fine().stdout;
    assert_eq!(
        told,
        "2024-05-01T12:00:00Z  Placed       order-1 1\n\
         2024-05-01T12:00:02Z  ├─ Asked     payment-1 1  +2.00 s\n\
         2024-05-01T12:00:12Z  │  └─ Paid   payment-1 2  +10.00 s\n\
         2024-05-01T12:00:03Z  └─ Reserved  stock-9 1  +3.00 s\n\
         2024-05-01T12:00:14Z  Sent         mail-1 1\n\
         2024-05-01T12:00:13Z  └─ Read      mail-1 2  -1.00 s\n\
         2024-05-01T12:00:20Z  Shipped      order-1 2\n"
    );
}

#[test]
fn programs_get_them_in_commit_order_with_their_depth() {
    let room = purchase();
    let nodes = annals(["trace", &room.log(), "c1", "--json"]).fine().objects();
    let short = |node: &Value| {
        let number = |name: &str| node[name].as_u64();
        (number("position").unwrap(), number("depth").unwrap(), number("cause"))
    };
    let expected = [
        (1, 0, None),
        (3, 1, Some(1)),
        (4, 1, Some(1)),
        (5, 2, Some(3)),
        (6, 0, None),
        (7, 1, Some(6)),
        (8, 0, None),
    ];
    assert_eq!(nodes.iter().map(short).collect::<Vec<_>>(), expected);
    let paid = &nodes[3];
    assert_eq!((&paid["stream"], &paid["type"]), (&json!("payment-1"), &json!("Paid")));
    assert_eq!((&paid["delay_seconds"], &paid["caused_by"]), (&json!(10.0), &json!(id(3))));
    assert_eq!(nodes[5]["delay_seconds"], json!(-1.0));
    assert_eq!(
        (&nodes[6]["delay_seconds"], &nodes[6]["caused_by"]),
        (&Value::Null, &json!("message 7"))
    );
}

/// Ids are given by programs, so an event can name itself or a later one as its cause.
#[test]
fn circles_of_causes_are_cut_and_long_chains_are_drawn() {
    let room = Room::new();
    let mut text = event(1, "a", "T", 0, &id(1), "c") + &event(2, "a", "T", 0, &id(3), "c");
    text += &event(3, "a", "T", 0, &id(2), "c");
    for number in 4..3000 {
        text += &event(number, "a", "T", 0, &id(number - 1), "c");
    }
    annals_fed(["import", &room.log()], text.as_bytes()).fine();
    let nodes = annals(["trace", &room.log(), "c", "--json"]).fine().objects();
    let depths: Vec<_> = nodes.iter().map(|node| node["depth"].as_u64().unwrap()).collect();
    assert_eq!((&depths[..4], depths[2998]), (&[0, 0, 1, 2][..], 2997));
    let told = annals(["trace", &room.log(), "c"]).fine().stdout;
    assert_eq!(told.lines().count(), 2999);
    assert!(told.lines().all(|line| line.chars().count() < 200), "wider than a tree of 40");
}

#[test]
fn a_correlation_that_no_event_has_is_no_failure() {
    let room = purchase();
    let none = annals(["trace", &room.log(), "c3"]).fine();
    assert_eq!(none.stdout, "");
    none.says(&["no event of correlation c3"]);
}
