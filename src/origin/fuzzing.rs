//! What the fuzz targets of `fuzz/` call: requests decoded and answered as on a socket, without one. Compiled only with
//! `--cfg fuzzing`, which no build of the program sets.

use std::path::Path;
use std::sync::Arc;

use apollo_compiler::response::JsonMap;

use super::content::load;
use super::graphql::configurations::Configurations;
use super::graphql::execute::{Request, Serving};
use super::http::{execute_path, persist};
use super::{StartError, Tier};

/// Content to ask.
pub struct Subject(Arc<Serving>);

impl Subject {
    /// Loads a content directory.
    ///
    /// # Errors
    /// The models make no schema.
    pub fn load(content: &Path) -> Result<Self, StartError> {
        let (repository, _) = load::load(content, Tier::Author);
        let content = Configurations::new(repository).map_err(StartError::Schema)?;
        Ok(Self(content.global().clone()))
    }

    /// A query with the `variables` member of its body, as text; what is no JSON object are no variables.
    pub fn query(&self, query: &str, variables: &[u8]) -> Vec<u8> {
        let variables = serde_json::from_slice::<JsonMap>(variables).unwrap_or_default();
        self.0.answer(&Request { query, operation: None, variables: &variables }).1
    }

    /// A persisted query by GET: its text, and the raw path behind `execute.json`. `None` where the path names no query.
    pub fn execute(&self, query: &str, path: &str) -> Option<Vec<u8>> {
        let decoded = execute_path::decode(path).ok()?;
        let document = self.0.document(query).ok();
        let operation = document.as_ref().and_then(|document| document.operations.get(None).ok());
        let schema = &self.0.served.schema;
        let variables =
            operation.map_or_else(JsonMap::new, |operation| execute_path::typed(&decoded.variables, operation, schema));
        Some(self.0.answer(&Request { query, operation: None, variables: &variables }).1)
    }

    /// Whether a body sent to `persist.json` holds a query.
    pub fn persist(&self, body: &[u8]) -> bool {
        persist::read(body).is_ok()
    }
}
