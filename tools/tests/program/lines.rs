//! The JSON of events: which fields, in which order, and that an export is an import.

use serde_json::json;

use crate::support::{Room, annals, annals_fed};

const ID: &str = "0190a5b2-7f3c-7000-8000-0123456789ab";

#[test]
fn fields_stand_in_the_documented_order() {
    let room = Room::new();
    let given = format!(
        "{{\"correlation\":\"run 7\",\"caused_by\":\"mail-3\",\"tags\":[\"customer:9\",\"é\"],\
         \"metadata\":[ 1 ],\"data\":{{\"b\" : 1.50,\"a\":\"\\u00e9\"}},\
         \"time\":\"2024-05-01T12:30:00.250+02:00\",\"schema\":2,\"type\":\"OrderPlaced\",\
         \"id\":\"{ID}\",\"stream\":\"order-17\"}}"
    );
    annals_fed(["import", &room.log()], given.as_bytes()).fine();
    let line = annals(["export", &room.log()]).fine().stdout;
    let recorded = annals(["export", &room.log()]).fine().object()["recorded_at"].clone();
    assert_eq!(
        line,
        format!(
            "{{\"position\":1,\"stream\":\"order-17\",\"version\":1,\"id\":\"{ID}\",\
             \"type\":\"OrderPlaced\",\"schema\":2,\"time\":\"2024-05-01T12:30:00.250+02:00\",\
             \"recorded_at\":{recorded},\"data\":{{\"b\" : 1.50,\"a\":\"\\u00e9\"}},\
             \"metadata\":[ 1 ],\"tags\":[\"customer:9\",\"é\"],\"caused_by\":\"mail-3\",\
             \"correlation\":\"run 7\"}}\n"
        )
    );
}

#[test]
fn what_is_not_given_is_left_out_and_time_is_then_the_commit_time() {
    let room = Room::new();
    annals_fed(["import", &room.log()], b"{\"stream\":\"s\",\"type\":\"T\",\"data\":null}").fine();
    let event = annals(["export", &room.log()]).fine().object();
    let fields: Vec<_> = event.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected =
        ["position", "stream", "version", "id", "type", "time", "recorded_at", "data"];
    expected.sort_unstable();
    assert_eq!(fields, expected);
    assert_eq!(event["time"], event["recorded_at"]);
    assert!(event["time"].as_str().unwrap().ends_with('Z'));
    assert_eq!(event["data"], json!(null));
}

#[test]
fn data_that_fits_no_line_is_base64_and_comes_back() {
    let room = Room::new();
    let lines = "{\"stream\":\"s\",\"type\":\"T\",\"data_base64\":\"AP8K\"}\n\
         {\"stream\":\"s\",\"type\":\"T\",\"data_base64\":\"\"}\n\
         {\"stream\":\"s\",\"type\":\"T\",\"data_base64\":\"ew==\",\"content_type\":\"text/x\"}\n\
         {\"stream\":\"s\",\"type\":\"T\",\"data\":{\"a\":\r1}}\n\
         {\"stream\":\"s\",\"type\":\"T\",\"data_base64\":\"e30=\"}\n\
         {\"stream\":\"s\",\"type\":\"T\",\"data\":1,\"metadata_base64\":\"/w==\"}\n";
    annals_fed(["import", &room.log()], lines.as_bytes()).fine();
    let first = annals(["export", &room.log()]).fine();
    let events = first.objects();
    assert_eq!(events[0]["data_base64"], json!("AP8K"));
    assert_eq!(events[0].get("data"), None);
    assert_eq!(events[1]["data_base64"], json!(""));
    assert_eq!(events[2]["content_type"], json!("text/x"));
    assert_eq!(events[3]["data_base64"], json!("eyJhIjoNMX0="));
    assert_eq!(events[3]["content_type"], json!("application/json"));
    assert_eq!(events[4]["data"], json!({}));
    assert_eq!(events[5]["metadata_base64"], json!("/w=="));

    // An export is an import: nothing is lost on the way through another log.
    let second = Room::new();
    annals_fed(["import", &second.log()], first.stdout.as_bytes()).fine();
    let again = annals(["export", &second.log()]).fine().objects();
    for (mut before, mut after) in events.into_iter().zip(again) {
        // The commit times are of two commits; where no time was given, it was the
        // first log's.
        before["recorded_at"] = json!(null);
        after["recorded_at"] = json!(null);
        assert_eq!(before, after);
    }
}

#[test]
fn times_keep_their_offset_and_their_digits() {
    let times = [
        "2010-10-02T09:20:39.266+02:00",
        "2010-10-02T09:20:39+01:00",
        "2010-10-02T09:20:39.000000Z",
        "2010-10-02T09:20:39.123456789-11:30",
        "1969-12-31T23:59:59.9+00:00",
    ];
    let room = Room::new();
    let text: String = times
        .iter()
        .map(|time| format!("{{\"stream\":\"s\",\"type\":\"T\",\"data\":1,\"time\":\"{time}\"}}\n"))
        .collect();
    annals_fed(["import", &room.log()], text.as_bytes()).fine();
    let found = annals(["export", &room.log()]).fine().objects();
    let found: Vec<_> = found.iter().map(|event| event["time"].as_str().unwrap()).collect();
    assert_eq!(found, times);
}

#[test]
fn names_of_any_text_come_back() {
    let room = Room::new();
    let text = "{\"stream\":\"\\u0001 \\\"é\\\" 🎉\\n-x\",\"type\":\"../T\\u0000\",\"data\":1}\n";
    annals_fed(["import", &room.log()], text.as_bytes()).fine();
    let event = annals(["export", &room.log()]).fine().object();
    assert_eq!(event["stream"], json!("\u{1} \"é\" 🎉\n-x"));
    assert_eq!(event["type"], json!("../T\0"));
    // On a terminal they must not do anything.
    let listed = annals(["streams", &room.log()]).fine().stdout;
    assert!(listed.contains("\\u{1} \"é\" 🎉\\n-x"), "{listed}");
}
