//! `annals export --sqlite`: rows that are added once, also after it was killed, and what can
//! be asked of them.

use std::process::Stdio;
use std::time::Duration;

use annals::sourcing::rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Random, Room, annals, annals_fed, command, line, lines, real_log, room_with};

fn ask<T: annals::sourcing::rusqlite::types::FromSql>(file: &str, question: &str) -> T {
    let database = Connection::open(file).expect("the database opens");
    database.query_row(question, [], |row| row.get(0)).expect("it has an answer")
}

fn file(room: &Room) -> String {
    room.path("events.db").to_str().expect("UTF-8").to_owned()
}

#[test]
fn what_is_exported_is_added_to_what_is_there() {
    let room = room_with(100);
    let (log, file) = (room.log(), file(&room));
    for (new, all) in [(100, 100), (0, 100), (1, 101), (0, 101)] {
        if new == 1 {
            annals_fed(["import", &log, "-"], line(101).as_bytes()).fine();
        }
        let done = annals(["export", &log, "--sqlite", &file, "--json"]).fine().object();
        assert_eq!(done, json!({ "exported": new, "rows": all, "position": all }));
    }
    let plain = annals(["export", &log, "--sqlite", &file]).fine();
    assert!(plain.stdout.contains("101 rows"), "{}", plain.stdout);
    assert_eq!(ask::<i64>(&file, "SELECT SUM(data->>'$.number') FROM events"), 101 * 102 / 2);
    let sevens = "SELECT COUNT(*) FROM events WHERE stream = 'case-0' AND category = 'case'";
    assert_eq!(ask::<i64>(&file, sevens), 14);
}

/// As it stands in a line of the other export.
#[test]
fn every_field_is_a_column() {
    let room = Room::new();
    let (log, file) = (room.log(), file(&room));
    let full = concat!(
        r#"{"stream":"order-7","type":"Placed","id":"00000000-0000-4000-8000-000000000001","#,
        r#""schema":3,"time":"2026-01-02T03:04:05+01:00","data":{"lines":[{"sku":"a"}]},"#,
        r#""metadata":{"user":"ann"},"tags":["vip","new"],"caused_by":"web/1","correlation":"c-1"}"#
    );
    let bytes = r#"{"stream":"raw","type":"Blob","data_base64":"/w=="}"#;
    let none = r#"{"stream":"raw","type":"None","data_base64":""}"#;
    annals_fed(["import", &log, "-"], format!("{full}\n{bytes}\n{none}\n").as_bytes()).fine();
    annals(["export", &log, "--sqlite", &file]).fine();
    let row = "SELECT json_object('position', position, 'stream', stream, 'version', version, \
               'id', id, 'type', type, 'schema', schema, 'time', time, 'recorded_at', recorded_at, \
               'data', json(data), 'metadata', json(metadata), 'tags', json(tags), \
               'caused_by', caused_by, 'correlation', correlation) FROM events WHERE position = 1";
    let row: Value = serde_json::from_str(&ask::<String>(&file, row)).expect("JSON");
    let exported = annals(["export", &log, "--limit", "1"]).fine().object();
    assert_eq!(row, exported);
    let sku = "SELECT data->>'$.lines[0].sku' FROM events WHERE position = 1";
    assert_eq!(ask::<String>(&file, sku), "a");
    let vip = "SELECT COUNT(*) FROM events, json_each(tags) WHERE value = 'vip'";
    assert_eq!(ask::<i64>(&file, vip), 1);
    assert_eq!(ask::<Vec<u8>>(&file, "SELECT data FROM events WHERE type = 'Blob'"), [0xff]);
    let nulls = "SELECT data IS NULL AND tags IS NULL FROM events WHERE type = 'None'";
    assert!(ask::<bool>(&file, nulls));
}

#[test]
fn another_log_and_another_table_are_refused_and_nothing_is_changed() {
    let (room, other) = (room_with(10), room_with(20));
    let file = file(&room);
    annals(["export", &room.log(), "--sqlite", &file]).fine();
    let refused = annals(["export", &other.log(), "--sqlite", &file]).ends_with(3);
    refused.says(&[&file, "another log", "export to another file"]);
    assert_eq!(ask::<i64>(&file, "SELECT COUNT(*) FROM events"), 10);

    let taken = other.path("taken.db").to_str().expect("UTF-8").to_owned();
    let database = Connection::open(&taken).expect("it opens");
    database.execute_batch("CREATE TABLE events (own TEXT)").expect("it is made");
    drop(database);
    let refused = annals(["export", &other.log(), "--sqlite", &taken]).ends_with(3);
    refused.says(&[&taken, "no export made"]);
    assert_eq!(ask::<i64>(&taken, "SELECT COUNT(*) FROM sqlite_schema"), 1);

    let text = other.write("text.db", "this is no database, and long enough to be looked at");
    annals(["export", &other.log(), "--sqlite", &text]).ends_with(3).says(&[&text]);
    annals(["export", &other.log(), "--sqlite", &file, "--type", "Noted"]).ends_with(2);
    annals(["export", &other.log(), "--sqlite", &file, "--after", "3"]).ends_with(2);
}

#[test]
fn killed_in_the_middle_it_goes_on_and_adds_each_event_once() {
    const EVENTS: i64 = 60_000;
    let room = Room::new();
    let (log, file) = (room.log(), file(&room));
    let text = lines(60_000);
    annals_fed(["import", &log, "-", "--durability", "buffered"], text.as_bytes()).fine();
    let (mut random, mut killed) = (Random(7), 0);
    for _ in 0..8 {
        let mut child = command()
            .args(["export", &log, "--sqlite", &file])
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        std::thread::sleep(Duration::from_millis(20 + random.below(80)));
        child.kill().expect("it is killed");
        let ended = child.wait().expect("it is gone");
        killed += u32::from(ended.code().is_none());
    }
    let done = annals(["export", &log, "--sqlite", &file, "--json"]).fine().object();
    assert_eq!(done["rows"], json!(EVENTS));
    assert!(killed > 1, "killed {killed} times");
    assert_eq!(ask::<i64>(&file, "SELECT MAX(position) FROM events"), EVENTS);
    let sum = EVENTS * (EVENTS + 1) / 2;
    assert_eq!(ask::<i64>(&file, "SELECT SUM(data->>'$.number') FROM events"), sum);
}

#[test]
fn receipt_answers_in_sql_as_is_known() {
    let Some(real) = real_log("receipt", "receipt.jsonl") else { return };
    let room = Room::new();
    let (log, file) = (room.log(), file(&room));
    annals(["import", &log, &real.file]).fine();
    annals(["export", &log, "--sqlite", &file]).fine();
    let counts = "SELECT json_group_object(type, n) FROM \
                  (SELECT type, COUNT(*) AS n FROM events GROUP BY type)";
    let last = "SELECT json_group_object(type, n) FROM (SELECT type, COUNT(*) AS n FROM events \
                JOIN (SELECT MAX(position) AS position FROM events GROUP BY stream) \
                USING (position) GROUP BY type)";
    let channels = "SELECT json_group_object(channel, n) FROM (SELECT \
                    data->>'$.case.channel' AS channel, COUNT(*) AS n FROM events \
                    WHERE channel IS NOT NULL GROUP BY channel)";
    for (question, key) in
        [(counts, "count_by_type"), (last, "streams_by_last_type"), (channels, "cases_by_channel")]
    {
        let answer: Value = serde_json::from_str(&ask::<String>(&file, question)).expect("JSON");
        assert_eq!(answer, real.answers[key], "{key}");
    }
}
