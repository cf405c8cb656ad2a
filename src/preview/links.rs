//! Which page leads to which: the links that visitors can click, read from the pages as they were written. Made when somebody looks,
//! once a build.

use std::collections::BTreeMap;

use super::shown::Good;

/// The links between pages, by index.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// By page: pages it leads to.
    to: Vec<Vec<u32>>,
    /// By page: pages that lead to it.
    from: Vec<Vec<u32>>,
    /// By page: addresses of this site at which there is nothing.
    broken: BTreeMap<u32, Vec<String>>,
}

impl Links {
    /// The links of a site.
    pub(super) fn of(good: &Good) -> &Links {
        good.links.get_or_init(|| Links::read(good))
    }

    /// Pages that a page leads to.
    pub(super) fn to(&self, page: usize) -> &[u32] {
        self.to.get(page).map_or(&[], Vec::as_slice)
    }

    /// Pages that lead to a page.
    pub(super) fn from(&self, page: usize) -> &[u32] {
        self.from.get(page).map_or(&[], Vec::as_slice)
    }

    /// Links of a page that lead nowhere.
    pub(super) fn broken(&self, page: usize) -> &[String] {
        u32::try_from(page).ok().and_then(|page| self.broken.get(&page)).map_or(&[], Vec::as_slice)
    }

    fn read(good: &Good) -> Links {
        let by_url: BTreeMap<&str, u32> =
            (0..).zip(good.pages()).map(|(page, facts)| (facts.url.as_str(), page)).collect();
        let mut links = Links {
            to: vec![Vec::new(); good.pages().len()],
            from: vec![Vec::new(); good.pages().len()],
            broken: BTreeMap::new(),
        };
        for (number, page) in (0u32..).zip(good.pages()) {
            if !page.output.ends_with(".html") {
                continue;
            }
            let Ok(text) = std::fs::read_to_string(good.folders.out.join(&page.output)) else { continue };
            for address in addresses(&text) {
                let Some(url) = resolved(good, &page.url, &address) else { continue };
                match by_url.get(url.as_str()) {
                    Some(target) => links.to[number as usize].push(*target),
                    None if !exists(good, &url) => links.broken.entry(number).or_default().push(url),
                    None => {}
                }
            }
            let to = &mut links.to[number as usize];
            to.sort_unstable();
            to.dedup();
            for target in to.iter().filter(|target| **target != number) {
                links.from[*target as usize].push(number);
            }
            if let Some(broken) = links.broken.get_mut(&number) {
                broken.sort_unstable();
                broken.dedup();
            }
        }
        links
    }
}

/// An address in a page as a root-relative URL of this site, without query and fragment; `None` if it leads elsewhere.
fn resolved(good: &Good, page: &str, address: &str) -> Option<String> {
    let base = good.site.config.site.base_url.clone().or_else(|| url::Url::parse("http://localhost").ok())?;
    let target = base.join(page).ok()?.join(address.trim()).ok()?;
    let own = target.origin() == base.origin() && target.path().starts_with(base.path().trim_end_matches('/'));
    (own && !address.trim_start().starts_with('#')).then(|| target.path().to_owned())
}

fn exists(good: &Good, url: &str) -> bool {
    let below = super::files::below_root(good, url).unwrap_or_default();
    let decoded = percent_encoding::percent_decode_str(&below).decode_utf8_lossy().into_owned();
    let plain = decoded.split('/').all(|part| part != "..");
    let file = good.folders.out.join(decoded.trim_start_matches('/'));
    plain && (file.is_file() || file.join("index.html").is_file())
}

/// The `href` of every `<a>`.
fn addresses(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end..]);
            continue;
        }
        let is_link = rest.get(..2).is_some_and(|start| {
            let mut letters = start.chars();
            letters.next().is_some_and(|letter| letter.eq_ignore_ascii_case(&'a'))
                && letters.next().is_some_and(char::is_whitespace)
        });
        if is_link {
            let (address, after) = href(&rest[1..]);
            found.extend(address);
            rest = after;
        }
    }
    found
}

/// The value of `href` in the attributes of a tag, and what comes after the tag.
fn href(mut rest: &str) -> (Option<String>, &str) {
    let mut found = None;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() || rest.starts_with('>') {
            return (found, rest);
        }
        let name_end =
            rest.find(|letter: char| letter.is_whitespace() || matches!(letter, '=' | '>')).unwrap_or(rest.len());
        let (name, after) = rest.split_at(name_end.max(1).min(rest.len()));
        let after = after.trim_start();
        let Some(value) = after.strip_prefix('=').map(str::trim_start) else {
            rest = after;
            continue;
        };
        let quote = value.chars().next().filter(|letter| matches!(letter, '"' | '\''));
        let (value, after) = match quote {
            Some(quote) => {
                let inner = &value[1..];
                let end = inner.find(quote).unwrap_or(inner.len());
                (&inner[..end], inner.get(end + 1..).unwrap_or_default())
            }
            None => {
                let end = value.find(|letter: char| letter.is_whitespace() || letter == '>').unwrap_or(value.len());
                value.split_at(end)
            }
        };
        if name.eq_ignore_ascii_case("href") && found.is_none() {
            found = Some(value.replace("&amp;", "&").replace("&#x2F;", "/").replace("&#47;", "/"));
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::addresses;

    #[test]
    fn every_link_of_a_page() {
        let page = "<a href=\"/a/\">x</a><A class=b HREF='/b/?x=1&amp;y'>y<abbr href=/no></abbr><a\nhref=/c/ hidden>\
            <!-- <a href=\"/comment/\"> --><a name=top><link href=/style.css><a data-href=\"/d/\" href = \"/e/\"><a href=\"/open";
        assert_eq!(addresses(page), ["/a/", "/b/?x=1&y", "/c/", "/e/", "/open"]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in "[<a =>\"'\\-!é/ href]{0,60}") {
            let _ = addresses(&text);
        }
    }
}
