//! What the data of an event says anew: its fields, compared with what those before it said.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

/// Objects that lie deeper are compared as a whole.
const DEPTH: usize = 32;

type Fields = BTreeMap<String, Value>;

/// A JSON value; of what is no object, its text without white space.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Object(Fields),
    Other(String),
}

/// What became of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Became {
    New,
    Changed,
    Gone,
}

/// A field that is not as it was.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    /// Its name, with those of the objects around it before it: `address.city`.
    pub(super) field: String,
    #[serde(rename = "change")]
    pub(super) became: Became,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) old: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) new: Option<Box<RawValue>>,
}

/// The fields that the events so far named, each with its last value.
#[derive(Debug, Default)]
pub(super) struct State {
    fields: Fields,
}

impl State {
    /// Takes in the data of the next event. Returns what is different after it; `None` if the
    /// data is no JSON object, which changes nothing.
    pub(super) fn next(&mut self, data: &[u8]) -> Option<Vec<Change>> {
        let Value::Object(said) = parse(std::str::from_utf8(data).ok()?, 0)? else { return None };
        let mut changes = Vec::new();
        for (name, value) in said {
            compare(&join("", &name), self.fields.get(&name), Some(&value), &mut changes);
            if value.is_null() {
                self.fields.remove(&name);
            } else {
                self.fields.insert(name, value);
            }
        }
        Some(changes)
    }
}

impl Value {
    fn is_null(&self) -> bool {
        matches!(self, Self::Other(text) if text == "null")
    }

    fn write(&self, out: &mut String) {
        let fields = match self {
            Self::Other(text) => return out.push_str(text),
            Self::Object(fields) => fields,
        };
        let mut before = '{';
        for (name, value) in fields {
            out.push(before);
            out.push_str(&quoted(name));
            out.push(':');
            value.write(out);
            before = ',';
        }
        out.push_str(if fields.is_empty() { "{}" } else { "}" });
    }

    fn raw(&self) -> Option<Box<RawValue>> {
        let mut text = String::new();
        self.write(&mut text);
        RawValue::from_string(text).ok()
    }
}

/// Numbers and strings keep their text: a number may have more digits than a float.
fn parse(text: &str, depth: usize) -> Option<Value> {
    let text = serde_json::from_str::<&RawValue>(text).ok()?.get();
    if depth >= DEPTH || !text.starts_with('{') {
        return Some(Value::Other(without_space(text)));
    }
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    let parsed = fields.into_iter().map(|(name, raw)| Some((name, parse(raw.get(), depth + 1)?)));
    parsed.collect::<Option<_>>().map(Value::Object)
}

/// JSON text without what stands between its parts.
fn without_space(text: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let kept = text.chars().filter(|character| {
        if in_string {
            in_string = escaped || *character != '"';
            escaped = !escaped && *character == '\\';
            return true;
        }
        in_string = *character == '"';
        !character.is_ascii_whitespace()
    });
    kept.collect()
}

fn quoted(name: &str) -> String {
    serde_json::to_string(name).unwrap_or_default()
}

/// A name with a point in it, or none, is quoted.
fn join(path: &str, name: &str) -> String {
    let plain = !name.is_empty() && !name.contains(['.', '"']);
    let name = if plain { name.to_owned() } else { quoted(name) };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// Null is as good as nothing.
fn compare(path: &str, old: Option<&Value>, new: Option<&Value>, changes: &mut Vec<Change>) {
    let (old, new) = (old.filter(|old| !old.is_null()), new.filter(|new| !new.is_null()));
    let became = match (old, new) {
        (None, None) => return,
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for (name, value) in old {
                compare(&join(path, name), Some(value), new.get(name), changes);
            }
            for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
                compare(&join(path, name), None, Some(value), changes);
            }
            return;
        }
        (Some(old), Some(new)) if old == new => return,
        (Some(_), Some(_)) => Became::Changed,
        (None, Some(_)) => Became::New,
        (Some(_), None) => Became::Gone,
    };
    let (old, new) = (old.and_then(Value::raw), new.and_then(Value::raw));
    changes.push(Change { field: path.to_owned(), became, old, new });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each of these says anew, in short.
    fn story(events: &[&str]) -> Vec<String> {
        let mut state = State::default();
        let text = |raw: Option<Box<RawValue>>| raw.map_or(String::new(), |raw| raw.get().into());
        let told = |change: Change| {
            let Change { field, became, old, new } = change;
            format!("{field} {became:?} {}>{}", text(old), text(new))
        };
        let mut next = |event: &&str| match state.next(event.as_bytes()) {
            Some(changes) => changes.into_iter().map(told).collect::<Vec<_>>().join("; "),
            None => "-".to_owned(),
        };
        events.iter().map(&mut next).collect()
    }

    #[test]
    fn an_event_is_compared_with_what_was_said_last_of_each_field() {
        let events = [r#"{"b":1,"a":"x"}"#, r#"{"c":[1, 2]}"#, r#"{"a":"y","b":1,"c":[1,2]}"#];
        assert_eq!(
            story(&events),
            ["a New >\"x\"; b New >1", "c New >[1,2]", "a Changed \"x\">\"y\""]
        );
    }

    #[test]
    fn null_takes_a_field_away_and_what_is_not_named_stays() {
        let events = [r#"{"a":1,"b":null}"#, "{}", r#"{"a":null}"#, r#"{"a":null}"#, r#"{"a":1}"#];
        assert_eq!(story(&events), ["a New >1", "", "a Gone 1>", "", "a New >1"]);
    }

    #[test]
    fn an_object_in_a_field_is_taken_whole_and_compared_in_parts() {
        let events = [
            r#"{"to":{"city":"Bonn","zip":"1"}}"#,
            r#"{"to":{"city":"Köln","no":7}}"#,
            r#"{"to":{"city":"Köln","no":7}}"#,
            r#"{"to":"nobody","x.y":{"":1}}"#,
            r#"{"x.y":{"":2}}"#,
        ];
        let told = [
            r#"to New >{"city":"Bonn","zip":"1"}"#,
            r#"to.city Changed "Bonn">"Köln"; to.zip Gone "1">; to.no New >7"#,
            "",
            r#"to Changed {"city":"Köln","no":7}>"nobody"; "x.y" New >{"":1}"#,
            r#""x.y"."" Changed 1>2"#,
        ];
        assert_eq!(story(&events), told);
    }

    #[test]
    fn text_is_kept_but_for_white_space_between_its_parts() {
        let events = [
            "{\"a\": [ \"x  \\\" y\" ,\n1.0 ]}",
            r#"{"a":["x  \" y",1.0]}"#,
            r#"{"a":12345678901234567890123}"#,
            r#"{"a":12345678901234567890124}"#,
        ];
        let told = [
            r#"a New >["x  \" y",1.0]"#,
            "",
            r#"a Changed ["x  \" y",1.0]>12345678901234567890123"#,
            "a Changed 12345678901234567890123>12345678901234567890124",
        ];
        assert_eq!(story(&events), told);
    }

    #[test]
    fn other_data_changes_nothing() {
        let events = [r#"{"a":1}"#, "[1]", "", "{", "\u{ff}", r#"{"a":2}"#];
        assert_eq!(story(&events), ["a New >1", "-", "-", "-", "-", "a Changed 1>2"]);
        let deep = format!("{}1{}", r#"{"a":"#.repeat(5000), "}".repeat(5000));
        assert_eq!(story(&[&deep])[0].len(), deep.len() + 1);
    }
}
