//! The model test (design.md §2, promise 4): a site, a random sequence of changes, a build after each; and after each a clean build of
//! the same content elsewhere has the same bytes.
//!
//! `MODEL=seeds,changes cargo test --test it model::` runs it for longer; `MODEL=from-to,changes` from a seed on.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::site::{SiteDir, tree_of};

/// A small generator of our own: the sequence of a seed must not change with a crate.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % below as u64).unwrap()
    }

    fn pick<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.next(all.len())]
    }
}

/// What a story says, in every language that it has.
#[derive(Clone)]
struct Story {
    folder: &'static str,
    slug: String,
    title: String,
    hidden: u32,
    rank: usize,
    topics: Vec<&'static str>,
    author: usize,
    related: Vec<String>,
    image: usize,
}

/// Everything that a change can change.
struct Model {
    dice: Dice,
    site: SiteDir,
    stories: BTreeMap<String, Story>,
    next: usize,
    authors: [u32; 3],
    locales: usize,
    routes: usize,
    fields: usize,
    setting: u32,
    templates: [u32; 4],
    shades: [u8; 3],
    style: u32,
}

const FOLDERS: [&str; 2] = ["en", "de"];
const TOPICS: [&str; 3] = ["acme:t/red", "acme:t/blue", "acme:t/green"];

/// Routes that may be there or not, each with all kinds of reads.
const OPTIONAL: [&str; 4] = [
    "[[route]]\nname = \"api\"\nquery = \"stories\"\neach = \"/api/{{ slug }}-{{ _path | split(pat='/') | nth(n=4) }}.json\"\nmay_be_empty = true\n",
    "[[route]]\nname = \"topics\"\nquery = \"stories\"\ngroup_by = \"topics\"\nlist = \"/topics/{{ group | slugify }}/\"\ntemplate = \"group.html\"\nmay_be_empty = true\n",
    "[[route]]\nname = \"home\"\nquery = \"stories\"\npage = \"/\"\ntemplate = \"home.html\"\n",
    "[[route]]\nname = \"feed\"\nquery = \"stories\"\nwhere = \"rank > 3\"\nsort = \"rank DESC\"\nlist = \"/feed.xml\"\ntemplate = \"feed.xml\"\nmay_be_empty = true\n",
];

impl Model {
    fn new(seed: u64) -> Self {
        let mut model = Model {
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            site: SiteDir::with(""),
            stories: BTreeMap::new(),
            next: 0,
            authors: [0; 3],
            locales: 1,
            routes: 0b1111,
            fields: 0,
            setting: 0,
            templates: [0; 4],
            shades: [10, 20, 30],
            style: 0,
        };
        model.site.remove("content-queries/stories.graphql");
        for _ in 0..5 {
            model.add();
        }
        model.write();
        model
    }

    fn add(&mut self) {
        self.next += 1;
        let story = Story {
            folder: FOLDERS[self.dice.next(2)],
            slug: format!("s{}", self.next),
            title: format!("Story & <{}>", self.next),
            hidden: 0,
            rank: self.dice.next(8),
            topics: vec![*self.dice.pick(&TOPICS)],
            author: self.dice.next(3),
            related: Vec::new(),
            image: self.dice.next(4),
        };
        self.stories.insert(format!("n{}", self.next), story);
    }

    fn any(&mut self) -> Option<String> {
        let names: Vec<String> = self.stories.keys().cloned().collect();
        (!names.is_empty()).then(|| self.dice.pick(&names).clone())
    }

    fn path(&self, name: &str) -> String {
        format!("{}/stories/{name}", self.stories[name].folder)
    }

    /// One change; tells which.
    fn change(&mut self) -> String {
        let kind = self.dice.next(22);
        let Some(name) = self.any() else {
            self.add();
            return "added, since there was none".to_owned();
        };
        let number = self.dice.next(1000);
        let (topic, author, image, rank) =
            (*self.dice.pick(&TOPICS), self.dice.next(3), self.dice.next(4), self.dice.next(8));
        let other = self.any().map(|other| self.path(&other));
        let story = self.stories.get_mut(&name).unwrap();
        match kind {
            0 | 1 => story.title = format!("Title {number}"),
            2 => story.hidden += 1,
            3 => self.add(),
            4 => {
                self.stories.remove(&name);
            }
            5 => {
                let story = self.stories.remove(&name).unwrap();
                self.next += 1;
                self.stories.insert(format!("n{}", self.next), story);
            }
            6 if story.topics.contains(&topic) => story.topics.retain(|known| *known != topic),
            6 => story.topics.push(topic),
            7 => story.rank = rank,
            8 => self.authors[author] += 1,
            9 => story.slug = format!("slug{number}-{}", self.next),
            10 => story.related = other.into_iter().collect(),
            11 => story.image = image,
            12 => self.fields = self.dice.next(3),
            13 => self.routes ^= 1 << self.dice.next(4),
            14 | 15 => self.templates[self.dice.next(4)] += 1,
            16 => self.setting += 1,
            17 => self.locales = self.dice.next(3),
            18 => self.shades[author] = self.shades[author].wrapping_add(1),
            19 => self.style += 1,
            20 => return self.by_hand(),
            _ => story.author = author,
        }
        format!("kind {kind}, {name}")
    }

    /// Somebody changes what is not his to change.
    fn by_hand(&mut self) -> String {
        let files: Vec<String> =
            tree_of(&self.site.path("out")).into_keys().filter(|path| path != ".aem-static").collect();
        if files.is_empty() {
            return "nothing by hand".to_owned();
        }
        let file = self.dice.pick(&files).clone();
        match self.dice.next(3) {
            0 => fs::write(self.site.path(&format!("out/{file}")), "by hand").unwrap(),
            1 => fs::remove_file(self.site.path(&format!("out/{file}"))).unwrap(),
            _ => {
                let _ = fs::remove_dir_all(self.site.path(".aem-static"));
                return "state deleted".to_owned();
            }
        }
        format!("{file} by hand")
    }

    fn write(&self) {
        let site = &self.site;
        for folder in ["content/fragments", "content/assets", "content-queries"] {
            let _ = fs::remove_dir_all(site.path(folder));
        }
        for (number, version) in self.authors.iter().enumerate() {
            site.fragment(&format!("authors/a{number}"), "author", json!({ "name": format!("Author {version}") }));
        }
        for (number, shade) in self.shades.iter().enumerate() {
            site.image(&format!("images/i{number}.gif"), *shade);
        }
        for (name, story) in &self.stories {
            let related: Vec<String> = story.related.iter().map(|path| format!("/content/dam/acme/{path}")).collect();
            // The fourth image is none, now and then.
            let image = match story.image {
                3 => Value::Null,
                number => json!(format!("/content/dam/acme/images/i{number}.gif")),
            };
            let fields = json!({
                "slug": story.slug, "title": story.title, "teaser": format!("hidden {}", story.hidden), "rank": story.rank,
                "topics": story.topics, "author": format!("/content/dam/acme/authors/a{}", story.author), "related": related,
                "image": image, "body": format!("<p>See <a href=\"{}\">it</a>.</p>", related.first().map_or("/x", String::as_str)),
            });
            site.fragment(&self.path(name), "story", fields);
        }
        self.write_site();
    }

    fn write_site(&self) {
        let site = &self.site;
        let extra = ["", "price", "day featured"][self.fields];
        let selection = format!(
            "_path slug title rank topics {extra} body {{ html }} image {{ ... on ImageRef {{ _path }} }} author {{ name }} related {{ _path title author {{ name }} related {{ _path title }} }}"
        );
        let declared = if self.locales > 0 { "query stories($locale: String) " } else { "" };
        let locale = if self.locales > 0 { "_locale: $locale, " } else { "" };
        site.file(
            "content-queries/stories.graphql",
            format!("{declared}{{ storyList({locale}sort: \"slug ASC, _path ASC\") {{ items {{ {selection} }} }} }}\n"),
        );
        site.file("content-queries/people.graphql", "{ authorList(sort: \"name ASC\") { items { _path name } } }\n");
        let locales = ["[]", "[\"en\"]", "[\"en\", \"de\"]"][self.locales];
        let mut routes = "[[route]]\nname = \"story\"\nquery = \"stories\"\neach = \"/stories/{{ slug }}-{{ _path | split(pat='/') | nth(n=4) }}/\"\ntemplate = \"story.html\"\nmay_be_empty = true\n[[route]]\nname = \"list\"\nquery = \"stories\"\nsort = \"rank DESC, title\"\nlist = \"/stories/\"\nper_page = 2\ntemplate = \"list.html\"\nmay_be_empty = true\n".to_owned();
        for (number, route) in OPTIONAL.iter().enumerate() {
            if self.routes & (1 << number) != 0 {
                routes.push_str(route);
            }
        }
        let settings =
            format!("locales = {locales}\n[site.params]\nversion = {}\n[build]\nmax_removals = 1.0", self.setting / 2);
        site.config(&settings, "tier = \"local\"", &routes);
        let [story, base, list, part] = self.templates;
        let link = "{{ url_for(path=other._path, missing=\"#\") }}";
        let items = format!(
            "{{% for item in items %}}<a href=\"{{{{ url_for(path=item._path, route=\"story\") }}}}\">{{{{ item.title }}}}</a>{{% endfor %}} {list}"
        );
        site.file(
            "templates/base.html",
            format!("<link href=\"{{{{ static_url(file=\"site.css\") }}}}\">{{{{ site.params.version }}}}{{% for person in query(name=\"people\", may_be_empty=true) %}}{{{{ person.name }}}}{{% endfor %}}{{% for other in page.alternates %}}{{{{ other.url }}}}{{% endfor %}}{{% block main %}}{{% endblock %}}{base}\n"),
        );
        site.file("templates/part.html", format!("<i>{{{{ page.url }}}} {part}</i>"));
        site.file(
            "templates/story.html",
            format!("{{% extends \"base.html\" %}}{{% block main %}}<h1>{{{{ item.title }}}}</h1>{{% if item.image %}}{{% set picture = image(ref=item.image) %}}<img src=\"{{{{ picture.src }}}}\">{{% endif %}}{{{{ item.author?.name | default(value=\"\") }}}}{{{{ item.body.html | rich_text }}}}{{% for other in item.related | default(value=[]) %}}<a href=\"{link}\">{{{{ other.title }}}}{{{{ other.author?.name | default(value=\"\") }}}}{{% for third in other.related | default(value=[]) %}}{{{{ third.title }}}}{{% endfor %}}</a>{{% endfor %}}{{% include \"part.html\" %}}{story}{{% endblock %}}\n"),
        );
        site.file(
            "templates/list.html",
            format!("{{% extends \"base.html\" %}}{{% block main %}}{items}{{{{ paginator.next | default(value=\"\") }}}}{{% endblock %}}\n"),
        );
        site.file("templates/group.html", format!("{{{{ group }}}} {{{{ group_items | length }}}} {items}\n"));
        site.file("templates/home.html", "{% for item in data.storyList.items %}{{ item.title }} {% endfor %}\n");
        site.file(
            "templates/feed.xml",
            "<feed>{% for item in items %}<id>{{ url_for(path=item._path, route=\"story\") | absolute_url }}</id>{% endfor %}</feed>\n",
        );
        site.file("static/site.css", format!("body {{ order: {} }}\n", self.style));
    }

    /// Builds the site as it is and a copy of it from nothing.
    fn compare(&self, history: &[String]) -> bool {
        let clean = SiteDir::empty();
        for (path, bytes) in tree_of(&self.site.path("")) {
            if !path.starts_with("out/") && !path.starts_with(".aem-static/") {
                clean.file(&path, bytes);
            }
        }
        let from_nothing = clean.run(&["build"]);
        let after = self.site.run(&["build", "--allow-removals"]);
        assert_eq!(after.status, from_nothing.status, "{history:#?}\n{after}\n{from_nothing}");
        if after.status != 0 {
            return false;
        }
        let (there, wanted) = (tree_of(&self.site.path("out")), tree_of(&clean.path("out")));
        let differing = |path: &&String| there.get(*path) != wanted.get(*path);
        let differing: Vec<&String> = there.keys().chain(wanted.keys()).filter(differing).collect();
        assert!(differing.is_empty(), "{differing:?} differ from a clean build, after {history:#?}\n{after}");
        true
    }
}

fn seeds() -> (std::ops::Range<u64>, usize) {
    let Ok(asked) = std::env::var("MODEL") else { return (0..3, 16) };
    let (seeds, changes) = asked.split_once(',').expect("MODEL=seeds,changes");
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let seeds = match seeds.split_once('-') {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(seeds),
    };
    (seeds, changes.parse().expect("a number"))
}

#[test]
fn a_build_after_any_change_is_a_clean_build() {
    let (seeds, changes) = seeds();
    let (mut built, mut steps) = (0, 0);
    for seed in seeds {
        let mut model = Model::new(seed);
        let mut history = vec![format!("seed {seed}")];
        assert!(model.compare(&history), "seed {seed} does not begin with a site that builds");
        for _ in 0..changes {
            history.push(model.change());
            model.write();
            built += usize::from(model.compare(&history));
            steps += 1;
        }
        // Nothing changed: nothing is rendered.
        let run = model.site.run(&["build"]);
        if run.status == 0 {
            assert!(run.stderr.contains("rendered 0 pages"), "{run}");
        }
    }
    assert!(built * 10 >= steps * 8, "only {built} of {steps} changes left a site that builds");
}
