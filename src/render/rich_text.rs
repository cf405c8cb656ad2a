//! The filters that reach into the world: `rich_text` and `absolute_url`.

use std::sync::{Arc, Mutex};

use tera::value::Key;
use tera::{Error, Filter, Kwargs, State, Tera, TeraResult, Value};

use super::World;
use super::functions::Reach;
use super::recorder::{AssetRequest, Recorder};
use crate::text::rich_text::{self, Image, RichText, Targets};

pub(super) fn register(tera: &mut Tera, world: &Arc<World>, recorder: &Arc<Mutex<Recorder>>) {
    let reach = Reach { world: world.clone(), recorder: recorder.clone() };
    tera.register_filter("rich_text", RichTextFilter(reach.clone()));
    tera.register_filter("absolute_url", AbsoluteUrl(reach));
}

struct RichTextFilter(Reach);

impl Filter<&Value, TeraResult<Value>> for RichTextFilter {
    fn call(&self, value: &Value, _: Kwargs, _: &State) -> TeraResult<Value> {
        crate::site::filters::defined(value)?;
        let mut targets = WorldTargets { reach: &self.0, failed: None };
        let mut text = RichText::default();
        if let Some(html) = html_of(value) {
            text = rich_text::from_html(html, &mut targets);
        } else if let Some(nodes) = nodes_of(value) {
            let nodes = serde_json::to_value(nodes).map_err(|error| Error::message(error.to_string()))?;
            rich_text::from_json(&nodes, &mut targets, &mut text);
        } else if !value.is_none() {
            return Err(Error::message("rich_text takes AEM's `json` or `html`, or a field with one of them selected"));
        }
        if let Some(error) = targets.failed {
            return Err(error);
        }
        let notes = text.notes.iter().map(ToString::to_string);
        super::recorder::lock(&self.0.recorder).reads.notes.extend(notes);
        Ok(Value::safe_string(&text.html))
    }

    fn is_safe(&self) -> bool {
        true
    }
}

fn html_of(value: &Value) -> Option<&str> {
    value
        .as_str()
        .or_else(|| value.as_map().filter(|map| !map.contains_key(&Key::Str("json")))?.get(&Key::Str("html"))?.as_str())
}

/// AEM's array of nodes, or the field that holds it.
fn nodes_of(value: &Value) -> Option<&Value> {
    if value.is_array() {
        return Some(value);
    }
    value.as_map()?.get(&Key::Str("json"))
}

struct WorldTargets<'a> {
    reach: &'a Reach,
    failed: Option<Error>,
}

impl Targets for WorldTargets<'_> {
    fn page(&mut self, fragment_path: &str) -> Option<String> {
        self.reach.link(fragment_path, None, None)
    }

    fn asset(&mut self, dam_path: &str) -> Option<Image> {
        let request = AssetRequest::new(dam_path)?;
        match self.reach.asset(&request) {
            Ok(Some(asset)) => Some(Image {
                src: self.reach.public(&asset.url),
                width: asset.width,
                height: asset.height,
                mime: asset.mime,
            }),
            Ok(None) => None,
            Err(error) => {
                self.failed.get_or_insert(error);
                None
            }
        }
    }
}

struct AbsoluteUrl(Reach);

impl Filter<&str, TeraResult<String>> for AbsoluteUrl {
    fn call(&self, value: &str, _: Kwargs, _: &State) -> TeraResult<String> {
        Ok(super::context::absolute_url(&self.0.world.site, value))
    }
}
