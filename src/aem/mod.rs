//! The wire: GraphQL requests and asset downloads, and nothing else.
//!
//! This is the only room that sends requests and the only one that sees credentials. It says what became of a request, as
//! data: an [`Answer`] is a GraphQL response with `data` and without `errors`, everything else is a [`Failure`] that tells
//! what came instead. Nothing here turns a fault into "no content".
//!
//! It never parses content, changes nothing in AEM but persisted queries (`persist`), never follows a redirect of a GraphQL
//! request, never sends credentials to another scheme, host or port than the connection's, and never writes to a disk. Wire facts: AEM protocol reference, sections 2, 3, 7 and 10.

mod answer;
mod assets;
mod client;
mod connection;
mod credentials;
mod exchange;
mod failure;
mod governor;
mod http;
#[cfg(feature = "listen")]
mod outside;
mod persist;
mod persisted;
mod probe;
mod retry;

pub use answer::Answer;
pub use assets::{AssetAnswer, Validators};
pub use client::{Aem, Concessions, Counts, Incident, Observer, Queried, QueryCall};
pub use connection::{Connection, Execution, SetupError, Tier, UnknownTier};
pub use credentials::{Credentials, Expiry, FileProblem, OAuthClient, Secret, ServiceAccount};
pub use failure::{Failure, FailureKind, GraphQlError, NotFound, TlsProblem};
#[cfg(feature = "listen")]
pub use outside::Received;
pub use persist::{CacheSettings, Change, PersistedQuery};
pub use probe::{Caching, Probe, Sighting};
pub use retry::RetryPolicy;

#[cfg(test)]
mod scripted;
