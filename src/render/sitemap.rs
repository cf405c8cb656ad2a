//! sitemap.xml: every HTML page but those of routes with `sitemap = false` and 404.html, with its counterparts in other locales.
//! Made when `base_url` is set, and unless a route or static/ makes a sitemap.xml of its own.

use std::collections::BTreeSet;

use crate::shape::{Page, Pages, Standing};
use crate::site::Site;

use crate::text::permalink;

use super::context::{absolute_url, public_url};

/// The protocol allows 50,000 URLs and 50 MB a file (sitemaps.org).
const URLS: usize = 50_000;
const BYTES: usize = 45 << 20;

const HEAD: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
    "<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" xmlns:xhtml=\"http://www.w3.org/1999/xhtml\">\n"
);
const FOOT: &str = "</urlset>\n";

/// The sitemap files: (output path, bytes). Pages that are `unmade` are left out, those that stand without having been built are in.
/// One file, or an index with `sitemap-1.xml`, `sitemap-2.xml`, … when it is large.
pub fn sitemaps(
    site: &Site,
    pages: &Pages,
    unmade: &BTreeSet<u32>,
    standing: &[Standing<'_>],
) -> Vec<(String, Vec<u8>)> {
    if site.config.site.base_url.is_none() {
        return Vec::new();
    }
    let mut files: Vec<String> = Vec::new();
    let mut current = HEAD.to_owned();
    let mut urls = 0;
    let made = (0..).zip(&pages.pages).filter(|(number, _)| !unmade.contains(number));
    let made = made.map(|(_, page)| (pages.path(page), page.route as usize, Some(page)));
    let standing = standing.iter().map(|page| (page.path, page.route, None));
    let mut listed: Vec<_> = made.chain(standing).filter(|(path, route, _)| is_listed(site, *route, path)).collect();
    listed.sort_by(|a, b| a.0.cmp(b.0));
    for (path, _, page) in listed {
        if urls == URLS || current.len() > BYTES {
            current.push_str(FOOT);
            files.push(std::mem::replace(&mut current, HEAD.to_owned()));
            urls = 0;
        }
        urls += 1;
        entry(site, pages, path, page, &mut current);
    }
    current.push_str(FOOT);
    if files.is_empty() {
        return vec![("sitemap.xml".to_owned(), current.into_bytes())];
    }
    files.push(current);
    let mut index = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<sitemapindex xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n",
    );
    let mut out = Vec::new();
    for (number, file) in files.into_iter().enumerate() {
        let name = format!("sitemap-{}.xml", number + 1);
        let url = absolute_url(site, &public_url(site, &format!("/{name}")));
        index.push_str(&format!("<sitemap><loc>{}</loc></sitemap>\n", escape(&url)));
        out.push((name, file.into_bytes()));
    }
    index.push_str("</sitemapindex>\n");
    out.push(("sitemap.xml".to_owned(), index.into_bytes()));
    out
}

fn is_listed(site: &Site, route: usize, path: &str) -> bool {
    let route = &site.routes[route];
    let html = path.ends_with('/') || path.ends_with(".html") || path.ends_with(".htm");
    route.sitemap && route.template.is_some() && html && path != "/404.html"
}

fn entry(site: &Site, pages: &Pages, path: &str, page: Option<&Page>, out: &mut String) {
    let url_of = |path: &str| {
        let permalink = permalink::parse(path);
        escape(&absolute_url(site, &public_url(site, permalink.as_ref().map_or(path, permalink::Permalink::url))))
    };
    let url = |page: &Page| url_of(pages.path(page));
    out.push_str(&format!("<url><loc>{}</loc>", url_of(path)));
    let set = page.and_then(|page| page.alternates).map_or(&[][..], |set| pages.alternates.set(set));
    if set.len() > 1 {
        for index in set {
            let other = &pages.pages[*index as usize];
            let code = site.locale_code(other.locale).unwrap_or("x-default").replace('_', "-");
            out.push_str(&format!("<xhtml:link rel=\"alternate\" hreflang=\"{code}\" href=\"{}\"/>", url(other)));
        }
    }
    out.push_str("</url>\n");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&apos;")
}
