//! `/_preview`: from a content fragment in AEM's editor to its page.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{Preview, site};
use crate::server::{Server, stories, story};
use crate::site::SiteDir;

const MODEL: &str = "/conf/acme/settings/dam/cfm/models/story";

fn address(path: &str, variation: &str, model: &str) -> String {
    format!("/_preview?path={path}&variation={variation}&model={model}")
}

#[test]
fn a_fragment_leads_to_its_page_or_to_the_routes_that_could_show_it() {
    let site = site();
    let preview = Preview::start(&site, &[]);
    for variation in ["master", ""] {
        let found = preview.get(&address("/content/dam/acme/stories/two", variation, MODEL));
        assert_eq!((found.status, found.header("location")), (307, Some("/stories/two/")));
    }
    // Encoded, as a browser may send it.
    let found = preview.get("/_preview?path=%2Fcontent%2Fdam%2Facme%2Fstories%2Fone&variation=master");
    assert_eq!(found.header("location"), Some("/stories/one/"));
    let other = preview.get(&address("/content/dam/acme/stories/two", "summer", MODEL));
    assert_eq!(other.status, 404);
    for part in ["No page shows it", "summer", "Pages of its other variations", "href=\"/stories/two/\"", ">story</a>"]
    {
        assert!(other.text().contains(part), "{part}: {}", other.text());
    }
    let missing = preview.get(&address("/content/dam/acme/stories/nine", "master", MODEL));
    let text = missing.text();
    assert!(
        text.contains("Routes that ask for its model") && text.contains("content-queries/stories.graphql"),
        "{text}"
    );
    let model = preview.get(&address("/content/dam/acme/x", "master", "/conf/acme/settings/dam/cfm/models/pet"));
    assert!(model.text().contains("Routes with a page for each item"));
    let hostile = preview.get("/_preview?path=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&variation=%3Cb%3E&model=%3Ci%3E");
    assert_eq!(hostile.status, 404);
    for markup in ["<script>alert", "<b>", "<i>"] {
        assert!(!hostile.text().contains(markup), "{}", hostile.text());
    }
    assert_eq!(preview.get("/_preview").status, 404);
}

#[test]
fn variations_have_pages_of_their_own() {
    let site = SiteDir::remote(
        &variations().url,
        "[[route]]\nname = \"story\"\nquery = \"stories\"\neach = \"/stories/{{ slug }}/{{ _variation | replace(from='master', to='') ~ 'x' }}/\"\ntemplate = \"story.html\"\n",
    );
    site.file(
        "content-queries/stories.graphql",
        "{ storyList(includeVariations: true) { items { _path _variation slug title } } }\n",
    );
    let preview = Preview::start(&site, &[]);
    let to = |variation: &str| {
        let answer = preview.get(&address("/content/dam/acme/stories/one", variation, MODEL));
        answer.header("location").unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
    };
    assert_eq!((to("master").as_str(), to("summer").as_str()), ("/stories/one/x/", "/stories/one/summerx/"));
}

fn variations() -> Server {
    Server::start(|_| {
        let of = |variation: &str| {
            let mut one = story("one");
            one["_variation"] = variation.into();
            one
        };
        stories(&json!([of("master"), of("summer")]))
    })
}

/// Whoever comes from the editor has just saved: AEM is asked before the answer, not only when its turn comes.
#[test]
fn what_was_saved_a_moment_ago_is_there() {
    let count = Arc::new(AtomicUsize::new(1));
    let now = count.clone();
    let server = Server::start(move |_| {
        let all: Vec<Value> = ["one", "two"][..now.load(Ordering::SeqCst)].iter().map(|slug| story(slug)).collect();
        stories(&Value::from(all))
    });
    let site = SiteDir::remote(&server.url, crate::site::EACH);
    let preview = Preview::start(&site, &["--poll", "never"]);
    assert_eq!(preview.get("/stories/two/").status, 404);
    count.store(2, Ordering::SeqCst);
    let found = preview.get(&address("/content/dam/acme/stories/two", "master", MODEL));
    assert_eq!((found.status, found.header("location")), (307, Some("/stories/two/")), "{}", found.text());
    let missing = preview.get(&address("/content/dam/acme/stories/three", "master", MODEL));
    assert!(missing.text().contains("aem-static preview --tier author"), "publish has no drafts: {}", missing.text());
}
