//! The filters that depend on nothing but their input: the same in route expressions and in templates (design §5).

use tera::{Error, ErrorKind, Kwargs, State, Tera, TeraResult, Value};

use crate::text::{date, markup, slug};

/// Registers them. `default` replaces Tera's own, which lets null through.
pub fn register(tera: &mut Tera) {
    tera.register_filter("default", default);
    tera.register_filter("slugify", slugify);
    tera.register_filter("date", format_date);
    tera.register_filter("urlencode", |value: &Value, _: Kwargs, _: &State| {
        Ok::<_, Error>(markup::urlencode(&text(value)?))
    });
    tera.register_filter("plain_text", |value: &Value, _: Kwargs, _: &State| {
        Ok::<_, Error>(markup::plain_text(&text(value)?))
    });
    tera.register_filter("str", |value: &Value, _: Kwargs, _: &State| text(value));
    tera.register_filter("json", json);
    tera.register_filter("markdown", |value: &str, _: Kwargs, _: &State| Value::safe_string(&markup::markdown(value)));
}

/// The text of any value but an undefined one: a misspelt field never renders as nothing (design §5). Tera's own `str` lets it.
fn text(value: &Value) -> TeraResult<String> {
    defined(value)?;
    Ok(value.to_string())
}

/// Refuses an undefined value in Tera's words, which the `render` room turns into the field's name.
pub fn defined(value: &Value) -> TeraResult<()> {
    if value.is_undefined() {
        let (expected_type, actual_type) = ("a value".to_owned(), "undefined".to_owned());
        return Err(Error::new(ErrorKind::InvalidArgument { expected_type, actual_type }));
    }
    Ok(())
}

/// Null is normal in AEM, so `default` replaces it as well as undefined; `boolean=true` replaces everything falsy.
fn default(value: Value, kwargs: Kwargs, _: &State) -> TeraResult<Value> {
    let replacement = kwargs.must_get::<Value>("value")?;
    let falsy = kwargs.get::<bool>("boolean")?.unwrap_or(false);
    let replaced = value.is_undefined() || value.is_none() || (falsy && !value.is_truthy());
    Ok(if replaced { replacement } else { value })
}

/// Letters and digits of every script, the rest as `-`. A tag (`namespace:path/leaf`) gives its part after the colon.
fn slugify(value: &Value, _: Kwargs, _: &State) -> TeraResult<String> {
    let text = text(value)?;
    Ok(if is_tag(&text) { slug::tag_slug(&text) } else { slug::slugify(&text) })
}

/// AEM's tag ids: a namespace, a colon, and a path without spaces (protocol §4.3).
fn is_tag(text: &str) -> bool {
    text.split_once(':').is_some_and(|(namespace, path)| {
        let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "-_/.".contains(c));
        // A time (`12:30`) or a title (`Re:Zero`) is no tag: namespaces are node names, which begin with a small letter.
        let named = namespace.starts_with(|first: char| first.is_ascii_lowercase());
        named && plain(namespace) && plain(path) && !path.starts_with("//")
    })
}

fn format_date(value: &str, kwargs: Kwargs, _: &State) -> TeraResult<String> {
    let format = kwargs.get::<&str>("format")?.unwrap_or("%Y-%m-%d");
    let timezone = kwargs.get::<&str>("timezone")?;
    let locale = kwargs.get::<&str>("locale")?;
    date::format(value, format, timezone, locale).map_err(|error| Error::message(error.to_string()))
}

/// JSON in which `<`, `>` and `&` are escaped, so that it can stand in a `<script>` with `| safe`.
fn json(value: &Value, kwargs: Kwargs, _: &State) -> TeraResult<String> {
    defined(value)?;
    let pretty = kwargs.get::<bool>("pretty")?.unwrap_or(false);
    let written = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    let written = written.map_err(|error| Error::message(format!("cannot be written as JSON: {error}")))?;
    Ok(written.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"))
}
