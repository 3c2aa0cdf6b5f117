//! One stream as a story: `annals history`.

use serde_json::{Value, json};

use crate::support::{Room, annals, annals_fed, room_with};

const PLACED: &str = "00000000-0000-4000-8000-000000000001";

/// An order whose address changes, whose coupon is taken back, and that has a picture.
fn order() -> Room {
    let room = Room::new();
    let text = format!(
        r#"{{"stream":"order-1","type":"Placed","id":"{PLACED}","time":"2024-05-01T12:30:00Z","data":{{"total":12,"to":{{"city":"Bonn","zip":"5"}},"coupon":"X"}},"metadata":{{"user":{{"id":7,"name":"Ann"}}}},"correlation":"c1"}}
{{"stream":"order-2","type":"Placed","data":{{"total":99}}}}
{{"stream":"order-1","type":"Moved","time":"2024-05-01T12:31:00Z","data":{{"to":{{"city":"Köln"}}}},"caused_by":"{PLACED}"}}
{{"stream":"order-1","type":"Scanned","time":"2024-05-01T12:32:00Z","data_base64":"/w==","caused_by":"m-1"}}
{{"stream":"order-1","type":"Changed","time":"2024-05-01T12:33:00Z","data":{{"total":10,"coupon":null,"to":{{"city":"Köln"}}}}}}
"#
    );
    annals_fed(["import", &room.log()], text.as_bytes()).fine();
    room
}

#[test]
fn people_read_who_did_what_and_what_changed() {
    let room = order();
    let told = annals(["history", &room.log(), "order-1"]).fine().stdout;
    assert_eq!(
        told,
        "1  2024-05-01T12:30:00Z  Placed  by Ann  correlation c1\n   \
            + coupon  \"X\"\n   \
            + to      {\"city\":\"Bonn\",\"zip\":\"5\"}\n   \
            + total   12\n\
         2  2024-05-01T12:31:00Z  Moved  caused by Placed (order-1 1)\n   \
            ~ to.city  \"Bonn\" -> \"Köln\"\n   \
            - to.zip   \"5\"\n\
         3  2024-05-01T12:32:00Z  Scanned  caused by m-1\n   \
            (1 B, no JSON object)\n\
         4  2024-05-01T12:33:00Z  Changed\n   \
            - coupon  \"X\"\n   \
            ~ total   12 -> 10\n"
    );
}

#[test]
fn programs_read_the_same_as_objects() {
    let room = order();
    let steps = annals(["history", &room.log(), "order-1", "--json"]).fine().objects();
    assert_eq!(steps.len(), 4);
    assert_eq!((&steps[0]["actor"], &steps[0]["correlation"]), (&json!("Ann"), &json!("c1")));
    assert_eq!((&steps[0]["id"], &steps[0]["position"]), (&json!(PLACED), &json!(1)));
    let moved = &steps[1];
    let cause = json!({"position": 1, "stream": "order-1", "version": 1, "type": "Placed"});
    assert_eq!((&moved["cause"], &moved["caused_by"]), (&cause, &json!(PLACED)));
    let changes = json!([
        {"field": "to.city", "change": "changed", "old": "Bonn", "new": "Köln"},
        {"field": "to.zip", "change": "gone", "old": "5"},
    ]);
    assert_eq!(moved["changes"], changes);
    let scanned = &steps[2];
    assert_eq!((&scanned["changes"], &scanned["bytes"]), (&Value::Null, &json!(1)));
    assert_eq!((&scanned["cause"], &scanned["caused_by"]), (&Value::Null, &json!("m-1")));
    assert_eq!(steps[0]["changes"][1]["change"], json!("new"));
}

#[test]
fn a_part_of_a_story_knows_what_came_before_it() {
    let room = order();
    let log = room.log();
    let history = |options: &[&str]| {
        let arguments = ["history", &log, "order-1", "--json"];
        annals(arguments.iter().chain(options)).fine().objects()
    };
    let versions = |options: &[&str]| {
        let steps = history(options);
        steps.iter().map(|step| step["version"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(versions(&["--from", "3"]), [3, 4]);
    assert_eq!(versions(&["--limit", "2"]), [1, 2]);
    assert_eq!(versions(&["--from", "2", "--limit", "1"]), [2]);
    assert_eq!(versions(&["--from", "0", "--limit", "1"]), [1]);
    assert!(versions(&["--from", "5"]).is_empty() && versions(&["--limit", "0"]).is_empty());
    let most = u64::MAX.to_string();
    assert_eq!(versions(&["--from", "4", "--limit", &most]), [4]);
    assert!(versions(&["--from", &most, "--limit", &most]).is_empty());
    let total = &history(&["--from", "4"])[0]["changes"][1];
    assert_eq!((&total["old"], &total["new"]), (&json!(12), &json!(10)));
}

#[test]
fn a_stream_that_is_not_there_has_no_story() {
    let room = room_with(3);
    let none = annals(["history", &room.log(), "none"]).fine();
    assert_eq!(none.stdout, "");
    none.says(&["no event of stream none"]);
    let missing = room.path("missing");
    annals(["history", missing.to_str().unwrap(), "s"])
        .ends_with(3)
        .says(&["missing", "what to do"]);
    annals(["history", &room.log()]).ends_with(2);
}
