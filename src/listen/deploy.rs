//! What happens with a changed site: a command of the user's, then a CDN is told. Both are repeated until they succeed, also after a
//! restart; see [`super::ledger`].

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::ledger::{Changes, Ledger, url_path};
use crate::aem::Aem;
use crate::state::lock;

/// How much of what a command says is kept: its end.
const KEPT_OUTPUT: usize = 16 << 10;
/// A process of the command's may keep its output open after its end; nobody waits for that.
const AFTER_END: Duration = Duration::from_secs(1);
/// A build that somebody started by hand may be at work.
const WAIT_FOR_LOCK: Duration = Duration::from_secs(5);

/// What to do, as `[deploy]` says.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The site directory: the command runs there.
    pub dir: PathBuf,
    /// The output folder.
    pub out: PathBuf,
    /// The folder for the lists.
    pub folder: PathBuf,
    /// The command and its arguments; empty: none.
    pub command: Vec<String>,
    /// How long it may run.
    pub time_limit: Duration,
    /// Variables that it does not see: secrets that are not its business.
    pub hidden: Vec<String>,
    /// A client for each address under which a CDN keeps the site.
    pub purge: Vec<Aem>,
}

/// What was deployed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployed {
    /// Files that the command was told of.
    pub files: usize,
    /// URLs that were purged.
    pub purged: usize,
    /// What the command said last, for people.
    pub said: String,
}

impl Deployment {
    /// Deploys what the ledger holds. Nothing to deploy is a success without a command.
    ///
    /// # Errors
    /// Why not, for people; the ledger keeps what is left.
    pub async fn run(&self, ledger: &Arc<Ledger>) -> Result<Deployed, String> {
        let mut deployed = Deployed::default();
        let changes = ledger.undeployed(&self.out);
        let files = changes.changed.len() + changes.removed.len();
        if files > 0 {
            if !self.command.is_empty() {
                deployed.said = self.command(&changes).await?;
                deployed.files = files;
            }
            let kept = ledger.deployed(&changes, !self.purge.is_empty());
            kept.map_err(|error| format!("what is deployed could not be written down: {error}"))?;
        }
        deployed.purged = self.purge(ledger).await?;
        Ok(deployed)
    }

    async fn purge(&self, ledger: &Ledger) -> Result<usize, String> {
        let paths = ledger.unpurged();
        if paths.is_empty() || self.purge.is_empty() {
            return Ok(0);
        }
        let mut tasks = tokio::task::JoinSet::new();
        for aem in &self.purge {
            let base = aem.connection().base.as_str().trim_end_matches('/').to_owned();
            for path in &paths {
                let address = format!("{base}{path}");
                let url = address.parse().map_err(|_| format!("{address} is no address to purge"))?;
                let aem = aem.clone();
                tasks.spawn(async move { aem.purge(&url).await.map_err(|failure| format!("purge: {failure}")) });
            }
        }
        let count = tasks.len();
        while let Some(purged) = tasks.join_next().await {
            purged.unwrap_or_else(|error| Err(error.to_string()))?;
        }
        ledger.purged().map_err(|error| format!("what is purged could not be written down: {error}"))?;
        Ok(count)
    }

    /// Runs the command; no commit can begin meanwhile.
    async fn command(&self, changes: &Changes) -> Result<String, String> {
        let dir = self.dir.clone();
        let locking = tokio::task::spawn_blocking(move || lock(&dir, "listen (deploy)", WAIT_FOR_LOCK));
        let _lock = locking.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let environment = self.lists(changes).map_err(|error| format!("the lists could not be written: {error}"))?;
        let (program, arguments) = self.command.split_first().ok_or("no command")?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.dir).envs(environment).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in &self.hidden {
            command.env_remove(name);
        }
        // Ctrl-C in a terminal goes to a whole group of processes; what has begun is to be finished.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| format!("`{program}` could not be started: {error}"))?;
        let outputs = (reader(child.stdout.take()), reader(child.stderr.take()));
        let ended = tokio::time::timeout(self.time_limit, end(&mut child, self.message(changes))).await;
        if ended.is_err() {
            // It may have ended in this instant.
            let _ = child.kill().await;
        }
        let said = [outputs.0.end().await, outputs.1.end().await].concat();
        let said = said.trim().to_owned();
        match ended {
            Err(_) => {
                Err(told(program, &format!("ran longer than {} s and was stopped", self.time_limit.as_secs()), &said))
            }
            Ok(Err(error)) => Err(told(program, &format!("could not be waited for: {error}"), &said)),
            Ok(Ok(status)) if !status.success() => Err(told(program, &format!("failed with {status}"), &said)),
            Ok(Ok(_)) => Ok(said),
        }
    }

    /// What stands on stdin.
    fn message(&self, changes: &Changes) -> Vec<u8> {
        let urls: Vec<String> = changes.changed.iter().chain(&changes.removed).map(|path| url_path(path)).collect();
        let message = json!({
            "out": self.out, "changed": changes.changed, "removed": changes.removed, "urls": urls,
        });
        format!("{message}\n").into_bytes()
    }

    /// The same as files, one path a line, and their names in the environment.
    fn lists(&self, changes: &Changes) -> std::io::Result<Vec<(&'static str, OsString)>> {
        let mut environment = vec![("DEPLOY_OUT", self.out.clone().into_os_string())];
        for (variable, name, paths) in
            [("DEPLOY_CHANGED", "changed.txt", &changes.changed), ("DEPLOY_REMOVED", "removed.txt", &changes.removed)]
        {
            let path = self.folder.join(name);
            let lines: String = paths.iter().map(|path| format!("{path}\n")).collect();
            std::fs::write(&path, lines)?;
            environment.push((variable, absolute(&path).into_os_string()));
        }
        Ok(environment)
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn told(program: &str, what: &str, said: &str) -> String {
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    let last = last.into_iter().rev().collect::<Vec<_>>().join(" | ");
    if last.is_empty() { format!("`{program}` {what}") } else { format!("`{program}` {what}: {last}") }
}

async fn end(child: &mut Child, message: Vec<u8>) -> std::io::Result<std::process::ExitStatus> {
    if let Some(mut stdin) = child.stdin.take() {
        // A command need not read it.
        let _ = stdin.write_all(&message).await;
        drop(stdin);
    }
    child.wait().await
}

/// Reads an output to its end, however much comes, and keeps the last of it.
struct Output(tokio::task::JoinHandle<()>, Arc<std::sync::Mutex<Vec<u8>>>);

fn reader(stream: Option<impl AsyncRead + Unpin + Send + 'static>) -> Output {
    let kept = Arc::new(std::sync::Mutex::new(Vec::new()));
    let into = kept.clone();
    let task = tokio::spawn(async move {
        let Some(mut stream) = stream else { return };
        let mut buffer = vec![0; 8 << 10];
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            let mut kept = into.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            kept.extend_from_slice(&buffer[..read]);
            let surplus = kept.len().saturating_sub(KEPT_OUTPUT);
            kept.drain(..surplus);
        }
    });
    Output(task, kept)
}

impl Output {
    async fn end(self) -> String {
        let Output(mut task, kept) = self;
        if tokio::time::timeout(AFTER_END, &mut task).await.is_err() {
            task.abort();
        }
        let kept = kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }
}
