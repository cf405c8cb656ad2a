//! Thousands of events, the end of the process among them, and how long it all takes, against an AEM whose content follows.
//!
//! Short in every run; `STORM=events,kills,items cargo test --release --test it listen::storm -- --nocapture --test-threads=1` runs it for
//! longer, prints what it measures, and holds it against the goals: `STORM=10000,100,10000` are those of docs/performance.md.

#![expect(clippy::print_stdout, reason = "figures are what it is run for")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{CLIENT, KEY, LONG, Listening, ROUTES, event, key_server, post, sign};
use crate::server::{Server, say};
use crate::site::{SiteDir, Tree};

/// How much of everything, and whether that is to be held against the goals.
struct Measure {
    events: usize,
    kills: usize,
    items: usize,
    strict: bool,
}

fn measure() -> Measure {
    let Ok(asked) = std::env::var("STORM") else {
        return Measure { events: 600, kills: 5, items: 300, strict: false };
    };
    let numbers: Vec<usize> = asked.split(',').map(|text| text.parse().expect("STORM=events,kills,items")).collect();
    let [events, kills, items] = numbers[..] else { panic!("STORM=events,kills,items") };
    Measure { events, kills, items, strict: true }
}

/// The publish tier with so many stories, each with a page, which change when a test says so.
struct Stories {
    server: Server,
    titles: Arc<Mutex<Vec<String>>>,
}

impl Stories {
    fn start(count: usize) -> Self {
        let titles: Arc<Mutex<Vec<String>>> = Arc::new(Mutex::new((0..count).map(|n| format!("Story {n}")).collect()));
        let shown = titles.clone();
        let server = Server::start(move |_| {
            let titles = shown.lock().unwrap().clone();
            let items = titles
                .iter()
                .enumerate()
                .map(|(number, title)| json!({ "_path": path(number), "slug": format!("s{number}"), "title": title }));
            let body = json!({ "data": { "storyList": { "items": items.collect::<Vec<_>>() } } });
            say("200 OK", "content-type: application/json\r\n", body.to_string())
        });
        Stories { server, titles }
    }

    fn change(&self, number: usize, title: String) {
        self.titles.lock().unwrap()[number] = title;
    }

    /// A site of these stories, with further keys of `[listen]` and further tables.
    fn site(&self, keys: &Server, listen: &str, tables: &str) -> SiteDir {
        let site = SiteDir::remote(&self.server.url, "");
        site.file("templates/list.html", "{% for item in items %}<li>{{ item.title }}</li>\n{% endfor %}");
        let aem = format!("tier = \"publish\"\n[aem.hosts]\npublish = \"{}\"", self.server.url);
        let head = format!("[listen]\nclient_id = \"{CLIENT}\"\nkeys = \"{}\"\n{listen}\n{tables}", keys.url);
        site.config("locales = []", &aem, &format!("{ROUTES}\n{head}"));
        site
    }

    /// What a clean build of the content as it is now writes.
    fn clean(&self, keys: &Server) -> Tree {
        let site = self.site(keys, "", "");
        site.build();
        visible(&site)
    }

    /// How long a client needs for an answer that does nothing but read it.
    fn answer_time(&self) -> Duration {
        let mut times: Vec<Duration> = (0..5)
            .map(|_| {
                let begun = Instant::now();
                assert_eq!(post(&self.server.url, "/", &[], b"{}").status, 200);
                begun.elapsed()
            })
            .collect();
        times.sort();
        times[2]
    }
}

fn path(number: usize) -> String {
    format!("/content/dam/acme/stories/s{number}")
}

fn visible(site: &SiteDir) -> Tree {
    let mut tree = site.tree();
    tree.remove(".aem-static");
    tree
}

/// A delivery that is ready to be sent.
struct Signed {
    body: String,
    signature: String,
}

impl Signed {
    fn new(body: &Value) -> Self {
        let body = body.to_string();
        let signature = sign(body.as_bytes());
        Signed { body, signature }
    }

    fn send(&self, url: &str) -> u16 {
        let headers = [("x-adobe-digital-signature-1", self.signature.as_str()), ("x-adobe-public-key1-path", KEY)];
        post(url, "/events", &headers, self.body.as_bytes()).status
    }
}

/// 10,000 events a minute: all are answered, quickly; they give few builds, and in the end the site of a clean build.
#[test]
fn a_storm_is_answered_at_once_and_gives_few_builds() {
    const STORIES: usize = 50;
    const SENDERS: usize = 4;
    let Measure { events, strict, .. } = measure();
    let keys = key_server();
    let stories = Stories::start(STORIES);
    let site = stories.site(&keys, "", "");
    let mut listening = Listening::start(&site, &[], &[]);
    listening.until("built");
    let url = listening.url.clone();
    let storm: Vec<Signed> = (0..events)
        .map(|number| Signed::new(&event(&number.to_string(), "published", &format!("s{}", number % STORIES))))
        .collect();
    let (begun, answers) = (Instant::now(), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (storm, answers, url, stories) = (&storm, &answers, &url, &stories);
            scope.spawn(move || {
                for number in (sender..events).step_by(SENDERS) {
                    // 10,000 a minute.
                    let due = Duration::from_millis(6 * number as u64);
                    std::thread::sleep(due.saturating_sub(begun.elapsed()));
                    stories.change(number % STORIES, format!("Version {number}"));
                    let sent = Instant::now();
                    let status = storm[number].send(url);
                    answers.lock().unwrap().push((sent.elapsed(), status));
                }
            });
        }
    });
    let took = begun.elapsed();
    let mut answers = answers.into_inner().unwrap();
    answers.sort_unstable();
    assert!(answers.iter().all(|(_, status)| [200, 429].contains(status)), "{answers:?}");
    let accepted = answers.iter().filter(|(_, status)| *status == 200).count();
    let status = listening.status_when(|status| status["queue"]["waiting"] == 0 && status["queue"]["stale"] == 0);
    assert_eq!(status["events"]["accepted"]["published"], json!(accepted));
    let builds = status["builds"]["done"].as_u64().unwrap();
    let at = |share: usize| answers[(answers.len() * share / 1000).min(answers.len() - 1)].0;
    println!(
        "storm: {events} events in {:.1} s, {accepted} accepted; answered in {:.1} ms (median), {:.1} ms (99 %), {:.1} ms (last); {builds} builds",
        took.as_secs_f64(),
        millis(at(500)),
        millis(at(990)),
        millis(at(1000)),
    );
    // The one of the start; one at least every 30 s, one when it is quiet.
    assert!(builds <= 3 + took.as_secs() / 30, "{builds}");
    assert!(visible(&site) == stories.clean(&keys), "the site is another one than that of a clean build");
    assert!(!strict || at(990) < Duration::from_millis(50), "{:?}", at(990));
}

/// What a mirror on another machine would do. After a kill the command of before may still be at work: `flock` lets it end.
const MIRROR: &str = r#"exec 9>mirror.lock; flock 9
cat > /dev/null
while read -r path; do mkdir -p "mirror/$(dirname "$path")" && cp "$DEPLOY_OUT/$path" "mirror/$path" || exit 1; done < "$DEPLOY_CHANGED"
while read -r path; do rm -f "mirror/$path"; done < "$DEPLOY_REMOVED"
"#;

/// SIGKILL at any moment of a storm, in builds, commits and deployments as well: no event that was accepted is lost, and what was deployed
/// is in the end the site of a clean build.
#[test]
fn kills_in_builds_and_deployments_lose_nothing() {
    const STORIES: usize = 8;
    let Measure { kills, .. } = measure();
    let keys = key_server();
    let stories = Stories::start(STORIES);
    let deploy = "[deploy]\ncommand = [\"sh\", \"mirror.sh\"]\n";
    let site = stories.site(&keys, "quiet = 0\nlongest = 1\nask_again = [1, 1, 1]\nrate = 100000", deploy);
    site.file("mirror.sh", MIRROR);
    let (accepted, next) = (Mutex::new(Vec::new()), AtomicU64::new(0));
    let mut dice = 0x9e37_79b9_7f4a_7c15u64;
    let mut moments = Vec::new();
    for _ in 0..kills {
        let mut listening = Listening::start(&site, &[], &[]);
        let url = listening.url.clone();
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let moment = Duration::from_micros((dice >> 33) % 900_000);
        moments.push(moment);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let (accepted, next, url, stories) = (&accepted, &next, &url, &stories);
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let story = usize::try_from(number).unwrap() % STORIES;
                        stories.change(story, format!("Version {number}"));
                        let id = format!("k{number}");
                        let signed = Signed::new(&event(&id, "published", &format!("s{story}")));
                        match signed.send(url) {
                            200 => accepted.lock().unwrap().push((id, story)),
                            // It is gone.
                            _ => return,
                        }
                    }
                });
            }
            std::thread::sleep(moment);
            listening.child.kill().unwrap();
        });
    }
    let accepted = accepted.into_inner().unwrap();
    let mut listening = Listening::start(&site, &[], &[]);
    listening.until("built");
    for batch in accepted.chunks(400) {
        let events: Vec<_> = batch.iter().map(|(id, story)| event(id, "published", &format!("s{story}"))).collect();
        let answer = listening.deliver(&json!(events));
        assert_eq!(answer.body, format!(r#"{{"accepted":0,"repeated":{},"ignored":0}}"#, batch.len()));
    }
    let status = listening.status_when(|status| {
        status["queue"]["waiting"] == 0 && status["deploy"]["waiting_files"] == 0 && status["ready"] == true
    });
    println!(
        "kills: {kills}, at {:.0} to {:.0} ms; {} events accepted, all known afterwards, {} builds since the last start",
        moments.iter().min().map_or(0.0, |moment| millis(*moment)),
        moments.iter().max().map_or(0.0, |moment| millis(*moment)),
        accepted.len(),
        status["builds"]["done"]
    );
    assert!(accepted.len() >= kills * 3, "{}", accepted.len());
    let clean = stories.clean(&keys);
    assert!(visible(&site) == clean, "the site is another one than that of a clean build");
    assert!(crate::site::tree_of(&site.path("mirror")) == clean, "what was deployed is another one");
}

/// From an event's arrival to the file on disk; and what the listener keeps in memory when nothing happens.
#[test]
fn an_event_is_on_disk_soon_after_its_answer() {
    const ROUNDS: usize = 5;
    let Measure { items, strict, .. } = measure();
    let keys = key_server();
    let stories = Stories::start(items);
    let site = stories.site(&keys, "quiet = 0", "");
    let mut listening = Listening::start(&site, &[], &[]);
    listening.until("built");
    let answer = stories.answer_time();
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let number = round * 7 % items;
        let (title, file) = (format!("Round {round}"), site.path(&format!("out/stories/s{number}/index.html")));
        let signed = Signed::new(&event(&format!("r{round}"), "published", &format!("s{number}")));
        stories.change(number, title.clone());
        let sent = Instant::now();
        assert_eq!(signed.send(&listening.url), 200);
        while !std::fs::read_to_string(&file).unwrap().contains(&title) {
            assert!(sent.elapsed() < LONG, "{:#?}", listening.said());
            std::thread::sleep(Duration::from_micros(500));
        }
        times.push(sent.elapsed());
        listening.until("built");
    }
    times.sort();
    let own = times[ROUNDS / 2].saturating_sub(answer);
    let memory = memory(listening.child.id());
    println!(
        "latency: {items} items, {:.0} ms from event to file (median of {ROUNDS}, {:.0} to {:.0}), of which {:.0} ms AEM's answer, {:.0} ms our own; memory {memory:?} MiB",
        millis(times[ROUNDS / 2]),
        millis(times[0]),
        millis(times[ROUNDS - 1]),
        millis(answer),
        millis(own),
    );
    if strict {
        assert!(own < Duration::from_millis(100), "{own:?}");
        assert!(memory.is_none_or(|memory| memory < 50), "{memory:?} MiB");
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Resident memory of a process in MiB, where the system says so.
fn memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? >> 10)
}
