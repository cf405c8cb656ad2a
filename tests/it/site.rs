//! A site directory made of a few lines, the command run in it, and what it left.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// A site directory in a scratch folder of its own. Beside it nothing may ever change: see [`SiteDir::beside`].
pub struct SiteDir {
    folder: tempfile::TempDir,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Run {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Files by path with `/`, with their bytes.
pub type Tree = BTreeMap<String, Vec<u8>>;

/// A snapshot of a whole run, free of ports, times, process ids and scratch folders.
macro_rules! assert_told {
    ($told:expr) => {
        insta::with_settings!({ filters => crate::site::FILTERS.to_vec(), omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!($told)
        })
    };
}

/// (pattern, stand-in) for everything in an output that differs from run to run.
pub const FILTERS: &[(&str, &str)] = &[
    (r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]"),
    (r"\d+\.\d\d s", "[TIME]"),
    (r#""elapsed_ms":\d+"#, r#""elapsed_ms":[TIME]"#),
    (r#"/[^\s"`]*/\.tmp[0-9A-Za-z]+"#, "[TMP]"),
    (r"\d+\.\d [kMG]B", "[SIZE]"),
    (r"-[0-9a-f]{12}\.jpg", "-[DIGEST].jpg"),
    (r"site\.[0-9a-f]{12}\.css", "site.[DIGEST].css"),
    (r"process \d+, since [0-9T:Z-]+", "process [PID], since [WHEN]"),
];

impl SiteDir {
    /// A folder without anything in it, not even aem-static.toml.
    pub fn empty() -> Self {
        let site = SiteDir { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(site.path("")).unwrap();
        fs::write(site.folder.path().join("sentinel"), "not yours").unwrap();
        site
    }

    /// A site on the built-in origin with these routes, and the models `story` and `author`.
    pub fn with(routes: &str) -> Self {
        let site = SiteDir::empty();
        site.config("locales = []", "tier = \"local\"", routes);
        site.model(
            "story",
            &[
                "slug: text",
                "title: text",
                "teaser: text",
                "rank: number",
                "price: float-number",
                "day: date",
                "featured: boolean",
                "topics: tag[]",
                "body: long-text",
                "image: content-reference",
                "extra: json",
                "author: fragment-reference = author",
                "related: fragment-reference[] = story",
            ],
        );
        site.model("author", &["slug: text", "name: text"]);
        site.query("stories", "slug title");
        site.file("templates/story.html", "<h1>{{ item.title }}</h1>\n");
        site
    }

    /// [`SiteDir::with`] one page a story, and two stories.
    pub fn stories() -> Self {
        let site = SiteDir::with(EACH);
        site.story("one", json!({ "slug": "one", "title": "One" }));
        site.story("two", json!({ "slug": "two", "title": "Two" }));
        site
    }

    /// A site that reads from `host` as its publish tier, with the query and the template of [`SiteDir::with`].
    pub fn remote(host: &str, routes: &str) -> Self {
        let site = SiteDir::empty();
        site.config("locales = []", &format!("tier = \"publish\"\n[aem.hosts]\npublish = \"{host}\""), routes);
        site.query("stories", "slug title");
        site.file("templates/story.html", "<h1>{{ item.title }}</h1>\n");
        site
    }

    /// A copy of the starter site.
    pub fn starter() -> Self {
        let site = SiteDir::empty();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["content", "content-queries", "templates", "static"] {
            for (path, bytes) in tree_of(&root.join(folder)) {
                site.file(&format!("{folder}/{path}"), bytes);
            }
        }
        site.file("aem-static.toml", fs::read(root.join("aem-static.toml")).unwrap());
        site
    }

    /// Writes aem-static.toml.
    pub fn config(&self, site: &str, aem: &str, routes: &str) {
        let head = "[site]\ntitle = \"Stories\"\nbase_url = \"https://www.example.com\"";
        let aem = format!("[aem]\nconfiguration = \"acme\"\n{aem}");
        self.file("aem-static.toml", format!("{head}\n{site}\n\n{aem}\n\n{routes}"));
    }

    /// Writes a file of the site directory.
    pub fn file(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Removes a file of the site directory.
    pub fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap();
    }

    /// Reads a file of the site directory.
    pub fn read(&self, path: &str) -> String {
        let file = self.path(path);
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Reads a file of out/.
    pub fn out(&self, path: &str) -> String {
        self.read(&format!("out/{path}"))
    }

    /// Writes the query `stories` of all stories, selecting `_path` and `fields`.
    pub fn query(&self, name: &str, fields: &str) {
        let text = format!(
            "{{\n  storyList(sort: \"slug ASC\") {{\n    items {{\n      _path\n      {fields}\n    }}\n  }}\n}}\n"
        );
        self.file(&format!("content-queries/{name}.graphql"), text);
    }

    /// Writes a content fragment model; a field is `name: type`, with `[]` for several values and `= model` for references.
    pub fn model(&self, name: &str, fields: &[&str]) {
        let fields: Vec<Value> = fields.iter().map(|field| model_field(field)).collect();
        let title = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
        let model =
            json!({ "path": model_path(name), "name": name, "title": title, "status": "enabled", "fields": fields });
        self.file(&format!("content/models/{name}.json"), model.to_string());
    }

    /// Writes a content fragment at `/content/dam/acme/<path>`; `fields` is an object of values.
    pub fn fragment(&self, path: &str, model: &str, fields: Value) {
        let fields: Vec<Value> = fields.as_object().unwrap().iter().map(|(name, value)| field(name, value)).collect();
        let whole = format!("/content/dam/acme/{path}");
        let fragment =
            json!({ "path": whole, "title": path, "model": { "path": model_path(model) }, "fields": fields });
        self.file(&format!("content/fragments/acme/{path}.json"), fragment.to_string());
    }

    /// Writes the story `/content/dam/acme/stories/<name>`.
    pub fn story(&self, name: &str, fields: Value) {
        self.fragment(&format!("stories/{name}"), "story", fields);
    }

    /// Writes an image of one pixel, of a shade, at `/content/dam/acme/<path>`.
    pub fn image(&self, path: &str, shade: u8) {
        self.file(&format!("content/assets/acme/{path}"), gif(shade));
    }

    /// A path in the site directory.
    pub fn path(&self, path: &str) -> PathBuf {
        let mut whole = self.folder.path().join("site");
        whole.extend(path.split('/').filter(|part| !part.is_empty()));
        whole
    }

    /// The command, to be run in the site directory, in an environment without anything of ours.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aem-static"));
        command.args(args).current_dir(self.path("")).env_clear().stdin(Stdio::null());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command
    }

    /// Runs the command to its end.
    pub fn run(&self, args: &[&str]) -> Run {
        Run::of(&mut self.command(args))
    }

    /// Starts the command and goes on.
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Builds, and is done.
    #[track_caller]
    pub fn build(&self) -> Run {
        let run = self.run(&["build"]);
        assert_eq!(run.status, 0, "{run}");
        assert!(!self.path(".out.staging").exists(), "staging is left");
        run
    }

    /// A build that has to fail with `status`; out/, and what stands beside the site, are as they were.
    #[track_caller]
    pub fn fails(&self, status: i32) -> Run {
        let (before, beside) = (self.tree(), self.beside());
        let run = self.run(&["build"]);
        assert_eq!(run.status, status, "{run}");
        assert!(!run.stderr.contains("panicked"), "{run}");
        assert!(self.tree() == before, "out/ changed: {run}");
        assert!(self.beside() == beside, "something beside the site changed: {run}");
        assert!(!self.path(".out.staging").exists(), "staging is left: {run}");
        run
    }

    /// Every file of out/, the list of the tool's files included.
    pub fn tree(&self) -> Tree {
        tree_of(&self.path("out"))
    }

    /// The paths of out/ that visitors can reach.
    pub fn files(&self) -> Vec<String> {
        self.tree().into_keys().filter(|path| path != ".aem-static").collect()
    }

    /// Every file in the folder that holds the site, but for the site.
    pub fn beside(&self) -> Tree {
        let all = tree_of(self.folder.path());
        all.into_iter().filter(|(path, _)| !path.starts_with("site/")).collect()
    }
}

impl Run {
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Run::ended(output)
    }

    pub fn ended(output: std::process::Output) -> Self {
        Run {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// How often a diagnostic with this code was told.
    pub fn count(&self, code: &str) -> usize {
        self.stderr.matches(&format!("[{code}]")).count()
    }

    /// Asserts that the text stands somewhere on stderr.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "not said: {text}\n{self}");
        self
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "status: {}", self.status)?;
        if !self.stdout.is_empty() {
            writeln!(f, "---- stdout\n{}", self.stdout)?;
        }
        write!(f, "---- stderr\n{}", self.stderr)
    }
}

/// One page a story.
pub const EACH: &str =
    "[[route]]\nname = \"story\"\nquery = \"stories\"\neach = \"/stories/{{ slug }}/\"\ntemplate = \"story.html\"\n";

/// Every file below a folder; nothing if it is not there.
pub fn tree_of(folder: &Path) -> Tree {
    let entries = walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok);
    let files = entries.filter(|entry| !entry.file_type().is_dir());
    files
        .map(|entry| {
            let path = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
            (path, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// A tree as one text: every file with its content, or its size where it is no text.
pub fn drawn(tree: &Tree) -> String {
    let mut text = String::new();
    for (path, bytes) in tree {
        text.push_str(&format!("==== {path}\n"));
        match std::str::from_utf8(bytes) {
            Ok(content) if !content.contains('\0') => {
                text.push_str(content);
                if !content.ends_with('\n') {
                    text.push_str("⏎\n");
                }
            }
            _ => text.push_str(&format!("[{} bytes]\n", bytes.len())),
        }
    }
    text
}

fn model_path(name: &str) -> String {
    format!("/conf/acme/settings/dam/cfm/models/{name}")
}

fn model_field(text: &str) -> Value {
    let (name, kind) = text.split_once(": ").unwrap();
    let (kind, model) = kind.split_once(" = ").unwrap_or((kind, ""));
    let single = kind.strip_suffix("[]");
    let mut field =
        json!({ "name": name, "label": name, "type": single.unwrap_or(kind), "multiple": single.is_some() });
    if !model.is_empty() {
        field["allowedModels"] = json!([model_path(model)]);
    }
    field
}

fn field(name: &str, value: &Value) -> Value {
    let values = match value {
        Value::Array(values) => values.clone(),
        Value::Null => Vec::new(),
        value => vec![value.clone()],
    };
    let mut field = json!({ "name": name, "values": values });
    if name == "body" {
        field["mimeType"] = "text/html".into();
    }
    field
}

/// The smallest GIF there is, of one grey pixel.
fn gif(shade: u8) -> Vec<u8> {
    let mut bytes = b"GIF89a\x01\x00\x01\x00\x80\x00\x00".to_vec();
    bytes.extend([shade, shade, shade, 0, 0, 0]);
    bytes.extend(b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;");
    bytes
}
