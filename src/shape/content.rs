//! Which page shows which content fragment: what `url_for` and rich text ask.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::text::permalink;

/// A page of a content fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Index of the `each` route.
    pub route: u32,
    /// The locale of the page.
    pub locale: Option<u16>,
    /// The variation it shows; `None` is the base.
    pub variation: Option<Box<str>>,
    /// The path of the page; [`Link::url`] is the URL.
    pub path: Arc<str>,
}

impl Link {
    /// Root-relative URL of the page.
    pub fn url(&self) -> String {
        permalink::parse(&self.path).map(|link| link.url().to_owned()).unwrap_or_default()
    }
}

/// What a link asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkTarget<'a> {
    /// The content fragment's path.
    pub fragment: &'a str,
    /// Only this route, by index.
    pub route: Option<u32>,
    /// Only this variation.
    pub variation: Option<&'a str>,
    /// The locale of the page that links.
    pub locale: Option<u16>,
}

/// All pages of `each` routes with an HTML template, by content fragment.
#[derive(Debug, Clone, Default)]
pub struct ContentIndex {
    links: BTreeMap<Arc<str>, Vec<Link>>,
}

impl ContentIndex {
    /// Adds a page. Links of one fragment stay in the order they are added: by route, then by locale.
    pub fn add(&mut self, fragment: &Arc<str>, link: Link) {
        match self.links.get_mut(&**fragment) {
            Some(links) => links.push(link),
            None => {
                self.links.insert(fragment.clone(), vec![link]);
            }
        }
    }

    /// The page that a link leads to: of the first route that shows the fragment, in the linking page's locale, else in none,
    /// else in the first (design §5). Without `variation` the base comes first.
    pub fn resolve(&self, target: LinkTarget<'_>) -> Option<&Link> {
        let links = self.links.get(target.fragment)?;
        let fits = |link: &&Link| {
            target.route.is_none_or(|route| link.route == route)
                && target.variation.is_none_or(|name| link.variation.as_deref().unwrap_or("master") == name)
        };
        let first = links.iter().filter(fits).min_by_key(|link| link.route)?;
        let rank = |link: &&Link| {
            let locale = match link.locale {
                locale if locale == target.locale => 0,
                None => 1,
                Some(_) => 2,
            };
            (locale, link.variation.is_some(), link.locale)
        };
        links.iter().filter(fits).filter(|link| link.route == first.route).min_by_key(rank)
    }

    /// Whether any page shows the fragment.
    pub fn contains(&self, fragment: &str) -> bool {
        self.links.contains_key(fragment)
    }
}
