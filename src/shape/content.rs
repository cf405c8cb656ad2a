//! Which page shows which content fragment: what `url_for` and rich text ask.

use crate::text::texts::{Text, Texts};

/// A page of a content fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The content fragment's path.
    pub fragment: Text,
    /// The path of the page.
    pub path: Text,
    /// The variation it shows; empty is the base.
    pub variation: Text,
    /// Index of the `each` route.
    pub route: u32,
    /// The locale of the page.
    pub locale: Option<u16>,
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
#[derive(Debug, Default)]
pub struct ContentIndex {
    /// Sorted by fragment; those of one fragment by route, then by locale.
    links: Vec<Link>,
}

impl ContentIndex {
    /// Of links in the order of their routes and locales.
    pub fn new(mut links: Vec<Link>, texts: &Texts) -> Self {
        links.sort_by(|a, b| texts.get(a.fragment).cmp(texts.get(b.fragment)));
        ContentIndex { links }
    }

    /// Adds one more.
    pub fn add(&mut self, link: Link, texts: &Texts) {
        let at = self.links.partition_point(|other| texts.get(other.fragment) <= texts.get(link.fragment));
        self.links.insert(at, link);
    }

    /// The page that a link leads to: of the first route that shows the fragment, in the linking page's locale, else in none,
    /// else in the first (design §5). Without `variation` the base comes first.
    pub fn resolve(&self, texts: &Texts, target: LinkTarget<'_>) -> Option<&Link> {
        let start = self.links.partition_point(|link| texts.get(link.fragment) < target.fragment);
        let links = self.links[start..].iter().take_while(|link| texts.get(link.fragment) == target.fragment);
        let fits = |link: &&Link| {
            target.route.is_none_or(|route| link.route == route)
                && target
                    .variation
                    .is_none_or(|name| texts.get(link.variation) == if name == "master" { "" } else { name })
        };
        let first = links.clone().filter(fits).min_by_key(|link| link.route)?;
        let rank = |link: &&Link| {
            let locale = match link.locale {
                locale if locale == target.locale => 0,
                None => 1,
                Some(_) => 2,
            };
            (locale, !link.variation.is_empty(), link.locale)
        };
        links.filter(fits).filter(|link| link.route == first.route).min_by_key(rank)
    }
}
