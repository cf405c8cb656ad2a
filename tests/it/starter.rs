//! The starter site, as `init` writes it and a newcomer builds it: every page is walked as a visitor's browser would.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use lol_html::{RewriteStrSettings, element, rewrite_str, text};

use crate::site::{SiteDir, tree_of};

const BASE: &str = "https://www.longlight.example";

/// What one HTML page holds.
#[derive(Debug, Default, Clone)]
struct Found {
    lang: Option<String>,
    links: Vec<String>,
    alternates: BTreeMap<String, String>,
    headings: usize,
    titles: String,
    without_alt: Vec<String>,
    canonical: Option<String>,
}

fn look(html: &str) -> Found {
    let found = Rc::new(RefCell::new(Found::default()));
    let on = |found: &Rc<RefCell<Found>>| found.clone();
    let (a, b, c, d, e, f) = (on(&found), on(&found), on(&found), on(&found), on(&found), on(&found));
    let handlers = vec![
        element!("html", move |html| {
            a.borrow_mut().lang = html.get_attribute("lang");
            Ok(())
        }),
        element!("[href], [src], [poster]", move |tag| {
            let values = ["href", "src", "poster"].iter().filter_map(|name| tag.get_attribute(name));
            b.borrow_mut().links.extend(values);
            Ok(())
        }),
        element!("[srcset]", move |tag| {
            let sources = tag.get_attribute("srcset").unwrap();
            let sources = sources.split(',').filter_map(|part| part.split_whitespace().next().map(str::to_owned));
            c.borrow_mut().links.extend(sources);
            Ok(())
        }),
        element!("link[rel]", move |link| {
            let href = link.get_attribute("href").unwrap_or_default();
            match (link.get_attribute("rel").as_deref(), link.get_attribute("hreflang")) {
                (Some("alternate"), Some(language)) => drop(d.borrow_mut().alternates.insert(language, href)),
                (Some("canonical"), _) => d.borrow_mut().canonical = Some(href),
                _ => {}
            }
            Ok(())
        }),
        element!("h1", move |_| {
            e.borrow_mut().headings += 1;
            Ok(())
        }),
        element!("img", move |image| {
            if image.get_attribute("alt").is_none() {
                f.borrow_mut().without_alt.push(image.get_attribute("src").unwrap_or_default());
            }
            Ok(())
        }),
        text!("title", {
            let g = on(&found);
            move |part| {
                g.borrow_mut().titles.push_str(part.as_str());
                Ok(())
            }
        }),
    ];
    let settings =
        handlers.into_iter().fold(RewriteStrSettings::new(), RewriteStrSettings::append_element_content_handler);
    rewrite_str(html, settings).unwrap();
    found.take()
}

/// The site built, and every page looked at.
fn walked() -> (SiteDir, BTreeMap<String, Found>) {
    let site = SiteDir::starter();
    site.build();
    let pages = site.tree().into_iter().filter(|(path, _)| path.ends_with(".html"));
    let pages = pages.map(|(path, bytes)| (path, look(&String::from_utf8(bytes).unwrap()))).collect();
    (site, pages)
}

/// The file of out/ behind a link on a page; `None` for links that leave the site.
fn target(page: &str, link: &str) -> Option<String> {
    let here = url::Url::parse(BASE).unwrap().join(page.strip_suffix("index.html").unwrap_or(page)).unwrap();
    let there = here.join(link).unwrap();
    if there.origin() != here.origin() {
        return None;
    }
    let path = percent_encoding::percent_decode_str(there.path()).decode_utf8().unwrap().into_owned();
    let path = path.trim_start_matches('/').to_owned();
    Some(if path.is_empty() || path.ends_with('/') { format!("{path}index.html") } else { path })
}

#[test]
fn no_link_is_broken() {
    let (site, pages) = walked();
    let files: BTreeSet<String> = site.files().into_iter().collect();
    let mut checked = 0;
    for (page, found) in &pages {
        for link in &found.links {
            let Some(file) = target(page, link) else { continue };
            assert!(files.contains(&file), "{page} links to {link}, and there is no {file}");
            checked += 1;
        }
    }
    assert!(checked > 1000, "only {checked} links were checked");
    // What is copied is also used: nobody uploads pictures that no page shows.
    let linked: BTreeSet<String> =
        pages.iter().flat_map(|(page, found)| found.links.iter().filter_map(|link| target(page, link))).collect();
    let feeds: String = files.iter().filter(|file| file.ends_with(".xml")).map(|file| site.out(file)).collect();
    for asset in files.iter().filter(|file| file.starts_with("assets/")) {
        assert!(linked.contains(asset) || feeds.contains(asset.as_str()), "{asset} is used by no page");
    }
}

#[test]
fn style_sheets_name_files_that_are_there() {
    let (site, _) = walked();
    let files: BTreeSet<String> = site.files().into_iter().collect();
    let sheets: Vec<&String> = files.iter().filter(|file| file.ends_with(".css")).collect();
    assert!(!sheets.is_empty());
    for sheet in sheets {
        for part in site.out(sheet).split("url(").skip(1) {
            let link = part.split(')').next().unwrap().trim_matches(['"', '\'']);
            if !link.starts_with("data:") {
                let file = target(sheet, link).unwrap();
                assert!(files.contains(&file), "{sheet} names {link}");
            }
        }
    }
}

#[test]
fn every_url_of_the_sitemap_is_there_and_every_page_is_in_it() {
    let (site, pages) = walked();
    let sitemap = site.out("sitemap.xml");
    let listed: BTreeSet<String> = sitemap
        .split("<loc>")
        .skip(1)
        .map(|part| target("", part.split("</loc>").next().unwrap()).expect("an address of this site"))
        .collect();
    assert!(listed.len() > 60, "{}", listed.len());
    for file in &listed {
        assert!(site.path("out").join(file).is_file(), "{file} is in the sitemap only");
    }
    let unlisted: Vec<&String> = pages.keys().filter(|page| !listed.contains(*page)).collect();
    assert!(unlisted.iter().all(|page| page.ends_with("404.html")), "{unlisted:?} are not in the sitemap");
}

#[test]
fn pages_are_well_made() {
    let (_, pages) = walked();
    assert!(pages.len() > 60);
    for (page, found) in &pages {
        let language = if page.starts_with("de/") { "de" } else { "en" };
        assert_eq!(found.lang.as_deref(), Some(language), "{page}: html lang");
        assert_eq!(found.headings, 1, "{page}: h1");
        assert!(found.without_alt.is_empty(), "{page}: images without alt: {:?}", found.without_alt);
        assert!(!found.titles.trim().is_empty(), "{page}: title");
    }
}

#[test]
fn counterparts_name_each_other() {
    let (_, pages) = walked();
    let mut pairs = 0;
    for (page, found) in &pages {
        for (language, link) in found.alternates.iter().filter(|(language, _)| *language != "x-default") {
            assert!(link.starts_with(BASE), "{page}: hreflang {language} is not absolute: {link}");
            let other = target(page, link).unwrap();
            let back =
                pages.get(&other).unwrap_or_else(|| panic!("{page}: hreflang {language} leads to no page: {other}"));
            assert_eq!(back.lang.as_deref(), Some(language.as_str()), "{page} → {other}");
            let own = found.lang.as_deref().unwrap();
            let home = back.alternates.get(own).unwrap_or_else(|| panic!("{other} does not name {page}"));
            assert_eq!(target(&other, home).as_deref(), Some(page.as_str()));
            pairs += 1;
        }
    }
    assert!(pairs > 100, "{pairs}");
}

#[test]
fn nothing_of_aem_or_of_this_machine_is_published() {
    let (site, _) = walked();
    for (path, bytes) in site.tree() {
        let Ok(text) = String::from_utf8(bytes) else { continue };
        assert!(!text.contains("_authorUrl"), "{path} holds the author's address");
        // JSON is the content as AEM delivers it, with its paths.
        for word in ["localhost", "127.0.0.1", "/content/dam"] {
            assert!(path.ends_with(".json") || path == ".aem-static" || !text.contains(word), "{path} holds {word}");
        }
    }
}

#[test]
fn json_is_json() {
    let (site, pages) = walked();
    let mut count = 0;
    for (path, bytes) in site.tree().iter().filter(|(path, _)| path.ends_with(".json")) {
        serde_json::from_slice::<serde_json::Value>(bytes).unwrap_or_else(|error| panic!("{path}: {error}"));
        count += 1;
    }
    for page in pages.keys() {
        for part in site.out(page).split("<script type=\"application/ld+json\">").skip(1) {
            let data = part.split("</script>").next().unwrap();
            serde_json::from_str::<serde_json::Value>(data).unwrap_or_else(|error| panic!("{page}: {error}: {data}"));
            count += 1;
        }
    }
    assert!(count > 18, "{count}");
}

/// Every element closed, every `&` a reference; enough of XML for a file that a template makes.
fn well_formed(path: &str, xml: &str) {
    let mut open: Vec<String> = Vec::new();
    let body = xml.strip_prefix("<?xml").map_or(xml, |rest| rest.split_once("?>").unwrap().1);
    for part in body.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or_else(|| panic!("{path}: `<{part}` is not closed"));
        assert!(!text.contains('>') || !text.contains("]]"), "{path}: {text}");
        for reference in text.split('&').skip(1) {
            let name = reference.split(';').next().unwrap();
            assert!(["amp", "lt", "gt", "quot", "apos"].contains(&name) || name.starts_with('#'), "{path}: &{name}");
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "{path}");
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap().to_owned());
        }
    }
    assert!(open.is_empty(), "{path}: {open:?}");
}

#[test]
fn feeds_and_sitemap_are_well_formed_with_absolute_links() {
    let (site, _) = walked();
    let files = site.files();
    let xml: Vec<&String> = files.iter().filter(|file| file.ends_with(".xml")).collect();
    assert!(xml.len() >= 3, "{xml:?}");
    for file in xml {
        let text = site.out(file);
        well_formed(file, &text);
        for attribute in ["href=\"", "src=\""] {
            for part in text.split(attribute).skip(1) {
                assert!(part.starts_with("https://"), "{file}: {}", &part[..part.len().min(80)]);
            }
        }
        for tag in ["<id>", "<loc>"] {
            for part in text.split(tag).skip(1) {
                assert!(
                    part.starts_with("https://") || part.starts_with("tag:"),
                    "{file}: {}",
                    &part[..part.len().min(80)]
                );
            }
        }
    }
    let feed = site.out("journal/feed.xml");
    assert!(feed.contains("<feed xmlns=\"http://www.w3.org/2005/Atom\"") && feed.matches("<entry>").count() == 8);
}

#[test]
fn init_writes_the_starter_site_and_it_builds_the_same() {
    let (given, made) = (SiteDir::starter(), SiteDir::empty());
    let run = made.run(&["init"]);
    assert_told!(&run);
    let mut sources = tree_of(&made.path(""));
    sources.remove(".gitignore");
    assert!(sources == tree_of(&given.path("")), "{:?}", sources.keys().collect::<Vec<_>>());
    given.build();
    made.build();
    assert!(given.tree() == made.tree());
}

#[test]
fn init_never_overwrites() {
    let site = SiteDir::empty();
    site.file("templates/tour.html", "mine");
    let before = tree_of(&site.path(""));
    let run = site.run(&["init"]);
    assert_eq!(run.status, 2, "{run}");
    assert_told!(run);
    assert!(tree_of(&site.path("")) == before);
    assert_eq!(site.run(&["init", "deeper/folder"]).status, 0);
    assert!(site.path("deeper/folder/aem-static.toml").is_file());
}

#[test]
fn clean_removes_the_tool_s_files_and_no_others() {
    let site = SiteDir::starter();
    site.build();
    let sources = || {
        let files = tree_of(&site.path("")).into_iter();
        files
            .filter(|(path, _)| !path.starts_with("out/") && !path.starts_with(".aem-static/"))
            .collect::<BTreeMap<_, _>>()
    };
    let before = sources();
    site.file("out/mine/notes.txt", "mine");
    let run = site.run(&["clean"]);
    assert_eq!(run.status, 0, "{run}");
    assert_told!(run);
    assert_eq!(tree_of(&site.path("out")).into_keys().collect::<Vec<_>>(), ["mine/notes.txt"]);
    assert!(!site.path("out/tours").exists(), "empty folders are left");
    assert!(tree_of(&site.path(".aem-static")).keys().all(|path| path == "lock"), "state is left");
    assert!(sources() == before);
    std::fs::remove_dir_all(site.path("out/mine")).unwrap();
    site.build();
}

#[test]
fn a_build_of_the_starter_site_is_told_like_this() {
    let site = SiteDir::starter();
    assert_told!(site.build());
    assert_told!(site.files().join("\n"));
}
