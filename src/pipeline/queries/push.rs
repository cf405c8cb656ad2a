//! From content-queries/ to AEM. Each change is sent once; what AEM has afterwards is read again and compared.

use super::{Compared, Comparison, Standing, refused};
use crate::aem::{Aem, Change, Connection, Failure, FailureKind, NotFound};
use crate::pipeline::failures;
use crate::report::{Diagnostic, codes};

/// What a push does to a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PushKind {
    /// AEM gets it.
    Create,
    /// AEM gets another text, or other cache settings.
    Update,
    /// AEM loses it.
    Delete,
}

impl PushKind {
    /// What is done, and what was done.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            PushKind::Create => ("create", "created"),
            PushKind::Update => ("update", "updated"),
            PushKind::Delete => ("delete", "deleted"),
        }
    }
}

/// One change that a push makes.
#[derive(Debug, Clone)]
pub struct Push<'a> {
    /// What it does.
    pub kind: PushKind,
    /// The query.
    pub query: &'a Compared,
}

/// What a push would do: everything that differs, and what `named` names even if it does not. Queries that only AEM has are
/// deleted with `prune` alone. Creations come first, deletions last.
pub fn pushes<'a>(comparison: &'a Comparison, named: &[String], prune: bool) -> Vec<Push<'a>> {
    let wanted = comparison.queries.iter().filter(|query| named.is_empty() || named.contains(&query.name));
    let mut pushes: Vec<Push<'a>> = wanted
        .filter_map(|query| {
            let kind = match query.standing {
                Standing::NotInAem => PushKind::Create,
                Standing::Differs => PushKind::Update,
                Standing::Same if !named.is_empty() => PushKind::Update,
                Standing::OnlyInAem if prune => PushKind::Delete,
                Standing::Same | Standing::OnlyInAem => return None,
            };
            Some(Push { kind, query })
        })
        .collect();
    pushes.sort_by_key(|push| push.kind);
    pushes
}

/// Makes one change.
///
/// # Errors
/// What came instead of AEM's word that it is done.
pub async fn push(aem: &Aem, push: &Push<'_>) -> Result<(), Box<Diagnostic>> {
    let Compared { configuration, name, local, .. } = push.query;
    let change = match (push.kind, local) {
        (PushKind::Create, Some(local)) => Change::Create(&local.text, local.caching),
        (PushKind::Update, Some(local)) => Change::Update(&local.text, local.caching),
        _ => Change::Delete,
    };
    let changed = aem.persist(configuration, name, change).await;
    changed.map_err(|failure| Box::new(unchanged(aem.connection(), push, &failure)))
}

/// Whether AEM has what was pushed; what it has instead.
///
/// # Errors
/// Every query that AEM lists in another form than the one pushed.
pub fn verified(pushed: &[Push<'_>], after: &Comparison) -> Result<(), Vec<Diagnostic>> {
    let wrong = pushed.iter().filter(|push| {
        let now = after.queries.iter().find(|query| query.short_path() == push.query.short_path());
        match push.kind {
            PushKind::Delete => now.is_some(),
            _ => now.is_none_or(|now| now.standing != Standing::Same),
        }
    });
    let problems: Vec<Diagnostic> = wrong
        .map(|push| {
            let (path, (_, done)) = (push.query.short_path(), push.kind.words());
            Diagnostic::error(codes::OTHER_TEXT, format!("AEM says that {path} was {done}, and lists it otherwise"))
                .help("run `aem-static queries diff`: somebody may have changed it in the same moment")
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn unchanged(connection: &Connection, push: &Push<'_>, failure: &Failure) -> Diagnostic {
    let (tier, path, (verb, _)) = (connection.tier, push.query.short_path(), push.kind.words());
    let problem = match &failure.kind {
        FailureKind::GraphQl { errors, .. } => {
            let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Diagnostic::error(codes::GRAPHQL_ERRORS, format!("AEM ({tier}) did not {verb} {path}: {}", told.join("; ")))
                .help("run `aem-static queries diff` to see what AEM has, and push again")
        }
        FailureKind::Refused { status } => {
            Diagnostic::error(codes::REFUSED, format!("AEM ({tier}) refuses to {verb} {path}: status {status}")).help(
                "the user needs the right to write below /conf/<configuration>/settings/graphql/persistentQueries; a Referrer \
                 Filter that allows no empty referrer refuses as well",
            )
        }
        FailureKind::NotFound { what: NotFound::Endpoint, .. } => Diagnostic::error(
            codes::NOT_FOUND,
            format!("AEM ({tier}) did not {verb} {path}: the configuration has no endpoint"),
        )
        .help(format!(
            "create /content/cq:graphql/{0}/endpoint, and let the Sites configuration `{0}` have persisted queries",
            push.query.configuration
        )),
        FailureKind::Unreachable { .. } | FailureKind::Timeout { .. } | FailureKind::Truncated { .. } => {
            Diagnostic::error(codes::UNREACHABLE, format!("AEM ({tier}) gave no answer to {verb} {path}: {}", failure.kind))
                .help("whether AEM did it is not known: run `aem-static queries diff`, and push again")
        }
        _ => refused(connection, failure, &push.query.name),
    };
    let message = failures::masked(connection, &problem.message);
    Diagnostic { message, ..problem }.note("url", failures::masked(connection, &failure.url))
}
