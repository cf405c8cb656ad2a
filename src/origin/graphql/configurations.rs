//! Which models the endpoint of a Sites configuration sees (protocol §2.1): `global` all of them, every other its own and those
//! of `global`. One repository, one schema for each set of models that differs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::content::models::{Field, Kind, Model};
use super::super::content::repository::Repository;
use super::execute::Serving;
use super::orders::Orders;
use super::schema;

/// The configuration whose endpoint sees all models, and whose models every endpoint sees.
pub(in crate::origin) const GLOBAL: &str = "global";

/// Models as one endpoint sees them. Positions are those of all models.
#[derive(Debug)]
pub(in crate::origin) struct Sight<'a> {
    models: &'a [Model],
    seen: Seen,
}

/// For each model by its position: is it there?
pub(in crate::origin) type Seen = Arc<[bool]>;

impl<'a> Sight<'a> {
    fn new(models: &'a [Model], sees: impl Fn(&Model) -> bool) -> Self {
        Self { models, seen: models.iter().map(sees).collect() }
    }

    /// The models that are there.
    pub fn models(&self) -> impl Iterator<Item = (usize, &'a Model)> {
        self.models.iter().enumerate().filter(|(position, _)| self.seen[*position])
    }

    /// The fields of a model that are there: a reference none of whose models is goes with them (protocol §4.1). What is left
    /// keeps its type; nobody says what AEM does where one of several models is missing.
    pub fn fields(&self, model: &'a Model) -> impl Iterator<Item = &'a Field> {
        model.fields.iter().filter(|field| self.has(field))
    }

    fn has(&self, field: &Field) -> bool {
        field.kind != Kind::FragmentReference
            || field.allowed.is_empty()
            || field.allowed.iter().any(|model| self.seen[*model])
    }

    /// The only model a reference field allows.
    pub fn only(&self, field: &Field) -> Option<&'a Model> {
        match field.allowed.as_slice() {
            [only] => Some(&self.models[*only]),
            _ => None,
        }
    }

    /// Fields that are not there because none of their models is, with their models.
    pub fn removed(&self) -> Vec<(usize, String)> {
        let of_model = |(position, model): (usize, &'a Model)| {
            let unseen = model.fields.iter().filter(|field| !self.has(field)).map(|field| &field.name);
            model.removed.iter().chain(unseen).map(move |name| (position, name.clone())).collect::<Vec<_>>()
        };
        self.models().flat_map(of_model).collect()
    }

    /// What is seen, for who answers.
    pub fn seen(&self) -> Seen {
        self.seen.clone()
    }
}

/// The endpoints of one content.
pub(in crate::origin) struct Configurations {
    /// Sees everything.
    global: Arc<Serving>,
    /// Configurations with models of their own.
    own: BTreeMap<String, Arc<Serving>>,
    /// All others: the models of `global` only.
    other: Arc<Serving>,
}

impl Configurations {
    /// Serves a repository.
    ///
    /// # Errors
    /// The models make no schema.
    pub fn new(repository: Repository) -> Result<Self, String> {
        let repository = Arc::new(repository);
        let orders = Arc::new(Orders::default());
        let mut made: Vec<Arc<Serving>> = Vec::new();
        let mut serve = |sees: &dyn Fn(&Model) -> bool| -> Result<Arc<Serving>, String> {
            let sight = Sight::new(&repository.models, sees);
            if let Some(same) = made.iter().find(|serving| serving.served.seen == sight.seen) {
                return Ok(same.clone());
            }
            let served = schema::build(&sight)?;
            let serving = Arc::new(Serving::new(repository.clone(), served, orders.clone()));
            made.push(serving.clone());
            Ok(serving)
        };
        let shared = |model: &Model| model.configuration().is_none_or(|configuration| configuration == GLOBAL);
        let global = serve(&|_| true)?;
        let other = serve(&shared)?;
        let named: BTreeSet<&str> = repository.models.iter().filter_map(Model::configuration).collect();
        let mut own = BTreeMap::new();
        for name in named.into_iter().filter(|name| *name != GLOBAL) {
            let serving = serve(&|model| shared(model) || model.configuration() == Some(name))?;
            own.insert(name.to_owned(), serving);
        }
        Ok(Self { global, own, other })
    }

    /// What the global endpoint serves, which is everything.
    pub fn global(&self) -> &Arc<Serving> {
        &self.global
    }

    /// What the endpoint of a configuration serves.
    pub fn of(&self, configuration: &str) -> &Arc<Serving> {
        if configuration == GLOBAL { &self.global } else { self.own.get(configuration).unwrap_or(&self.other) }
    }

    /// Whether a model belongs to the configuration.
    pub fn has_models_of(&self, configuration: &str) -> bool {
        self.own.contains_key(configuration)
    }
}
