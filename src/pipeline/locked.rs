//! `--locked`: an answer is the one that the last build kept, or the build fails and says where it differs (design §8).

use serde_json::{Map, Value as Json};

use super::failures;
use super::gather::Gatherer;
use crate::report::{Diagnostic, codes};
use crate::site::Query;
use crate::state::AnswerRecord;

/// What is wrong with an answer that may not be another one than the known; `None` where both say the same in other bytes.
pub(super) fn changed(
    gatherer: &Gatherer,
    query: &Query,
    variables: &Map<String, Json>,
    known: &AnswerRecord,
    body: &[u8],
) -> Option<Diagnostic> {
    let kept = gatherer.state.answers().read(&known.id);
    let at = match kept.ok().map(|kept| (serde_json::from_slice(&kept), serde_json::from_slice(body))) {
        Some((Ok(kept), Ok(now))) => first_difference(&kept, &now, &mut Vec::new(), None)?,
        // What was kept is gone, so that only its digest is left to differ.
        _ => Difference { at: "/".to_owned(), what: "its digest differs".to_owned(), fragment: None },
    };
    let message = format!("AEM answers query `{}` otherwise than the last build", query.name);
    let mut problem = Diagnostic::error(codes::CHANGED, message)
        .at(query.place_in_sent(query.roots.first().map_or(0, |root| root.field_at)))
        .note("first difference", format!("{}: {}", at.at, at.what))
        .help("build without `--locked` to take the new answer");
    problem.fragments.extend(at.fragment);
    Some(match variables.is_empty() {
        true => problem,
        false => problem.note("variables", failures::shown(variables)),
    })
}

/// The first place at which two answers differ.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    /// A JSON pointer.
    at: String,
    what: String,
    /// The innermost content fragment around it.
    fragment: Option<String>,
}

fn first_difference<'a>(
    kept: &'a Json,
    now: &'a Json,
    way: &mut Vec<String>,
    fragment: Option<&'a str>,
) -> Option<Difference> {
    let differs = |way: &[String], what: &str| {
        let at = way.iter().map(|step| format!("/{step}")).collect::<String>();
        Some(Difference { at, what: what.to_owned(), fragment: fragment.map(str::to_owned) })
    };
    match (kept, now) {
        (Json::Object(kept), Json::Object(now)) => {
            let fragment = now.get("_path").or(kept.get("_path")).and_then(Json::as_str).or(fragment);
            for (name, old) in kept {
                way.push(name.clone());
                match now.get(name) {
                    Some(new) => {
                        if let Some(found) = first_difference(old, new, way, fragment) {
                            return Some(found);
                        }
                    }
                    None => return differs(way, "it is gone"),
                }
                way.pop();
            }
            let added = now.keys().find(|name| !kept.contains_key(*name))?;
            way.push(added.clone());
            differs(way, "it is new")
        }
        (Json::Array(kept), Json::Array(now)) => {
            for (number, (old, new)) in kept.iter().zip(now).enumerate() {
                way.push(number.to_string());
                if let Some(found) = first_difference(old, new, way, fragment) {
                    return Some(found);
                }
                way.pop();
            }
            match kept.len() == now.len() {
                true => None,
                false => differs(way, &format!("{} now, and {} in the last build", now.len(), kept.len())),
            }
        }
        (kept, now) if kept == now => None,
        _ => differs(way, "another value"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn between(kept: &Json, now: &Json) -> Option<(String, String, Option<String>)> {
        first_difference(kept, now, &mut Vec::new(), None).map(|found| (found.at, found.what, found.fragment))
    }

    #[test]
    fn the_first_difference_is_named_with_its_fragment() {
        let kept = json!({ "items": [{ "_path": "/a", "x": 1 }, { "_path": "/b", "in": { "y": [1, 2] } }] });
        assert_eq!(between(&kept, &kept), None);
        let mut now = kept.clone();
        now["items"][1]["in"]["y"] = json!([1, 3]);
        let expected = ("/items/1/in/y/1".to_owned(), "another value".to_owned(), Some("/b".to_owned()));
        assert_eq!(between(&kept, &now), Some(expected));
        now["items"][1]["in"]["y"] = json!([1]);
        assert_eq!(between(&kept, &now).unwrap_or_default().1, "1 now, and 2 in the last build");
        now["items"][1]["in"] = json!({});
        assert_eq!(between(&kept, &now).unwrap_or_default().1, "it is gone");
        assert_eq!(
            between(&now, &kept).unwrap_or_default(),
            ("/items/1/in/y".into(), "it is new".into(), Some("/b".into()))
        );
    }
}
